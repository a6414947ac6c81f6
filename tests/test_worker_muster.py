"""The roll call of pods, with real connections of this machine."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_kf.worker import muster
from jupyter_kf.worker.muster import Answerer, Caller, Over

PATIENCE = 20


@pytest.fixture(autouse=True)
def port(monkeypatch):
    with socket.create_server(("", 0)) as free:
        number = free.getsockname()[1]
    monkeypatch.setattr(muster, "PORT", number)
    return number


@pytest.fixture
def call():
    """Do several pods' parts at the same time and give what each got."""
    with ThreadPoolExecutor(8) as threads:

        def at_once(*works):
            return [each.result(PATIENCE) for each in [threads.submit(work) for work in works]]

        yield at_once


@pytest.fixture
def pods():
    """Three pods of a job; what is left of them is ended."""
    found = [Caller("a", 3), Answerer("a", 1, "127.0.0.1"), Answerer("a", 2, "127.0.0.1")]
    yield found
    for pod in found:
        pod.leave(for_good=False)


def gather(pod, attempt=0, patience=PATIENCE):
    return lambda: pod.gather(attempt, patience)


def all_gather(call, pods, attempt=0):
    return call(*(gather(pod, attempt) for pod in pods))


def loss(pod, eventually):
    eventually(pod.lost, "a loss is noticed")
    return pod.lost()


def test_all_begin_the_same_attempt_with_the_same_addresses(call, pods):
    found = all_gather(call, pods)

    assert found == [(0, ["127.0.0.1"] * 3)] * 3
    assert [pod.lost() for pod in pods] == [""] * 3


def test_the_highest_attempt_that_any_has_seen_counts(call, pods):
    found = call(gather(pods[0], 0), gather(pods[1], 2), gather(pods[2], 1))

    assert [number for number, _ in found] == [2, 2, 2]


def test_a_pod_that_is_replaced_is_noticed_by_all_and_may_join(call, pods, eventually):
    all_gather(call, pods)
    pods[2].leave(for_good=False)

    assert loss(pods[0], eventually) == "replica 2 was lost"
    pods[2] = Answerer("a", 2, "127.0.0.1")
    found = call(
        gather(pods[0], 1), lambda: loss(pods[1], eventually) and pods[1].gather(1, PATIENCE), gather(pods[2])
    )
    assert [number for number, _ in found] == [1, 1, 1]
    assert [pod.lost() for pod in pods] == [""] * 3


def test_the_first_pod_may_be_replaced_too(call, pods, eventually):
    all_gather(call, pods, 1)
    pods[0].leave(for_good=False)

    assert loss(pods[1], eventually) == loss(pods[2], eventually) == "replica 0 was lost"
    pods[0] = Caller("a", 3)  # it knows nothing of the attempts before
    found = call(gather(pods[0], 0), gather(pods[1], 2), gather(pods[2], 2))
    assert [number for number, _ in found] == [2, 2, 2]


def test_a_pod_whose_ranks_lost_their_peers_makes_all_begin_again(call, pods, eventually):
    all_gather(call, pods)

    def first_again():
        assert loss(pods[0], eventually) == "replica 1 had to begin again"
        return pods[0].gather(1, PATIENCE)

    def other_again():
        assert loss(pods[2], eventually) == "another replica was lost"
        return pods[2].gather(1, PATIENCE)

    found = call(first_again, gather(pods[1], 1), other_again)
    assert [number for number, _ in found] == [1, 1, 1]


def test_the_others_stay_until_the_job_is_over(call, pods, eventually):
    all_gather(call, pods)
    assert pods[0].is_over()
    assert not pods[1].is_over()
    pods[0].leave(for_good=True)

    eventually(pods[1].is_over, "the end is told")
    assert pods[1].lost() == ""
    with pytest.raises(Over):
        pods[2].gather(1, PATIENCE)


def test_who_leaves_for_good_is_not_lost(call, pods):
    all_gather(call, pods)
    pods[1].leave(for_good=True)
    pods[2].leave(for_good=True)

    with pytest.raises(TimeoutError):
        pods[0].gather(1, 0.3)
    assert pods[0].lost() == ""


def test_a_pod_that_does_not_come_is_named(pods):
    with pytest.raises(TimeoutError, match=r"replica 1, 2 did not come within 0\.1 s"):
        pods[0].gather(0, 0.1)
    with pytest.raises(TimeoutError, match=r"not all replicas came within 0\.1 s"):
        pods[1].gather(0, 0.1)


def test_without_the_first_pod_the_others_say_so():
    with pytest.raises(TimeoutError, match=r"replica 0 did not come within 0\.2 s"):
        Answerer("a", 1, "127.0.0.1").gather(0, 0.2)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b"{}\n",
        b'{"job": "b", "index": 1}\n',
        b'{"job": "a", "index": 0}\n',
    ],
    ids=str,
)
def test_strangers_are_shown_out(call, pods, port, said):
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(said)
        found = all_gather(call, pods)
        stranger.settimeout(PATIENCE)
        pods[0].lost()
        assert stranger.recv(1) == b""

    assert found == [(0, ["127.0.0.1"] * 3)] * 3


def test_a_pod_alone_needs_nobody():
    pod = Caller("a", 1)
    assert pod.gather(0, 0) == (0, ["127.0.0.1"])
    assert pod.lost() == ""
    pod.leave(for_good=True)
