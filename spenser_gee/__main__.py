"""`python -m spenser_gee`."""

from spenser_gee.cli.app import main

if __name__ == "__main__":
    main()
