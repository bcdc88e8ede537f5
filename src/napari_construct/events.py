"""What a long job reports while it runs.

A long job is a generator: it yields these frozen events and returns its result.
The command line draws a bar from them, a widget a bar and an ETA, a test iterates them.
Closing the generator between two events cancels the job.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a job: ``done`` of ``total`` units of ``stage`` are finished."""

    stage: str
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the user should read (an alpha channel dropped, a resampling); not an error."""


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


def run(steps: Generator[Event, None, Result], on_event: Callable[[Event], Any] | None = None) -> Result:
    """Drive a job to its end and return its result, passing every event to ``on_event``."""
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if on_event is not None:
            on_event(event)
