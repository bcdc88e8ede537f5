"""The row of steps: one is chosen, and each says whether a job runs there."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QPushButton, QWidget
from superqt import QFlowLayout

from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.jobs.run_control import in_native, shortcut
from napari_construct.widgets.parts.navigation import STEPS, Step

_SPACE: Final = 3
_DIGITS: Final = 9
"""Steps with a key."""
_STYLE: Final = "QPushButton { padding: 3px 6px; }"


class StepButton(QPushButton):
    """Chooses a step; dots follow its name while a job runs there.

    Parameters
    ----------
    step : Step
        The step.
    key : str
        Its shortcut; empty without one.
    """

    def __init__(self, step: Step, key: str, parent: QWidget | None = None) -> None:
        super().__init__(step.short, parent)
        self._step, self._key = step, key
        self.setCheckable(True)
        self.setStyleSheet(_STYLE)
        self.setRunning(False)

    def setRunning(self, running: bool) -> None:
        """Say whether a job runs in this step."""
        key = f" ({in_native(self._key)})" if self._key else ""
        about = f"{self._step.title}: {self._step.tip}{key}"
        named(self, self._step.short, f"{about}. A job runs here" if running else about)
        self.setAccessibleDescription(self.toolTip())
        self.setText(f"{self._step.short} ..." if running else self._step.short)


class StepRow(QWidget):
    """One button a step, in as many lines as the width needs.

    Tab leads to the chosen step, the arrow keys to its neighbours, Ctrl and a digit to a step from anywhere
    in the dock.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._buttons: dict[str, StepButton] = {}
        self._group = QButtonGroup(self)
        layout = QFlowLayout(self)
        layout.setContentsMargins(9, 4, 9, 0)
        layout.setHorizontalSpacing(_SPACE)
        layout.setVerticalSpacing(_SPACE)
        for number, (name, step) in enumerate(STEPS.items(), 1):
            key = f"Ctrl+{number}" if number <= _DIGITS else ""
            self._buttons[name] = button = StepButton(step, key, self)
            self._group.addButton(button, number)
            layout.addWidget(button)
            if key:
                shortcut(parent, key, button.click)
        self._group.idToggled.connect(self._on_toggled)
        named(self, "Steps", "The steps of the work")

    def step(self) -> str:
        """Key of the chosen step."""
        return list(STEPS)[self._group.checkedId() - 1]

    def setStep(self, step: str) -> None:
        """Choose a step."""
        self._buttons[step].setChecked(True)

    def button(self, step: str) -> StepButton:
        """The button of a step."""
        return self._buttons[step]

    def _on_toggled(self, number: int, checked: bool) -> None:
        if checked:  # the signal also comes for the step that is left
            self.chosen.emit(list(STEPS)[number - 1])
