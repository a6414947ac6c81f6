"""A replica process for the tests of capture: forks a fresh process for each payload it is told of.

Reads names of folders from its standard input, one a line; answers ``ok`` or the traceback in JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import types
from pathlib import Path


def run(folder: Path) -> None:
    """Run the cell that arrived as a replica does, and leave the reply beside it."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    from jupyter_kf.capture import ambient, unpack

    arrival = unpack(folder)
    work = arrival.value["work"]
    ambient.restore(arrival.value["ambient"], work=arrival.value["work"])
    main.__dict__.update(work.names)
    error = None
    try:
        exec(compile(work.source, work.filename, "exec"), main.__dict__)
    except Exception as caught:  # noqa: BLE001 - what a cell raises is part of its reply
        error = caught.with_traceback(None)
    own = {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__"}
    names = {name: value for name, value in main.__dict__.items() if name not in own}
    bound = {n: v for n, v in names.items() if n not in work.names or work.names[n] is not v}
    deleted = [n for n in work.names if n not in names]
    reply = {"bound": bound, "deleted": deleted, "error": error, "ambient": ambient.snapshot()}
    arrival.reply(reply, folder / "out")


def main() -> None:
    """Serve until the input ends."""
    if "tensorflow" in sys.argv:
        import tensorflow  # noqa: F401
    import jupyter_kf.capture  # noqa: F401

    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                run(Path(line.strip()))
                answer = "ok"
            except BaseException:  # noqa: BLE001 - told to the test
                answer = traceback.format_exc()
            os.write(writer, json.dumps(answer).encode()[:60000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        print(answer or json.dumps("the process died"), flush=True)


if __name__ == "__main__":
    main()
