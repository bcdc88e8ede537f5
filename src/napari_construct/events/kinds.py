"""What a long job reports while it runs.

A long job is a generator: it yields these frozen events and returns its result.
The command line draws a bar from them, a widget a bar and an ETA, a test iterates them.
Closing the generator between two events cancels the job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a job: ``done`` of ``total`` units of ``stage`` are finished."""

    stage: str
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the user should read (an alpha channel dropped, a resampling); not an error.

    ``image`` names which of many images it is about; the message is then ``NAME: SENTENCE``.
    """

    image: str = ""


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """One optimiser step of one of ``epochs``; ``losses`` maps loss names to their unweighted values."""

    epoch: int = 0
    epochs: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class EpochDone(Event):
    """One epoch; ``metrics`` holds the mean losses and, where there are masks, the scores."""

    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """A run goes on after ``done`` steps; of each finished epoch the last step, learning rate and metrics."""

    steps: tuple[int, ...] = ()
    learning_rates: tuple[float, ...] = ()
    history: tuple[Mapping[str, float], ...] = ()


Result = TypeVar("Result")
Steps: TypeAlias = Generator[Event, None, Result]
"""A job: yields events, returns a result."""


def forward(steps: Steps[Result], change: Callable[[Event], Iterable[Event]]) -> Steps[Result]:
    """The same job with other events; it is closed when this one is, and when ``change`` raises.

    Parameters
    ----------
    steps : generator
        The job.
    change : callable
        From an event to those that are yielded in its place; none keeps it back.
    """
    try:
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            yield from change(event)
    finally:
        steps.close()


def of_image(steps: Steps[Result], image: str) -> Steps[Result]:
    """The same steps, whose notices are about one of many images."""
    return forward(steps, lambda e: (replace(e, image=image) if isinstance(e, Notice) else e,))


def as_part(steps: Steps[Result], event: Event) -> Steps[Result]:
    """The same job as a part of a larger one: ``event`` wherever it yields, so that a cancel acts there."""
    return forward(steps, lambda _: (event,))


_NUMBER: Final = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class Notices:
    """What a job said; what it said of many images alike is told once, with how many."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[Notice]] = {}

    def add(self, notice: Notice) -> bool:
        """Keep a notice; whether nothing like it was said of another image before."""
        sentence = notice.message.partition(": ")[2] if notice.image else ""
        # sizes and brightnesses differ from image to image where the sentence is the same
        kind = self._kinds.setdefault(_NUMBER.sub("#", sentence) or notice.message, [])
        kind.append(notice)
        return len(kind) == 1 or not notice.image

    def texts(self) -> list[str]:
        """Every kind once, in the order in which they came."""
        return [_text(kind) for kind in self._kinds.values()]

    def repeated(self) -> list[str]:
        """Those of more than one image."""
        return [_text(kind) for kind in self._kinds.values() if _others(kind)]


def _others(kind: list[Notice]) -> int:
    """How many images there are beside the first."""
    return len({notice.image for notice in kind}) - 1


def _text(kind: list[Notice]) -> str:
    more = _others(kind)
    return kind[0].message + (f" (and {more} more image{'s' if more > 1 else ''})" if more else "")
