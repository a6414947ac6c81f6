from __future__ import annotations

import dataclasses

import pytest

from jupyter_kf.card import duration, summary_html, summary_text
from jupyter_kf.spec import JobSpec, JobState, JobStatus, Replica


def _status(state=JobState.RUNNING, *, workers=2, **more) -> JobStatus:
    return JobStatus(JobSpec("night", replicas=workers), state, **more)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (_status(JobState.PENDING), "job night: pending, 0/2 workers"),
        (
            _status(JobState.PENDING, reason="Waiting for slots."),
            "job night: pending, 0/2 workers. Waiting for slots.",
        ),
        (
            _status(replicas=(Replica(0, JobState.RUNNING), Replica(1))),
            "job night: running, 1/2 workers",
        ),
        (
            _status(JobState.SUCCEEDED, workers=1, started=10.0, finished=12.34),
            "job night: succeeded, 1 worker, 2.3 s",
        ),
        (
            _status(JobState.SUCCEEDED, started=1.0, finished=2.0, applied=3.0),
            "job night: succeeded, 2 workers, 1.0 s, results applied",
        ),
        (_status(JobState.CANCELLED, reason="Cancelled."), "job night: cancelled, 2 workers. Cancelled."),
    ],
)
def test_the_line_of_text(status, text):
    assert summary_text(status) == text


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_its_own_sign(state):
    others = {summary_html(_status(s))[:12] for s in JobState if s is not state}

    assert summary_html(_status(state))[:12] not in others


def test_what_comes_from_outside_is_escaped():
    page = summary_html(_status(JobState.FAILED, reason='<script>alert("&")</script>'))

    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;" in page


def test_a_job_that_has_not_ended_or_never_started_has_no_duration():
    status = _status()

    assert duration(status) is None
    assert duration(dataclasses.replace(status, started=1.0)) is None
    assert duration(dataclasses.replace(status, finished=1.0)) is None
    assert duration(dataclasses.replace(status, started=1.0, finished=3.5)) == 2.5
