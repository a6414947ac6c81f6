from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kf.errors import SpecError
from jupyter_kf.names import JOB_LIMIT
from jupyter_kf.spec import JobSpec, JobState, JobStatus, Replica, Resources

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
count = st.integers(0, 1 << 53)
number = st.floats(0, 1e12, allow_nan=False)
positive = st.floats(1e-6, 1e12)

resources = st.builds(
    Resources,
    cpu=st.none() | positive,
    memory=st.none() | st.integers(1, 1 << 60),
    accelerator=text.filter(bool),
    accelerators=st.integers(0, 16),
)
specs = st.builds(
    JobSpec,
    name=st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True),
    replicas=st.integers(1, 99_999),
    profile=text,
    resources=resources,
    image=text,
    user=text,
    notebook=text,
    cell=st.none() | count,
    source=text,
    created=number,
    start_timeout=positive,
    checkpoint=st.none() | positive,
    own_strategy=st.booleans(),
    labels=st.dictionaries(text, text, max_size=3),
)
replicas = st.builds(
    Replica,
    index=count,
    state=st.sampled_from(JobState),
    reason=text,
    restarts=count,
    node=text,
    exit_code=st.none() | st.integers(-64, 255),
)
statuses = st.builds(
    JobStatus,
    spec=specs,
    state=st.sampled_from(JobState),
    reason=text,
    replicas=st.lists(replicas, max_size=3).map(tuple),
    started=st.none() | number,
    finished=st.none() | number,
    applied=st.none() | number,
)


@given(st.one_of(resources, specs, replicas, statuses))
def test_every_record_goes_through_json_and_back(record):
    wire = json.dumps(record.to_dict())

    assert type(record).from_dict(json.loads(wire)) == record


@given(specs)
def test_the_strategies_of_these_tests_know_every_field(spec):
    assert {f.name for f in dataclasses.fields(JobSpec)} == set(spec.to_dict())


def test_only_plain_values_go_out():
    status = JobStatus(JobSpec("a"), JobState.RUNNING, replicas=(Replica(0, JobState.FAILED),))

    wire = status.to_dict()

    assert type(wire["state"]) is str
    assert type(wire["replicas"]) is list
    assert type(wire["replicas"][0]["state"]) is str


def test_what_goes_out_is_no_way_in():
    spec = JobSpec("a", labels={"team": "x"})

    spec.to_dict()["labels"]["team"] = "y"

    assert spec.labels == {"team": "x"}


def test_unknown_keys_of_a_newer_version_are_passed_over():
    assert JobSpec.from_dict({"name": "a", "colour": "red"}) == JobSpec("a")
    assert Replica.from_dict({"index": 1, "x": {}}) == Replica(1)


def test_whole_numbers_may_stand_for_seconds():
    spec = JobSpec.from_dict({"name": "a", "created": 7})

    assert spec.created == 7.0
    assert type(spec.created) is float


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (JobSpec, [], "JobSpec must be an object, not []"),
        (JobSpec, {}, "JobSpec lacks name"),
        (JobStatus, {"state": "RUNNING"}, "JobStatus lacks spec"),
        (JobSpec, {"name": 3}, "JobSpec.name must be text, not 3"),
        (JobSpec, {"name": "a", "replicas": "2"}, "JobSpec.replicas must be a whole number, not '2'"),
        (JobSpec, {"name": "a", "replicas": True}, "JobSpec.replicas must be a whole number, not True"),
        (JobSpec, {"name": "a", "replicas": 2.0}, "JobSpec.replicas must be a whole number, not 2.0"),
        (JobSpec, {"name": "a", "created": "now"}, "JobSpec.created must be a number, not 'now'"),
        (JobSpec, {"name": "a", "own_strategy": 1}, "JobSpec.own_strategy must be true or false, not 1"),
        (JobSpec, {"name": "a", "labels": []}, "JobSpec.labels must be an object, not []"),
        (JobSpec, {"name": "a", "labels": {"k": 1}}, "JobSpec.labels.k must be text, not 1"),
        (JobSpec, {"name": "a", "resources": {"cpu": "2"}}, "JobSpec.resources.cpu must be a number"),
        (JobStatus, {"spec": {"name": "a"}, "state": "DONE"}, "JobStatus.state must be one of PENDING, "),
        (JobStatus, {"spec": {"name": "a"}, "state": None}, "JobStatus.state must be one of PENDING, "),
        (JobStatus, {"spec": {"name": "a"}, "replicas": {}}, "JobStatus.replicas must be a list, not {}"),
        (JobStatus, {"spec": {"name": "a"}, "replicas": [{"index": 0}, 1]}, "JobStatus.replicas[1] must be"),
        (JobStatus, {"spec": {"name": "a"}, "replicas": [{}]}, "JobStatus.replicas[0] lacks index"),
        (JobStatus, {"spec": {"name": "a", "image": 1}}, "JobStatus.spec.image must be text, not 1"),
    ],
)
def test_a_wrong_value_is_told_by_its_field(kind, data, said):
    with pytest.raises(SpecError) as caught:
        kind.from_dict(data)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: JobSpec("Not A Name"), "cannot be a job's name"),
        (lambda: JobSpec("a" * (JOB_LIMIT + 1)), "cannot be a job's name"),
        (lambda: JobSpec("a", replicas=0), "between 1 and 99999 workers, not 0"),
        (lambda: JobSpec("a", replicas="2"), "between 1 and 99999 workers, not '2'"),  # type: ignore[arg-type]
        (lambda: JobSpec("a", replicas=100_000), "between 1 and 99999 workers"),
        (lambda: JobSpec("a", start_timeout=0), "must be positive"),
        (lambda: JobSpec("a", start_timeout=float("nan")), "must be positive"),
        (lambda: JobSpec("a", start_timeout=float("inf")), "must be positive"),
        (lambda: JobSpec("a", checkpoint=-1.0), "must be positive"),
        (lambda: Resources(cpu=0), "must be positive"),
        (lambda: Resources(memory=-1), "must be positive"),
        (lambda: Resources(accelerators=1), "accelerator's name"),
        (lambda: Resources(accelerator="gpu", accelerators=-1), "at least 0"),
    ],
)
def test_a_wrong_request_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()


@pytest.mark.parametrize("record", [Resources(), JobSpec("a"), Replica(0), JobStatus(JobSpec("a"))])
def test_records_are_frozen(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, dataclasses.fields(record)[0].name, None)


def test_three_states_are_ends():
    assert [s.value for s in JobState if s.finished] == ["SUCCEEDED", "FAILED", "CANCELLED"]


def test_a_status_counts_the_replicas_that_are_up():
    states = (JobState.RUNNING, JobState.SUCCEEDED, JobState.PENDING, JobState.FAILED)
    status = JobStatus(JobSpec("a", replicas=4), replicas=tuple(Replica(i, s) for i, s in enumerate(states)))

    assert status.ready == 2
    assert status.name == "a"
