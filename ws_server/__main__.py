"""`python -m ws_server` is `neuroscope`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
