"""The buttons of Refine."""

from __future__ import annotations

from qtpy.QtWidgets import QAbstractButton, QCheckBox, QGridLayout, QPushButton, QWidget


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
            self.once: "Make the refined mask now",
            self.every: "Refine every plane of the stack; moving a slider refines the one on view",
            self.before: "Switch between the mask as segmented and the refined one",
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
