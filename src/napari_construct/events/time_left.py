"""How long a job still takes, over all its stages.

Time between two events belongs to the stage that it was spent on: a stage that begins (``done`` is 0) says
that the one before has ended; one that reports something done says what the time went into, unless a stage of
a single unit was still going on. Each stage has a cost per pass: what was observed in this run, else what it
was in an earlier one, else its planned weight times how slow this computer is with the stages that were
observed. The time left is the sum over the passes that are still to come.

Without a plan only the stages that have come are known, and the time left is that of the present one. A job
that tells its time left by itself (``TimeTold``) is believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from napari_construct.events.kinds import Event, Notice, Resumed
from napari_construct.events.plan import Part, Phase, Planned, TimeTold

MEMORY_SECONDS: Final = 60.0
"""Half-life of what was observed, in seconds spent on a stage: other programs come and go."""

LEAST_SECONDS: Final = 2.0
"""Seconds that steady work must have been observed before a time is told."""

Costs = dict[tuple[str, str], float]
"""Seconds per weight by job and stage, of earlier runs."""


@dataclass
class _Stage:
    """What was seen of a stage: finished passes, the share of the present one, and its cost.

    ``spent`` seconds were needed for ``done`` passes lately; ``seconds`` counts all.
    """

    passes: float = 0.0
    now: float = 0.0
    ended: bool = True
    assumed: bool = False
    spent: float = 0.0
    done: float = 0.0
    seconds: float = 0.0
    events: int = 0

    def move(self, share: float, *, again: bool = False) -> float:
        """Be at a share of a pass, ``again`` if this was the present stage; returns how far it went on."""
        if share >= 1 and self.ended and (again or self.assumed):  # told already, or assumed when it was left
            self.assumed = False
            return 0.0
        gone = share - self.now
        if gone < 0:  # another pass has begun
            self.passes += 1
            gone = share
        self.now, self.ended, self.assumed = share, share >= 1, False
        if self.ended:
            self.passes, self.now = self.passes + 1, 0.0
        return gone

    def leave(self) -> float:
        """Another stage begins, and this one did not say that it has ended."""
        if self.ended:
            return 0.0
        gone = self.move(1.0)
        self.assumed = True
        return gone

    def put(self, passes: float) -> None:
        """So many passes are over, whether or not they came."""
        self.passes, self.now, self.ended, self.assumed = passes, 0.0, True, False

    def spend(self, seconds: float, passes: float) -> None:
        fading = 0.5 ** (seconds / MEMORY_SECONDS)
        self.spent, self.done = self.spent * fading + seconds, self.done * fading + passes
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds left, None while unknown; and the share of the whole job that is done, which never falls."""

    seconds: float | None
    share: float


