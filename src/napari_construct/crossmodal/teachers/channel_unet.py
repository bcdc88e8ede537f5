"""A teacher of ours: the same U-Net as the student's, trained on all channels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.encoders.catalogue.lookup import state_hash
from napari_construct.events import run
from napari_construct.exceptions import CheckpointError
from napari_construct.inference.cells.decide import cells_of
from napari_construct.inference.cells.maps import cell_map_steps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_channel_checkpoint


class ChannelUNetTeacher:
    """A U-Net for channels as a teacher.

    Parameters
    ----------
    checkpoint : ChannelCheckpoint
        Trained on all channels.
    device : str
        "auto", or a device of torch.
    settings : CellSettings, optional
        Tiles, and how cells are decided.
    sha256 : str, optional
        Hash of its file; that of its weights otherwise.
    """

    def __init__(
        self,
        checkpoint: ChannelCheckpoint,
        device: str = "auto",
        settings: CellSettings | None = None,
        sha256: str | None = None,
    ) -> None:
        self.predictor = CellPredictor(checkpoint, device, name="teacher")
        self.settings = settings or CellSettings()
        network = self.predictor.network
        self.spec = TeacherSpec(
            "channel_unet",
            f"U-Net on {', '.join(checkpoint.channels)}",
            checkpoint.encoder_licence,
            parameters=sum(p.numel() for p in network.parameters()),
            channels=checkpoint.channels,
        )
        self.identity = _identity(sha256 or state_hash(checkpoint.state), self.settings)

    def predict(self, view: TeacherView) -> TeacherOutput:
        """Foreground, boundary and cells of one image."""
        steps = cell_map_steps(view.channels, self.predictor, self.settings, mpp=view.mpp, name=view.name)
        maps = run(steps)
        return TeacherOutput(maps.foreground, maps.boundary, cells_of(maps, self.settings))


def load_channel_unet(
    entry: TeacherEntry, path: Path | None, device: str, settings: Any
) -> ChannelUNetTeacher:
    """Load a teacher from its ``.construct`` file.

    Raises
    ------
    CheckpointError
        If no file is named, or it is none of a model for channels.
    """
    if path is None:
        raise CheckpointError(
            f"expected the file of {entry.title}, got none; train one (napari-construct distill "
            "--train-teacher) and name its .construct file"
        )
    chosen = CellSettings.checked(**settings)
    return ChannelUNetTeacher(load_channel_checkpoint(path), device, chosen, file_hash(path))


def _identity(sha256: str, settings: CellSettings) -> str:
    text = json.dumps([sha256, settings.model_dump(mode="json")])
    return hashlib.sha256(text.encode()).hexdigest()
