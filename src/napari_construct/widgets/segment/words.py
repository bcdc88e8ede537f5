"""How words are compared with an image, for models without training."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QWidget

from napari_construct.encoders.networks.attentions import ATTENTIONS
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import SEPARATOR, TEMPLATES, parse_classes
from napari_construct.widgets.fields.fields import narrow_combo

START: Final = parse_classes(
    "tumour: malignant epithelial cells | invasive carcinoma; stroma: fibrous connective tissue; "
    "lymphocytes: dense lymphocytes | inflammatory infiltrate; necrosis: necrotic debris"
)
"""The classes a new user begins with."""

_HINT: Final = (
    "Describe your classes under Class table: name, and what it looks like. A first look: probabilities are "
    "not calibrated and every class counts as present. Train a model for results."
)
_ATTENTION_TIP: Final = (
    "How the encoder's last block attends, so that patches keep their places. clearclip: query to query, no "
    "residual (Lan 2024). sclip: query to query and key to key (Wang 2024). clip_surgery: value to value (Li "
    "2023). maskclip: each patch alone (Zhou 2022). none: as it was trained"
)
_SEVERAL: Final = {"average": "Averaged", "prototypes": "The likest decides"}
_SEVERAL_TIP: Final = (
    f"A class may have several descriptions in its prompt, separated by {SEPARATOR}: they are averaged into "
    "one, or each is kept and the likest decides"
)
_TEMPLATES_TIP: Final = (
    f"Sentences that descriptions are put into at {{}}, separated by {SEPARATOR}; their embeddings are "
    "averaged. Descriptions of 80 characters and more are taken as they are"
)


class WordsOptions(QWidget):
    """Edits the fields of ``ZeroShotSettings`` other than encoder and classes."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        attentions = {name: name for name in ATTENTIONS}
        self._attention = narrow_combo(self, "Attention of the last block", _ATTENTION_TIP, attentions)
        self._several = narrow_combo(self, "Several descriptions of a class", _SEVERAL_TIP, _SEVERAL)
        for combo in (self._attention, self._several):
            combo.currentIndexChanged.connect(self._on_changed)
        self._templates = QLineEdit(self)
        self._templates.setToolTip(_TEMPLATES_TIP)
        self._templates.setAccessibleName("Templates of descriptions")
        self._templates.setMinimumWidth(60)
        self._templates.editingFinished.connect(self._on_changed)
        self._lay_out()
        self.setValue({})

    def value(self) -> dict[str, Any]:
        """Fields of ``ZeroShotSettings``."""
        return {
            "attention": self._attention.currentData(),
            "templates": self._written(),
            "several": self._several.currentData(),
        }

    def setValue(self, value: dict[str, Any]) -> None:
        """Show fields of ``ZeroShotSettings``; what is left out gets its default."""
        before, fields = self.value(), ZeroShotSettings.model_fields
        given = {name: value.get(name, fields[name].default) for name in ("attention", "several")}
        blocked = self.blockSignals(True)
        self._attention.setCurrentIndex(max(self._attention.findData(given["attention"]), 0))
        self._several.setCurrentIndex(max(self._several.findData(given["several"]), 0))
        self._templates.setText(f" {SEPARATOR} ".join(value.get("templates", TEMPLATES)))
        self._templates.setCursorPosition(0)
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit()

    def problem(self) -> str:
        """Why descriptions cannot be put into the templates, or nothing."""
        wrong = [template for template in self._written() if template.count("{}") != 1]
        if wrong or not self._written():
            return (
                f"Write one {{}} into each template, where the description goes: {wrong[0] if wrong else ''}"
            )
        return ""

    def _written(self) -> tuple[str, ...]:
        parts = self._templates.text().split(SEPARATOR)
        return tuple(part.strip() for part in parts if part.strip())

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        hint = QLabel(_HINT, self)
        hint.setWordWrap(True)
        hint.setMinimumWidth(40)
        hint.setAccessibleName("About models without training")
        hint.setToolTip("The encoder compares every patch of the image with these words; nothing is trained")
        form.addRow(hint)
        form.addRow("Attention", self._attention)
        form.addRow("Several texts", self._several)
        form.addRow("Templates", self._templates)

    def _on_changed(self, *_: object) -> None:
        self.valueChanged.emit()
