"""One of two annotations, part by part: pixels of a mask, or objects that are drawn where they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree

from napari_construct.annotations import OBJECTS, Feature, is_ignored, region_name
from napari_construct.data.region_set import RegionSet, Window
from napari_construct.exceptions import InputError
from napari_construct.reading.names import named

MOST_OBJECTS: Final = 2_000_000
"""Outlines are held, masks are not."""

_CLIPPED: Final = 500
"""Outlines of more points are cut to the part before they are drawn."""
_REGION: Final = "region*"
"""QuPath's class of regions that mean nothing but themselves."""


@runtime_checkable
class Side(Protocol):
    """One annotation on a grid of pixels."""

    @property
    def name(self) -> str:
        """Of what it was read from."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its classes."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What was left out, and how it was read."""

    def values(self, window: Window) -> NDArray[np.int16] | None:
        """(h, w): class of each pixel, -1 for none; None where all of the window has none."""

    def regions(self) -> RegionSet | None:
        """Where it says anything; what counts nowhere is cut out of it. None: everywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskSide:
    """Labels, in memory or on disk: anything that gives a part when sliced.

    Attributes
    ----------
    labels : array-like
        (h, w); ``i + 1`` is class ``i`` of ``names``, 0 none. Other values are an error.
    downsample : float
        Pixels of the image along the side of one.
    """

    name: str
    names: tuple[str, ...]
    labels: Any
    downsample: float = 1.0
    notices: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.labels.shape
        return int(rows), int(columns)

    def values(self, window: Window) -> NDArray[np.int16] | None:
        part = np.asarray(
            self.labels[window.top : window.top + window.height, window.left : window.left + window.width]
        )
        found = part.astype(np.int16) - np.int16(1)
        highest = int(found.max(initial=-1))
        if highest >= len(self.names) or int(part.min(initial=0)) < 0:
            raise InputError(
                f"{self.name}: expected values from 0 to {len(self.names)}, got {highest + 1}; name a "
                "class for each value, in their order (--classes)"
            )
        return None if highest < 0 else found

    def regions(self) -> RegionSet | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class ObjectSide:
    """Outlined objects with a class; smaller ones are drawn over larger ones, as QuPath shows them."""

    name: str
    names: tuple[str, ...]
    notices: tuple[str, ...]
    _geometries: NDArray[np.object_]
    _classes: NDArray[np.intp]
    _tree: STRtree
    _regions: RegionSet | None

    @classmethod
    def of(
        cls, name: str, features: Iterable[Feature], *, locked: str = "regions", downsample: float = 1.0
    ) -> ObjectSide:
        """Objects of a file, in pixels of the image.

        Locked annotations, and those of the class ``Region*``, are regions: outside of them nothing is
        compared. Where every object with a class is locked, these are objects, as nothing else is there.

        Parameters
        ----------
        name : str
            For messages.
        features : iterable of Feature
            As they are read.
        locked : {"regions", "objects"}
            What locked annotations are.
        downsample : float
            Pixels of the image along the side of one of the grid.

        Raises
        ------
        InputError
            If there are too many, or they cannot be read.
        """
        objects, regions, ignored, nameless = [], [], [], []
        for feature in features:
            region = feature.object_type not in OBJECTS and (
                (feature.locked and locked == "regions") or _is_region(feature.class_name)
            )
            if is_ignored(feature.class_name):
                ignored.append(feature)
            elif region:
                regions.append(feature)
            elif feature.class_name is None:
                nameless.append(feature)
            else:
                objects.append(feature)
            if len(objects) + len(regions) > MOST_OBJECTS:
                raise InputError(
                    f"{name}: expected at most {MOST_OBJECTS:,} objects, got more; export a part of them"
                )
        notices = list(getattr(features, "notices", ()))
        classed = [one for one in regions if one.class_name and not _is_region(one.class_name)]
        if classed and not objects:
            objects, regions = classed, [one for one in regions if one not in classed]
            notices.append(f"{name}: every annotation with a class is locked, so locked ones are objects")
        elif any(one.locked for one in regions):
            notices.append(
                f"{name}: {len(regions)} locked annotation(s) are regions; only inside them is compared"
            )
        if nameless:
            called = named([region_name(one, i) for i, one in enumerate(nameless, 1)])
            notices.append(f"{name}: {len(nameless)} object(s) without a class are left out: {called}")
        names = tuple(dict.fromkeys(one.class_name for one in objects if one.class_name is not None))
        place = {one: i for i, one in enumerate(names)}
        geometries = _on_grid([one.geometry for one in objects], downsample)
        classes = np.array([place[one.class_name or ""] for one in objects], dtype=np.intp)
        order = np.argsort(-shapely.area(geometries), kind="stable") if objects else np.arange(0)
        geometries, classes = geometries[order], classes[order]
        step = (downsample, downsample)
        limits = RegionSet.of([*regions, *ignored], step=step) if regions or ignored else None
        return cls(name, names, tuple(notices), geometries, classes, STRtree(geometries), limits)

    def values(self, window: Window) -> NDArray[np.int16] | None:
        from rasterio.features import rasterize

        left, top = window.left, window.top
        box = shapely.box(left, top, left + window.width, top + window.height)
        found = np.sort(self._tree.query(box, predicate="intersects"))
        if not found.size:
            return None
        parts = self._geometries[found]
        long = shapely.get_num_coordinates(parts) > _CLIPPED
        parts[long] = shapely.clip_by_rect(
            parts[long], left - 1, top - 1, left + window.width + 1, top + window.height + 1
        )
        moved = shapely.transform(parts, lambda points: points - (left, top))
        drawn = np.full((window.height, window.width), -1, np.int16)
        pairs = [
            (one, int(self._classes[i]))
            for one, i in zip(moved, found, strict=True)
            if not shapely.is_empty(one)
        ]
        if pairs:
            rasterize(pairs, out=drawn)
        return drawn if (drawn >= 0).any() else None

    def regions(self) -> RegionSet | None:
        return self._regions

    def extent(self) -> tuple[int, int]:
        """Rows and columns of the smallest grid from (0, 0) that holds all of it."""
        shapes = list(self._geometries)
        if self._regions is not None:
            shapes += [one for one in (*self._regions.geometries, self._regions.ignored) if one is not None]
        bounds = shapely.total_bounds(np.array(shapes, dtype=object)) if shapes else np.zeros(4)
        if not np.isfinite(bounds).all():
            return 0, 0
        return max(0, int(np.ceil(bounds[3]))), max(0, int(np.ceil(bounds[2])))


def _on_grid(geometries: Sequence[Any], downsample: float) -> NDArray[np.object_]:
    found = np.empty(len(geometries), dtype=object)
    found[:] = geometries
    scaled: NDArray[np.object_] = (
        found if downsample == 1 else shapely.transform(found, lambda points: points / downsample)
    )
    return scaled


def _is_region(name: str | None) -> bool:
    return name is not None and name.partition(":")[0].strip().lower() == _REGION
