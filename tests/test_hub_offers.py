"""The administrator's catalogue: what it says, and for each way to write it wrong one line with the place."""

from __future__ import annotations

import pytest

from jupyter_kf.errors import SpecError
from jupyter_kf.hub.accelerators import accelerator
from jupyter_kf.hub.offers import read, read_dict, read_file

GOOD = """\
per_user: {cpu: 16, memory: 64Gi, pods: 20, accelerators: {nvidia.com/gpu: 8}}
profiles:
  - name: cpu
    title: Two cores
    cpu: 2
    memory: 4Gi
    max_per_user: 2
    idle: 90m
    age: 2d
  - name: a100
    accelerator: {vendor: nvidia, product: NVIDIA-A100-SXM4-80GB, counts: [1, 4]}
    groups: [vision]
    queue: gpus
    grows_to: 16
    start_within: 20m
  - name: slice
    accelerator: {vendor: google, generation: v6e, topology: 4x4}
    for: [jobs]
"""


def test_a_catalogue_is_read():
    catalogue = read(GOOD)
    cpu, a100, sliced = catalogue.offers

    assert (cpu.cpu, cpu.memory, cpu.idle, cpu.age, cpu.max_per_user) == (2, 4 << 30, 5400, 172800, 2)
    assert a100.counts == (1, 4)
    assert (a100.queue, a100.grows_to, a100.start_within) == ("gpus", 16, 1200)
    assert (sliced.servers, sliced.jobs, sliced.accelerator.hosts) == (False, True, 4)
    assert (catalogue.per_user.memory, catalogue.per_user.accelerators) == (64 << 30, {"nvidia.com/gpu": 8})


def test_who_may_have_what():
    catalogue = read(GOOD)

    assert [offer.name for offer in catalogue.servers(["vision"])] == ["cpu", "a100"]
    assert [offer.name for offer in catalogue.servers([])] == ["cpu"]
    assert [offer.name for offer in catalogue.jobs(iter(["sound"]))] == ["cpu", "slice"]


def test_anchors_and_merged_keys_are_yaml_too():
    text = "profiles:\n  - &base {name: a, cpu: 2}\n  - {<<: *base, name: b}\n"
    assert [(offer.name, offer.cpu) for offer in read(text).offers] == [("a", 2), ("b", 2)]


def test_a_catalogue_may_stand_in_the_configuration():
    assert read_dict({"profiles": [{"name": "a"}]}).offers[0].name == "a"
    with pytest.raises(SpecError, match=r"KFSpawner.catalogue:\d+: profiles\[0\]: lacks 'name'"):
        read_dict({"profiles": [{"cpu": 1}]})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"absent\.yaml cannot be read"):
        read_file(tmp_path / "absent.yaml")
    (tmp_path / "p.yaml").write_text("profiles: 3\n")
    with pytest.raises(SpecError, match=r"^p\.yaml:1: profiles: must be a list"):
        read_file(tmp_path / "p.yaml")


