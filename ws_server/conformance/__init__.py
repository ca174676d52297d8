"""`neuroscope conformance`: black-box checks of the protocol's clauses, against any server.

Every check opens connections of its own and judges only by what comes over them. A server that passes can be used with
every client of this project.
"""

from .clauses import CLAUSES
from .suite import Outcome, check_server

__all__ = ["CLAUSES", "Outcome", "check_server"]
