"""Options are never trusted: whatever is sent, it is a choice that is offered or one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kf.errors import SpecError
from jupyter_kf.hub import holdings
from jupyter_kf.hub.catalogue import claimed
from jupyter_kf.hub.offers import Allowance, read
from jupyter_kf.hub.options import check_stock, choose

OFFERS = list(
    read("""\
profiles:
  - name: cpu
    cpu: 2
    memory: 4Gi
  - name: gpu
    images: [{image: tf, title: TensorFlow}, {image: jax}]
    accelerator: {vendor: nvidia, counts: [2, 4]}
""").offers
)


def test_without_options_the_first_offer_is_meant():
    choice = choose({}, OFFERS)
    assert (choice.offer.name, choice.count, choice.image) == ("cpu", 0, "")
    assert choice.options == {"profile": "cpu"}


@pytest.mark.parametrize("count", [4, "4"])
@pytest.mark.parametrize("image", ["jax", "image-2"])
def test_a_form_and_a_program_may_say_it_in_their_ways(count, image):
    choice = choose({"profile": "gpu", "count": count, "image": image}, OFFERS)
    assert choice.options == {"profile": "gpu", "count": "4", "image": "image-2"}
    assert (choice.count, choice.image) == (4, "jax")


def test_what_is_left_out_is_the_first():
    assert choose({"profile": "gpu", "count": ""}, OFFERS).options == {
        "profile": "gpu",
        "count": "2",
        "image": "image-1",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "must be a mapping"),
        ({1: 2}, "must be a mapping"),
        ({"profile": "tpu"}, "There is no profile 'tpu' for you. Offered are: cpu, gpu."),
        ({"profile": {"a": 1}}, "There is no profile {'a': 1} for you"),
        ({"profile": "gpu", "count": 3}, "comes with 2, 4 accelerators, not 3"),
        ({"profile": "gpu", "count": True}, "not True"),
        ({"profile": "gpu", "count": [2]}, "not [2]"),
        ({"profile": "cpu", "count": 1}, "comes with none accelerators"),
        ({"profile": "gpu", "image": "evil"}, "has no image 'evil'; there is tf, jax."),
        ({"profile": "cpu", "image": "tf"}, "there is no choice of images"),
        ({"profile": "gpu", "image--unlisted-choice": "evil"}, "has no option 'image--unlisted-choice'"),
        ({"profile": "x" * 10_000}, "There is no profile"),
    ],
)
def test_what_is_not_offered_is_told(options, said):
    with pytest.raises(SpecError) as caught:
        choose(options, OFFERS)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_who_is_offered_nothing_is_told_whom_to_ask():
    with pytest.raises(SpecError, match="No profile is offered to you"):
        choose({}, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["gpu", "cpu", "count"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["profile", "count"]), inner),
    max_leaves=6,
)


@given(JSON)
def test_anything_is_a_choice_or_a_sentence(options):
    try:
        choice = choose(options, OFFERS)
    except SpecError:
        return
    assert choice.offer in OFFERS
    assert choose(choice.options, OFFERS) == choice


STOCK = [
    {
        "slug": "own",
        "default": True,
        "profile_options": {
            "image": {
                "choices": {"a": {}},
                "unlisted_choice": {"enabled": True, "validation_regex": "registry/[a-z]+"},
            }
        },
    }
]


@pytest.mark.parametrize("options", [{}, {"image": "a"}, {"image--unlisted-choice": "registry/x"}])
def test_a_list_of_the_administrators_own_is_checked_too(options):
    check_stock(options, STOCK)
    check_stock(options | {"profile": "own"}, STOCK)


@pytest.mark.parametrize(
    "options", [[], {"image": "b"}, {"image--unlisted-choice": "registry/x@evil"}, {"image": ["a", "b"]}]
)
def test_what_kubespawner_lets_through_is_refused(options):
    with pytest.raises(SpecError):
        check_stock(options, STOCK)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *[("250m", 0.25), ("2", 2), (3, 3), ("1Gi", 1 << 30), ("1G", 1e9), ("4Ki", 4096), ("0", 0)],
        *[("2E", 2e18), ("1Ei", 1 << 60), ("500u", 5e-4), ("1e3", 1000)],
    ],
)
def test_amounts_are_read_as_kubernetes_writes_them(text, amount):
    assert holdings.quantity(text) == amount


def pod(phase="Running", init=(), **asked):
    containers = [{"resources": {"requests": asked}}, {"resources": {}}, {}]
    first = [{"restartPolicy": each.pop("again", ""), "resources": {"limits": each}} for each in init]
    return {"spec": {"containers": containers, "initContainers": first}, "status": {"phase": phase}}


def test_what_a_pod_holds():
    assert holdings.request(pod(cpu="2", memory="1Gi")) == {"cpu": 2, "memory": 1 << 30}
    assert holdings.request(pod(cpu="1", init=[{"cpu": "3"}]))["cpu"] == 3
    assert holdings.request(pod(cpu="1", init=[{"cpu": "3", "again": "Always"}]))["cpu"] == 4
    assert holdings.request(pod("Succeeded", cpu="1")) == {}


GPU = {"nvidia.com/gpu": "4"}


@pytest.mark.parametrize(
    ("options", "pods", "allowed", "said"),
    [
        (
            {"profile": "gpu"},
            [pod(**GPU)],
            Allowance(accelerators={"nvidia.com/gpu": 4}),
            "You hold 4 nvidia",
        ),
        ({}, [pod(cpu="3")], Allowance(cpu=4), "You may hold 4 cpu at once"),
        ({}, [pod(memory="5Gi")], Allowance(memory=8 << 30), "You hold 5 GiB of memory in 1 pod"),
        ({}, [pod(cpu="1"), pod()], Allowance(pods=2), "You may have 2 pods at once, .* and have 2"),
    ],
)
def test_more_than_a_user_may_hold_is_refused(options, pods, allowed, said):
    choice = choose(options, OFFERS)
    with pytest.raises(SpecError, match=said):
        holdings.check(choice, pods, allowed)
    holdings.check(choice, pods[1:1], allowed)  # with nothing held it is no more than allowed


CLAIMS = """
profiles:
  - {name: a, accelerator: {device_class: gpu.example.com, counts: [1, 2]}}
  - {name: b, accelerator: {device_class: gpu.example.com, selector: large}}
  - {name: c, accelerator: {device_class: nic.example.com}}
"""


def claiming(*templates, phase="Running"):
    claims = [{"name": "x", "resourceClaimTemplateName": name} for name in templates]
    return {"spec": {"containers": [{}], "resourceClaims": claims}, "status": {"phase": phase}}


def test_devices_that_are_claimed_count_by_their_class():
    """Of all profiles together, by the templates that the pods there name."""
    offers = list(read(CLAIMS).offers)
    known, allowed = claimed(offers), Allowance(devices={"gpu.example.com": 3})
    one = choose({"profile": "b"}, offers)
    there = [claiming("a-x2"), claiming("c-x1"), claiming("elsewhere"), claiming("a-x2", phase="Failed")]
    holdings.check(one, there, allowed, known)
    with pytest.raises(SpecError, match=r"You may hold 3 devices of gpu\.example\.com at once.* You hold 3"):
        holdings.check(one, [*there, claiming("b-x1")], allowed, known)
    holdings.check(choose({"profile": "c"}, offers), [*there, claiming("b-x1")], allowed, known)


def test_what_is_not_asked_for_is_not_counted():
    allowed = Allowance(accelerators={"nvidia.com/gpu": 2})
    holdings.check(choose({"profile": "cpu"}, OFFERS), [pod(**GPU)], allowed)
