"""Events of a long job.

A long job is a generator: it yields these frozen events and returns its result.
The command line and the widgets draw progress bars from them. Closing the generator between two events
cancels the job.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar


class Doubt(str):
    """The text of a notice that throws doubt on a result, or needs an action; other texts inform.

    It stays one wherever texts are passed on as they are: in tuples of notices, in reports, in records.
    """

    __slots__ = ()


class SizeAssumed(Doubt):
    """The text of a notice that an image's pixel size is not known, and what is taken for it.

    The window asks for the size beside the image, and leaves the notice out.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a job: ``done`` of ``total`` units of ``stage`` are finished."""

    stage: str
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """A message for the user (an alpha channel was dropped, an image was resampled); not an error.

    ``image`` names the image it concerns, in a job with many; the message is then ``NAME: SENTENCE``.
    """

    image: str = ""


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """One optimiser step; ``losses`` maps names to unweighted losses."""

    epoch: int = 0
    epochs: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class EpochDone(Event):
    """One epoch; ``metrics`` holds mean losses and, with validation data, scores."""

    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """A run resumes after ``done`` steps; values are those of each finished epoch."""

    steps: tuple[int, ...] = ()
    learning_rates: tuple[float, ...] = ()
    history: tuple[Mapping[str, float], ...] = ()


Result = TypeVar("Result")
Steps: TypeAlias = Generator[Event, None, Result]
"""A job: yields events, returns a result."""


def forward(steps: Steps[Result], change: Callable[[Event], Iterable[Event]]) -> Steps[Result]:
    """The same job with other events; closing this one, or an error of ``change``, closes the job.

    Parameters
    ----------
    steps : generator
        The job.
    change : callable
        Maps an event to the events yielded in its place; an empty result drops it.
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
    """The same job; its notices name one of many images."""
    return forward(steps, lambda e: (replace(e, image=image) if isinstance(e, Notice) else e,))


def as_part(steps: Steps[Result], event: Event) -> Steps[Result]:
    """The same job as a part of a larger one; it yields ``event`` instead, so that it can be cancelled."""
    return forward(steps, lambda _: (event,))
