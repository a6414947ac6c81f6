"""``python -m jupyter_kf.worker JOB``: what a replica's pod runs."""

from __future__ import annotations

import os
import sys

from .pod import run_replica

if __name__ == "__main__":
    code = run_replica(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # TensorFlow was imported but not used: its threads need no end
