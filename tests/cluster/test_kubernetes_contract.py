"""The contract of `Backend`, the same as everywhere, on a real Kubernetes."""

from __future__ import annotations

import pytest
from replicas import backend, placement, submit

from tests.backend_rigs import LocalRig
from tests.test_backends import *  # noqa: F403 - the tests of the contract, run here with another rig

pytestmark = pytest.mark.cluster


class KubernetesRig(LocalRig):
    """Runs pods. No TensorFlow is needed, so none is imported."""

    def __init__(self, kubeconfig, namespace, store):
        self.backend = backend(kubeconfig, namespace, placement(store, preload="jupyter_kf.worker.run"))

    async def submit_source(self, name, source, **more):
        return await submit(self.backend, name, source, **more)


@pytest.fixture
async def rig(kubeconfig, namespace, tmp_path):
    found = KubernetesRig(kubeconfig, namespace, tmp_path)
    yield found
    await found.backend.close()


@pytest.fixture
def runtime(tmp_path):
    """The folder for this machine's own processes, of which there are none."""
    return tmp_path / "runtime"
