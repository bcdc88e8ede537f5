"""A job driven to its end: in silence, with a function that gets each event, or with progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_construct.events.duration import left_in_words
from napari_construct.events.kinds import Event, Notice, Result, Steps
from napari_construct.events.notices import Notices
from napari_construct.events.plan import Planned, TimeTold
from napari_construct.events.time_left import TimeLeft
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

Progress: TypeAlias = bool | Callable[[Event], Any] | None
"""How a job shows where it is: True draws bars on standard error, a callable gets each event."""


def run(steps: Generator[Event, None, Result], progress: Progress = None) -> Result:
    """Drive a job to its end and return its result.

    Parameters
    ----------
    steps : generator
        The job, for example of ``segment_steps``. It is closed, which cancels it, when ``progress`` raises.
    progress : bool or callable
        True draws bars with the time left on standard error; a callable gets each event; None and False
        are silent.
    """
    if progress is True:
        with progress_bars() as bars:
            return bars.follow(steps)
    try:
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            if progress:
                progress(event)
    finally:
        steps.close()


class Bars:
    """One bar per stage of a job; a stage that starts again reuses its bar.

    The bar of the present stage says how long the whole job still takes.
    """

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._notices = Notices()
        self._left = TimeLeft()
        self._present: TaskID | None = None

    def follow(self, steps: Steps[Result], label: str = "") -> Result:
        """Drive a job to its end and show its events; cancels it when interrupted.

        A notice that several images share is printed for the first; the end gives the number of images.
        """
        self._notices, self._left = Notices(), TimeLeft()
        try:
            return run(steps, lambda event: self._show(event, label))
        finally:
            for text in self._notices.repeated():
                self.say(f"note: {text}")

    def say(self, message: str) -> None:
        """A line above the bars."""
        self._progress.console.print(shown(message), markup=False, highlight=False, soft_wrap=True)

    def _show(self, event: Event, label: str) -> None:
        if isinstance(event, Notice):
            if self._notices.add(event):
                self.say(f"note: {event.message}")
            return
        left = left_in_words(self._left.update(event).seconds)
        if isinstance(event, Planned | TimeTold):
            return
        text = shown(" ".join(part for part in (event.message or label, event.stage) if part))
        bar = self._bars.get(event.stage)
        if bar is None:
            bar = self._bars[event.stage] = self._progress.add_task(text, total=event.total, left=left)
        elif event.done == 0:
            self._progress.reset(bar, total=event.total)
        if self._present not in (None, bar):
            self._progress.update(self._present, left="")
        self._present = bar
        self._progress.update(bar, completed=event.done, total=event.total, description=text, left=left)


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Bars on standard error, gone when done; only messages where it is neither a terminal nor a notebook."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    notebook = console.is_jupyter and find_spec("ipywidgets") is not None
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=console,
        transient=True,
        disable=not (console.is_terminal or notebook),
    )
    with progress:
        yield Bars(progress)
