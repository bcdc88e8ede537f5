"""Corrections, checked: whose classes they are, what they hold, and by what they are recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.prepared_image import check_image
from napari_construct.reading.name_lists import names_as_text
from napari_construct.teaching.strokes import Strokes


def checked(
    corrections: Sequence[Strokes], classes: ClassTable | None, model: ClassTable
) -> tuple[Strokes, ...]:
    """Corrections in the values of the model's classes.

    Parameters
    ----------
    corrections : sequence of Strokes
        What was painted, in the values of ``classes``.
    classes : ClassTable or None
        Classes of the painted values; None where they are the model's.
    model : ClassTable
        Classes of the model.

    Raises
    ------
    ConfigurationError
        If a class is painted that the model does not know, or nothing is painted.
    InputError
        If an image is too small.
    """
    values = _values(corrections, classes or model, model)
    found = []
    for strokes in corrections:
        check_image(strokes.image, strokes.name)
        found.append(replace(strokes, painted=values[strokes.painted]))
    if not any(strokes.used and strokes.painted.any() for strokes in found):
        raise ConfigurationError(
            "expected corrections, got none: no pixel is painted in those that are switched on; paint where "
            "the mask is wrong"
        )
    return tuple(found)


def _values(corrections: Sequence[Strokes], classes: ClassTable, model: ClassTable) -> NDArray[np.uint8]:
    """(256,) the model's value of every painted one."""
    present = np.zeros(256, np.bool_)
    for strokes in corrections:
        present[np.unique(strokes.painted).astype(np.intp)] = True
    present[0] = False
    painted = np.flatnonzero(present)
    if painted.size and painted[-1] > len(classes):
        raise ConfigurationError(
            f"expected painted values from 1 to {len(classes)}, one for each class of "
            f"{', '.join(classes.names)}, got {painted[-1]}; give the table of the painted classes"
        )
    unknown = [classes.names[v - 1] for v in painted.tolist() if classes.names[v - 1] not in model.names]
    if unknown:
        raise ConfigurationError(
            f"expected corrections of the classes {', '.join(model.names)}, as the model has, got "
            f"{names_as_text(unknown, separator=', ')}, too; a model learns no new class from corrections: "
            "use Teach, which starts from this model and adds classes, or leave these out"
        )
    values = np.zeros(256, np.uint8)
    for value in painted.tolist():
        values[value] = model.names.index(classes.names[value - 1]) + 1
    return values


def described(corrections: Sequence[Strokes], classes: ClassTable) -> list[dict[str, Any]]:
    """What a record says of every correction: where it is from, painted pixels by class, its hash."""
    return [
        {
            "name": strokes.name,
            "source": strokes.source,
            "place": list(strokes.place),
            "mpp": strokes.mpp,
            "used": strokes.used,
            "pixels": {
                name: count
                for i, name in enumerate(classes.names, start=1)
                if (count := int((strokes.painted == i).sum()))
            },
            "sha256": _hash(strokes),
        }
        for strokes in corrections
    ]


def digest(corrections: Sequence[Strokes]) -> str:
    """SHA-256 of images and of what is painted on them."""
    return hashlib.sha256("".join(f"{_hash(s)}{s.mpp}{s.used}" for s in corrections).encode()).hexdigest()


def _hash(strokes: Strokes) -> str:
    found = hashlib.sha256(repr(strokes.painted.shape).encode())
    found.update(np.ascontiguousarray(strokes.image).tobytes())
    found.update(np.ascontiguousarray(strokes.painted).tobytes())
    return found.hexdigest()
