from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

from jupyter_kf.worker import system

from .conftest import exit_code, wait_until


def _alive(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_a_child_dies_with_its_parent(forked, eventually, tmp_path):
    note = tmp_path / "pid"

    def parent() -> None:
        me = os.getpid()
        if not os.fork():
            system.die_with_parent(me)
            note.write_text(str(os.getpid()))
            signal.pause()
        signal.pause()

    pid = forked(parent)
    eventually(lambda: note.exists() and note.read_text(), "the child does not start")
    child = int(note.read_text())
    assert _alive(child)

    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    eventually(lambda: not _alive(child), "the child lives on")


def test_a_child_whose_parent_is_gone_already_ends_at_once(forked):
    assert exit_code(forked(lambda: system.die_with_parent(1))) == 137


def test_every_descendant_is_killed_however_far(forked):
    def family() -> None:
        system.adopt_orphans()
        # The shell ends at once, so its children are orphans; one has a session of its own.
        script = "sleep 600 >/dev/null & echo $!; setsid sleep 600 >/dev/null & echo $!"
        done = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True)
        pids = [int(word) for word in done.stdout.split()]
        direct = subprocess.Popen(["sleep", "600"])
        wait_until(lambda: all(map(_alive, [*pids, direct.pid])), "they do not start")
        system.kill_descendants()
        assert not any(map(_alive, [*pids, direct.pid]))
        direct.returncode = -9

    assert exit_code(forked(family)) == 0


def test_who_is_spared_lives(forked):
    def family() -> None:
        spared, other = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
        system.kill_descendants(spare=[spared.pid])
        assert _alive(spared.pid)
        assert not _alive(other.pid)
        other.returncode = -9
        spared.kill()
        spared.wait(30)

    assert exit_code(forked(family)) == 0


def test_without_descendants_there_is_nothing_to_do(forked):
    assert exit_code(forked(system.kill_descendants)) == 0


def test_what_c_has_printed_is_written_out(forked, tmp_path):
    path = tmp_path / "out"

    def child() -> None:
        libc = ctypes.CDLL(None)
        libc.fopen.restype = ctypes.c_void_p
        file = libc.fopen(str(path).encode(), b"w")
        libc.fputs(b"from C\n", ctypes.c_void_p(file))
        assert path.read_bytes() == b""
        system.flush_c_streams()
        assert path.read_bytes() == b"from C\n"

    assert exit_code(forked(child)) == 0


def test_killing_ends_even_if_children_keep_coming(forked):
    """A child that forks as fast as it can is adopted and killed, generation by generation."""

    def family() -> None:
        system.adopt_orphans()
        if not os.fork():
            while not os.fork():
                pass
            os._exit(0)
        begin = time.monotonic()
        system.kill_descendants()
        assert time.monotonic() - begin < 50

    assert exit_code(forked(family)) == 0
