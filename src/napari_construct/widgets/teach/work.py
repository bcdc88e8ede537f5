"""What the jobs of Teach keep from one stroke to the next; no widget touches it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_construct.exceptions import InputError
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import BoolMask, RGBImage
from napari_construct.widgets.jobs.imports import importing
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.layers.slides import is_large
from napari_construct.widgets.teach.requests import Count, PaintedLayer
from napari_construct.widgets.teach.values import in_order

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.teaching.held_out import HeldOut
    from napari_construct.teaching.session import Taught, TeachSession

LARGEST: Final = 25_000_000
"""Pixels of what is painted on or looked at in one piece; of a large slide at the resolution of the model."""


@runtime_checkable
class MakeSession(Protocol):
    """As ``teaching.session.TeachSession``."""

    def __call__(self, settings: TeachSettings, device: str) -> TeachSession: ...


def make_session(settings: TeachSettings, device: str) -> TeachSession:
    """``teaching.session.TeachSession``; torch is loaded here, in the thread of the caller."""
    with importing():
        from napari_construct.teaching.session import TeachSession

        return TeachSession(settings, device)


class Seen(NamedTuple):
    """A plane as a model looks at it."""

    plane: Plane
    pixels: RGBImage
    valid: BoolMask | None
    mpp: float | None


class TeachWork:
    """The session with its features, the strokes of each layer, the part that was last on view.

    Parameters
    ----------
    make : callable
        Makes a session; slow.
    """

    def __init__(self, make: MakeSession = make_session) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._session: tuple[tuple[object, float | None, str], TeachSession] | None = None
        self._strokes: dict[str, Strokes] = {}
        self._seen: tuple[tuple[object, ...], Seen] | None = None
        self.fitted: tuple[tuple[object, ...], Taught] | None = None
        self.score: HeldOut | None = None

    def session(self, settings: TeachSettings, device: str) -> TeachSession:
        """The session of these settings: the one before where start, resolution and device are the same."""
        key = settings.start, settings.mpp, device
        with self._lock:
            if self._session is None or self._session[0] != key:
                self._session = self.fitted = self.score = None  # two encoders may not fit into memory
                self._session = key, self._make(settings, device)
            session = self._session[1]
            if session.settings != settings:
                session.change(settings)
            return session

    def put(self, session: TeachSession, painted: Iterable[PaintedLayer], values: Mapping[str, int]) -> bool:
        """Give a session the strokes as they are now; whether they differ from those before."""
        order = in_order(values, session.settings.classes.names)
        found: dict[str, Strokes] = {}
        for one in painted:
            now = order[one.data]
            former = self._strokes.get(one.key)
            if former is None or former.image is not one.field.image:
                former = strokes_of(one, now)
            if not np.array_equal(former.painted, now):
                former = replace(former, painted=now)
            found[one.key] = former if former.used == one.used else replace(former, used=one.used)
        before = session.strokes
        for key in before.keys() - found.keys():
            session.remove(key)
        for key, strokes in found.items():
            if before.get(key) is not strokes:
                session.put(key, strokes)
        self._strokes = found
        return before != session.strokes

    def strokes(self) -> tuple[Strokes, ...]:
        """What was put last."""
        return tuple(self._strokes.values())

    def look(self, plane: Plane, predictor: Predictor) -> Seen:
        """Read a plane for a model; the last one is kept."""
        shape = plane.data.shape
        key = (plane.layer, plane.index, plane.window, id(plane.data), shape, plane.mpp, predictor.mpp)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, read_for(plane, predictor)
        return self._seen[1]


def strokes_of(painted: PaintedLayer, now: NDArray[np.uint8]) -> Strokes:
    """What was painted on a field; ``now`` has the values of the classes' order."""
    field = painted.field
    return Strokes(field.name, field.image, now, field.mpp, field.place, field.source, painted.used)


def read_for(plane: Plane, predictor: Predictor) -> Seen:
    """Read a plane, of a large slide at the model's resolution.

    Raises
    ------
    InputError
        If it is too large, or cannot be read.
    """
    if plane.slide is not None and is_large(plane.slide):
        _refuse_large(plane, _size_of(plane, predictor))
        plane = plane.for_model(predictor, None)
    else:
        _refuse_large(plane, float(np.prod(_sides(plane))))
    shown = plane.rgb()
    return Seen(plane, shown.rgb, shown.valid, plane.size_used(None)[0])


def counted(painted: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Count, ...]:
    """Strokes of each class that was painted: what hangs together is one."""
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    if not len(rows):
        return ()
    part = painted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    found = []
    for value in np.unique(part[part > 0]).tolist():
        mask = part == value
        _, strokes = ndimage.label(mask, structure=np.ones((3, 3)))
        found.append(Count(names[value - 1], int(strokes), int(np.count_nonzero(mask))))
    return tuple(found)


def _sides(plane: Plane) -> tuple[int, int]:
    """Rows and columns of a plane or its part."""
    if plane.window is not None:
        rows, columns = (part.stop - part.start for part in plane.window)
        return rows, columns
    shape = plane.data.shape[len(plane.index) :]
    return int(shape[0]), int(shape[1])


def _size_of(plane: Plane, predictor: Predictor) -> float:
    """Pixels of a part of a slide at the resolution of a model."""
    from napari_construct.inference.slides.pixels import at_model_resolution

    slide, (rows, columns) = plane.slide, _sides(plane)
    if slide is None or slide.mpp is None:
        return float(rows * columns)
    down, across = at_model_resolution(slide, slide.mpp, predictor.mpp, predictor.scale).step
    return rows / max(down, 1) * columns / max(across, 1)


def _refuse_large(plane: Plane, size: float) -> None:
    if size > LARGEST:
        times = int(np.ceil((size / LARGEST) ** 0.5))
        raise InputError(
            f"{plane.name}: expected a part of at most {LARGEST:,} pixels on view, got {size:,.0f}; zoom in "
            f"about {max(times, 2)} times"
        )
