"""The form of a training run's settings."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.encoders.catalogue.overview import overview
from napari_construct.exceptions import ConstructError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.parts.options import DeviceForm
from napari_construct.widgets.train.rows import rows

_STATES: Final = {
    "bundled": "bundled",
    "installed": "installed",
    "available": "not installed",
    "gated": "gated",
}
_ABSENT: Final = ("available", "gated")


class TrainOptions(DeviceForm[TrainingConfig]):
    """Edits a :class:`~napari_construct.training.config.config.TrainingConfig` and the device."""

    def __init__(self, parent: QWidget | None = None) -> None:
        states = _encoder_states()
        encoders = {name: f"{name} ({_STATES[state]})" for name, state in states.items()}
        super().__init__(TrainingConfig(), rows(encoders), parent)
        self._states = states

    def showEpochs(self, config: TrainingConfig, patches: int) -> None:
        """Show what "automatic" means for so many patches; 0 where they are not known."""
        steps = -(-patches // config.batch_size)
        number = config.changed(epochs=None).epochs_of(steps) if steps else None
        self.field("epochs").setNoneText("automatic" if number is None else f"automatic ({number})")

    def problem(self) -> str:
        """Why the settings cannot be run; empty if they can."""
        config = self.known()
        if config is None:
            return super().problem()
        if config.mpp is not None and config.patch_mpp is None:
            return "Enter the pixel size (µm) of the patches: the network input has a resolution of its own."
        for name in (config.model.encoder, config.model.teacher):
            if name is not None and self._states.get(name) in _ABSENT:
                return f"The encoder {name} is not on this computer yet: download it in Models."
        return ""


def _encoder_states() -> dict[str, str]:
    """States of the encoders by id, without families."""
    try:
        return {status.entry.id: status.state for status in overview() if not status.entry.family}
    except ConstructError:  # the user's own catalogue is wrong; Models says why
        return {"lite0": "bundled", "mini": "bundled"}
