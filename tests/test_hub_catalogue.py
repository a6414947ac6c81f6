"""Compiling offers: each rule of what KubeSpawner and jobs are given."""

from __future__ import annotations

import pytest

from jupyter_kf.errors import SpecError
from jupyter_kf.hub.catalogue import Base, job_profiles, profile_list
from jupyter_kf.hub.offers import read
from jupyter_kf.profiles import Profile

GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
NOTHING = Base([], [], [])


def offers(text):
    return read("profiles:\n" + text).offers


def compiled(text, base=NOTHING):
    [entry] = profile_list(offers("  - name: a\n" + text), base)
    return entry


def override(text, base=NOTHING):
    return compiled(text, base)["kubespawner_override"]


def test_the_name_is_the_slug_and_a_title_the_display_name():
    entry = compiled("    title: A title\n    description: Words")
    assert (entry["slug"], entry["display_name"], entry["description"]) == ("a", "A title", "Words")
    assert compiled("")["display_name"] == "a"


def test_the_order_is_kept():
    entries = profile_list(offers("  - name: z\n  - name: a\n"), NOTHING)
    assert [entry["slug"] for entry in entries] == ["z", "a"]


def test_limits_and_requests_are_equal():
    found = override("    cpu: 0.5\n    memory: 2Gi\n    accelerator: {vendor: nvidia}")
    assert found["cpu_limit"] == found["cpu_guarantee"] == 0.5
    assert found["mem_limit"] == found["mem_guarantee"] == 2 << 30
    assert found["extra_resource_limits"] == found["extra_resource_guarantees"] == {"nvidia.com/gpu": "1"}


def test_several_counts_are_an_option_with_limits_and_requests_each():
    entry = compiled("    accelerator: {vendor: nvidia, counts: [2, 1]}")
    choices = entry["profile_options"]["count"]["choices"]
    assert list(choices) == ["2", "1"]
    for count, choice in choices.items():
        found = choice["kubespawner_override"]
        assert found["extra_resource_limits"] == found["extra_resource_guarantees"]
        assert found["extra_resource_limits"] == {"nvidia.com/gpu": count}
    assert "extra_resource_limits" not in entry["kubespawner_override"]


def test_one_image_is_set_and_several_are_an_option():
    assert override("    image: x")["image"] == "x"
    entry = compiled("    images: [{image: x, title: X}, {image: y}]")
    choices = entry["profile_options"]["image"]["choices"]
    assert [choice["display_name"] for choice in choices.values()] == ["X", "y"]
    assert [choice["kubespawner_override"] for choice in choices.values()] == [{"image": "x"}, {"image": "y"}]


def test_selectors_of_the_device_and_of_the_administrator_are_joined():
    text = "    accelerator: {vendor: nvidia, product: A100}\n    node_selector: {zone: b}"
    assert override(text)["node_selector"] == {"nvidia.com/gpu.product": "A100", "zone": "b"}


@pytest.mark.parametrize("kind", [list, dict])
def test_tolerations_of_the_spawner_are_kept_and_come_first(kind):
    dedicated = {"key": "hub.jupyter.org/dedicated", "value": "user"}
    own = [dedicated] if kind is list else {"0": dedicated}
    text = "    accelerator: {vendor: nvidia}\n    tolerations: [{key: mine}]"
    found = override(text, Base(own, [], []))["tolerations"]
    assert [found[key] for key in sorted(found)] == [dedicated, GPU, {"key": "mine"}]


def test_without_tolerations_those_of_the_spawner_are_not_touched():
    assert "tolerations" not in override("    cpu: 1", Base([{"key": "x"}], [], []))


def test_shared_memory_is_bounded_and_the_home_stays():
    home, mount = {"name": "home"}, {"name": "home", "mountPath": "/home"}
    found = override("    memory: 4Gi\n    shm: 1Gi", Base([], [home], [mount]))
    volumes = [found["volumes"][key] for key in sorted(found["volumes"])]
    memory = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(1 << 30)}}
    assert volumes == [home, memory]
    mounts = [found["volume_mounts"][key] for key in sorted(found["volume_mounts"])]
    assert mounts == [mount, {"name": "shm", "mountPath": "/dev/shm"}]


