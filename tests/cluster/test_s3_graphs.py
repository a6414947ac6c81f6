"""Stored graphs in a real S3 server: made there, and copied from a laptop through it to a cluster."""

from __future__ import annotations

import secrets

import fsspec.config
import numpy as np
import pytest
import tensorflow as tf
from throwaway import s3

import jupyter_kf as kf
from jupyter_kf.store import ArtifactStore
from jupyter_kf.stored import files, shelf

pytestmark = pytest.mark.cluster

X = np.ones((3, 2), "float32")


@pytest.fixture(scope="module")
def server(machine_can, tmp_path_factory):
    found = s3.S3Server(tmp_path_factory.mktemp("s3"), "127.0.0.1")
    for bucket in ("team", "cluster"):
        (found.buckets / bucket).mkdir()
    yield found
    found.end()


@pytest.fixture
def bucket(server, monkeypatch):
    """Give a store in a bucket; each test has a part of it for itself."""
    account = {"access_key_id": s3.KEY, "secret_access_key": s3.SECRET, "region": s3.REGION}
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 1}}
    monkeypatch.setitem(fsspec.config.conf, "s3", account | options | {"endpoint": server.endpoint})
    part = secrets.token_hex(4)
    return lambda name: ArtifactStore(f"s3://{name}/{part}")


def saved(store):
    weight = tf.Variable(tf.range(3.0 * 2**20), name="weight")  # more than one piece
    first = kf.save_graph("scores", lambda x: x * weight[7], X, store=store, description="Sevenfold")
    weight.assign(weight * 2)
    return first, kf.save_graph("scores", lambda x: x * weight[7], X, store=store)


def test_from_a_laptop_through_s3_to_a_cluster(bucket, tmp_path):
    laptop, team, cluster = ArtifactStore(str(tmp_path / "laptop")), bucket("team"), bucket("cluster")
    saved(laptop)
    for source, target in ((laptop, team), (team, cluster)):
        copied = shelf.copy_graph(source, "scores", target)
        assert [r.version for r in copied] == [1, 2]
        assert shelf.list_versions(target, "scores") == shelf.list_versions(laptop, "scores")
        assert shelf.copy_graph(source, "scores", target) == copied  # nothing to do
    for version, factor in ((1, 7.0), (2, 14.0)):
        np.testing.assert_array_equal(kf.load_graph("scores", version, store=cluster)(X), X * factor)
    back = kf.load_graph("scores", store=cluster).copy(str(tmp_path / "back"), name="twice")
    assert (back.name, back.version, back.record.hash) == ("twice", 2, copied[1].hash)
    np.testing.assert_array_equal(back(X), X * 14)


def test_graphs_are_stored_renamed_and_deleted_in_s3(bucket):
    store = bucket("team")
    first, second = saved(store)
    assert (first.version, second.version) == (1, 2)
    assert first.compare(second).values
    third = kf.load_graph("scores", 1, store=store).keep()
    assert third.version == 3 and third.record.description == "Sevenfold"
    third.rename("renamed")
    assert [r.name for r in shelf.list_graphs(store)] == ["renamed"]
    np.testing.assert_array_equal(kf.load_graph("renamed", 2, store=store)(X), X * 14)
    shelf.delete_graph(store, "renamed", 3)
    renamed = kf.load_graph("renamed", store=store)
    assert renamed.version == 2
    renamed.rename("again")
    assert renamed.keep().version == 4  # the number of what was deleted is not given again
    shelf.delete_graph(store, "again")
    assert kf.graphs(store) == [] and store.list("graphs") == []


def test_a_copy_that_was_cut_off_does_not_count_and_is_made_again(bucket, tmp_path):
    laptop, team = ArtifactStore(str(tmp_path / "laptop")), bucket("team")
    saved(laptop)
    team.put("graphs/scores/1/model/saved_model.pb", b"half")
    with pytest.raises(kf.NotFound):
        kf.load_graph("scores", store=team)
    shelf.copy_graph(laptop, "scores", team, version=1)
    np.testing.assert_array_equal(kf.load_graph("scores", store=team)(X), X * 7)


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-1], lambda data: data[:-1] + b"x", lambda data: b""],
    ids=["cut", "other", "empty"],
)
def test_what_changed_in_s3_gives_one_error(bucket, change):
    store = bucket("team")
    _, graph = saved(store)
    path = f"graphs/scores/2/{shelf.WEIGHTS}"
    content = store.get(path)
    assert files.info(content) == graph.record.files[shelf.WEIGHTS]
    store.put(path, change(content))
    with pytest.raises(kf.CaptureError, match="is not the one that was stored"):
        kf.load_graph("scores", store=store)
    store.delete(path)
    with pytest.raises(kf.CaptureError, match="is missing"):
        kf.load_graph("scores", store=store)
