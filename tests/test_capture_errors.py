"""What cannot travel is named by the name that the user gave it, before anything is started."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import Cell, pack
from jupyter_kf.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path


class Holder:
    """An ordinary object that holds something."""

    def __init__(self, held: Any) -> None:
        self.held = held


def refusal(tmp_path: Path, **names: Any) -> str:
    with pytest.raises(CaptureError) as caught:
        pack(Cell("", names, "<cell>", 1), tmp_path / "payload")
    assert not (tmp_path / "payload").exists()
    return str(caught.value)


def test_an_open_file_is_named_by_its_path(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        message = refusal(tmp_path, history={"lock": [1, Holder(file)]})
    assert message.startswith("history['lock'][1].held cannot travel")
    assert "open file" in message and "Way out: open the file inside the cell" in message


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket() as sock:
        assert refusal(tmp_path, sock=sock).startswith(
            "sock cannot travel to the replicas: it is an open socket"
        )


def test_a_held_lock_is_refused_and_an_idle_one_is_not(tmp_path: Path) -> None:
    lock = threading.Lock()
    with lock:
        assert "lock that somebody holds" in refusal(tmp_path, lock=lock)
    pack(Cell("", {"lock": lock, "rlock": threading.RLock()}, "<cell>", 1), tmp_path / "payload")


def test_a_thread_is_refused(tmp_path: Path) -> None:
    assert "thread of this process" in refusal(tmp_path, worker=threading.current_thread())


def test_a_generator_in_progress_is_refused(tmp_path: Path) -> None:
    assert "generator in progress" in refusal(tmp_path, gen=(n for n in range(3)))


def test_a_closure_is_searched(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        message = refusal(tmp_path, note=lambda text: file.write(text))
    assert message.startswith("note (its closure's 'file') cannot travel")


def test_an_object_that_refuses_to_be_pickled_is_named(tmp_path: Path) -> None:
    class Stubborn:
        def __reduce__(self) -> Any:
            raise TypeError("I stay here")

    message = refusal(tmp_path, things=(1, Stubborn()))
    assert message.startswith("things[1] cannot travel") and "I stay here" in message


def test_names_of_the_caller_are_used(tmp_path: Path) -> None:
    holder = Holder(threading.current_thread())
    with pytest.raises(CaptureError, match=r"^model\.held cannot travel"):
        pack((print, [holder]), tmp_path / "payload", names={id(holder): "model"})
