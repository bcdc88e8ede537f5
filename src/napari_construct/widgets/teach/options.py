"""The form of ``TeachSettings`` without classes and start, and of the device."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.teaching.settings import TeachSettings
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.parts.options import DeviceForm

_ROWS: Final = (
    Row(
        "mpp",
        "Resolution",
        "Micrometres per pixel at which images are seen. Lowest value: that of the start or, where it has "
        "none, of the first image",
        unit="µm",
        none="of the start",
        decimals=4,
    ),
    Row(
        "strength",
        "Smoothness",
        "How strongly small weights are preferred (L2). More: a single stroke decides less",
        step=0.05,
    ),
    Row(
        "background",
        "Trust in the start",
        "Weight of what a model or words say where nothing was painted, against the strokes",
        step=0.05,
    ),
    Group(
        "Learn deeper",
        "How a network of its own is trained on the strokes",
        (
            Row("steps", "Steps", "Training steps. More take longer", step=50),
            Row("batch_size", "Crops per step", "Number of crops around strokes in a step"),
            Row(
                "crop",
                "Size of crops",
                "Side of the crops at the resolution of the model",
                unit="px",
                step=32,
            ),
            Row(
                "encoder_learning_rate",
                "Rate of the encoder",
                "Learning rate of the encoder. Lowest value: the encoder stays as it is",
                none="frozen",
                decimals=6,
                step=1e-4,
            ),
            Row(
                "learning_rate", "Rate of the decoder", "Learning rate of the decoder", decimals=5, step=1e-3
            ),
            Row(
                "held_out",
                "Left out",
                "Share of the strokes that are left out, to calibrate on them",
                usual=(0.0, 0.5),
            ),
        ),
    ),
    Row("seed", "Seed", "Of what is drawn. The same seed gives the same model"),
)
_ELSEWHERE: Final = TeachSettings(classes=ClassTable.from_names(("class 1", "class 2")))


class TeachOptions(DeviceForm[TeachSettings]):
    """Edits ``TeachSettings`` without classes and start, and the device."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_ELSEWHERE, _ROWS, parent)

    def setValue(self, value: TeachSettings) -> None:
        """Show options; emits ``valueChanged`` once if they differ."""
        super().setValue(
            value.model_copy(
                update={"classes": _ELSEWHERE.classes, "start": _ELSEWHERE.start, "deeper": False}
            )
        )
