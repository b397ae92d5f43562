"""`python -m recessive`, as torchrun starts it."""

import sys

from recessive.cli import main

if __name__ == "__main__":
    sys.exit(main())
