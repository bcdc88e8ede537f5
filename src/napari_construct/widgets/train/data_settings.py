"""Which settings of a training run belong to its data, and which are the user's preference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_construct.data.stated_mpp import StatedMpp
from napari_construct.exceptions import ConstructError
from napari_construct.training.config.config import TrainingConfig

OF_DATA: Final = (
    "epochs",
    "image_size",
    "patch_mpp",
    "mpp",
    "group_pattern",
    "first_class",
    "mask_order",
)
"""Fields that mean something else for other patches; they start anew with these."""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What was set for a data set, kept while the user looks at another one in the same session.

    Attributes
    ----------
    config : TrainingConfig
        Of it, the fields :data:`OF_DATA` count.
    stated : StatedMpp or None
        The pixel size that its patches state.
    """

    config: TrainingConfig = field(default_factory=TrainingConfig)
    stated: StatedMpp | None = None


def with_data_of(config: TrainingConfig, other: TrainingConfig) -> TrainingConfig:
    """Settings with the fields of the data taken from others."""
    return config.changed(**{name: getattr(other, name) for name in OF_DATA})


def preferred(config: TrainingConfig) -> dict[str, Any]:
    """The settings without those of the data, as JSON values for the next session."""
    return without_data(config.model_dump(mode="json"))


def kept_run(config: TrainingConfig, output: Path) -> dict[str, Any]:
    """All settings of a run as JSON values: where it is stopped, it can only go on with the same ones."""
    return {"output": str(output), "config": config.model_dump(mode="json")}


def settings_of_run(kept: Any, output: Path) -> TrainingConfig | None:
    """The settings of :func:`kept_run`; None where it is another run, or of another version."""
    if not isinstance(kept, dict) or kept.get("output") != str(output):
        return None
    try:
        return TrainingConfig.checked(**kept.get("config", {}))
    except (ConstructError, TypeError):
        return None


def without_data(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings without those of the data; earlier versions kept them, too."""
    return {name: value for name, value in plain.items() if name not in OF_DATA}
