"""Modules that lie beside the notebook travel with it.

Their sources are kept in memory on the other side and used only for imports that would fail without them:
where the files are in reach, Python imports the files.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator, Mapping, Sequence

_INSTALLED = {"site-packages", "dist-packages"}
LIMIT = 32 << 20  # bytes of all sources together


class Source(NamedTuple):
    """The text of a module and the file that it came from."""

    filename: str
    text: bytes
    package: bool


def beside(work: Any) -> dict[str, Source]:
    """The modules under the working directory that the process has imported or `work`'s source imports."""
    here = Path.cwd().resolve()
    near = (str(Path.cwd()), str(here))
    installed = tuple(f"{prefix}{os.sep}" for prefix in {sys.prefix, sys.base_prefix} - set(near))
    found: dict[str, Source] = {}
    for name in [*_not_seen((near, installed)), *imported(getattr(work, "source", ""))]:
        if name in found or name.partition(".")[0] in ("__main__", "jupyter_kf"):
            continue
        file = _file(name)
        # Following links is slow, so the text is looked at first.
        if file is None or not file.startswith(near) or file.startswith(installed):
            _remember(name)
        elif _lies(path := Path(file), here):
            found[name] = Source(file, path.read_bytes(), path.name == "__init__.py")
    return found if sum(len(source.text) for source in found.values()) <= LIMIT else {}


# A kernel has thousands of modules: those that lie elsewhere are looked at once.
_ELSEWHERE: dict[str, types.ModuleType] = {}
_SEEN_FROM: list[Any] = [None]


def _not_seen(here: Any) -> list[str]:
    if _SEEN_FROM[0] != here:
        _ELSEWHERE.clear()
        _SEEN_FROM[0] = here
    imported, seen = sys.modules.copy(), _ELSEWHERE.copy()
    for name in [name for name, module in seen.items() if imported.get(name) is not module]:
        del _ELSEWHERE[name]
    return [name for name, module in imported.items() if seen.get(name) is not module]


def _remember(name: str) -> None:
    module = sys.modules.get(name)
    if module and getattr(module, "__file__", None):  # an import that is under way may not have it yet
        _ELSEWHERE[name] = module


def _lies(file: Path, here: Path) -> bool:
    if file.suffix != ".py" or not file.is_file() or not _INSTALLED.isdisjoint(file.parts):
        return False
    installed = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
    resolved = file.resolve()
    return resolved.is_relative_to(here) and not any(
        resolved.is_relative_to(prefix) and here != prefix for prefix in installed
    )


def _file(name: str) -> str | None:
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return file if isinstance(file, str) else None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec and spec.origin and spec.has_location else None


def imported(source: str) -> Iterator[str]:
    """The modules that plain Python source imports; none from source with the shell's own syntax."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports from sources in memory, after all else has failed."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.sources:
            return None
        source = self.sources[fullname]
        spec = importlib.machinery.ModuleSpec(
            fullname, self, origin=source.filename, is_package=source.package
        )
        spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.sources[fullname].text)

    def is_package(self, fullname: str) -> bool:
        return self.sources[fullname].package

    def get_code(self, fullname: str) -> types.CodeType:
        source = self.sources[fullname]
        return importlib.abc.InspectLoader.source_to_code(source.text, source.filename)


_FINDER = _Finder()


def provide(sources: Mapping[str, Source]) -> None:
    """Let the modules be imported in this process."""
    _FINDER.sources.update(sources)
    if sources and _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
