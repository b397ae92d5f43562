"""python -m recessive."""

import sys

from recessive.cli import main

sys.exit(main())
