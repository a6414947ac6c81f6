"""Where replicas go: read off a notebook's pod, or told."""

from __future__ import annotations

import json

import pytest

from jupyter_kf.backends import placement
from jupyter_kf.backends.placement import PLACEMENT_VARIABLE, Placement, from_pod, told
from jupyter_kf.errors import BackendError, SpecError
from jupyter_kf.store import ArtifactStore

POD = {
    "spec": {
        "nodeName": "n1",
        "containers": [
            {
                "image": "notebook:1",
                "volumeMounts": [
                    {"name": "shared", "mountPath": "/home"},
                    {"name": "home", "mountPath": "/home/jovyan"},
                    {"name": "token", "mountPath": "/var/run/secrets"},
                ],
            }
        ],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "shared", "emptyDir": {}},
            {"name": "token", "projected": {}},
        ],
    }
}


class Api:
    """Stands for an API server that knows one pod and one claim."""

    def __init__(self, modes):
        self.objects = {"pods": POD, "persistentvolumeclaims": {"spec": {"accessModes": modes}}}

    async def get(self, kind, name):
        return self.objects[kind]


def test_image_and_the_volume_of_the_store_come_from_the_pod(monkeypatch):
    monkeypatch.setenv("HOME", "/home/jovyan")
    found = from_pod(POD, ArtifactStore("/home/jovyan/store"))

    assert found.image == "notebook:1"
    assert found.volumes == ({"name": "home", "persistentVolumeClaim": {"claimName": "c"}},)
    assert found.mounts == ({"name": "home", "mountPath": "/home/jovyan"},)
    assert found.store == "/home/jovyan/store"
    assert found.env["HOME"] == "/home/jovyan"


def test_a_store_on_no_volume_is_refused():
    with pytest.raises(BackendError, match="is on no volume of this pod"):
        from_pod(POD, ArtifactStore("/elsewhere"))


def test_a_store_behind_a_url_takes_no_volume():
    found = from_pod(POD, ArtifactStore("memory://bucket"))

    assert (found.volumes, found.store) == ((), "memory://bucket")


@pytest.mark.parametrize(("modes", "node"), [(["ReadWriteOnce"], "n1"), (["ReadWriteMany"], "")])
async def test_a_home_of_one_node_keeps_the_replicas_there(modes, node):
    found = await placement.read_own_pod(Api(modes), ArtifactStore("/home/jovyan/store"))

    assert found.node == node


def test_a_placement_can_be_told(monkeypatch, tmp_path):
    store = ArtifactStore(str(tmp_path))
    assert told(store) is None

    monkeypatch.setenv(PLACEMENT_VARIABLE, json.dumps({"image": "x", "volumes": [{"name": "v"}]}))
    assert told(store) == Placement(image="x", store=str(tmp_path), volumes=({"name": "v"},))


@pytest.mark.parametrize("text", ["{", '{"unknown": 1}', "[1]"])
def test_a_wrong_placement_is_told(monkeypatch, tmp_path, text):
    monkeypatch.setenv(PLACEMENT_VARIABLE, text)

    with pytest.raises(SpecError, match=PLACEMENT_VARIABLE):
        told(ArtifactStore(str(tmp_path)))
