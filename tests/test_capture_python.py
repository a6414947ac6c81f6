# ruff: noqa: E501 (a cell reads best as one string)
"""Python's own objects leave the notebook, are changed in a fresh process, and come back the same objects."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.capture import LostError, load_outcome

from .capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def place() -> None:
    """No job is started here; the processes of these tests are ended with the module."""


@pytest.fixture(scope="module")
def away() -> Iterator[Replicas]:
    with replicas() as started:
        yield started


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, away: Replicas) -> Notebook:
    return Notebook(monkeypatch, tmp_path, away)


# name: (the cells before, the cell that travels, what holds afterwards); `same` are names that must be the
# same objects as before
CASES = {
    "list": ("x = [1, 2]; y = x", "x.append(3)", "y == [1, 2, 3]", "x"),
    "dict": ("x = {'a': []}; y = x['a']", "y.append(1); x['b'] = y", "x['a'] is x['b'] is y", "x y"),
    "cycle": ("x = []; x.append(x)", "x[0].append(1)", "x[0] is x and x[1] == 1", "x"),
    "set": ("x = {1, 2}", "x.discard(1); x.add('a')", "x == {2, 'a'}", "x"),
    "bytearray": ("x = bytearray(b'a')", "x += b'b'", "x == b'ab'", "x"),
    "tuple of lists": ("x = ([], 1); y = x[0]", "x[0].append(x)", "y[0][0] is y", "x y"),
    "ordered": (
        "from collections import OrderedDict; x = OrderedDict(a=1)",
        "x['b'] = 2; x.move_to_end('a')",
        "list(x) == ['b', 'a']",
        "x",
    ),
    "counter": ("from collections import Counter; x = Counter('aab')", "x['c'] += 1", "x['c'] == 1", "x"),
    "deque": (
        "from collections import deque; x = deque([1], maxlen=2)",
        "x.extend([2, 3])",
        "list(x) == [2, 3] and x.maxlen == 2",
        "x",
    ),
    "defaultdict": (
        "from collections import defaultdict; x = defaultdict(list)",
        "x[1].append(2)",
        "x[1] == [2] and x[2] == []",
        "x",
    ),
    "array": ("import array; x = array.array('i', [1])", "x.append(2)", "x.tolist() == [1, 2]", "x"),
    "namespace": ("from types import SimpleNamespace as S; x = S(a=1)", "x.b = x", "x.b is x", "x"),
    "random": (
        "import random; x = random.Random(1); r = random.Random(1); e = [r.random(), r.random()]",
        "first = x.random()",
        "[first, x.random()] == e",
        "x",
    ),
    "instance": (
        "class A:\n    def up(self): self.n = getattr(self, 'n', 0) + step\nstep = 2\nx = A()",
        "x.up(); x.me = x",
        "x.n == 2 and x.me is x",
        "x A",
    ),
    "attribute deleted": (
        "class A: pass\nx = A(); x.gone = 1; x.kept = 2",
        "del x.gone",
        "not hasattr(x, 'gone') and x.kept == 2",
        "x",
    ),
    "slots": (
        "class A:\n    __slots__ = ('a', 'b')\nx = A(); x.a = 1",
        "x.b = x; del x.a; slotted = not hasattr(x, '__dict__')",
        "slotted and x.b is x and not hasattr(x, 'a')",
        "x",
    ),
    "frozen keys": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    a: int\nx = {P(1): 'one'}; s = {P(2)}",
        "x[P(3)] = 'three'; s.add(P(1)); found = x[P(1)]",
        "x[P(3)] == 'three' and P(1) in s and P(2) in s and found == 'one'",
        "x s P",
    ),
    "dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass D:\n    a: int = 1\n    b: list = dataclasses.field(default_factory=list)\nx = D()",
        "x.b.append(x.a); x.a = 5; y = D()",
        "x == D(5, [1]) and type(y) is D and y == D(1, [])",
        "x D",
    ),
    "enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\nx = [E.A]",
        "x.append(E.B); ok = x[0] is E.A",
        "ok and x[1] is E.B",
        "x E",
    ),
    "class attribute": (
        "class A:\n    n = 0\n    def up(self): type(self).n += 1\nx = A(); method = A.up",
        "x.up(); A.fresh = 1; del A.n; A.n = 7",
        "A.n == 7 and A.fresh == 1 and A.up is method",
        "x A method",
    ),
    "redefined class": (
        "class A:\n    v = 1\nx = A(); old = A\nclass A:\n    v = 2\ny = A()",
        "seen = (x.v, y.v); z = A()",
        "seen == (1, 2) and type(x) is old and type(z) is A",
        "x y A old",
    ),
    "inheritance": (
        "class A:\n    def who(self): return 'A'\nclass B(A):\n    def who(self): return 'B' + super().who()\nx = B()",
        "said = x.who()",
        "said == 'BA'",
        "x A B",
    ),
    "closures share a cell": (
        "def f():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up, lambda: n\nup, get = f()",
        "up(); up(); got = get()",
        "got == 2 and get() == 2",
        "up get",
    ),
    "recursive closure": (
        "def f():\n    def fact(n): return 1 if n < 2 else n * fact(n - 1)\n    return fact\nfact = f()",
        "v = fact(5); fact.seen = True",
        "v == 120 and fact.seen and fact(4) == 24",
        "fact",
    ),
    "global statement": (
        "c = 0\ndef up():\n    global c, d\n    c += 1\n    d = c",
        "up(); up()",
        "(c, d) == (2, 2)",
        "up",
    ),
    "new function sees the notebook": (
        "base = 1",
        "def f(): return base + more\nmore = 1",
        "f() == 2 and f.__globals__ is globals()",
        "",
    ),
    "new class": (
        "L = []",
        "class N:\n    def f(self): return L\nx = N()",
        "x.f() is L and type(x) is N",
        "L",
    ),
    "partial": (
        "import functools\ndef f(a, b, *, c): return a + b + c + K\nK = 10\nx = functools.partial(f, 1, c=5)",
        "v = x(2)",
        "v == 18 and x.func is f",
        "x f",
    ),
    "bound method": (
        "class A:\n    def __init__(self): self.n = 0\n    def up(self): self.n += 1\na = A(); x = a.up",
        "x()",
        "a.n == 1 and x.__self__ is a",
        "a x",
    ),
    "weak reference": (
        "import weakref\nclass A: pass\na = A(); x = weakref.ref(a)",
        "live = x() is a; x().n = 1",
        "live and a.n == 1 and x() is a",
        "a x",
    ),
    "weak containers": (
        "import weakref\nclass A: pass\na, b = A(), A(); x = weakref.WeakSet([a]), weakref.WeakKeyDictionary({a: 1}), weakref.WeakValueDictionary({'a': a})",
        "live = a in x[0] and x[1][a] == 1 and x[2]['a'] is a; x[0].add(b); x[1][b] = 2; x[2]['b'] = b",
        "live and b in x[0] and x[1][b] == 2 and x[2]['b'] is b and x[2]['a'] is a",
        "a b x",
    ),
    "sentinels": (
        "import dataclasses, inspect; x = [dataclasses.MISSING, inspect.Parameter.empty, NotImplemented, ...]",
        "same = [x[0] is dataclasses.MISSING, x[1] is inspect.Parameter.empty]; x.append(x[0])",
        "all(same) and x[-1] is dataclasses.MISSING",
        "x",
    ),
    "iterator": ("x = iter([1, 2, 3]); next(x)", "v = next(x)", "v == 2 and next(x) == 3", "x"),
    "deleted name": ("x = 1; y = 2", "del x", "'x' not in globals() and y == 2", "y"),
    "event": ("import threading; x = threading.Event()", "x.set()", "x.is_set()", "x"),
    "own pickling": (
        "class A:\n    def __init__(self, n): self.n = n\n    def __reduce__(self): return A, (self.n,)\nx = A(1)",
        "x.n = 2",
        "x.n == 2",
        "x A",
    ),
    "getstate": (
        "class A:\n    def __init__(self): self.n = 1; self.cache = object()\n"
        "    def __getstate__(self): return {'n': self.n}\n"
        "    def __setstate__(self, s): self.n = s['n']; self.cache = None\nx = A()",
        "x.n += 1",
        "x.n == 2 and x.cache is None",
        "x A",
    ),
    "deep": (
        "x = None\nfor _ in range(600): x = [x]\nclass N: pass\nn = first = N()\nfor _ in range(3000): n.next = N(); n = n.next",
        "k = 0; m = first\nwhile hasattr(m, 'next'): m = m.next; k += 1\nm.end = k; x.append(1)",
        "n.end == 3000 and x[1] == 1",
        "x n first",
    ),
    "exception": (
        "def f(): raise KeyError('a')\ntry: f()\nexcept KeyError as e: x = e; tb = e.__traceback__",
        "import traceback\nwas = [s.name for s in traceback.extract_tb(x.__traceback__)]; depth = len(traceback.extract_tb(tb))\n"
        "x.args = ('b',)\ntry: raise ValueError from x\nexcept ValueError as e: y = e",
        "was[-1] == 'f' and depth == 2 and x.args == ('b',) and y.__cause__ is x and bool(y.__traceback__ and x.__traceback__)",
        "x tb",
    ),
    "exception of its own": (
        "class Stop(Exception):\n    def __init__(self, at, why): super().__init__(f'{at}: {why}'); self.at = at\n"
        "x = Stop(3, 'a'); y = FileNotFoundError(2, 'none', 'f')",
        "x.at += 1; z = Stop(5, 'b'); w = UnicodeDecodeError('utf8', b'a', 0, 1, 'c'); y.more = z",
        "x.at == 4 and str(z) == '5: b' and z.at == 5 and w.end == 1 and y.filename == 'f' and y.errno == 2 and y.more is z",
        "x y",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_comes_back_changed_and_the_same(case: str, notebook: Notebook) -> None:
    before, cell, after, same = CASES[case]
    notebook.here(before)
    objects = {name: notebook[name] for name in same.split()}
    notebook.away(cell)
    notebook.here(f"holds = {after}")
    assert notebook["holds"], {name: notebook.names.get(name) for name in objects}
    for name, obj in objects.items():
        assert notebook[name] is obj, name


def test_plain_python_loads_neither_tensorflow_nor_keras(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tensorflow", "keras"):  # another test of this process may have imported them
        monkeypatch.delitem(sys.modules, module, raising=False)
    notebook.here("x = [1]")
    notebook.away("import sys; loaded = {'tensorflow', 'keras', 'IPython'} & set(sys.modules)")
    assert notebook["loaded"] == set()


def test_the_exception_of_a_cell_comes_back_with_what_it_changed(notebook: Notebook) -> None:
    notebook.here("class Own(Exception): pass\nx = []")
    own = notebook["Own"]
    with pytest.raises(own, match="stop"):
        notebook.away("x.append(1); raise Own('stop')")
    assert notebook["x"] == [1]


def test_what_cannot_come_back_leaves_the_rest(notebook: Notebook, tmp_path: Path) -> None:
    notebook.here("x = []")
    with pytest.raises(LostError, match=r"file cannot come back.*open file") as caught:
        notebook.away(f"x.append(1); y = 5; file = open({str(tmp_path / 'new')!r}, 'w')")
    assert notebook["x"] == [1]
    assert caught.value.value["bound"]["y"] == 5


def test_what_cannot_be_set_back_is_named(notebook: Notebook) -> None:
    notebook.here("import itertools; x = itertools.count(); y = []")
    with pytest.raises(LostError, match="x keeps its old state"):
        notebook.away("next(x); y.append(1)")
    assert notebook["y"] == [1]


def test_changes_in_the_meantime_are_named(notebook: Notebook) -> None:
    notebook.here(
        "x = {'a': [1]}; y = [2]; class_ = type('A', (), {})(); import array; z = array.array('i', [1])"
    )
    captured, _ = notebook.pack("x, y, class_, z")
    assert captured.changed() == []
    notebook.here("x['a'].append(2); class_.new = 1; z[0] = 5")
    assert captured.changed() == ["class_", "x['a']", "z"]


def test_a_reply_is_read_without_the_live_objects(notebook: Notebook, away: Replicas) -> None:
    notebook.here("x = [1]; other = x\nclass A: pass\na = A()")
    _, folder = notebook.pack("x.append(2); a.x = x; new = [x]; b = a; y = x")
    away.run(folder)
    bound = load_outcome(folder / "out", folder)["bound"]
    assert bound["y"] == [1, 2] and bound["new"][0] is bound["y"] and bound["b"].x is bound["y"]
    assert notebook["x"] == [1] and bound["b"] is not notebook["a"]


def test_a_module_beside_the_notebook_travels(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_pkg").mkdir()
    (tmp_path / "own_pkg" / "__init__.py").write_text("")
    (tmp_path / "own_pkg" / "deep.py").write_text(
        "class Thing:\n    def double(self, n):\n        return 2 * n\n"
    )
    (tmp_path / "own_mod.py").write_text(
        "from own_pkg.deep import Thing\nRATE, RATES = 1.0, []\ndef make(): return Thing()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        notebook.here(
            "import own_mod; thing = own_mod.make(); own_mod.RATES.append(1); rates = own_mod.RATES"
        )
        notebook.away(
            "own_mod.RATES.append(2); own_mod.RATE = 0.1; "
            "import own_mod as o, inspect; v = thing.double(4); new = o.make(); text = inspect.getsource(o.make)"
        )
        assert notebook["v"] == 8
        assert notebook["rates"] == [1, 2] and notebook["own_mod"].RATE == 0.1
        assert notebook["own_mod"].RATES is notebook["rates"]
        assert type(notebook["new"]) is type(notebook["thing"])
        assert notebook["text"] == "def make(): return Thing()\n"
    finally:
        for name in ("own_mod", "own_pkg", "own_pkg.deep"):
            sys.modules.pop(name, None)


def test_random_numbers_go_on_as_after_a_run_here(notebook: Notebook) -> None:
    notebook.here(
        "import random; random.seed(5); expected = [random.random() for _ in range(3)]; random.seed(5)"
    )
    notebook.here("first = random.random()")
    notebook.away("second = random.random()")
    notebook.here("third = random.random()")
    assert [notebook["first"], notebook["second"], notebook["third"]] == notebook["expected"]


def test_source_of_functions_is_there(notebook: Notebook) -> None:
    import linecache

    text = "def f(a):\n    return a + 1\n"
    linecache.cache["<cell 7>"] = (len(text), None, text.splitlines(True), "<cell 7>")
    exec(compile(text, "<cell 7>", "exec"), notebook.names)
    notebook.away("import inspect; seen = inspect.getsource(f)")
    assert notebook["seen"] == text