# Each is put behind "profiles:\n  - name: a\n"; its line is counted from there.
ONE_PROFILE = [
    ("    cpus: 2", 3, "profiles[0].cpus: there is no such key; did you mean 'cpu'"),
    ("    colour: red", 3, "there is no such key; known are name, title"),
    ("    cpu: two", 3, "profiles[0].cpu: must be a number of cores above 0, not 'two'"),
    ("    cpu: 0", 3, "must be a number of cores above 0, not 0"),
    ("    cpu: true", 3, "must be a number of cores"),
    ("    memory: 4G", 3, "must be an amount such as 512Mi, 16Gi or 1Ti, not '4G'"),
    ("    memory: 4096", 3, "must be an amount"),
    ("    memory: 0Gi", 3, "must be an amount"),
    ("    shm: lots", 3, "profiles[0].shm: must be an amount"),
    ("    memory: 1Gi\n    shm: 2Gi", 4, "cannot be more than it"),
    ("    idle: 5", 3, "must be a time such as 90s, 20m, 8h or 7d, not 5"),
    ("    idle: 1w", 3, "must be a time"),
    ("    age: 1h\n    idle: 2h", 4, "would end of age"),
    ("    start_within: soon", 3, "must be a time"),
    ("    max_per_user: 0", 3, "must be a whole number of at least 1, not 0"),
    ("    max_per_user: 1.5", 3, "must be a whole number"),
    ("    groups: ml", 3, "must be a list of at least one group, not 'ml'"),
    ("    groups: []", 3, "must be a list of at least one group"),
    ("    groups: [1]", 3, "profiles[0].groups[0]: must be text without spaces, not 1"),
    ("    for: everybody", 3, "must be a list of servers, jobs or both"),
    ("    for: [notebooks]", 3, "must be servers or jobs, not 'notebooks'"),
    ("    for: [jobs]\n    idle: 1h", 4, "the profile is for jobs only"),
    ("    for: [jobs]\n    max_per_user: 1", 4, "the profile is for jobs only"),
    ("    for: [servers]\n    store_secret: s3", 4, "the profile is for servers only"),
    ("    store_secret: S3 key", 3, "must be the name of a Secret"),
    ("    queue: a queue", 3, "must be a valid label"),
    ("    image: a b", 3, "must be text without spaces"),
    ("    image: x\n    images: [{image: y}]", 4, "keep one"),
    ("    images: [x]", 3, "must be a mapping with the key 'image', not 'x'"),
    ("    images: [{title: x}]", 3, "lacks 'image'"),
    ("    images:\n      - image: x\n      - image: x", 3, "the image x is there twice"),
    ("    node_selector: {zone: 3}", 3, "profiles[0].node_selector.zone: must be text, not 3"),
    ("    tolerations: [{operator: Exists}]", 3, "lacks 'key'"),
    ("    tolerations: [{key: a, operator: exists}]", 3, "must be Equal or Exists"),
    (
        "    tolerations:\n      - {key: a}\n      - {key: a, operator: Exists, value: b}",
        5,
        "Exists takes no",
    ),
    ("    tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 3}]", 3, "goes with the effect"),
    ("    pod_overrides: none", 3, "must be a mapping, merged into the pods of jobs"),
    ("    grows_to: 4", 3, "of which the profile has none"),
    ("    accelerator: {vendor: nvidia, counts: [4]}\n    grows_to: 2", 4, "can never grow to"),
    ("    accelerator: nvidia", 3, "must be a mapping, not 'nvidia'"),
    ("    accelerator: {vendor: Nvidia}", 3, "must be nvidia, amd, intel or google, not 'Nvidia'"),
    ("    accelerator: {counts: [1]}", 3, "has a vendor, or a device_class"),
    ("    accelerator: {vendor: amd, device_class: x}", 3, "has a vendor, or a device_class"),
    ("    accelerator: {vendor: nvidia, counts: [0]}", 3, "must be a whole number of at least 1"),
    ("    accelerator: {vendor: nvidia, counts: [1, 1]}", 3, "must be a list of different whole numbers"),
    ("    accelerator: {vendor: nvidia, counts: 1}", 3, "must be a list of different whole numbers"),
    ("    accelerator: {vendor: nvidia, mig: small}", 3, "must be a MIG size such as 1g.10gb"),
    ("    accelerator: {vendor: nvidia, mig: 1g.10gb, shared: true}", 3, "not both"),
    ("    accelerator: {vendor: nvidia, shared: true, counts: [2]}", 3, "one at a time"),
    ("    accelerator: {vendor: amd, mig: 1g.10gb}", 3, "'mig' is of no use for amd"),
    ("    accelerator: {vendor: intel}", 3, "needs its model"),
    ("    accelerator: {vendor: intel, model: xe, product: x}", 3, "no label of the product"),
    ("    accelerator: {vendor: google, generation: v5e}", 3, "needs its generation and its topology"),
    ("    accelerator: {vendor: google, generation: v5e, topology: 2}", 3, "must be a topology such as"),
    ("    accelerator: {vendor: google, generation: v5e, topology: 2x2x1}", 3, "looks like 2x4"),
    ("    accelerator: {vendor: google, generation: v5p, topology: 2x4}", 3, "looks like 2x2x1"),
    ("    accelerator: {vendor: google, generation: v6e, topology: 1x2}", 3, "has no topology 1x2"),
    ("    accelerator: {vendor: google, generation: v6e, topology: 4x4}", 3, "say for: [jobs]"),
    ("    accelerator: {vendor: google, generation: v6e, topology: 2x2, counts: [4]}", 3, "of no use"),
    ("    accelerator: {device_class: gpu.nvidia.com, product: A100}", 3, "of no use for device_class"),
    ("    cpu: 1\n    cpu: 2", 4, "the key 'cpu' is there twice"),
    ("    [a]: 1", 3, "a key must be a word"),
    ("    title: 3", 3, "must be text, not 3"),
    ("  - name: a", 3, "another profile has the name 'a'"),
    (
        "    accelerator: {vendor: amd, counts: [1, 2]}\n  - name: a-x2",
        4,
        "another profile has the name 'a-x2'",
    ),
    ("  - name: Big One", 3, "must be a-z, 0-9 and '-'"),
    ("  - title: nameless", 3, "profiles[1]: lacks 'name'"),
    ("per_user: {cpu: 1}\n  - bad", 4, "this cannot be read"),
]

