"""What the jobs of a run are asked for and return."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from napari_construct.events.duration import in_words


@runtime_checkable
class RunRequest(Protocol):
    """One run: the file that it writes, where it computes, and whether it goes on with a stopped one."""

    @property
    def output(self) -> Path: ...

    @property
    def device(self) -> str: ...

    @property
    def resume(self) -> bool: ...


@runtime_checkable
class RunDone(Protocol):
    """What is known of the model whose file is written."""

    @property
    def output(self) -> Path: ...

    def in_words(self) -> str:
        """How the run ended, in a line."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a run will take, in a line."""

    words: str


def short_time(seconds: float) -> str:
    """A time of a step: tenths of a second where they count."""
    return f"{seconds:.1f} s" if seconds < 10 else in_words(seconds)
