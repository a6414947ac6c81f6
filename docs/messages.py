"""Collects what the package may tell a user, from its own source.

That is what is raised, the refusals and notes, and whatever else is a sentence.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "jupyter_kf"
ERRORS = (
    *(
        "SpecError",
        "CaptureError",
        "NotFound",
        "Forbidden",
        "BackendError",
        "JobError",
        "JobFailed",
        "JobCancelled",
    ),
    *("TimeoutError", "ValueError", "TypeError", "RuntimeError", "KeyboardInterrupt"),
)
OTHERS = ("ReplicasDiffer", "MustBeWhole", "refusal", "fault", "note", "Culprit")
# These say of an option what it is for, and stand elsewhere in the reference.
_HELP = {"help", "description"}, {"argument", "add_argument"}


def template(node: ast.AST) -> str:
    """The text of a literal or of an f-string, with … for what is filled in; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) or "…" for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return template(left) + template(right)
        case ast.IfExp(body=body):
            return template(body)
    return ""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package with its tree."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(file.read_text())


def texts() -> set[str]:
    """Every text in the package."""
    kinds = (ast.Constant, ast.JoinedStr, ast.BinOp)
    found = {template(n) for _, tree in sources() for n in ast.walk(tree) if isinstance(n, kinds)}
    return {text for text in found if len(text) > 12}


def told() -> dict[str, set[tuple[str, str]]]:
    """The messages by kind, each with its module."""
    found: dict[str, set[tuple[str, str]]] = {}
    for module, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            kind = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if kind in ERRORS + OTHERS:
                for text in filter(None, map(template, node.args)):
                    if " " in text:
                        found.setdefault(kind, set()).add((text, module))
    return found


def sentences() -> set[tuple[str, str]]:
    """Whatever else is a sentence, each with its module: why a job waits, how it ended, what is free."""
    known = {text for kind in told().values() for text, _ in kind}
    found = {(text, module) for module, tree in sources() for text in _spoken(tree)}
    return {(text, module) for text, module in found if is_sentence(text) and text not in known}


def is_sentence(text: str) -> bool:
    """Tell whether a text has words of its own and a full stop."""
    return len(re.findall(r"[a-z]+", text)) > 2 and " " in text and text.rstrip().endswith(".")


def _spoken(node: ast.AST) -> Iterator[str]:
    """The texts below a node that are neither docstrings nor help for an option."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.keyword(arg=name) if name in _HELP[0]:
            return
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _HELP[1]:
            return
    text = template(node)
    if text:
        yield text
    if not text or isinstance(node, ast.IfExp):
        for child in ast.iter_child_nodes(node):
            yield from _spoken(child)


def page() -> str:
    """The page of all messages."""
    titles = {"refusal": "The hub's refusals", "fault": "Faults of a catalogue", "note": "Notes of a job"}
    titles |= {"Culprit": "What cannot travel, and why", "MustBeWhole": "Why a call is computed whole"}
    titles |= {"ReplicasDiffer": "How replicas differ"}
    parts = ["# Messages\n", "… stands for what is filled in; the module that says it stands behind it. "]
    parts[-1] += "[Troubleshooting](../troubleshooting.md) says more about the frequent ones.\n"
    found = {titles.get(kind, kind): texts for kind, texts in told().items()}
    found["States, reasons and answers"] = sentences()
    for title in [titles.get(kind, kind) for kind in ERRORS + OTHERS] + ["States, reasons and answers"]:
        lines = [f"* {_plain(text)} (`{module}`)" for text, module in sorted(found.get(title, ()))]
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Show a text as it is."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"
