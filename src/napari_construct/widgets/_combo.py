"""Combo boxes that long items do not widen: a dock may be 320 pixels wide."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from qtpy.QtWidgets import QComboBox, QWidget

_NONE: Final[Mapping[Any, str]] = MappingProxyType({})


def narrow_combo(parent: QWidget, name: str, tip: str, choices: Mapping[Any, str] = _NONE) -> QComboBox:
    """A combo box with an accessible name and a tooltip; ``choices`` maps its data to words."""
    combo = QComboBox(parent)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setToolTip(tip)
    combo.setAccessibleName(name)
    for value, words in choices.items():
        combo.addItem(words, value)
    return combo
