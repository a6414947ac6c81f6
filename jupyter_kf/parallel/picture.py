"""The graph of a compiled step, as a picture needs it: names, kinds and what feeds what.

Read while the step is traced, when the graph is complete and nobody waits yet; it is never run.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

MOST_NODES = 20_000


def pack(graph: Any) -> str:
    """Give ``[name, kind, inputs by number]`` of each operation, as JSON, compressed, in base 64."""
    operations = graph.get_operations()[:MOST_NODES]
    number = {operation.name: i for i, operation in enumerate(operations)}
    nodes = [
        [o.name, o.type, sorted({number[t.op.name] for t in o.inputs if t.op.name in number})]
        for o in operations
    ]
    return base64.b64encode(zlib.compress(json.dumps(nodes).encode())).decode("ascii")
