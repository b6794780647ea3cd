"""`python -m keyhouse` is the command line."""

from keyhouse.cli.main import main

if __name__ == "__main__":
    main()