WHOLE = [
    ("", 1, "must be a mapping with the key 'profiles', not None"),
    ("- name: a", 1, "must be a mapping"),
    ("profile: []", 1, "there is no such key; did you mean 'profiles'"),
    ("per_user: {}", 1, "lacks 'profiles'"),
    ("profiles: []", 1, "must be a list of at least one profile"),
    ("profiles: [a", 1, "this cannot be read"),
    ("profiles:\n\t- name: a", 2, "this cannot be read"),
    ("profiles:\n  - name: a\n--- \nb: 1", 3, "this cannot be read"),
    ("profiles: &p\n  - *p", 1, "must not contain itself"),
    ("profiles:\n  - *nowhere", 2, "this cannot be read: found undefined alias"),
    ("profiles:\n  - name: !!python/object a", 2, "this cannot be read: could not determine a constructor"),
    ("profiles:\n  - name: a\n    cpu: 4\nper_user: {cpu: 2}", 3, "more than per_user lets"),
    ("profiles:\n  - name: a\nper_user: {accelerators: {gpu: 2}}", 3, "the cluster's name of a device"),
    ("profiles:\n  - name: a\nper_user:\n  memory: 2GB", 4, "per_user.memory: must be an amount"),
    (
        "per_user: {accelerators: {amd.com/gpu: 1}}\n"
        "profiles:\n  - name: a\n    accelerator: {vendor: amd, counts: [2]}",
        4,
        "more than per_user lets",
    ),
    ("profiles:\n  - name: a\nper_user: {devices: {nvidia.com/gpu: 2}}", 3, "the name of a DeviceClass"),
    (
        "per_user: {devices: {gpu.example.com: 1}}\n"
        "profiles:\n  - name: a\n    accelerator: {device_class: gpu.example.com, counts: [2]}",
        4,
        "more than per_user lets",
    ),
]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [(f"profiles:\n  - name: a\n{more}", line, said) for more, line, said in ONE_PROFILE] + WHOLE,
)
def test_a_fault_is_one_line_with_its_place(text, line, said):
    with pytest.raises(SpecError) as caught:
        read(text)

    message = str(caught.value)
    assert message.startswith(f"profiles.yaml:{line}: ")
    assert said in message
    assert "\n" not in message and message.endswith(".")


def test_the_first_of_several_faults_is_told():
    with pytest.raises(SpecError, match=r"yaml:3: profiles\[0\]\.cpu"):
        read("profiles:\n  - name: a\n    cpu: x\n    memory: y\n")


@pytest.mark.parametrize(
    ("entry", "resource", "counts", "tolerated"),
    [
        ({"vendor": "nvidia"}, "nvidia.com/gpu", (1,), "nvidia.com/gpu"),
        ({"vendor": "nvidia", "mig": "1g.10gb"}, "nvidia.com/mig-1g.10gb", (1,), "nvidia.com/gpu"),
        ({"vendor": "nvidia", "shared": True}, "nvidia.com/gpu.shared", (1,), "nvidia.com/gpu"),
        (
            {"vendor": "nvidia", "shared": True, "resource": "nvidia.com/gpu"},
            "nvidia.com/gpu",
            (1,),
            "nvidia.com/gpu",
        ),
        ({"vendor": "amd", "counts": [2, 1]}, "amd.com/gpu", (2, 1), "amd.com/gpu"),
        ({"vendor": "amd", "partition": "cpx_nps4"}, "amd.com/cpx_nps4", (1,), "amd.com/gpu"),
        ({"vendor": "intel", "model": "gaudi"}, "habana.ai/gaudi", (1,), "habana.ai/gaudi"),
        ({"vendor": "intel", "model": "xe"}, "gpu.intel.com/xe", (1,), "gpu.intel.com/xe"),
    ],
)
def test_devices_have_the_names_of_the_plug_ins(entry, resource, counts, tolerated):
    found = accelerator(entry)
    assert (found.resource, found.counts, found.hosts) == (resource, counts, 1)
    assert [each["key"] for each in found.tolerations] == [tolerated]


@pytest.mark.parametrize(
    ("generation", "topology", "chips", "hosts"),
    [
        ("v5e", "1x1", 1, 1),
        ("v5e", "2x4", 8, 1),
        ("v5e", "4x4", 4, 4),
        ("v6e", "2x2", 4, 1),
        ("v6e", "16x16", 4, 64),
        ("v4", "2x2x1", 4, 1),
        ("v5p", "2x2x2", 4, 2),
        ("tpu7x", "1x1x1", 1, 1),
        ("tpu7x", "2x2x4", 4, 4),
    ],
)
def test_the_chips_of_a_tpu_are_the_product_of_its_topology(generation, topology, chips, hosts):
    found = accelerator({"vendor": "google", "generation": generation, "topology": topology})
    assert (found.resource, found.counts, found.hosts) == ("google.com/tpu", (chips,), hosts)
    assert found.node_selector["cloud.google.com/gke-tpu-topology"] == topology
    assert found.tolerations == ({"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"},)
