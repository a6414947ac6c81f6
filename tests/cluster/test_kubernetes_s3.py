"""Jobs whose store is a real S3 server: credentials come from a Secret and stand nowhere else."""

from __future__ import annotations

import json

import fsspec.config
import pytest
from replicas import backend, placement, pod_of, runs, submit, until, until_printed
from throwaway import s3

import jupyter_kf as kf
from jupyter_kf.errors import BackendError, NotFound
from jupyter_kf.profiles import PROFILES_VARIABLE
from jupyter_kf.spec import JobState
from jupyter_kf.store import ArtifactStore

pytestmark = pytest.mark.cluster

_LIGHT = "jupyter_kf.worker.run"


def access(server, secret=s3.SECRET):
    """What fsspec must know of the server."""
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 1}}
    account = {"access_key_id": s3.KEY, "secret_access_key": secret, "region": s3.REGION}
    return account | options | {"endpoint": server.endpoint}


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    found = s3.S3Server(tmp_path_factory.mktemp("s3"), cluster.plan.host)
    (found.buckets / "bucket").mkdir()
    yield found
    found.end()


@pytest.fixture
def store(server, monkeypatch, namespace):
    """A store of the test's own, which this process may use."""
    monkeypatch.setitem(fsspec.config.conf, "s3", access(server))
    return ArtifactStore(f"s3://bucket/{namespace}")


@pytest.fixture
def profiles(cluster, server, namespace, monkeypatch):
    """Profiles that name a Secret with access for the replicas: the right one, and one with a wrong key."""
    for name, secret in (("ours", s3.SECRET), ("wrong", "wrong")):
        given = f"--from-literal=s3.json={json.dumps({'s3': access(server, secret)})}"
        cluster.kubectl("-n", namespace, "create", "secret", "generic", name, given)
    monkeypatch.setenv(
        PROFILES_VARIABLE,
        json.dumps([{"name": "s3", "store_secret": "ours"}, {"name": "wrong", "store_secret": "wrong"}]),
    )


@pytest.fixture
async def jobs(profiles, store, kubeconfig, namespace):
    """A backend whose replicas get their access from the Secret that the profile names."""
    found = backend(kubeconfig, namespace, placement(store.url, preload=_LIGHT))
    yield found
    await found.close()


def test_the_store_itself(store, tmp_path):
    store.put("a/b", b"one")
    store.put("a/b", b"two, three")
    store.put("a/c/d", b"")
    assert store.get("a/b") == b"two, three"
    assert store.get("a/b", 5) == b"three"
    assert store.list("a") == ["b", "c"]
    assert store.list("absent") == []
    assert store.has("a/b") and store.has("a/c") and not store.has("a/x")
    with pytest.raises(NotFound):
        store.get("a/x")

    (tmp_path / "large").write_bytes(bytes(12 * 2**20))
    store.upload(tmp_path, "up")
    store.download("up", tmp_path / "down")
    assert (tmp_path / "down" / "large").stat().st_size == 12 * 2**20
    store.delete("a")
    assert store.list("a") == []


def test_a_wrong_key_is_told(server, store, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", access(server, "wrong"))
    with pytest.raises(BackendError, match="The store could not read"):
        ArtifactStore(store.url).has("jobs/a")


async def test_a_job_with_its_store_in_s3(cluster, jobs, namespace, store):
    spec = await submit(jobs, "remote", "import time; print('here', flush=True); time.sleep(3)", profile="s3")
    await until(jobs, "remote", runs)
    assert "here" in await until_printed(jobs, "remote", "here")  # from the pod, as it runs

    status = await jobs.wait("remote", 60)
    assert status.state is JobState.SUCCEEDED
    pod = json.dumps(pod_of(cluster, namespace, "remote", 0))
    assert s3.SECRET not in pod + await jobs.manifests(spec)
    cluster.kubectl("-n", namespace, "delete", "pod", "--all", "--wait=true")
    assert "here" in b"".join([piece async for piece in jobs.logs("remote")]).decode()
    await jobs.delete("remote")
    assert store.list("jobs") == []


def test_a_value_comes_back_through_s3(jobs):
    with kf.Executor(1, profile="s3", backend=jobs) as executor:
        job = executor.submit(sorted, [3, 1, 2])
        assert job.result(60) == [1, 2, 3]
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(60)


async def test_a_job_that_its_store_refuses_says_so(jobs):
    await submit(jobs, "refused", "pass", profile="wrong")

    status = await jobs.wait("refused", 60)
    assert status.state is JobState.FAILED
    assert "The store could not read" in status.reason
