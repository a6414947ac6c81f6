"""JupyterLab as a user has it before them: notebooks, cells, the panel, themes."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from .lab import LabServer

AXE = Path(__file__).parents[2] / "labextension/node_modules/axe-core/axe.min.js"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark", "contrast": "JupyterLab Dark High Contrast"}
SHELL_READY = "() => window.jupyterapp && window.jupyterapp.started"
KERNEL_READY = """() => {
  const panel = jupyterapp.shell.currentWidget;
  const ready = async () => {
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
  };
  const late = new Promise((_, no) => setTimeout(() => no(new Error('no kernel after 90 s')), 90000));
  return Promise.race([ready(), late]);
}"""
_numbers = itertools.count()

# A model that is small, and steps that take their time, so that there is something to see.
SETUP = """\
import os, time
import keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
y = (x @ np.arange(8.0)).astype("float32")[:, None]
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
before = model.get_weights()[0].copy()
"""
FIT = "model.fit(x, y, batch_size=16, epochs=2, verbose=2)"
SLOW = """\
class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.1)
"""
LONG_FIT = "model.fit(x, y, batch_size=16, epochs=300, verbose=2, callbacks=[Slow()])"


def write_notebook(path: Path, cells: list[nbformat.NotebookNode]) -> None:
    """Write a notebook for the Python kernel."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


class LabPage:
    """One browser page on a server."""

    def __init__(self, page: Page, server: LabServer | None = None, path: str = "") -> None:
        self.page = page
        page.set_default_timeout(45_000)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
        if server:
            self.server = server
            path = path or f"lab/workspaces/w{next(_numbers)}"
            server.visit(page, path)
        self.shell_ready()

    def shell_ready(self) -> None:
        """Wait until the application has started."""
        self.page.wait_for_function(SHELL_READY)
        self.page.evaluate("() => jupyterapp.started")
        self.splash_gone()

    def splash_gone(self) -> None:
        """Wait until JupyterLab's splash has faded: it trips over a second one while it does."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.shell_ready()

    def run_command(self, command: str, **args: Any) -> Any:
        """Run one of the application's commands."""
        return self.page.evaluate(
            "([c, a]) => jupyterapp.commands.execute(c, a).then(() => 0)", [command, args]
        )

    def theme(self, name: str) -> None:
        """Change the theme and wait until it is there."""
        self.run_command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_selector(f'body[data-jp-theme-name="{THEMES[name]}"]', state="attached")
        self.splash_gone()

    def notebook(self, *sources: str, name: str | None = None) -> str:
        """Write a notebook, open it and wait for its kernel."""
        name = name or f"n{next(_numbers)}.ipynb"
        write_notebook(self.server.notebooks / name, [nbformat.v4.new_code_cell(s) for s in sources])
        self.open(name)
        return name

    def open(self, name: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.run_command("docmanager:open", path=name)
        self.kernel_ready()

    def kernel_ready(self) -> None:
        self.page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")
        self.page.evaluate(KERNEL_READY)

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell").nth(number)

    def select(self, number: int) -> Locator:
        """Make a cell the active one."""
        cell = self.cell(number)
        cell.scroll_into_view_if_needed()
        cell.locator(".cm-content").click()
        return cell

    def run(self, number: int) -> Locator:
        """Run a cell by keyboard; returns it at once."""
        cell = self.select(number)
        self.page.keyboard.press("Control+Enter")
        return cell

    def run_to_end(self, number: int) -> Locator:
        """Run a cell and wait until it has a number."""
        cell = self.run(number)
        cell.locator(".jp-InputArea-prompt").filter(has_text="]").filter(has_not_text="*").and_(
            cell.locator(".jp-InputArea-prompt:not(:text-is('[ ]:'))")
        ).wait_for()
        return cell

    def source(self, number: int) -> str:
        """Give a cell's text."""
        return str(
            self.page.evaluate(
                "i => jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.getSource()", number
            )
        )

    def press_job_button(self, number: int) -> Locator:
        """Select a cell and press its job button."""
        cell = self.select(number)
        self.page.locator('.jp-cell-toolbar [data-jp-item-name="jupyter-kf-run"]').click()
        return cell

    def press_options_button(self, number: int) -> Locator:
        """Select a cell and open its popover."""
        self.select(number)
        self.page.locator('.jp-cell-toolbar [data-jp-item-name="jupyter-kf-options"]').click()
        popover = self.page.get_by_role("dialog", name="How this cell runs")
        popover.wait_for()
        return popover

    def card(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-kf-card").first

    def panel(self) -> Locator:
        """Show the panel."""
        self.run_command("jupyter-kf:show-panel")
        panel = self.page.locator("#jupyter-kf-panel")
        panel.wait_for()
        return panel

    def view(self, job: str, tab: str = "overview") -> Locator:
        """Open a job's view."""
        self.run_command("jupyter-kf:open-job", name=job, tab=tab)
        view = self.page.locator(f'[id="jupyter-kf-job-{job}"]')
        view.wait_for()
        return view

    def save(self) -> None:
        self.run_command("docmanager:save")

    def violations(self, selector: str) -> list[str]:
        """Ask axe-core what is wrong for people who do not see or use no mouse."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.add_script_tag(path=str(AXE))
        # the colours of a program's own output are its own, in the shades JupyterLab gives them
        context = {"include": [[selector]], "exclude": [[".jp-kf-line span"]]}
        found = self.page.evaluate("c => axe.run(c)", context)["violations"]
        return [f"{v['id']}: {v['help']} {[n['html'] for n in v['nodes']][:3]}" for v in found]

    def shot(self, name: str, part: Locator | None = None) -> None:
        """Make a screenshot for the documentation, if any are wanted, of the page or a part of it."""
        folder = os.environ.get("JUPYTER_KF_SCREENSHOTS")
        if folder:
            (part or self.page).screenshot(path=str(Path(folder) / f"{name}.png"))
