"""What Train keeps for the next session: what the user prefers, and where a run lies that may go on."""

from __future__ import annotations

from pathlib import Path

from napari_construct.reading.places import is_file, real_path
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.identity import state_path
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.runs.memory import RunMemory
from napari_construct.widgets.train.data_settings import OF_DATA
from napari_construct.widgets.train.request import TrainRequest


class TrainMemory(RunMemory[TrainingConfig]):
    """Settings of a run without those of its data, which stand in the state of a run, and its files."""

    def __init__(self) -> None:
        super().__init__("train adapters", _start, OF_DATA)

    def keep_run(self, request: TrainRequest) -> None:
        """A run begins."""
        val = "" if request.val is None else str(request.val)
        run = {"data": real_path(request.data), "val": val, "output": str(request.output)}
        self.keep(request.config, request.device, run=run)

    def stopped(self) -> tuple[str, str, str] | None:
        """Patches, validation data and model of the last run, if it was stopped."""
        run = self.found("run")
        if not isinstance(run, dict):
            return None
        data, val, output = (str(run.get(name, "")) for name in ("data", "val", "output"))
        return (data, val, output) if output and is_file(state_path(Path(output))) else None


def _start() -> TrainingConfig:
    return TrainingConfig(cache_gb=preferences().cache_gb)