def test_the_queue_is_a_label_of_the_pod():
    assert override("    queue: gpus")["extra_labels"] == {
        "jupyter-kf/profile": "a",
        "kueue.x-k8s.io/queue-name": "gpus",
    }
    assert override("")["extra_labels"] == {"jupyter-kf/profile": "a"}


def test_the_time_to_start_is_the_spawners():
    assert override("    start_within: 20m")["start_timeout"] == 1200


def test_a_claim_leaves_the_resources_alone():
    entry = compiled("    cpu: 1\n    accelerator: {device_class: gpu.nvidia.com, counts: [1, 2]}")
    choices = entry["profile_options"]["count"]["choices"]
    assert [choice["kubespawner_override"] for choice in choices.values()] == [{}, {}]
    assert entry["kubespawner_override"]["cpu_limit"] == 1


def test_a_job_gets_what_a_server_gets():
    text = """\
  - name: a
    title: T
    image: x
    cpu: 2
    memory: 4Gi
    shm: 1Gi
    queue: gpus
    store_secret: s3
    accelerator: {vendor: nvidia, product: A100}
"""
    [found] = job_profiles(offers(text))
    assert (found.title, found.image, found.queue, found.store_secret) == ("T", "x", "gpus", "s3")
    assert (found.resources.cpu, found.resources.memory) == (2.0, 4 << 30)
    assert (found.resources.accelerator, found.resources.accelerators) == ("nvidia.com/gpu", 1)
    assert found.pod_overrides == {
        "nodeSelector": {"nvidia.com/gpu.product": "A100"},
        "tolerations": [GPU],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(1 << 30)}}],
    }


def test_each_count_is_a_profile_of_jobs():
    found = job_profiles(offers("  - name: a\n    accelerator: {vendor: amd, counts: [1, 2, 8]}\n"))
    assert [(each.name, each.resources.accelerators) for each in found] == [
        ("a", 1),
        ("a-x2", 2),
        ("a-x8", 8),
    ]


def test_of_several_images_a_job_has_the_notebooks():
    [found] = job_profiles(offers("  - name: a\n    images: [{image: x}, {image: y}]\n"))
    assert found.image == ""


def test_a_slice_of_several_hosts_says_how_many_workers_it_takes():
    text = (
        "  - name: a\n    for: [jobs]\n    accelerator: {vendor: google, generation: v5p, topology: 2x2x2}\n"
    )
    [found] = job_profiles(offers(text))
    assert (found.hosts, found.resources.accelerators) == (2, 4)
    found.check_replicas(2)
    with pytest.raises(SpecError, match="slice of 2 hosts: it takes 2 workers, not 4"):
        found.check_replicas(4)
    assert Profile.from_dict(found.to_dict()) == found


def test_a_job_with_a_claim_names_the_template_of_its_count():
    text = "  - name: a\n    accelerator: {device_class: gpu.nvidia.com, counts: [1, 2]}\n"
    for count, found in zip((1, 2), job_profiles(offers(text)), strict=True):
        pod = found.pod_overrides
        claim = {"name": "accelerator", "resourceClaimTemplateName": f"a-x{count}"}
        assert pod["resourceClaims"] == [claim]
        assert pod["containers"][0]["resources"] == {"claims": [{"name": "accelerator"}]}
        assert found.resources.accelerators == 0


def test_the_administrators_overrides_are_merged_into_the_pods_of_jobs():
    text = """\
  - name: a
    tolerations: [{key: x}]
    pod_overrides: {priorityClassName: low, tolerations: [{key: y}]}
"""
    [found] = job_profiles(offers(text))
    assert found.pod_overrides == {"priorityClassName": "low", "tolerations": [{"key": "x"}, {"key": "y"}]}


def test_what_one_gets_is_said_in_words():
    text = "    cpu: 1\n    memory: 16Gi\n    queue: gpus\n    accelerator: {vendor: nvidia, counts: [4, 1]}"
    assert compiled(text)["facts"] == ["1 core", "16 GiB of memory", "NVIDIA GPU: 1 or 4", "queue gpus"]
