"""`neuroscope conformance`: black-box checks of the protocol's clauses, against any server.

Every check opens its own connections and judges only by what they receive. A server that passes works with every client
of this project.
"""

from .clauses import CLAUSES
from .suite import Outcome, check_server

__all__ = ["CLAUSES", "Outcome", "check_server"]
