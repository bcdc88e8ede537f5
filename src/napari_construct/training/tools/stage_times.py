"""What the stages of a short run took, from which that of a whole run is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from napari_construct.events import Event, StepDone


@dataclass
class StageTimes:
    """Seconds by what they were spent on, and how many units of it were done.

    Attributes
    ----------
    clock : callable
        Seconds; monotonic.
    seconds, units : dict
        By stage.
    steps : list of float
        Of each optimiser step.
    """

    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def add(self, event: Event) -> None:
        """The time since the last event went into what this one reports."""
        now = self.clock()
        spent, self._last = now - self._last, now
        if isinstance(event, StepDone):
            self.steps.append(spent)
            return
        stage = event.stage
        self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
        self.units[stage] = self.units.get(stage, 0) + 1 if stage in ("average", "statistics") else event.done

    def each(self, stage: str) -> float:
        """Seconds for a unit of a stage; 0 where there was none."""
        return self.seconds.get(stage, 0.0) / max(self.units.get(stage, 0), 1)

    @property
    def step(self) -> float:
        """Seconds of a step; the first one, which also prepares, counts only where it is alone."""
        return median(self.steps[1:] or self.steps)
