from __future__ import annotations

import builtins
import inspect
import re

from jupyter_kf import errors


def _drawn() -> dict[str, set[str]]:
    """Read the tree of the module's docstring: each class and the names of its bases."""
    tree: dict[str, set[str]] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([\s│├└─]*)([A-Z]\w+)(?: \((\w+)\))?", line)
        if not found:
            continue
        depth, name, beside = len(found[1]), found[2], found[3]
        while path and path[-1][0] >= depth:
            path.pop()
        tree[name] = {above for above in (path[-1][1] if path else "Exception", beside) if above}
        path.append((depth, name))
    return tree


def _written() -> dict[str, set[str]]:
    classes = inspect.getmembers(errors, lambda x: inspect.isclass(x) and x.__module__ == errors.__name__)
    return {name: {base.__name__ for base in kind.__bases__} for name, kind in classes}


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes():
    assert _drawn() == _written()
    assert len(_drawn()) == 9


def test_every_error_says_what_it_means():
    for name in _written():
        assert inspect.getdoc(getattr(errors, name)), name


def test_errors_can_be_caught_as_the_builtin_they_are_like():
    assert issubclass(errors.SpecError, ValueError)
    assert issubclass(errors.NotFound, LookupError)
    assert all(issubclass(getattr(errors, n), errors.JupyterKFError) for n in _written())


def test_no_error_hides_a_builtin():
    assert not set(_written()) & set(dir(builtins))
