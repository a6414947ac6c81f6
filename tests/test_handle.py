"""What a handle shows when there is nothing left to show."""

from __future__ import annotations

import sys

import pytest

from jupyter_kf.backends.memory import MemoryBackend
from jupyter_kf.errors import SpecError
from jupyter_kf.handle import Job
from jupyter_kf.recurring import Schedule


def test_the_handle_of_a_deleted_job_says_so_where_it_is_looked_at(store):
    gone = Job(MemoryBackend(store), "night")
    said = "job night: There is no job 'night'."
    assert repr(gone) == said
    assert gone._repr_mimebundle_() == {"text/plain": said}


def test_metrics_say_what_they_lack(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SpecError, match="pip install pandas"):
        Job(MemoryBackend(store), "night").metrics()


def test_the_handle_of_a_deleted_schedule_says_so_where_it_is_looked_at(store):
    gone = Schedule(MemoryBackend(store), "night")
    assert repr(gone) == "Schedule night: There is no schedule 'night'."
