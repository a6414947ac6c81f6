"""Writes the page of the Python API: every public name, how it is called, and its docstring."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from typing import TYPE_CHECKING, Any

import jupyter_kf as kf

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 80  # of a line of code on the page


def page() -> str:
    """Every public name, with signature and docstring."""
    parts = ["# Python API\n", "`import jupyter_kf as kf`. Nothing else is public.\n"]
    for name in sorted(kf.__all__, key=lambda n: (_rank(getattr(kf, n)), n)):
        thing = getattr(kf, name)
        parts.append(f"## `kf.{name}`\n\n{_signature(f'kf.{name}', thing)}{prose(thing.__doc__)}\n")
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            parts += _members(thing)
    return "\n".join(parts)


def _rank(thing: Any) -> int:
    return 0 if inspect.isfunction(thing) else 2 if issubclass(thing, Exception) else 1


class _Written:
    """An annotation as it is written, without the quotes that `inspect` puts around a postponed one."""

    def __init__(self, text: object) -> None:
        self.text = text if isinstance(text, str) else inspect.formatannotation(text)

    def __repr__(self) -> str:
        return self.text


def _signature(name: str, thing: Any) -> str:
    """How a thing is called, as a block; nothing for what users do not call."""
    if inspect.isclass(thing) and issubclass(thing, (Exception, enum.Enum)):
        return ""
    found = inspect.signature(thing)
    taken = [p for p in found.parameters.values() if p.name != "self"]
    taken = [p if p.annotation is p.empty else p.replace(annotation=_Written(p.annotation)) for p in taken]
    given = found.return_annotation
    returned = found.empty if given in (found.empty, None, "None") else _Written(given)
    shown = found.replace(parameters=taken, return_annotation=returned)
    text = f"{name}{shown}"
    if len(text) > _WIDTH:
        inner = ",\n    ".join(str(p) for p in _with_marks(taken))
        text = f"{name}(\n    {inner}\n)" + ("" if returned is found.empty else f" -> {returned!r}")
    return f"```python\n{text}\n```\n\n"


def _with_marks(taken: list[inspect.Parameter]) -> Iterable[object]:
    """Parameters one by one, with the `*` and `/` between their kinds."""
    before = None
    for parameter in taken:
        kind = parameter.kind
        if before is parameter.POSITIONAL_ONLY and kind is not before:
            yield "/"
        if kind is parameter.KEYWORD_ONLY and before not in (kind, parameter.VAR_POSITIONAL):
            yield "*"
        yield parameter
        before = kind


def _members(kind: type) -> list[str]:
    values = [", ".join(f"`{member.name}`" for member in kind) + "\n"] if issubclass(kind, enum.Enum) else []
    fields = {f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    parts = values
    for name, member in vars(kind).items():
        if name.startswith("_") or name in fields:
            continue
        found = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(found):
            full = f"{kind.__name__}.{name}"
            shown = "" if isinstance(member, property) else _signature(full, found)
            parts.append(f"### `{full}`\n\n{shown}{prose(found.__doc__)}\n")
    return parts


def prose(docstring: str | None) -> str:
    """Turn a docstring into Markdown: code between single backticks, blocks as they are."""
    plain = inspect.cleandoc(docstring or "").replace("``", "`")
    return re.sub(r"(?m)::$", ":", re.sub(r"(?m)^::\n\n", "", plain))
