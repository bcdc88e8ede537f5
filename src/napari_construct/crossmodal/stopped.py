"""The settings of a distillation that was stopped; read from the head of its state, without torch."""

from __future__ import annotations

from pathlib import Path

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.exceptions import ConstructError
from napari_construct.models.checkpoints.head import UNREADABLE, read_head
from napari_construct.training.loop.identity import KIND, state_path


def stopped_distillation(output: Path) -> DistilConfig | None:
    """Settings of the run whose state lies beside a checkpoint's file; None without one, or if damaged."""
    try:
        return DistilConfig.checked(**read_head(state_path(output), KIND)["identity"]["distil"])
    except (*UNREADABLE, ConstructError):
        return None
