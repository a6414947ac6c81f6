"""A cell in a kernel, by its websocket, as a notebook does it."""

from __future__ import annotations

import json
import secrets
from typing import Any


def execute(channel: Any, cell: str) -> str:
    """Run it, and give what it prints; an assertion that it raises nothing."""
    own = secrets.token_hex(8)
    header = {"msg_id": own, "msg_type": "execute_request", "username": "", "session": own, "version": "5.3"}
    content = {"code": cell, "silent": False, "store_history": True, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": True}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    channel.send(json.dumps(message | {"channel": "shell", "buffers": []}))
    printed = ""
    while True:
        heard = json.loads(channel.recv())
        if heard["parent_header"].get("msg_id") != own:
            continue
        kind, said = heard["msg_type"], heard["content"]
        if kind == "stream":
            printed += said["text"]
        assert kind != "error", "\n".join(said["traceback"])
        if kind == "status" and said["execution_state"] == "idle":
            return printed
