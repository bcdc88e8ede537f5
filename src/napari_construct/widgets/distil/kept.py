"""What the dock keeps for the next session: the settings, without those of the data."""

from __future__ import annotations

from typing import Final

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.widgets.runs.memory import RunMemory

OF_DATA: Final = ("channels", "teacher_channels", "mpp", "truth_images")
"""Fields that mean something else for other images; they start anew with these."""


def distil_memory() -> RunMemory[DistilConfig]:
    """Settings and device of the last run."""
    return RunMemory("distil student", DistilConfig, OF_DATA)
