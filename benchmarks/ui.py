"""What the JupyterLab side costs: event to pixel, frames, first paint, log tail, bundle, server.

Uses the scripted backend of the browser tests and Debian's Chromium; says what it measures as it
goes and ends with one line a figure. Goals stand beside the figures.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frames import look
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ui.conftest import CHROMIUM
from tests.ui.lab import LabServer, scripted_server
from tests.ui.page import LabPage
from tests.ui.scripted import FIRST

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
TAIL_SECONDS = float(os.environ.get("BENCH_TAIL_SECONDS", "60"))
START = 8.0  # seconds in which JupyterLab itself is busy with its start
EXTENSION = Path(__file__).parents[1] / "labextension"
PAINT = """() => new Promise(done => {
  const begin = performance.now();
  jupyterapp.commands.execute('jupyter-kf:show-panel');
  const look = () => document.querySelector('#jupyter-kf-panel .jp-kf-row')
    ? requestAnimationFrame(() => done(performance.now() - begin)) : requestAnimationFrame(look);
  look();
})"""


def at(share: float, values: list[float]) -> float:
    """Give the value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def opened(browser: Browser, server: LabServer) -> LabPage:
    return LabPage(browser.new_page(viewport={"width": 1280, "height": 860}), server)


def event_to_pixel(browser: Browser) -> dict[str, Any]:
    """1,000 jobs of which 200 change a second; only rows in sight can be seen to change."""
    with scripted_server(jobs=1000, changes=200) as server:
        page = opened(browser, server)
        page.panel()
        page.page.wait_for_timeout(1000 * START)
        seen = look(page.page, SECONDS)
        cost = cpu(server, SECONDS)
        page.page.close()
        leave_out(server)
        page = opened(browser, server)
        page.page.wait_for_timeout(1000 * START)
        bare = look(page.page, SECONDS)
        page.page.close()
        print(f"   longest task: {seen.what}; without the extension: {bare.what}")
        return {
            "event to pixel, p50 ms": at(0.5, seen.lags),
            "event to pixel, p99 ms (goal 200)": at(0.99, seen.lags),
            "changes seen": len(seen.lags),
            "longest task of the page ms (goal 50)": seen.work,
            "the same without the extension": bare.work,
            "longest frame ms": max(seen.frames),
            "frames over 50 ms": seen.late,
            "frames over 50 ms without the extension": bare.late,
            "server CPU at 200 events/s and 1 page, %": cost,
        }


def leave_out(server: LabServer) -> None:
    """Have pages of this server from now on without the extension: JupyterLab alone."""
    file = server.folder / "cfg" / "labconfig" / "page_config.json"
    page = json.loads(file.read_text())
    page["disabledExtensions"]["jupyter-kf"] = True
    file.write_text(json.dumps(page))


def first_paint(browser: Browser) -> dict[str, Any]:
    """10,000 jobs listed."""
    with scripted_server(jobs=10_000) as server:
        page = opened(browser, server)
        page.page.wait_for_selector(".jp-kf-status", timeout=60_000)
        figure = page.page.evaluate(PAINT)
        page.page.close()
        return {"first paint of 10,000 jobs ms (goal 300)": figure}


def log_tail(browser: Browser) -> dict[str, Any]:
    """5,000 lines a second; the heap after a fifth of the time and at the end."""
    with scripted_server(lines=5000) as server:
        page = opened(browser, server)
        page.view(FIRST, "logs")
        session = page.page.context.new_cdp_session(page.page)

        def heap() -> float:
            session.send("HeapProfiler.collectGarbage")
            return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

        time.sleep(max(15.0, SECONDS / 2))  # until the window is full
        before = heap()
        time.sleep(TAIL_SECONDS)
        after = heap()
        page.page.close()
        return {"log tail, heap MB full window": before, f"and {TAIL_SECONDS:g} s later": after}


def bundle() -> dict[str, Any]:
    """What a page loads: the bundle as it is in the wheel."""
    print("-- building the bundle as for the wheel", flush=True)
    way = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["jlpm", "build:prod"]
    subprocess.run(command, cwd=EXTENSION, env={**os.environ, "PATH": way}, check=True, capture_output=True)
    folder = Path(__file__).parents[1] / "jupyter_kf/labextension/static"
    files = list(folder.glob("*.js"))
    raw = sum(f.stat().st_size for f in files)
    packed = sum(len(gzip.compress(f.read_bytes())) for f in files)
    return {"bundle kB (goal 250)": raw / 1000, "bundle gzipped kB": packed / 1000}


def idle(browser: Browser) -> dict[str, Any]:
    """Three pages on which nothing happens."""
    with scripted_server() as server:
        none = cpu(server, SECONDS / 2)
        pages = [opened(browser, server) for _ in range(3)]
        time.sleep(5)
        some = cpu(server, SECONDS / 2)
        for page in pages:
            page.page.close()
        return {"server CPU idle without pages, %": none, "with 3 idle pages, %": some}


def cpu(server: LabServer, seconds: float) -> float:
    """Give the share of one core that the server uses over some seconds."""
    assert server.process is not None
    stat = Path(f"/proc/{server.process.pid}/stat")

    def used() -> float:
        fields = stat.read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(seconds)
    return 100 * (used() - before) / seconds


def main() -> None:
    """Measure everything and print it; ``BENCH_SECONDS`` sets how long each part looks."""
    figures: dict[str, Any] = {"load of the machine at the start": os.getloadavg()[0]}
    figures |= bundle()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for part in (event_to_pixel, first_paint, log_tail, idle):
            print(f"-- {part.__doc__}", flush=True)
            figures |= part(browser)
        browser.close()
    for name, value in figures.items():
        print(f"{name:52} {value:10.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
