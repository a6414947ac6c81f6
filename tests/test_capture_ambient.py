from __future__ import annotations

import json
import random
import subprocess
import sys

import numpy as np
import pytest

from jupyter_kf.capture import ambient


@pytest.fixture(autouse=True)
def as_before():
    state = ambient.snapshot()
    yield
    ambient.restore(state)


def test_generators_go_on_where_they_were():
    state = ambient.snapshot()
    expected = random.random(), np.random.rand()

    ambient.restore(state)

    assert (random.random(), np.random.rand()) == expected


def test_a_notebook_loads_no_library_for_what_came_back():
    code = f"""
import json, sys
sys.path[:] = {sys.path!r}
from jupyter_kf.capture import ambient
ambient.restore({{**ambient.snapshot(), "keras": {{}}, "tensorflow": {{}}}}, load=False)
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "keras"} & set(json.loads(done.stdout))