@dataclass
class TimeLeft:
    """Follows the events of one job.

    Parameters
    ----------
    costs : dict
        Of earlier runs; this one adds its own.
    clock : callable
        Seconds; monotonic.
    """

    costs: Costs = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._start = self._last = self.clock()
        self._earlier = dict(self.costs)
        self._plan: Planned | None = None
        self._stages: dict[str, _Stage] = {}
        self._present = Event("", 0, 0)
        self._phase = -1
        self._share = 0.0
        self._told: tuple[float, float] | None = None

    def update(self, event: Event) -> Left:
        """Take an event in."""
        if isinstance(event, TimeTold):
            self._told = None if event.seconds is None else (event.seconds, self.clock())
            self._share = max(self._share, min(event.share, 1.0))
        elif isinstance(event, Planned):
            self._plan, self._phase = event, -1
            for stage in self._stages.values():
                stage.passes = stage.now = 0.0
        elif not isinstance(event, Notice):
            self._take(event)
        return self.now()

    def end(self) -> None:
        """The job is over, and with it the present stage."""
        now = self.clock()
        self._leave(self._present, now - self._last)

    def now(self) -> Left:
        """The time left at this moment."""
        if self._told is not None:
            told, then = self._told
            return Left(max(told - (self.clock() - then), 0.0), self._share)
        since = max(self.clock() - self._last, 0.0)
        left, known = self._left(), self._is_known()
        seconds = None if left is None or not known else max(left - since, 0.0)
        if left is not None and (known or self._plan is None):
            passed = self.clock() - self._start
            self._share = max(self._share, min(passed / max(passed + left - since, passed, 1e-9), 1.0))
        return Left(seconds, self._share)

    def _take(self, event: Event) -> None:
        now = self.clock()
        seconds, self._last = now - self._last, now
        before, key = self._present, key_of(event.stage)
        stage = self._stages.setdefault(key, _Stage())
        share = min(event.done / event.total, 1.0) if event.total > 0 else 0.0
        self._present = event
        if isinstance(event, Resumed):
            stage.now, stage.ended = share, share >= 1
            return
        counted = self._counted(key)
        if counted is not None:
            if key_of(before.stage) != key:
                self._leave(before, seconds)
            self._count(counted, event)
        elif key_of(before.stage) == key:
            self._spend(key, seconds, stage.move(share, again=True))
        elif share == 0 or self._is_open(before):
            self._leave(before, seconds)
            stage.move(share)
        else:
            self._leave(before, 0.0)
            self._spend(key, seconds, stage.move(share))
        self._arrive(key)

    def _is_open(self, before: Event) -> bool:
        """Whether a stage of a single unit has not said that it has ended: time then went into it."""
        return bool(before.stage) and before.total == 1 and not self._stages[key_of(before.stage)].ended

    def _leave(self, before: Event, seconds: float) -> None:
        """Another stage begins: one of a single unit has ended, also where it did not say so."""
        key = key_of(before.stage)
        if key:
            single = before.total <= 1 or self._counted(key) is not None
            self._spend(key, seconds, self._stages[key].leave() if single else 0.0)

    def _spend(self, key: str, seconds: float, passes: float) -> None:
        stage = self._stages[key]
        stage.events += 1
        if stage.events == 2 and 0 < passes < 0.1 and stage.done <= passes:
            stage.spent = stage.done = 0.0  # of many units the first includes what is prepared once
        stage.spend(seconds, passes)
        found = self._part(key)
        if self._plan is not None and found is not None and stage.done > 0:
            self.costs[self._plan.job, key] = stage.spent / stage.done / found.weight

    def _counted(self, key: str) -> Phase | None:
        phases = () if self._plan is None else self._plan.phases
        return next((phase for phase in phases if phase.counter == key), None)

    def _count(self, phase: Phase, event: Event) -> None:
        """So many rows of a phase are finished, whatever was left out in them."""
        for part in phase.parts:
            self._stages.setdefault(part.stage, _Stage()).put(event.done * phase.times / max(event.total, 1))
        self._stages.setdefault(phase.counter, _Stage()).ended = event.done >= event.total

    def _arrive(self, key: str) -> None:
        """What comes before a stage in the plan is over, even if it never came."""
        if self._plan is None:
            return
        for number, phase in enumerate(self._plan.phases):
            names = [part.stage for part in phase.parts]
            if key not in names:
                continue
            here = self._stages[key]
            begun = here.passes + (not here.ended)
            for i, name in enumerate(names):
                other = self._stages.setdefault(name, _Stage())
                least = begun if i < names.index(key) else max(begun - 1, 0.0)
                if name != key and other.passes + other.now < least:
                    other.put(least)
            self._phase = max(self._phase, number)

    def _left(self) -> float | None:
        if self._plan is None:
            stage = self._stages.get(key_of(self._present.stage))
            if stage is None or stage.done <= 0:
                return None
            if stage.ended:  # of a single unit nothing follows from that
                return 0.0 if self._present.total > 1 else None
            return stage.spent / stage.done * (1 - stage.now)
        if not self._plan.phases:
            return None
        scale = self._scale()
        total = sum(self._cost(part, scale) * passes for part, passes in self._to_come())
        return total * (1 + self._unplanned())

    def _to_come(self) -> Iterator[tuple[Part, float]]:
        """Parts, and how many passes of them are left."""
        phases = () if self._plan is None else self._plan.phases
        for number, phase in enumerate(phases):
            following = [later for later in range(number + 1, len(phases)) if not phases[later].during]
            over = bool(following) and self._phase >= following[0]
            for part in phase.parts:
                stage = self._stages.get(part.stage, _Stage())
                yield part, 0.0 if over else max(phase.times - stage.passes - stage.now, 0.0)

    def _cost(self, part: Part, scale: float) -> float:
        """Seconds of a pass."""
        stage = self._stages.get(part.stage)
        if stage is not None and stage.done > 0:
            return stage.spent / stage.done
        like, alike = self._stages.get(part.like), self._part(part.like)
        if like is not None and alike is not None and like.done > 0:
            scale = like.spent / like.done / alike.weight
        job = "" if self._plan is None else self._plan.job
        return part.weight * self._earlier.get((job, part.stage), scale if part.steady else 1.0)

    def _scale(self) -> float:
        """Seconds per weight of the steady parts that were observed."""
        spent = weight = 0.0
        for part in self._parts():
            stage = self._stages.get(part.stage)
            if part.steady and stage is not None and stage.done > 0:
                spent, weight = spent + stage.spent, weight + part.weight * stage.done
        return spent / weight if weight > 0 else 1.0

    def _unplanned(self) -> float:
        """Time of stages that no plan has and that come again and again, as a share of the steady ones'."""
        planned = {part.stage: part.steady for part in self._parts()}
        seen = self._stages.items()
        others = sum(stage.seconds for key, stage in seen if key not in planned and stage.events >= 4)
        steady = sum(stage.seconds for key, stage in seen if planned.get(key))
        return min(others / steady, 1.0) if steady > 0 else 0.0

    def _is_known(self) -> bool:
        """Whether enough was observed, now or in earlier runs, to tell a time."""
        if self._plan is None:
            stage = self._stages.get(key_of(self._present.stage))
            return stage is not None and stage.seconds >= LEAST_SECONDS / 2
        steady = [part for part in self._parts() if part.steady]
        remembered = (part.weight for part in steady if (self._plan.job, part.stage) in self._earlier)
        if 2 * sum(remembered) > sum(part.weight for part in steady):
            return True
        seen = [self._stages[part.stage] for part in steady if part.stage in self._stages]
        return sum(stage.seconds for stage in seen) >= LEAST_SECONDS and sum(s.events for s in seen) >= 2

    def _parts(self) -> Iterator[Part]:
        for phase in () if self._plan is None else self._plan.phases:
            yield from phase.parts

    def _part(self, key: str) -> Part | None:
        return next((part for part in self._parts() if part.stage == key), None)


def key_of(stage: str) -> str:
    """A stage without the part of the job that it belongs to: "plane 2 of 5, tiles" is "tiles"."""
    return stage.rpartition(", ")[2]
