"""What Train keeps for the next session: what the user prefers, and where a run lies that may go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_construct.exceptions import ConstructError
from napari_construct.reading.places import is_file, real_path
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.identity import state_path
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.train.data_settings import OF_DATA
from napari_construct.widgets.train.request import TrainRequest


class TrainMemory:
    """Settings of a run without those of its data, which start anew; they stand in the state of a run."""

    def __init__(self) -> None:
        self._memory = Memory("train adapters")

    def keep(self, request: TrainRequest) -> None:
        """A run begins."""
        val = "" if request.val is None else str(request.val)
        run = {"data": real_path(request.data), "val": val, "output": str(request.output)}
        config = _without_data(request.config.model_dump(mode="json"))
        self._memory.keep({"config": config, "device": request.device, "run": run})

    def config(self) -> TrainingConfig | None:
        """What the user prefers; None if it is of another version."""
        start = TrainingConfig(cache_gb=preferences().cache_gb)
        try:
            return start.changed(**_without_data(self._memory.load().get("config", {})))
        except (ConstructError, TypeError):
            return None

    def device(self) -> str:
        return str(self._memory.load().get("device", "auto"))

    def stopped(self) -> tuple[str, str, str] | None:
        """Patches, validation data and model of the last run, if it was stopped."""
        run = self._memory.load().get("run")
        if not isinstance(run, dict):
            return None
        data, val, output = (str(run.get(name, "")) for name in ("data", "val", "output"))
        return (data, val, output) if output and is_file(state_path(Path(output))) else None


def _without_data(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings without those of the data; earlier versions kept them, too."""
    return {name: value for name, value in plain.items() if name not in OF_DATA}
