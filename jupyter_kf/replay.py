"""Shows a replica's output in the cell that sent it out, as if it had been made here.

Text goes to the kernel's own streams, rich output to its own publisher, so whatever front end
there is sees the messages it would have seen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.display import display

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .handle import Job
    from .logs import Item, Record
    from .spec import JobState


class Replay:
    """Follows rank 0 of one job."""

    def __init__(self, shell: InteractiveShell, job: Job, *, quiet: bool = False) -> None:
        self._shell = shell
        self._job = job
        self._inside = False
        self._has_result = False
        self._interrupted = False
        self._shown: tuple[JobState, str] | None = None
        self._card: Any = None if quiet else display(job, display_id=True)

    def follow(self) -> None:
        """Show everything until the job ends.

        An interrupt asks the replicas to stop after their step and goes on to show what they do;
        a second one gives up waiting and cancels the job.
        """
        stream = self._job.stream()
        while True:
            try:
                for item in stream:
                    if item is None:
                        self._update_card()
                    else:
                        self._show(item)
                return
            except KeyboardInterrupt:
                if self._interrupted:
                    self._job.cancel()
                    raise
                self._interrupted = True
                self._job.interrupt()

    def show_card(self) -> None:
        """Draw the card as the job is now."""
        if self._card is not None:
            self._card.update(self._job)

    def bind_result(self, value: Any) -> None:
        """Let ``_`` and ``Out`` be what they would be."""
        if self._has_result:
            self._shell.displayhook.update_user_ns(value)

    def _update_card(self) -> None:
        if self._card is None:
            return
        status = self._job.status
        now = (status.state, status.reason)
        if now != self._shown:
            self._shown = now
            self._card.update(self._job)

    def _show(self, item: Item) -> None:
        if isinstance(item, str):
            if self._inside:
                sys.stdout.write(item)
                sys.stdout.flush()
            return
        match item["kind"]:
            case "begin":
                self._inside = True
                self._update_card()
            case "end":
                self._inside = False
            case "stderr":
                sys.stderr.write(item["text"])
                sys.stderr.flush()
            case "note":
                print(f"jupyter_kf: {item['text']}", file=sys.stderr)
            case "display":
                self._publish(item)
            case "result":
                self._publish_result(item)
            case "clear":
                self._shell.display_pub.clear_output(wait=item["wait"])

    def _publish(self, item: Record) -> None:
        self._shell.display_pub.publish(
            data=item["data"],
            metadata=item["metadata"],
            transient=item.get("transient") or {},
            update=bool(item.get("update")),
        )

    def _publish_result(self, item: Record) -> None:
        self._has_result = True
        hook = self._shell.displayhook
        hook.start_displayhook()
        hook.write_output_prompt()
        hook.write_format_data(item["data"], item["metadata"])
        hook.finish_displayhook()
