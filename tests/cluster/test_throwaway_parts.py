"""The parts of the throw-away cluster that need no rights."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from throwaway import cgroups, configuration, images, programs, services
from throwaway.plan import CLUSTERS, Plan, cache_folder


def plan(**changes: object) -> Plan:
    return Plan(**({"number": 3, "folder": Path("/x"), "programs": Path("/p")} | changes))


def test_plan_is_the_same_after_a_trip_through_json() -> None:
    before = plan(
        nodes=2, devices={"nvidia.com/gpu": 4}, images=(Path("/i.tar"),), options={"kubelet": ["--v=4"]}
    )

    assert Plan.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_addresses_of_clusters_never_overlap() -> None:
    seen: list[str] = []
    for number in range(CLUSTERS):
        one = plan(number=number, nodes=14)
        seen += [one.network, one.services, *(one.pods(name) for name in one.names())]

    assert len(seen) == len(set(seen))
    assert all(0 <= int(part) < 256 for network in seen for part in network.split("/")[0].split("."))


def test_what_kueue_and_the_cluster_are_both_made_of_is_compiled_once() -> None:
    """As both name the same versions of it, but for what little Kueue has of newer ones."""
    found = [_required(Path(__file__).with_name(name) / "go.mod") for name in ("go", "kueue")]
    shared = found[0].keys() & found[1].keys()
    assert {"k8s.io/api", "k8s.io/client-go", "k8s.io/apiserver", "k8s.io/kube-openapi"} <= shared
    own = {
        "go.uber.org/zap",
        "github.com/mailru/easyjson",
        "github.com/sirupsen/logrus",
        "k8s.io/apiextensions-apiserver",
    }
    assert {name for name in shared if found[0][name] != found[1][name]} <= own


def _required(file: Path) -> dict[str, str]:
    wanted = file.read_text().partition("\nexclude")[0]
    lines = (line.split() for line in wanted.splitlines() if line.startswith("\t"))
    return {words[0]: words[1] for words in lines if len(words) > 1 and words[1].startswith("v")}


@pytest.mark.parametrize(
    "changes", [{"number": 16}, {"nodes": 0}, {"nodes": 15}, {"folder": Path("/" + 90 * "a")}], ids=str
)
def test_impossible_plans_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        plan(**changes)


def test_cache_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_KF_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "cluster"

    monkeypatch.delenv("JUPYTER_KF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "jupyter_kf" / "cluster"


def test_control_groups_of_version_1() -> None:
    processes = "9:name=systemd:/\n4:memory:/job\n3:cpu,cpuacct:/\n0::/\n"
    mounts = (
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "36 31 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "37 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )
    found = cgroups.hierarchies(processes, mounts)
    top = Path("/sys/fs/cgroup")

    assert [each.own for each in found] == [
        top / "cpu,cpuacct",
        top / "memory/job",
        top / "systemd",
        top / "unified",
    ]
    assert [each.version2 for each in found] == [False, False, False, True]
    assert not cgroups.only_version2(found)


def test_control_groups_of_version_2_in_a_container() -> None:
    mounts = "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate\n"
    found = cgroups.hierarchies("0::/docker/abc/inner\n", mounts)

    assert [each.own for each in found] == [Path("/sys/fs/cgroup/inner")]
    assert cgroups.only_version2(found)


def test_options_come_last_so_that_they_win() -> None:
    argv = services.scheduler(plan(options={"kube-scheduler": ["--v=9"]}))

    assert argv[0] == "/p/kube-scheduler"
    assert argv[-1] == "--v=9"


def test_containerd_1_and_2_name_the_same_things() -> None:
    import tomllib

    old = tomllib.loads(configuration.containerd_config(plan(), "n1", 1, "overlayfs"))
    new = tomllib.loads(configuration.containerd_config(plan(), "n1", 2, "overlayfs"))

    assert old["version"] == 2
    assert new["version"] == 3
    assert old["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == configuration.PAUSE_IMAGE
    pinned = new["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]
    assert pinned["sandbox"] == configuration.PAUSE_IMAGE


def test_an_image_is_a_valid_archive() -> None:
    archive = images.Archive()
    archive.file("deep/er/file", b"text", 0o755)
    layer = archive.data()
    image = tarfile.TarFile(fileobj=io.BytesIO(images._image("throwaway.local/x:1", layer, {"User": "1000"})))
    index = json.load(image.extractfile("index.json"))
    manifest = json.load(image.extractfile(f"blobs/sha256/{index['manifests'][0]['digest'][7:]}"))
    content = image.extractfile(f"blobs/sha256/{manifest['layers'][0]['digest'][7:]}").read()
    names = tarfile.TarFile(fileobj=io.BytesIO(content)).getnames()

    assert names == ["deep", "deep/er", "deep/er/file"]
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "throwaway.local/x:1"


def test_programs_are_kept_by_version_and_source() -> None:
    assert programs.version().startswith("v1.")
    assert programs.folder().name.startswith(f"{programs.version()}-")
    assert programs.needed_go() >= (1, 26)
