"""The embedded model, in Hugging Face layout, and the scripts that made it (`README.md` is its model card).

The order is `corpus`, `train`, `export --all`. At run time only the model's files are read, none of these modules.
"""

import os

# OpenMP reads this when torch is loaded. Threads that wait by spinning take the processor from those they wait for as
# soon as anything else runs on the machine: measured here, passes took ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
