"""``%%kf``: this cell, elsewhere. ``%kf``: the jobs, in a line.

The kernel's host. It reads options, hands the cell to the executor, and shows in the cell what
the replica shows.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .backends import connect
from .capture.cell import Cell, needed
from .errors import JupyterKFError, SpecError
from .executor import Options, jobs, submit_cell
from .frames import only_theirs
from .replay import Replay

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

    from .handle import Job


def _unquoted(text: str) -> str:
    """A word without the quotes that IPython leaves around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _asked(magic: Any, line: str) -> argparse.Namespace:
    """Read a magic's options; `UsageError` says what may have been meant."""
    try:
        return parse_argstring(magic, line)  # type: ignore[no-any-return]
    except UsageError as err:
        known = [name for action in magic.parser._actions for name in action.option_strings]
        words = [word for word in line.split() if word not in known]
        near = next((found for word in words for found in get_close_matches(word, known, 1)), "")
        said = f"Did you mean {near}?" if near else "%kf --help shows what there is."
        raise UsageError(f"{err}. {said}") from None


@magics_class
class KFMagics(Magics):
    """The magics of jupyter_kf."""

    shell: InteractiveShell

    @magic_arguments("%kf")
    @argument("-w", "--workers", type=int, default=2, help="number of replicas (default 2)")
    @argument("-p", "--profile", default="", type=_unquoted, help="a profile offered here, see %%kf profiles")
    @argument(
        "-n", "--name", default="", type=_unquoted, help="the job's name (default: made from the notebook's)"
    )
    @argument("-d", "--detach", action="store_true", help="return at once; job.apply() brings the results")
    @argument("-q", "--quiet", action="store_true", help="show no job card, only the cell's own output")
    @argument("--start-timeout", type=float, default=120.0, help="seconds the replicas may take to start")
    @argument("-c", "--checkpoint", help="how often model.fit is kept, such as 60s, to go on after a loss")
    @argument("-h", "--help", action="store_true", help="show this and do nothing")
    @cell_magic("kf")
    def kf_cell(self, line: str, cell: str) -> Job | None:
        """Run this cell as a distributed TensorFlow job and leave what it would have left here.

        Examples::

            %%kf --workers 4
            model.fit(x, y, epochs=3)          # the live model is trained

            %%kf --detach --name night         # goes on without the notebook
            model.fit(x, y, epochs=300)        # later: kf.job("night").apply()
        """
        __tracebackhide__ = True
        args = _asked(self.kf_cell, line)
        if args.help:
            print(self.kf_cell.__doc__)
            return None
        try:
            running = self._submit(args, cell)
        except SpecError as err:
            raise UsageError(str(err)) from None
        if args.detach:
            return running
        self._follow(running, quiet=args.quiet)
        return None

    @magic_arguments("kf")
    @argument(
        "what", nargs="?", default="jobs", choices=["jobs", "profiles", "stop"], help="what to show or do"
    )
    @argument("-h", "--help", action="store_true", help="show this and do nothing")
    @line_magic("kf")
    def kf_line(self, line: str) -> list[Any] | None:
        """List the jobs or the profiles, or end the warm process that starts jobs quickly.

        Examples::

            %kf              # the jobs, the newest first
            %kf profiles     # what --profile may be
            %kf stop         # give back the memory of the warm process
        """
        args = _asked(self.kf_line, line)
        match "help" if args.help else args.what:
            case "help":
                print(self.kf_line.__doc__, self.kf_cell.__doc__, sep="\n")
                return None
            case "profiles":
                from .profiles import catalogue

                return list(catalogue())
            case "stop":
                from .backends import warm

                warm.stop()
                return None
            case _:
                return jobs()

    def _submit(self, args: argparse.Namespace, body: str) -> Job:
        options = Options(args.workers, args.profile, args.name, args.start_timeout, args.checkpoint)
        options.spec("check")
        number = len(self.shell.history_manager.input_hist_parsed) - 1
        shown = f"%%kf\n{body}"
        filename = self.shell.compile.cache(shown, number, raw_code=shown)
        source = self.shell.transform_cell(body)
        compile(source, filename, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        names = needed(_with_names_in_magics(source, self.shell.user_ns), self.shell.user_ns)
        cell = Cell(source=body, names=names, filename=filename, number=number)
        return submit_cell(cell, options, self.shell.user_ns, connect())

    def _follow(self, running: Job, *, quiet: bool) -> None:
        """Show the job's output as this cell's own until it ends; then apply its results."""
        __tracebackhide__ = True
        replay = Replay(self.shell, running, quiet=quiet)
        replay.follow()
        try:
            value = running.apply(force=True)
        except JupyterKFError:
            replay.show_card()
            raise
        except BaseException as err:  # noqa: BLE001 - whatever the cell raised there is raised here
            replay.show_card()
            self._raise(err)
        replay.show_card()
        replay.bind_result(value)

    def _raise(self, error: BaseException) -> NoReturn:
        """Raise a replica's error so that only its own frames are shown, as if it arose here.

        IPython hides a frame that has this name among its locals; those of the frame of the cell
        are the user's names, so it is taken out again when the cell has ended.
        """
        __tracebackhide__ = True
        self.shell.user_ns["__tracebackhide__"] = True

        def clean() -> None:
            self.shell.user_ns.pop("__tracebackhide__", None)
            self.shell.events.unregister("post_execute", clean)

        self.shell.events.register("post_execute", clean)
        raise error.with_traceback(only_theirs(error.__traceback__))


def register(shell: InteractiveShell) -> None:
    """Make the magics known to a shell."""
    shell.register_magics(KFMagics)


def _with_names_in_magics(source: str, namespace: dict[str, Any]) -> str:
    """Add the names that only the text of the cell's own magics and shell escapes mentions."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    texts = [
        argument.value
        for call in calls
        if "get_ipython" in ast.unparse(call.func)
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    found = {name for text in texts for name in re.findall(r"[^\W\d]\w*", text) if name in namespace}
    return "\n".join([source, *sorted(found - set(dir(builtins)) - set(keyword.kwlist))])
