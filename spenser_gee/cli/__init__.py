"""The command line: the only place that prints. Data go to stdout, everything else to stderr."""
