"""The numbers and switches of a training run: what users need, and the rest kept as it was set."""

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
    "available": "to be downloaded",
    "gated": "ask for access",
}
_ABSENT: Final = ("available", "gated")


class TrainOptions(DeviceForm[TrainingConfig]):
    """Edits a :class:`~napari_construct.training.config.config.TrainingConfig`, and the device.

    Fields that have no control keep what was set.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        states = _encoder_states()
        encoders = {name: f"{name} ({_STATES[state]})" for name, state in states.items()}
        super().__init__(TrainingConfig(), rows(encoders), parent)
        self._states = states

    def problem(self) -> str:
        """Why the settings cannot be run, or nothing."""
        config = self.known()
        if config is None:
            return super().problem()
        if config.mpp is not None and config.patch_mpp is None:
            return (
                "Say how many µm a pixel of the patches has: the network shall see a resolution of its own."
            )
        for name in (config.model.encoder, config.model.teacher):
            if name is not None and self._states.get(name) in _ABSENT:
                return (
                    f"The encoder {name} is not on this computer yet: open Models, or run "
                    f"napari-construct models download {name}."
                )
        return ""


def _encoder_states() -> dict[str, str]:
    """Encoders by id and what is here of them; families, which are no encoder yet, left out."""
    try:
        return {status.entry.id: status.state for status in overview() if not status.entry.family}
    except ConstructError:  # the user's own catalogue is wrong; Models says why
        return {"mini": "bundled"}
