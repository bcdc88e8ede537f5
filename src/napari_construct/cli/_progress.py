"""A job's events as progress bars with the time left, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from napari_construct.events import Event, Notice, Notices, Steps, run

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Result = TypeVar("Result")


class Bars:
    """One bar per stage of a job; a stage that starts again reuses its bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._notices = Notices()

    def follow(self, steps: Steps[Result], label: str = "") -> Result:
        """Drive a job to its end and show its events; cancels it when interrupted.

        What is noted of many images alike is said of the first, and at the end of how many.
        """
        self._notices = Notices()
        try:
            return run(steps, lambda event: self._show(event, label))
        finally:
            for text in self._notices.repeated():
                self.say(f"note: {text}")

    def say(self, message: str) -> None:
        """A line above the bars."""
        self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def _show(self, event: Event, label: str) -> None:
        if isinstance(event, Notice):
            if self._notices.add(event):
                self.say(f"note: {event.message}")
            return
        text = " ".join(part for part in (event.message or label, event.stage) if part)
        bar = self._bars.get(event.stage)
        if bar is None:
            bar = self._bars[event.stage] = self._progress.add_task(text, total=event.total)
        elif event.done == 0:
            self._progress.reset(bar, total=event.total)
        self._progress.update(bar, completed=event.done, total=event.total, description=text)


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Bars on standard error, gone when done; only messages where it is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        yield Bars(progress)
