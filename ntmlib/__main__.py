"""``python -m ntmlib`` is the command ``ntm``."""

import sys

from ntmlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
