"""What the jobs behind Teach are asked for, and what they report and return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.teaching.settings import TeachSettings
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.layers.strokes import Field

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.models.checkpoints.checkpoint import Checkpoint
    from napari_construct.teaching.held_out import HeldOut
    from napari_construct.teaching.session import Taught
    from napari_construct.widgets.teach.work import TeachWork


@dataclass(frozen=True, slots=True, eq=False)
class PaintedLayer:
    """A layer of strokes at the start of a job; ``data`` is its own (h, w) and copied in the job."""

    key: str
    field: Field
    data: NDArray[np.uint8]
    used: bool


@dataclass(frozen=True, slots=True, eq=False)
class TeachRequest:
    """Fit anew and repaint what is on view.

    Attributes
    ----------
    work : TeachWork
        What earlier jobs have learned and read; only jobs touch it.
    settings : TeachSettings
        Of the fit, with the classes in the colours on view.
    device : str
        Where.
    painted : tuple of PaintedLayer
        All strokes.
    values : mapping
        Painted value of each class of the settings.
    view : Plane or None
        What is on view.
    deeper : Predictor or None
        What was learned deeper, which counts until the next stroke.
    """

    work: TeachWork
    settings: TeachSettings
    device: str
    painted: tuple[PaintedLayer, ...]
    values: Mapping[str, int]
    view: Plane | None
    deeper: Predictor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FieldRequest:
    """Make a layer of strokes for a plane, or the part of it that is on view."""

    work: TeachWork
    settings: TeachSettings
    device: str
    plane: Plane
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class SaveRequest:
    """Write a model."""

    path: Path
    model: Taught | Checkpoint
    score: HeldOut | None


@dataclass(frozen=True, slots=True, eq=False)
class StrokesRequest:
    """Write strokes, or read those of a folder."""

    folder: Path
    settings: TeachSettings
    painted: tuple[PaintedLayer, ...] = ()
    values: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Strokes of a class on an image."""

    name: str
    strokes: int
    pixels: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Counted(Event):
    """Strokes by the key of their layer; the model has these classes, of which its start knows the first."""

    counts: Mapping[str, tuple[Count, ...]]
    classes: ClassTable
    known: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ViewDone(Event):
    """What is on view has a new mask."""

    layer: Labels


@dataclass(frozen=True, slots=True, eq=False)
class TaughtNow:
    """A fit is over.

    Attributes
    ----------
    taught : Taught or None
        What was learned; None where ``missing`` says what is to be painted.
    score : HeldOut or None
        Of strokes that were left out.
    missing : str
        Why there is no model, or no mask of what is on view.
    deeper : bool
        Whether the mask is that of what was learned deeper.
    """

    taught: Taught | None = None
    score: HeldOut | None = None
    missing: str = ""
    deeper: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LearnedDeeper:
    """A network of its own was trained; ``layer`` is its mask of what was on view."""

    checkpoint: Checkpoint
    predictor: Predictor
    layer: Labels | None
    strokes: int


@dataclass(frozen=True, slots=True, eq=False)
class ModelSaved:
    """A model was written."""

    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class StrokesSaved:
    """Strokes were written."""

    folder: Path
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class StrokesOpened:
    """Strokes were read: values are ``i + 1`` for class ``i`` of ``classes``."""

    folder: Path
    classes: ClassTable
    fields: tuple[tuple[Field, NDArray[np.uint8], bool], ...]


Outcome = LearnedDeeper | ModelSaved | StrokesSaved | StrokesOpened
"""What the jobs with a bar return."""
