"""Which settings of a training run belong to its data, and which are the user's preference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from napari_construct.data.stated_mpp import StatedMpp
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
