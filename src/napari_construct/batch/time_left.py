"""How long a batch still takes, over images and slides of any size.

Time is counted by the pixels at the model's resolution that the network looks at. An image's are known from
its header. A slide's are its tiles with tissue, which are known when its turn has come; of those to come the
share of tissue is taken that the others had. Network, refinement and the rest (reading, writing) have a
cost of their own each, observed in this run: a slide is looked at for hours before anything of it is refined,
and the time of an image follows from that of a slide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from napari_construct.events import Event, Notice, Planned, Result, Steps, TimeTold, forward
from napari_construct.events.time_left import LEAST_SECONDS, key_of

USUAL_TISSUE: Final = 0.35
"""Share of a slide's area in tiles with tissue, until one was seen."""

_EVERY: Final = 0.5
"""Seconds between two estimates."""
_GROUPS: Final = {
    "tiles": "network",
    "refine": "refinement",
    "dense CRF": "refinement",
    "cells": "refinement",
}
_REST: Final = "rest"
_COSTS: Final = {"network": 0.35, "refinement": 0.85, _REST: 0.1}
"""Seconds for a million pixels on a core with the bundled model: what counts is how they compare."""
_UNKNOWN: Final = 1.0
"""Millions of pixels of an image of unknown size, where no other is known."""


class Size(NamedTuple):
    """Millions of pixels of an entry at the model's resolution; None where they are unknown."""

    megapixels: float | None
    slide: bool = False


@dataclass(slots=True)
class _Cost:
    seconds: float = 0.0
    megapixels: float = 0.0


@dataclass(slots=True)
class _Present:
    """The entry that is being done: its size, the time that went into it, and how far each group is."""

    size: Size
    megapixels: float
    spent: dict[str, float] = field(default_factory=dict)
    share: dict[str, float] = field(default_factory=dict)


class BatchTimeLeft:
    """Follows the entries of a batch, one after the other.

    Parameters
    ----------
    sizes : iterable of Size
        Of the entries that are to be done, in their order.
    tile : float
        Millions of pixels that a tile of a slide adds: its area without the overlap.
    clock : callable
        Seconds; monotonic.
    """

    def __init__(
        self, sizes: Iterable[Size], *, tile: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._waiting = list(sizes)
        self._tile, self._clock = tile, clock
        self._costs = {group: _Cost() for group in _COSTS}
        self._tissue, self._area = 0.0, 0.0
        self._present: _Present | None = None
        self._before = Event("", 0, 0)
        self._start = self._last = clock()
        self._told = -_EVERY

    def following(self, steps: Steps[Result]) -> Steps[Result]:
        """The steps of the next entry, with estimates between them; say :meth:`end` after it."""
        self._begin()

        def between(event: Event) -> Iterator[Event]:
            self._take(event)
            yield event
            if (told := self.told()) is not None:
                yield told

        return forward(steps, between)

    def _begin(self) -> None:
        """The next entry's turn has come."""
        size = self._waiting.pop(0)
        self._present = _Present(size, self._expected(size))
        self._before, self._last = Event("", 0, 0), self._clock()

    def end(self, *, done: bool) -> None:
        """The present entry is over; of one that failed nothing is learnt."""
        present = self._present
        if present is None:
            return
        self._spend(_group(self._before))
        if done:
            for group, cost in self._costs.items():
                cost.seconds += present.spent.get(group, 0.0)
                cost.megapixels += present.megapixels
        self._present = None

    def _take(self, event: Event) -> None:
        """An event of the present entry."""
        present = self._present
        if present is None or isinstance(event, Notice | Planned | TimeTold):
            return
        before, key = self._before, key_of(event.stage)
        same = key_of(before.stage) == key
        self._spend(_group(event) if same else _group(before))
        self._before = event
        if event.total <= 0 or key not in ("tiles", "refine"):
            return
        if key == "tiles" and present.size.slide and not same:
            present.megapixels = event.total * self._tile
            self._tissue += present.megapixels
            self._area += present.size.megapixels or 0.0
        present.share[_GROUPS[key]] = event.done / event.total

    def told(self) -> TimeTold | None:
        """The estimate, where the last one is half a second old."""
        now = self._clock()
        if now - self._told < _EVERY:
            return None
        self._told = now
        seconds = self._left()
        passed = now - self._start
        share = 0.0 if seconds is None else passed / max(passed + seconds, 1e-9)
        return TimeTold("time left", 0, 0, seconds=seconds, share=share)

    def _spend(self, group: str) -> None:
        now = self._clock()
        if self._present is not None:
            spent = self._present.spent
            spent[group] = spent.get(group, 0.0) + now - self._last
        self._last = now

    def _expected(self, size: Size) -> float:
        """Millions of pixels of an entry whose turn has not come."""
        if size.megapixels is None:
            known = [other.megapixels for other in self._waiting if other.megapixels and not other.slide]
            return sum(known) / len(known) if known else _UNKNOWN
        share = self._tissue / self._area if self._area else USUAL_TISSUE
        return size.megapixels * (share if size.slide else 1.0)

    def _left(self) -> float | None:
        rates = self._rates()
        if rates is None:
            return None
        waiting = sum(map(self._expected, self._waiting))
        seconds = waiting * sum(rates.values())
        if self._present is not None:
            present = self._present
            for group, rate in rates.items():
                seconds += rate * present.megapixels * (1 - present.share.get(group, 0.0))
        return seconds

    def _rates(self) -> dict[str, float] | None:
        """Seconds for a million pixels by group; None until enough was seen."""
        seen: dict[str, _Cost] = {}
        for group, cost in self._costs.items():
            seconds, megapixels = cost.seconds, cost.megapixels
            if self._present is not None and group != _REST:
                share = self._present.share.get(group, 0.0)
                if share > 0:
                    seconds += self._present.spent.get(group, 0.0)
                    megapixels += self._present.megapixels * share
            seen[group] = _Cost(seconds, megapixels)
        if sum(cost.seconds for cost in seen.values()) < LEAST_SECONDS:
            return None
        known = [group for group, cost in seen.items() if cost.megapixels > 0]
        usual = sum(_COSTS[group] * seen[group].megapixels for group in known)
        scale = sum(seen[group].seconds for group in known) / usual if usual else 1.0
        return {
            group: cost.seconds / cost.megapixels if cost.megapixels > 0 else _COSTS[group] * scale
            for group, cost in seen.items()
        }


def _group(event: Event) -> str:
    return _GROUPS.get(key_of(event.stage), _REST)
