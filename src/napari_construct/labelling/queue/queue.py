"""The queue of regions: next, accept, correct, skip; kept on disk, so that it goes on another day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from shapely import box

from napari_construct.annotations import Feature
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.record import write_record
from napari_construct.export.reports import marked, refuse_other_reports
from napari_construct.labelling.queue.regions import STATES, Region, State
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.reading.texts.json import read_json
from napari_construct.types import PathLike

ENDING: Final = "_next.queue"
"""Of the file beside the results; it holds JSON, and no reader of records takes it for one."""

_KIND: Final = "regions to look at"
_LARGEST: Final = 2**26
_NUMBERS: Final = ("row", "column", "height", "width")
_FLOATS: Final = ("gain", "doubt", "diversity", "tissue")


@dataclass(frozen=True, slots=True)
class RegionQueue:
    """Regions in their order, each with what was said of it; never changed, but made anew.

    Attributes
    ----------
    settings : QueueSettings
        How they were ranked.
    regions : tuple of Region
        The best first; those that were looked at stay in their places.
    """

    settings: QueueSettings
    regions: tuple[Region, ...]

    def __len__(self) -> int:
        return len(self.regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def next(self, after: int = -1) -> int | None:
        """Number of the next waiting region behind one, or from the start again; None where all are done."""
        waiting = [i for i, one in enumerate(self.regions) if one.state == "waiting"]
        return next((i for i in waiting if i > after), waiting[0] if waiting else None)

    def counts(self) -> dict[State, int]:
        """How many regions are in each state."""
        return {state: sum(one.state == state for one in self.regions) for state in STATES}

    def put(self, number: int, state: State) -> RegionQueue:
        """The queue with what was said of a region: accepted, corrected, skipped, or waiting again.

        Raises
        ------
        ConfigurationError
            If there is no such region.
        """
        if not 0 <= number < len(self.regions):
            raise ConfigurationError(
                f"expected a region from 1 to {len(self.regions)}, got {number + 1}; see the list"
            )
        changed = replace(self.regions[number], state=state)
        return replace(self, regions=(*self.regions[:number], changed, *self.regions[number + 1 :]))

    def followed_by(self, ranked: RegionQueue) -> RegionQueue:
        """What was looked at, then a new ranking in place of what still waits."""
        done = [one for one in self.regions if one.state != "waiting"]
        new = [one for one in ranked.regions if all(one.key != other.key for other in done)]
        return RegionQueue(ranked.settings, (*done, *new))

    @property
    def known(self) -> tuple[Region, ...]:
        """What was looked at: a new ranking leaves it out."""
        return tuple(one for one in self.regions if one.state != "waiting")

    def features(self, source: str | None = None, *, waiting: bool = False) -> Iterator[Feature]:
        """The regions, of one image or of all, as locked annotations for QuPath, named by their rank."""
        for number, one in enumerate(self.regions, start=1):
            if source in (None, one.source) and (one.state == "waiting" or not waiting):
                yield Feature(
                    geometry=box(one.column, one.row, one.column + one.width, one.row + one.height),
                    name=f"{number}: {one.guess}" if one.guess else str(number),
                    locked=True,
                    measurements={name: getattr(one, name) for name in _FLOATS},
                )

    def save(self, path: PathLike) -> None:
        """Write as JSON, atomically.

        Raises
        ------
        ConfigurationError
            If the file there is one of others.
        """
        path = Path(path)
        refuse_other_reports([path])
        content = {
            "kind": _KIND,
            "settings": self.settings.model_dump(mode="json"),
            "regions": [one.to_dict() for one in self.regions],
        }
        write_record(path, marked(content))

    @classmethod
    def load(cls, path: PathLike) -> RegionQueue:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If it is something else, or damaged.
        """
        path = Path(path)
        found = read_json(path, what="a queue of regions", largest=_LARGEST, error=InputError)
        try:
            kind, settings = found["kind"], QueueSettings.checked(**found["settings"])
            regions = tuple(_region(one) for one in found["regions" if kind == _KIND else "none"])
        except (KeyError, TypeError, ValueError, ConfigurationError) as error:
            raise InputError(
                f"{path}: expected a queue of regions, got another or a damaged file; remove it, and rank "
                "again"
            ) from error
        return cls(settings, regions)


def _region(found: Mapping[str, Any]) -> Region:
    row, column, height, width = (int(found[name]) for name in _NUMBERS)
    if min(row, column) < 0 or min(height, width) < 1:
        raise ValueError("a place outside of the image")
    state = found["state"]
    if state not in STATES:
        raise ValueError("an unknown state")
    gain, doubt, diversity, tissue = (float(found[name]) for name in _FLOATS)
    return Region(
        str(found["source"]),
        row,
        column,
        height,
        width,
        gain,
        doubt,
        diversity,
        tissue,
        str(found["guess"]),
        state,
    )
