"""Options of models without training (zero-shot)."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.encoders.networks.attentions import ATTENTIONS
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import SEPARATOR, parse_classes
from napari_construct.widgets.fields.controls import wrapped_label
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm

START: Final = parse_classes(
    "tumour: malignant epithelial cells | invasive carcinoma; stroma: fibrous connective tissue; "
    "lymphocytes: dense lymphocytes | inflammatory infiltrate; necrosis: necrotic debris"
)
"""The first classes of a new user."""

_HINT: Final = (
    "Describe your classes in the class table: name and appearance. The result is only a first look: "
    "probabilities are not calibrated, and every class counts as present. Train a model for reliable results."
)
_ELSEWHERE: Final[dict[str, Any]] = {"encoder": "chosen elsewhere", "classes": START}
_UNNAMED: Final = ZeroShotSettings(**_ELSEWHERE)
_ROWS: Final = (
    Row(
        "attention",
        "Attention",
        "Attention in the last block of the encoder. It keeps the patches in place. clearclip: query to "
        "query, no residual (Lan 2024). sclip: query to query and key to key (Wang 2024). clip_surgery: "
        "value to value (Li 2023). maskclip: each patch alone (Zhou 2022). none: as trained",
        choices={name: name for name in ATTENTIONS},
    ),
    Row(
        "prompt_ensemble",
        "Descriptions",
        f"A prompt can hold several descriptions, separated by {SEPARATOR}. Averaged: one prototype per "
        "class. Nearest wins: one prototype per description, and the nearest prototype wins",
        choices={"average": "Averaged", "prototypes": "Nearest wins"},
    ),
    Row(
        "templates",
        "Templates",
        f"Sentences around a description, separated by {SEPARATOR}. The description replaces {{}}. The "
        "embeddings are averaged. Descriptions of 80 or more characters are used without templates",
        separator=SEPARATOR,
    ),
)


class WordsOptions(SettingsForm[ZeroShotSettings]):
    """Edits ``ZeroShotSettings`` without encoder and classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_UNNAMED, _ROWS, parent)
        tip = "The encoder compares every patch of the image with the descriptions"
        self.layout().insertRow(0, wrapped_label("About models without training", tip, self, _HINT))

    def setValue(self, value: ZeroShotSettings) -> None:
        """Show options; emits ``valueChanged`` once if they differ."""
        super().setValue(value.model_copy(update=_ELSEWHERE))

    def problem(self) -> str:
        """Why the templates cannot be used; empty if they can."""
        wrong = [template for template in self.field("templates").get() if template.count("{}") != 1]
        if wrong or not self.field("templates").get():
            return f"Write {{}} once into each template, for the description: {wrong[0] if wrong else ''}"
        return ""
