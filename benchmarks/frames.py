"""How a page draws while it is looked at, and how long its own work took in each frame.

A frame is late for the user whatever held it up. On a busy machine that is mostly the machine, so
Chromium's trace tells beside it the time that the page's thread really ran in each of its tasks,
and what took longest in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONG = 50.0  # milliseconds
FIRST = 5  # frames in which the watching itself begins
TIMELINE = "devtools.timeline"
CATEGORIES = ["toplevel", TIMELINE]
# Looks once a frame at which change each drawn row shows: the time in its text against now.
WATCH = """seconds => new Promise(done => {
  const lags = [], frames = []; const seen = new Map();
  let last = performance.now(); const end = last + seconds * 1000;
  const look = now => {
    frames.push(now - last); last = now;
    for (const row of document.querySelectorAll('#jupyter-kf-panel .jp-kf-row-facts')) {
      const found = /change (\\d+) at ([\\d.]+)/.exec(row.textContent);
      const job = row.closest('.jp-kf-row').dataset.job;
      if (found && seen.get(job) !== found[1]) {
        if (seen.has(job)) lags.push(Date.now() - 1000 * Number(found[2]));
        seen.set(job, found[1]);
      }
    }
    now < end ? requestAnimationFrame(look) : done({lags, frames});
  };
  requestAnimationFrame(look);
})"""


@dataclass(frozen=True)
class Look:
    """All in milliseconds: from event to pixel, between frames, and of work in the longest task."""

    lags: list[float]
    frames: list[float]
    work: float
    what: str  # took longest in it

    @property
    def late(self) -> int:
        """How many frames came too late to look smooth."""
        return sum(frame > LONG for frame in self.frames)


def look(page: Page, seconds: float) -> Look:
    """Look at a page for some seconds while Chromium keeps its trace."""
    session = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    ended: list[Any] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda told: ended.append(told))
    config = {"includedCategories": CATEGORIES, "traceBufferSizeInKb": 200_000}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
    seen = page.evaluate(WATCH, seconds)
    session.send("Tracing.end")
    for _ in range(600):
        if ended:
            break
        page.wait_for_timeout(100)
    session.detach()
    work, what = _longest(events)
    return Look(seen["lags"], seen["frames"][FIRST:], work, what)


def _longest(events: list[dict[str, Any]]) -> tuple[float, str]:
    """Find the task that kept the page's thread longest, and what took longest in it."""
    mine = _of_the_page(events)
    tasks = [e for e in mine if "RunTask" in e["name"] and "tdur" in e]
    if not tasks:
        return float("nan"), "no trace"
    task = max(tasks, key=lambda e: float(e["tdur"]))
    begin, end = task["ts"], task["ts"] + task["dur"]
    inside = [e for e in mine if begin <= e["ts"] < end and TIMELINE in e["cat"].split(",")]
    most = max(inside, key=lambda e: float(e.get("tdur", 0)), default=None)
    if most is None:
        return task["tdur"] / 1000, "not told"
    url = str(most.get("args", {}).get("data", {}).get("url", "")).split("?")[0]
    return task["tdur"] / 1000, f"{most['name']} {'/'.join(url.split('/')[3:])}".strip()


def _of_the_page(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the events of the main thread on which most happened: other pages are idle."""
    threads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    mains = set()
    for event in events:
        where = (event["pid"], event["tid"])
        if event["ph"] == "X":
            threads.setdefault(where, []).append(event)
        elif event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain":
            mains.add(where)
    return max((threads.get(where, []) for where in mains), key=len, default=[])
