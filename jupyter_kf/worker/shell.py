"""The shell that runs a cell in a replica as the kernel's shell would have run it here.

Magics, shell escapes, the value of the last expression, rich display and top-level await are
IPython's own; what it would send to a front end goes to the log as records. The only module of
the worker that imports IPython, and it is loaded for cells only.
"""

from __future__ import annotations

import ast
import base64
import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

if TYPE_CHECKING:
    from IPython.core.compilerop import CachingCompiler

    from ..capture.cell import Cell
    from .output import Output
    from .work import Around

# What IPython itself keeps in the namespace: prompts, history, exits.
_SHELL_NAME = re.compile(
    r"_+|_\d+|_i+|_i\d+|_oh|_dh|_ih|_exit_code|In|Out|exit|quit|open|get_ipython|__\w+__"
)


class _Publisher(DisplayPublisher):
    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: object = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: object,
    ) -> None:
        self.shell.output.record(
            "display",
            data=_json(data),
            metadata=metadata or {},
            transient=transient or {},
            update=update,
        )

    def clear_output(self, wait: bool = False) -> None:
        self.shell.output.record("clear", wait=wait)


class _DisplayHook(DisplayHook):
    def quiet(self) -> bool:
        return bool(self.semicolon_at_end_of_expression(self.shell.source))

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        self.shell.output.record("result", data=_json(format_dict), metadata=md_dict or {})

    def finish_displayhook(self) -> None:
        pass


class _Shift(ast.NodeTransformer):
    """Number lines as they stand in the notebook, where the first line is the magic's own."""

    def __init__(self, lines: int) -> None:
        self._lines = lines

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.increment_lineno(node, self._lines)


class ReplicaShell(InteractiveShell):
    """An IPython shell without a terminal, a history or a prompt."""

    output: Output
    source: str = ""

    def showtraceback(self, *_: object, **__: object) -> None:
        """Show nothing: the error travels and is shown where the cell is."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: there is no window; ``%matplotlib inline`` asks for it all the same."""

    showsyntaxtraceback = showtraceback
    showindentationerror = showtraceback


# By this name rich, pandas and others know that their output is shown by a notebook.
ReplicaShell.__name__ = ReplicaShell.__qualname__ = "ZMQInteractiveShell"


def run_cell(cell: Cell, output: Output, around: Around) -> tuple[Any, BaseException | None]:
    """Run a cell in `__main__`; give the value of its last expression and its error."""
    shell = _make_shell(output)
    shell.user_ns.update(cell.names)
    shell.source = cell.source
    shell.execution_count = cell.number
    shell.ast_transformers.append(_Shift(1))
    _know_code(shell.compile, cell.filename)
    with around(shell):
        result = shell.run_cell(cell.source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    return result.result, error


def namespace() -> dict[str, Any]:
    """Give the user's names as they are now."""
    found = sys.modules["__main__"].__dict__
    return {name: value for name, value in found.items() if not _SHELL_NAME.fullmatch(name)}


def _make_shell(output: Output) -> ReplicaShell:
    config = Config()
    config.HistoryManager.enabled = False
    ReplicaShell.display_pub_class = _Publisher
    ReplicaShell.displayhook_class = _DisplayHook
    main = sys.modules["__main__"]
    shell: ReplicaShell = ReplicaShell.instance(config=config, user_module=main, user_ns=main.__dict__)
    shell.output = output
    return shell


def _know_code(compiler: CachingCompiler, filename: str) -> None:
    """Keep the source under the notebook's name and line numbers, where inspect and AutoGraph find it."""
    kept = compiler.cache
    compiler.get_code_name = lambda *_: filename
    compiler.cache = lambda code, *args, **kwargs: kept(f"\n{code}", *args, **kwargs)


def _json(data: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for kind, value in data.items()
    }
