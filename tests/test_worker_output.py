from __future__ import annotations

import os
import sys

import pytest

from jupyter_kf.logs import MARK, read
from jupyter_kf.worker import output as module
from jupyter_kf.worker.output import Output

from .conftest import exit_code


@pytest.fixture
def shown(tmp_path, forked):
    """Runs a function in a fork whose output goes to a file; gives what is read of it."""

    def run(function) -> list:
        path = tmp_path / "log"

        def child() -> None:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            output = Output()
            output.install()
            function(output)

        assert exit_code(forked(child)) == 0, path.read_text()
        return read(path.read_bytes())

    return run


def _told(items: list, kind: str) -> list[dict]:
    return [item for item in items if isinstance(item, dict) and item["kind"] == kind]


def test_what_is_printed_stands_as_it_is(shown):
    def work(_: Output) -> None:
        print("läuft", 1, end="\r")
        sys.stdout.write("50%")

    assert shown(work) == ["läuft 1\r50%"]


def test_standard_error_is_records_while_the_users_code_runs(shown):
    def work(output: Output) -> None:
        print("before", file=sys.stderr)
        output.begin()
        sys.stderr.write("warning")
        print("text")
        output.end()
        print("after", file=sys.stderr)

    assert shown(work) == [
        "before\n",
        {"kind": "begin"},
        {"kind": "stderr", "text": "warning"},
        "text\n",
        {"kind": "end"},
        "after\n",
    ]


def test_what_programs_print_is_text(shown):
    def work(output: Output) -> None:
        output.begin()
        os.system("echo out; echo err >&2")
        output.end()

    assert shown(work) == [{"kind": "begin"}, "out\nerr\n", {"kind": "end"}]


def test_a_printed_record_is_text_not_a_record(shown):
    text = f'{MARK}{{"kind": "end"}}\n'

    def work(output: Output) -> None:
        output.begin()
        sys.stdout.write(text)
        sys.stderr.write(text)
        output.end()

    assert shown(work) == [{"kind": "begin"}, text, {"kind": "stderr", "text": text}, {"kind": "end"}]


def test_characters_that_cannot_be_written_are_replaced(shown):
    assert shown(lambda _: print("a\ud800b")) == ["a?b\n"]


def test_streams_are_what_libraries_ask_of_them(shown):
    def work(_: Output) -> None:
        for stream, fd in ((sys.stdout, 1), (sys.stderr, 2)):
            assert (stream.fileno(), stream.encoding, stream.isatty()) == (fd, "utf-8", False)
            assert stream.writable() and not stream.readable()
            assert stream.write("") == 0
            assert stream.write("abc") == 3
            stream.flush()
            with pytest.raises(TypeError, match="must be str, not bytes"):
                stream.write(b"abc")

    assert shown(work) == ["abcabc"]


def test_a_stream_that_was_kept_from_the_start_is_redirected_too(shown):
    def work(output: Output) -> None:
        kept = sys.stderr
        output.begin()
        kept.write("logged")
        output.end()

    assert {"kind": "stderr", "text": "logged"} in shown(work)


def test_large_text_is_written_whole(shown):
    text = "x" * (1 << 20)

    assert shown(lambda _: sys.stdout.write(text)) == [text]


def test_an_epoch_is_reported_with_its_time(shown):
    [event] = _told(
        shown(lambda o: o.report({"event": "epoch", "epoch": 1, "values": {"loss": 0.5}})), "metrics"
    )

    assert (event["event"], event["epoch"], event["values"]) == ("epoch", 1, {"loss": 0.5})
    assert event["time"] > 1e9


def test_steps_are_reported_at_most_so_often_and_the_last_one_always(shown, monkeypatch):
    now = iter(number * module._STEP_INTERVAL / 10 + 1e9 for number in range(1000))
    monkeypatch.setattr(module.time, "time", lambda: next(now))

    def work(output: Output) -> None:
        output.begin()
        for step in range(100):
            output.report({"event": "step", "step": step, "values": {}})
        output.end()

    steps = [event["step"] for event in _told(shown(work), "metrics")]

    assert steps[0] == 0
    assert steps[-1] == 99
    assert steps == sorted(set(steps))
    assert 9 <= len(steps) <= 12


def test_the_last_step_comes_before_the_epoch(shown):
    def work(output: Output) -> None:
        for step in range(3):
            output.report({"event": "step", "step": step, "values": {}})
        output.report({"event": "epoch", "epoch": 0, "values": {}})

    events = [(e["event"], e.get("step")) for e in _told(shown(work), "metrics")]

    assert events[-2:] == [("step", 2), ("epoch", None)]


def test_a_note_is_a_record_of_its_own(shown):
    assert shown(lambda o: o.report({"event": "note", "text": "whole batches"})) == [
        {"kind": "note", "text": "whole batches"}
    ]
