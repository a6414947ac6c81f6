"""A notebook cell: its source and exactly the names of the notebook that it needs.

Found without running anything: the cell is compiled, and what its bytecode looks up among the globals is
needed, unless the cell itself has surely bound the name before.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import functions
from jupyter_kf.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SUPPRESSING = re.compile("suppress|raises", re.IGNORECASE)
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_WORD = re.compile(r"[^\W\d]\w*")
_Bodies = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar


@dataclass(frozen=True)
class Cell:
    """Plain Python source, the names it needs, what tracebacks call it, and its execution count."""

    source: str
    names: dict[str, object]
    filename: str
    number: int


def needed(source: str, namespace: Mapping[str, object]) -> dict[str, object]:
    """The names of `namespace` that `source`, and the functions and classes it uses, look up.

    :raises CaptureError: the source is not Python, or looks names up in a way that cannot be foreseen
    """
    with warnings.catch_warnings(action="ignore"):  # the run gives them
        reads = _reads(source)
    found: dict[str, object] = {}
    todo = sorted(reads)
    while todo:
        name = todo.pop(0)
        if name in found or name not in namespace:
            continue
        found[name] = namespace[name]
        todo.extend(sorted(functions.used_by(namespace[name])))
    return found


def _reads(source: str) -> set[str]:
    try:
        compile(source, "<cell>", "exec", _FLAGS, dont_inherit=True)
    except SyntaxError as error:
        raise CaptureError(f"The cell is not valid Python: {error}") from error
    tree = ast.parse(source)
    reads: set[str] = set()
    _block(tree.body, set(), reads)
    return reads | set(_hidden(tree))


def _block(body: Iterable[ast.stmt], bound: set[str], reads: set[str]) -> None:
    """Add to `reads` what statements look up that is not `bound`, and to `bound` what they surely bind."""
    for statement in body:
        if isinstance(statement, _Bodies):
            _compound(statement, bound, reads)
        else:
            reads |= _looked_up([statement]) - bound
            bound |= _binds(statement)
            bound -= _deletes(statement)


def _compound(statement: ast.stmt, bound: set[str], reads: set[str]) -> None:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            reads |= _expressions(test) - bound
            then, other = set(bound), set(bound)
            _block(body, then, reads)
            _block(orelse, other, reads)
            bound |= then & other
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
            inner = bound
            for item in items:
                reads |= _expressions(item.context_expr) - bound
                if _SUPPRESSING.search(ast.unparse(item.context_expr)):
                    inner = set(bound)
                inner |= _stored(item.optional_vars)
            _block(body, inner, reads)
        case (
            ast.For(target=target, iter=over, body=body, orelse=orelse)
            | ast.AsyncFor(target=target, iter=over, body=body, orelse=orelse)
        ):
            reads |= (_expressions(over) | _looked_up_targets(target)) - bound
            _block(body, bound | _stored(target), reads)
            _block(orelse, set(bound), reads)
        case ast.While(test=test, body=body, orelse=orelse):
            reads |= _expressions(test) - bound
            _block(body, set(bound), reads)
            _block(orelse, set(bound), reads)
        case (
            ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=last)
            | ast.TryStar(body=body, handlers=handlers, orelse=orelse, finalbody=last)
        ):
            tried = set(bound)
            _block(body, tried, reads)
            _block(orelse, tried, reads)
            for handler in handlers:
                reads |= _expressions(handler.type) - bound
                _block(handler.body, bound | ({handler.name} if handler.name else set()), reads)
            _block(last, bound, reads)
            if not handlers:
                bound |= tried


def _looked_up(body: list[ast.stmt]) -> set[str]:
    """The names that statements look up among the globals, the functions defined in them included."""
    if not isinstance(body[0], ast.ImportFrom):  # which, from __future__, must come first
        body = [ast.While(ast.Constant(1), body, [])]  # where a break out of the cell's own loop is valid
    module = ast.fix_missing_locations(ast.Module(body, []))
    code = compile(module, "<cell>", "exec", _FLAGS, dont_inherit=True)
    return set(functions.global_names(code))


def _expressions(expression: ast.expr | None) -> set[str]:
    if expression is None:
        return set()
    return _looked_up([ast.copy_location(ast.Expr(expression), expression)])


def _looked_up_targets(target: ast.expr) -> set[str]:
    """What a target such as ``a[i].b`` looks up."""
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _stored(target: ast.AST | None) -> set[str]:
    if target is None:
        return set()
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _binds(statement: ast.stmt) -> set[str]:
    """The names that a simple statement binds when it ends without an exception."""
    match statement:
        case ast.Assign(targets=targets):
            return set().union(*map(_stored, targets))
        case ast.AnnAssign(target=target, value=ast.expr()) | ast.AugAssign(target=target):
            return _stored(target)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).partition(".")[0] for alias in names}
    return set()


def _deletes(statement: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}


def _hidden(tree: ast.AST) -> Iterator[str]:
    """Names inside the strings that magics, shell escapes, ``eval`` and ``exec`` are given.

    :raises CaptureError: the string is made while the cell runs
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if "get_ipython()" in ast.unparse(node.func):
                yield from (word for text in _strings(node) for word in _WORD.findall(text))
            elif isinstance(node.func, ast.Name) and node.func.id in (
                "eval",
                "exec",
                "globals",
                "locals",
                "vars",
            ):
                yield from _by_text(node, node.func.id)
        elif isinstance(node, ast.Subscript) and _is_globals(node.value):
            yield from _strings(node.slice)


def _strings(node: ast.AST) -> Iterator[str]:
    return (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _is_globals(node: Any) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("globals", "locals")
    )


def _by_text(call: ast.Call, name: str) -> Iterator[str]:
    if name not in ("eval", "exec"):
        return
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield from _WORD.findall(first.value)
    elif len(call.args) + len(call.keywords) < 2:
        raise CaptureError(
            f"Line {call.lineno} gives {name}() a text made while the cell runs, so the names it needs "
            f"cannot be known before. Way out: write the code itself, or hand {name}() a dictionary of names."
        )
