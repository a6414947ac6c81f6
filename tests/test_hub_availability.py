"""How many are free, and what is said of it."""

from __future__ import annotations

import pytest

from jupyter_kf.hub.availability import Free, Held, Node, free, held_by, node_of, used_by, words, workers
from jupyter_kf.hub.offers import Catalogue, read

GPU = "nvidia.com/gpu"
[GPUS, GROWS, CPU, CLAIM, PAIRS] = read("""\
profiles:
  - name: gpu
    accelerator: {vendor: nvidia, counts: [1, 2, 4]}
    node_selector: {pool: a}
  - name: grows
    accelerator: {vendor: amd}
    grows_to: 8
  - name: cpu
  - name: claim
    accelerator: {device_class: x}
  - name: pairs
    accelerator: {vendor: nvidia, counts: [2, 4]}
""").offers


def node(count=4, ready="True", labels=None, **spec):
    return node_of(
        {
            "metadata": {"labels": {"pool": "a"} if labels is None else labels},
            "spec": spec,
            "status": {
                "allocatable": {"cpu": "4", GPU: str(count)},
                "conditions": [{"type": "Ready", "status": ready}],
            },
        }
    )


def pod(name, count=1, phase="Running"):
    container = {"resources": {"limits": {GPU: str(count), "cpu": "1"}}}
    return held_by({"spec": {"nodeName": name, "containers": [container]}, "status": {"phase": phase}})


def test_what_pods_hold_is_taken_off_node_by_node():
    nodes = {"a": node(), "b": node()}
    pods = [pod("a", 3), pod("b"), pod("elsewhere", 4)]
    assert free(GPUS, nodes, used_by(pods)) == Free(total=4, on_one_node=3, nodes=2)


def test_finished_and_unplaced_pods_hold_nothing():
    assert pod("a", phase="Succeeded") is None
    assert pod("a", phase="Failed") is None
    assert pod("") is None


@pytest.mark.parametrize(
    "other",
    [
        node(ready="False"),
        node(ready="Unknown"),
        node(unschedulable=True),
        node(labels={}),
        node(taints=[{"key": "mine", "effect": "NoSchedule"}]),
        node(taints=[{"key": GPU, "effect": "NoExecute"}]),
    ],
)
def test_nodes_that_cannot_take_it_do_not_count(other):
    found = free(GPUS, {"a": node(2), "b": other}, {})
    assert (found.total, found.nodes) == (2, 1)


@pytest.mark.parametrize(
    "taint",
    [
        {"key": GPU, "value": "present", "effect": "NoSchedule"},
        {"key": "mine", "effect": "PreferNoSchedule"},
    ],
)
def test_tolerated_taints_do_not_matter(taint):
    assert free(GPUS, {"a": node(taints=[taint])}, {}).total == 4


def test_claims_hold_no_device_of_a_node_but_are_known():
    claims = [{"name": "x", "resourceClaimTemplateName": "a-x2"}, {"name": "own", "resourceClaimName": "y"}]
    claiming = {"spec": {"nodeName": "a", "containers": [{}], "resourceClaims": claims}}
    held = held_by(claiming | {"status": {"phase": "Running"}})
    assert held == Held("a", {}, ("a-x2",))
    assert used_by([held]) == {"a": {}}
    assert held_by(claiming | {"status": {"phase": "Succeeded"}}) is None


def test_more_held_than_there_are_is_none_free():
    assert free(GPUS, {"a": node(1), "b": node(2)}, used_by([pod("a", 4)])).total == 2


def test_what_nodes_do_not_count_is_not_counted():
    assert free(CPU, {"a": node()}, {}) is None
    assert free(CLAIM, {"a": node()}, {}) is None


@pytest.mark.parametrize(
    ("offer", "count", "expected"),
    [
        (GPUS, 1, (5, 8)),
        (GPUS, 2, (2, 4)),  # one of a node and four of the other
        (GPUS, 4, (1, 2)),
        (GPUS, 8, (0, 0)),
        (CPU, 0, None),
        (CLAIM, 1, None),
    ],
)
def test_workers_of_a_job_have_their_devices_on_one_node(offer, count, expected):
    assert workers(offer, count, {"a": node(4), "b": node(4)}, used_by([pod("a", 3)])) == expected


def test_workers_of_a_slice_start_together_or_not_at_all():
    slice_ = "  - {name: a, for: [jobs], accelerator: {vendor: google, generation: v6e, topology: 2x8}}\n"
    [offer] = read("profiles:\n" + slice_).offers
    labels = {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x8",
    }
    pools = {"a0": "a", "a1": "a", "a2": "a", "a3": "a", "b0": "b", "b1": "b", "b2": "b", "b3": "b"}
    nodes = {
        name: Node({"google.com/tpu": 4}, labels | {"cloud.google.com/gke-nodepool": pool})
        for name, pool in pools.items()
    }
    assert workers(offer, 4, nodes, {}) == (8, 8)
    assert workers(offer, 4, nodes, {"b1": {"google.com/tpu": 4}}) == (4, 8)
    both = {"a0": {"google.com/tpu": 4}, "b1": {"google.com/tpu": 4}}
    assert workers(offer, 4, nodes, both) == (0, 8)


def test_nodes_that_the_spawners_tolerations_open_count():
    dedicated = {"key": "dedicated", "value": "user", "effect": "NoSchedule"}
    nodes = {"a": node(taints=[dedicated])}
    assert free(GPUS, nodes, {}).nodes == 0
    opened, *_ = Catalogue((GPUS,)).placed({}, [dedicated]).offers
    assert free(opened, nodes, {}).total == 4
    elsewhere, *_ = Catalogue((GPUS,)).placed({"pool": "b"}, [dedicated]).offers
    assert free(elsewhere, nodes, {}).total == 4, "the profile's own selector goes before the spawner's"


def test_a_pool_that_grows_has_places_that_are_not_free_yet():
    assert workers(GROWS, 1, {}, {}) == (0, 8)


@pytest.mark.parametrize(
    ("offer", "found", "age", "said"),
    [
        (CPU, None, None, ""),
        (CLAIM, None, 1, ""),
        (GPUS, None, None, "How many are free is not known."),
        (GPUS, None, 5, "How many are free is not known."),
        (GPUS, Free(4, 4, 1), 5, "4 free."),
        (GPUS, Free(6, 4, 2), 5, "6 free, at most 4 on one node."),
        (GPUS, Free(6, 4, 2), 200, "6 free, at most 4 on one node, 3 minutes ago."),
        (GPUS, Free(0, 0, 2), 5, "None free; a server waits until there is one."),
        (GPUS, Free(0, 0, 0), 5, "No node has any."),
        (GROWS, Free(0, 0, 0), 5, "None free; the pool can grow to 8."),
        (PAIRS, Free(6, 4, 2), 5, "6 free, at most 4 on one node."),
        (PAIRS, Free(3, 1, 3), 5, "3 free, but no node has 2 of them; a server waits until one has."),
    ],
)
def test_it_is_said_in_words(offer, found, age, said):
    assert words(offer, found, age) == said
