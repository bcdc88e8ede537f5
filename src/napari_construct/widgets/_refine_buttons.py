"""The buttons of Refine."""

from __future__ import annotations

from qtpy.QtWidgets import QAbstractButton, QCheckBox, QGridLayout, QPushButton, QWidget

from napari_construct.widgets._shortcuts import BEFORE_KEY, RUN_KEY, in_native, shortcut


class RefineButtons(QWidget):
    """Live, Update once, All planes, Show before, Reset."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = QCheckBox("Live", self)
        self.live.setChecked(True)
        self.once = QPushButton("Update once", self)
        self.every = QPushButton("All planes", self)
        self.before = QPushButton("Show before", self)
        self.before.setCheckable(True)
        self.reset = QPushButton("Reset", self)
        tips: dict[QAbstractButton, str] = {
            self.live: "Follow every change; switch it off for very large images",
            self.once: f"Make the refined mask now ({in_native(RUN_KEY)})",
            self.every: "Refine every plane of the stack; moving a slider refines the one on view",
            self.before: f"Show the mask as segmented or the refined one ({in_native(BEFORE_KEY)})",
            self.reset: "Back to the paper's CRF and the model's own thresholds",
        }
        for button, tip in tips.items():
            button.setToolTip(tip)
            button.setAccessibleName(button.text())
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.live, 0, 0)
        grid.addWidget(self.once, 0, 1)
        grid.addWidget(self.every, 1, 0, 1, 2)
        grid.addWidget(self.before, 2, 0)
        grid.addWidget(self.reset, 2, 1)
        if parent is not None:
            shortcut(parent, RUN_KEY, self.once.click)
            shortcut(parent, BEFORE_KEY, self.before.click)
