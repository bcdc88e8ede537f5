"""How words are compared with an image, for models without training."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtWidgets import QLabel, QWidget

from napari_construct.encoders.networks.attentions import ATTENTIONS
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import SEPARATOR, parse_classes
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm

START: Final = parse_classes(
    "tumour: malignant epithelial cells | invasive carcinoma; stroma: fibrous connective tissue; "
    "lymphocytes: dense lymphocytes | inflammatory infiltrate; necrosis: necrotic debris"
)
"""The classes a new user begins with."""

_HINT: Final = (
    "Describe your classes under Class table: name, and what it looks like. A first look: probabilities are "
    "not calibrated and every class counts as present. Train a model for results."
)
_ELSEWHERE: Final[dict[str, Any]] = {"encoder": "chosen elsewhere", "classes": START}
_UNNAMED: Final = ZeroShotSettings(**_ELSEWHERE)
_ROWS: Final = (
    Row(
        "attention",
        "Attention",
        "How the encoder's last block attends, so that patches keep their places. clearclip: query to query, "
        "no residual (Lan 2024). sclip: query to query and key to key (Wang 2024). clip_surgery: value to "
        "value (Li 2023). maskclip: each patch alone (Zhou 2022). none: as it was trained",
        choices={name: name for name in ATTENTIONS},
    ),
    Row(
        "prompt_ensemble",
        "Several texts",
        f"A class may have several descriptions in its prompt, separated by {SEPARATOR}: they are averaged "
        "into one, or each becomes a prototype and the nearest wins",
        choices={"average": "Averaged", "prototypes": "Nearest prototype wins"},
    ),
    Row(
        "templates",
        "Templates",
        f"Sentences that descriptions are put into at {{}}, separated by {SEPARATOR}; their embeddings are "
        "averaged. Descriptions of 80 characters and more are taken as they are",
        separator=SEPARATOR,
    ),
)


class WordsOptions(SettingsForm[ZeroShotSettings]):
    """Edits the fields of ``ZeroShotSettings`` other than encoder and classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_UNNAMED, _ROWS, parent)
        hint = QLabel(_HINT, self)
        hint.setWordWrap(True)
        hint.setMinimumWidth(40)
        hint.setAccessibleName("About models without training")
        hint.setToolTip("The encoder compares every patch of the image with these words; nothing is trained")
        self.layout().insertRow(0, hint)

    def setValue(self, value: ZeroShotSettings) -> None:
        """Show how words are compared; emits ``valueChanged`` once where something changed."""
        super().setValue(value.model_copy(update=_ELSEWHERE))

    def problem(self) -> str:
        """Why descriptions cannot be put into the templates, or nothing."""
        wrong = [template for template in self.field("templates").get() if template.count("{}") != 1]
        if wrong or not self.field("templates").get():
            return (
                f"Write one {{}} into each template, where the description goes: {wrong[0] if wrong else ''}"
            )
        return ""
