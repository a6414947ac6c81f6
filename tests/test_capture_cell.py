# ruff: noqa: E501 (a cell reads best as one string)
"""Exactly the names that a cell reads from the notebook."""

from __future__ import annotations

import functools
import types
from typing import Any

import pytest

from jupyter_kf.capture import needed
from jupyter_kf.errors import CaptureError


def names(source: str, **namespace: Any) -> str:
    everything = {name: name for name in "abcdefgx"} | namespace
    return " ".join(sorted(needed(source, everything)))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b", "a b"),
        ("a = 1; a", ""),
        ("a; a = 1", "a"),
        ("a += 1", "a"),
        ("a[0] = b", "a b"),
        ("a.b = c", "a c"),
        ("del a", "a"),
        ("a = 1; del a; a", "a"),
        ("[a for a in b]", "b"),
        ("[a for b in c if d]", "a c d"),
        ("{a: b for a, b in c}", "c"),
        ("f'{a} {b!r:>{c}}'", "a b c"),
        ("lambda a, b=c: a + d", "c d"),
        ("def a(b): return b + c", "c"),
        ("def f():\n    a = 1\n    def g(): return a + b\n    return g", "b"),
        ("def f():\n    global a\n    a = b", "b"),
        ("def f():\n    global a\n    a += 1", "a"),
        ("class C(a):\n    b = b\n    def m(self): return c", "a b c"),
        ("class C:\n    a = 1\n    b = a", "a"),
        ("@a\ndef f(b: c = d) -> e: pass", "a c d e"),
        ("import a; a.b", ""),
        ("import a.b; a", ""),
        ("from x import a as b; a, b", "a"),
        ("for a in b: c", "b c"),
        ("for a in b: pass\na", "a b"),
        ("for a[b] in c: pass", "a b c"),
        ("while a: b = c\nb", "a b c"),
        ("for a in b:\n    if c: break\nelse:\n    d", "b c d"),
        ("while True:\n    try:\n        a\n    finally:\n        if b: continue\n    break", "a b"),
        (
            "for x in a:\n    with b:\n        match c:\n            case 1: break\n            case _: continue",
            "a b c",
        ),
        ("for x in a:\n    for x in b: break\n    continue", "a b"),
        ("from __future__ import annotations\na", "a"),
        ("if a:\n    b = 1\nelse:\n    b = 2\nb", "a"),
        ("if a:\n    b = 1\nb", "a b"),
        ("with a as b: c = 1\nb, c", "a"),
        ("with suppress(a): b = 1\nb", "a b"),
        ("try:\n    a = b\nexcept c as d:\n    d\nfinally:\n    e\na", "a b c e"),
        ("try:\n    a = 1\nfinally:\n    pass\na", ""),
        ("match a:\n    case [b, c]: b\n    case _: d", "a b d"),
        ("(a := b)", "b"),
        ("await a", "a"),
        ("async with a as b: b", "a"),
        ("print(*a, **b)", "a b"),
        ("assert a, b", "a b"),
        ("raise a from b", "a b"),
        ("eval('a + b')", "a b"),
        ("exec('c = a')", "a c"),
        ("globals()['a']", "a"),
        ("get_ipython().run_line_magic('timeit', 'a(b)')", "a b"),
        ("get_ipython().system('echo $a {b}')", "a b"),
    ],
)
def test_names_of_a_cell(source: str, expected: str) -> None:
    assert names(source) == expected


@pytest.mark.parametrize("source", ["exec(text)", "eval(a + b)"])
def test_names_that_cannot_be_foreseen_are_refused(source: str) -> None:
    with pytest.raises(CaptureError, match=r"^Line 1 gives (exec|eval)\(\).*Way out"):
        names(source)


def test_evaluation_in_a_dictionary_of_its_own_is_fine() -> None:
    assert names("eval(a, {'b': c})") == "a c"


@pytest.mark.parametrize("source", ["a +", "break", "for x in a: pass\nreturn", "def f(): continue"])
def test_not_python_is_refused(source: str) -> None:
    with pytest.raises(CaptureError, match="not valid Python"):
        names(source)


def test_what_python_warns_of_is_left_to_the_run() -> None:
    assert names("a is 1; '\\d'") == "a"


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A notebook whose functions use each other."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(__import__("sys").modules, "__main__", module)
    exec(
        "K = 1; L = 2; unused = 3\n"
        "def inner(): return K\n"
        "def outer(): return inner() + L\n"
        "class A:\n    def m(self): return outer()\n"
        "class B(A):\n    @property\n    def p(self): return unused2\n    @staticmethod\n    def s(): return K\n"
        "unused2 = 4\nthing = B()\n"
        "def decorate(f):\n    def run(): return f()\n    return run\n"
        "@decorate\ndef wrapped(): return L\n",
        module.__dict__,
    )
    return module.__dict__


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("inner()", "K inner"),
        ("outer()", "K L inner outer"),
        ("A()", "A K L inner outer"),
        ("thing", "K L inner outer thing unused2"),
        ("wrapped()", "L wrapped"),
    ],
)
def test_functions_and_classes_bring_what_they_use(main: dict[str, Any], source: str, expected: str) -> None:
    assert " ".join(sorted(needed(source, main))) == expected


def test_partials_and_methods_bring_what_they_use(main: dict[str, Any]) -> None:
    main["p"] = functools.partial(main["outer"])
    main["m"] = main["thing"].m
    assert {"K", "L", "inner"} <= needed("p", main).keys()
    assert {"K", "L", "inner", "outer"} <= needed("m", main).keys()


def test_importable_functions_bring_nothing() -> None:
    assert needed("names", {"names": names, "needed": needed}) == {"names": names}
