"""What the tests on a real Kubernetes stand on: one cluster for all of them, and a namespace for each."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from replicas import backend, placement
from throwaway import images, machine, programs
from throwaway.client import Cluster

if TYPE_CHECKING:
    from jupyter_kf.backends.kubernetes import KubernetesBackend

# A start is patient with a busy machine; each test states its own bounds.
_TEST_SECONDS = 300
NODES = 2


def uses_other_cluster() -> bool:
    """Whether the tests may use the cluster that KUBECONFIG names, which must be one to throw away."""
    return os.environ.get("JUPYTER_KF_TEST_CLUSTER") == "kubeconfig"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS), append=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test, whose time is limited."""
    wanted = any(item.get_closest_marker("cluster") for item in session.items)
    if (
        wanted
        and not session.config.option.collectonly
        and not uses_other_cluster()
        and not machine.missing()
    ):
        programs.build()
        programs.build_s3()
        programs.build_kueue()
        images.build()


@pytest.fixture(scope="session")
def machine_can() -> None:
    """Leave the test out, with the reason, on a machine that cannot have a cluster."""
    reasons = machine.missing()
    if reasons:
        pytest.skip("no throw-away cluster here: " + "; ".join(reasons))


@pytest.fixture(scope="session")
def cluster(machine_can: None) -> Cluster:
    """A cluster of two nodes with pretended devices, which takes a silent node for lost after 8 s."""
    if uses_other_cluster():
        pytest.skip("this test needs a cluster whose nodes it may stop; KUBECONFIG's is used")
    with Cluster.start(NODES, devices={"nvidia.com/gpu": 4, "google.com/tpu": 4}, grace=8) as running:
        yield running


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """An administrator's kubeconfig of the cluster under test."""
    if uses_other_cluster():
        return Path(os.environ["KUBECONFIG"])
    running: Cluster = request.getfixturevalue("cluster")
    return running.kubeconfig


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own; it goes with all that is in it when the test is over."""
    name = f"test-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    cluster.wait_for(f"the service account of {name}", "-n", name, "get", "serviceaccount", "default")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def jobs(kubeconfig: Path, namespace: str, tmp_path: Path) -> KubernetesBackend:
    """A backend for the test's namespace whose replicas import nothing ahead."""
    found = backend(kubeconfig, namespace, placement(tmp_path, preload="jupyter_kf.worker.run"))
    yield found
    await found.close()


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file that lets jobs of `replicas.waiting` end."""
    return tmp_path / "go"
