"""The words that the network builder knows."""
