"""The spawn page without a browser: what is free, what was chosen, and that texts stay texts."""

from __future__ import annotations

import time

from jupyter_kf.hub.availability import Held, Node
from jupyter_kf.hub.watching import Look
from tests.spawners import make, nowhere

__all__ = ["make", "nowhere"]

IMAGES = [{"image": "x"}, {"image": "y"}]


async def test_the_form_says_what_is_free(make):
    look = Look.shared()
    spawner = make(["vision"])
    page = await spawner._render_options_form_dynamically(spawner)
    assert page.count("How many are free is not known.") == 2  # of claims nodes know nothing

    labels = {"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice"}
    labels["cloud.google.com/gke-tpu-topology"] = "2x2"
    look.nodes.update({"a": Node({"nvidia.com/gpu": 4}), "b": Node({"google.com/tpu": 4}, labels)})
    look.pods["x/y"] = Held("a", {"nvidia.com/gpu": 1})
    look._seen.update(node=time.monotonic(), pod_for_all_namespaces=time.monotonic())
    page = await spawner._render_options_form_dynamically(spawner)
    assert "3 free." in page and "4 free." in page

    quiet = make(["vision"], show_free=False)
    page = await quiet._render_options_form_dynamically(quiet)
    assert "3 free." not in page and "4 free." not in page


async def test_claimed_devices_that_are_used_up_are_told_on_the_page(make):
    offer = {"name": "a", "accelerator": {"device_class": "gpu.example.com", "counts": [2]}}
    spawner = make(catalogue={"per_user": {"devices": {"gpu.example.com": 3}}, "profiles": [offer]})
    look = Look.shared()
    for name, warned in (("elsewhere", False), (spawner.namespace, True)):
        look.pods[f"{name}/y"] = Held("n", {}, ("a-x2",))
        page = await spawner._render_options_form_dynamically(spawner)
        assert ("You may hold 3 devices of gpu.example.com at once" in page) == warned


async def test_the_form_escapes_and_selects_what_was_chosen(make):
    catalogue = {
        "profiles": [{"name": "a", "title": "<b>", "description": "&"}, {"name": "b", "images": IMAGES}]
    }
    page = await (spawner := make(catalogue=catalogue))._render_options_form_dynamically(spawner)
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count(" checked") == 1 and page.index(" checked") < page.index("profile-item-b")

    spawner.user_options = {"profile": "b", "image": "image-2"}
    page = await spawner._render_options_form_dynamically(spawner)
    assert page.count(" checked") == 1 and page.index(" checked") > page.index("profile-item-b")
    assert '<option value="image-2" selected>' in page

    for stale in ({"profile": "gone"}, {"profile": "b", "image": "gone"}):
        spawner.user_options = stale
        page = await spawner._render_options_form_dynamically(spawner)
        assert (page.count(" checked"), page.count(" selected")) == (1, 1)


async def test_who_is_offered_nothing_is_told_so(make):
    spawner = make(catalogue={"profiles": [{"name": "a", "groups": ["x"]}]})
    assert "No profile is offered to you." in await spawner._render_options_form_dynamically(spawner)


async def test_a_shared_namespace_is_told_on_the_page(make):
    spawner = make(KubeSpawner={"enable_user_namespaces": False})
    assert "cells cannot be sent" in await spawner._render_options_form_dynamically(spawner)
