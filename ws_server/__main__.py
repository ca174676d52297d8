"""`python -m ws_server` is `neuroscope`."""

import sys

from .import_path import without_current_folder

if __name__ == "__main__":
    sys.path[:] = without_current_folder(sys.path)
    from .cli import main

    sys.exit(main())
