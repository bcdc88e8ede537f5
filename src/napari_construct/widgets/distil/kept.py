"""What the dock keeps for the next session: the settings, without those of the data."""

from __future__ import annotations

from typing import Final

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.parts.memory import Memory

OF_DATA: Final = ("channels", "teacher_channels", "mpp", "truth_images")
"""Fields that mean something else for other images; they start anew with these."""


class DistilMemory:
    """Settings and device of the last run."""

    def __init__(self) -> None:
        self._memory = Memory("distil student")

    def keep(self, config: DistilConfig, device: str) -> None:
        """A run begins."""
        plain = config.model_dump(mode="json")
        kept = {name: value for name, value in plain.items() if name not in OF_DATA}
        self._memory.keep({"config": kept, "device": device})

    def config(self) -> DistilConfig | None:
        """What the user prefers; None if nothing is kept, or it is of another version."""
        found = self._memory.load().get("config")
        try:
            return DistilConfig().changed(**found) if isinstance(found, dict) else None
        except (ConstructError, TypeError):
            return None

    def device(self) -> str:
        return str(self._memory.load().get("device", "auto"))
