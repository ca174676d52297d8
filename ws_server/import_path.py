"""Where Python code may be imported from: never the current folder, whose files may not be trustworthy.

Imports only modules that the interpreter has already loaded: others could come from that folder.
"""

import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that holds this package."""


def without_current_folder(path: list[str]) -> list[str]:
    """An import path without the current folder, which Python puts there for `-m`, `-c` and an empty `PYTHONPATH`.

    The current folder stays if it is one of the interpreter's own or holds this package; in the latter case it comes
    last, so that nothing in it hides another module.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it has been deleted
        here = None
    library = os.path.dirname(os.__file__)
    own = (library, os.path.join(library, "lib-dynload"), *_site_packages())
    kept = [entry for entry in path if os.path.isabs(entry) and (entry in own or os.path.realpath(entry) != here)]
    return kept if HOME in kept else [*kept, HOME]


def _site_packages() -> list[str]:
    site = sys.modules.get("site")  # not loaded with -S
    return site.getsitepackages() if site is not None else []
