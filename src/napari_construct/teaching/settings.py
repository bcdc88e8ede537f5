"""Settings of teaching by example."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from napari_construct.classes import ClassTable
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import parse_classes
from napari_construct.settings import Settings

AUTO: Final = "auto"
"""The bundled encoder."""


class TeachSettings(Settings):
    """Settings of :func:`~napari_construct.teach`.

    Parameters
    ----------
    classes : ClassTable
        The classes that were painted: value ``i + 1`` is class ``i``. Also as text, "gland; stroma". A model
        that one starts from keeps its own classes, which come first; of the same name is the same class.
    start : str or ZeroShotSettings
        What one starts from: "auto" or the id of an encoder ("lite0"), a trained model (name or path), or
        words.
    mpp : float or None
        Micrometres per pixel at which images are seen; None takes that of the start or, where it has none,
        that of the first image.
    strength : float
        How strongly small weights are preferred (L2, on standardised features, against the mean loss).
    background : float
        With a start that knows classes: weight of what it says where nothing was painted, against the
        strokes.
    most_cells : int
        Cells of a class that are learned from, at most; of more, some are drawn.
    deeper : bool
        Train a network of its own on crops around the strokes ("learn deeper"), which takes minutes, instead
        of a linear head on the encoder's features.
    steps, batch_size, crop : int
        Of the deeper training: steps, crops per step, and their side in pixels at the model's resolution.
    encoder_learning_rate : float or None
        Of the encoder in the deeper training; None keeps it frozen.
    learning_rate : float
        Of the decoder in the deeper training.
    held_out : float
        Share of the strokes that the deeper training leaves out, to calibrate on them; where there are too
        few of a class none are.
    seed : int
        Of what is drawn.
    """

    classes: ClassTable
    start: Annotated[str, Field(min_length=1, max_length=4096)] | ZeroShotSettings = AUTO
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    strength: Annotated[float, Field(gt=0, le=1000)] = 0.1
    background: Annotated[float, Field(ge=0, le=100)] = 1.0
    most_cells: Annotated[int, Field(ge=10, le=100_000)] = 1500
    deeper: bool = False
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    crop: Annotated[int, Field(ge=32, le=2048)] = 128
    encoder_learning_rate: Annotated[float, Field(gt=0, le=10)] | None = 5e-4
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 2e-3
    held_out: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("classes", mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        return parse_classes(value) if isinstance(value, str) else value
