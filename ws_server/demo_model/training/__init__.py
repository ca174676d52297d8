"""The scripts that made the embedded model: `corpus`, then `train`, then `export --all`.

The repository and the source distribution have them, the wheel does not.
"""

import os

# OpenMP reads this when torch is loaded. Threads that wait by spinning take the processor from those they wait for as
# soon as anything else runs on the machine: measured here, passes took ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
