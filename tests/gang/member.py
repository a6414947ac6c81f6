"""One process of a gang: joins it, then runs the cases it is sent until its channel closes.

It answers each case with what the function returned, or the Failure it ended with, and the notes.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from tests.gang.gang import Failure


def main(channel: Connection, rank: int, addresses: list[str]) -> None:
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    if addresses:
        from jupyter_kf.parallel import collective, install

        collective.start(rank, addresses, timeout=240)
        install()
    channel.send("ready")
    while True:
        try:
            case, kwargs = channel.recv()
        except EOFError:
            os._exit(0)
        channel.send(_answer(case, kwargs))
        keras.backend.clear_session()


def _answer(case: str, kwargs: dict[str, Any]) -> Any:
    from jupyter_kf.parallel import report, rows, running

    module, _, name = case.partition(":")
    notes: list[str] = []
    rows.forget()
    report.to(lambda event: notes.append(event["text"]) if event["event"] == "note" else None)
    try:
        with running():
            return getattr(importlib.import_module(f"tests.gang.{module}"), name)(**kwargs), notes
    except BaseException as error:  # noqa: BLE001 - the answer to the test, whatever it is
        traceback.print_exc()
        return Failure(type(error).__name__, str(error)), notes


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), int(sys.argv[2]), [a for a in sys.argv[3].split(",") if a])
