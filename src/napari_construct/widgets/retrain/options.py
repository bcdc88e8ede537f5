"""The form of a retraining's settings."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.parts.options import DeviceForm

_ROWS: Final = (
    Row("steps", "Training steps", "Number of training steps. More steps follow corrections more closely"),
    Row("held_out", "Left out", "Share of the corrections (0 to 1) that is not learned but scores both "
        "models. 0 learns from all and scores nothing", step=0.05),
    Row("batch_size", "Batch size", "Views per step; half of them show corrections"),
    Row("patch_mpp", "Pixel size", "Micrometres per pixel of the old patches, where files do not say it",
        unit="µm", none="unknown", decimals=4),
    Row("seed", "Seed", "Random seed. The same seed gives the same model (on a CPU)"),
    Group("Advanced settings", "Learning rates and weights", (
        Row("learning_rate", "Learning rate", "Learning rate of the head (AdamW)", step=1e-4, decimals=6),
        Row("encoder_learning_rate", "Encoder rate", "Learning rate of the encoder. None keeps it as it is",
            step=1e-4, decimals=6, none="frozen"),
        Row("keep", "Keep", "Weight of what the old model was sure of, away from corrections. Automatic: "
            "3 without old patches, 1 with them", choices={"auto": "Automatic", 0.0: "0 (off)"}, typed=True),
        Row("min_confidence", "Min. confidence", "How sure the old model must have been (0 to 1)", step=0.05),
        Row("replay", "Old patches", "Weight of the old patches in the loss", step=0.1, decimals=3),
        Row("norm_statistics", "Statistics", "Statistics of batch normalisation. Automatic: as they are "
            "without old patches, new ones with them",
            choices={"auto": "Automatic", "batch": "new ones", "frozen": "as they are"}),
    ), folded=True),
)  # fmt: skip


class RetrainOptions(DeviceForm[RetrainSettings]):
    """Edits a :class:`~napari_construct.teaching.retraining.settings.RetrainSettings` and the device."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(RetrainSettings(), _ROWS, parent)
