"""What makes a training run the same run: settings, classes, patches, encoders; and where its state lies.

Neither this nor what is read here needs torch: a window may ask before it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_construct.classes import ClassTable
from napari_construct.models.checkpoints.head import UNREADABLE, read_head
from napari_construct.training.config.config import TrainingConfig

KIND: Final = "napari-construct training state"
SUFFIX: Final = ".training"

CONTENTS: Final = "contents"
"""Of an identity: hash of the patches' contents, which states of earlier versions lack."""


@dataclass(frozen=True, slots=True)
class StoppedRun:
    """What a run that was stopped needs to go on.

    Attributes
    ----------
    config : TrainingConfig
        Its settings; an encoder that was chosen automatically is named.
    classes : ClassTable
        Its classes.
    """

    config: TrainingConfig
    classes: ClassTable


def state_path(output: Path) -> Path:
    """The state's file for a checkpoint's file."""
    return output.with_name(output.name + SUFFIX)


def stopped_run(output: Path) -> StoppedRun | None:
    """The run whose state lies beside a checkpoint's file; None without one, or if it is damaged."""
    try:
        identity = present_identity(read_head(state_path(output), KIND)["identity"])
        return StoppedRun(
            TrainingConfig.checked(**identity["config"]), ClassTable.model_validate(identity["classes"])
        )
    except UNREADABLE:
        return None


def present_identity(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored identity with the present names of settings."""
    found = dict(stored)
    if isinstance(found.get("config"), Mapping):
        # settings that earlier versions lacked had the values that are now the defaults
        found["config"] = {"first_class": "auto", "mask_order": None} | TrainingConfig.renamed(
            found["config"]
        )
    return found


def same_run(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two identities are of one run; one of an earlier version does not know the contents."""
    unknown = CONTENTS not in stored
    return {**stored} == {name: value for name, value in wanted.items() if not (unknown and name == CONTENTS)}
