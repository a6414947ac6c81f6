"""Collects what the package may tell a user, from its own source: raised errors, refusals and notes."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "jupyter_kf"
ERRORS = ("SpecError", "CaptureError", "NotFound", "Forbidden", "BackendError", "JobFailed", "JobCancelled")
OTHERS = ("TimeoutError", "ReplicasDiffer", "MustBeWhole", "refusal", "fault", "note", "Culprit")


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
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
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


def page() -> str:
    """The page of all messages."""
    titles = {"refusal": "The hub's refusals", "fault": "Faults of a catalogue", "note": "Notes of a job"}
    titles |= {"Culprit": "What cannot travel, and why", "MustBeWhole": "Why a call is computed whole"}
    parts = ["# Messages\n", "… stands for what is filled in. "]
    parts[-1] += "[Troubleshooting](../troubleshooting.md) says more about the frequent ones.\n"
    found = told()
    for kind in ERRORS + OTHERS:
        lines = [f"* {_plain(text)} *({module})*" for text, module in sorted(found.get(kind, ()))]
        if lines:
            parts.append(f"## {titles.get(kind, kind)}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Show a text as it is."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"
