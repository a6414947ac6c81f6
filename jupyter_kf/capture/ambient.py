"""State of the process that a cell sees and changes without naming it: random generators, counters, settings.

It travels with the payload and comes back with the reply, so that the next ``np.random.rand()`` in the
notebook gives what it would have given after a run there. Must not load a library that is not in use.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from jupyter_kf.capture import constants, settings


def snapshot(work: Any = None) -> dict[str, Any]:
    """The state now, as ``work`` will find it."""
    state: dict[str, Any] = {
        "random": random.getstate(),
        "settings": settings.snapshot(),
        "constants": constants.snapshot(work),
    }
    if "numpy" in sys.modules:
        import numpy

        state["numpy"] = numpy.random.get_state()
    if "tensorflow" in sys.modules:
        from jupyter_kf.capture import runtime

        state["tensorflow"] = runtime.snapshot()
    if "keras" in sys.modules:
        from jupyter_kf.capture import keras

        state["keras"] = keras.ambient_state()
    return state


def restore(state: dict[str, Any], *, load: bool = True, work: Any = None) -> None:
    """Set the state to what `snapshot` saw.

    Without ``load`` only that of libraries in use here: a replica has imported TensorFlow in any
    case, which is no reason for a notebook to wait for it. ``work`` is what is to be run.
    """
    if "tensorflow" in state and (load or "tensorflow" in sys.modules):
        from jupyter_kf.capture import runtime

        runtime.restore(state["tensorflow"])
    if "keras" in state and (load or "keras" in sys.modules):
        from jupyter_kf.capture import keras

        keras.set_ambient_state(state["keras"])
    # Last: libraries that are only now imported draw random numbers.
    if "numpy" in state and (load or "numpy" in sys.modules):
        import numpy

        numpy.random.set_state(state["numpy"])
    if "settings" in state:
        settings.restore(state["settings"], load=load)
    if "constants" in state:
        constants.restore(state["constants"], arrived=load, work=work)
    random.setstate(state["random"])
