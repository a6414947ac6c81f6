"""The sink of a replica's events."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib

from jupyter_kf.parallel import report


def test_events_go_to_the_sink() -> None:
    seen: list[dict[str, object]] = []
    report.to(seen.append)
    report.progress("epoch", epoch=1, step=20, values={"loss": 0.5})
    report.to(None)
    report.progress("epoch", epoch=2, step=40, values={"loss": 0.4})
    assert seen == [{"event": "epoch", "epoch": 1, "step": 20, "values": {"loss": 0.5}}]


def test_a_note_is_said_once_to_each_sink() -> None:
    first: list[dict[str, object]] = []
    second: list[dict[str, object]] = []
    report.to(first.append)
    report.note("slow")
    report.note("slow")
    report.to(second.append)
    report.note("slow")
    report.to(None)
    assert first == second == [{"event": "note", "text": "slow"}]


def test_nobody_listens_at_first() -> None:
    report.to(None)
    assert not report.wanted()


def test_importing_the_package_loads_no_tensorflow() -> None:
    code = "import sys, jupyter_kf.parallel as p; p.report; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_step_s_graph_is_sent_once_and_small() -> None:
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        x = tf.zeros([3], name="x")
        tf.add(x, x, name="scope/twice")
    heard: list[dict[str, str]] = []
    report.to(heard.append)
    report.graph("train_step", graph)
    report.graph("train_step", graph)
    report.to(None)
    [event] = heard
    nodes = json.loads(zlib.decompress(base64.b64decode(event["packed"])))
    assert [name for name, _, _ in nodes] == ["x", "scope/twice"]
    assert nodes[1][1:] == ["AddV2", [0]]
