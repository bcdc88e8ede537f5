"""Long jobs: what they report while they run, and how they are driven to their end."""

from napari_construct.events.kinds import (
    Doubt,
    EpochDone,
    Event,
    Notice,
    Result,
    Resumed,
    SizeAssumed,
    StepDone,
    Steps,
    as_part,
    forward,
    of_image,
)
from napari_construct.events.notices import Notices, merged, without
from napari_construct.events.plan import Part, Phase, Planned, TimeTold, in_a_row, planned
from napari_construct.events.progress import Progress, run

__all__ = [
    "Doubt",
    "EpochDone",
    "Event",
    "Notice",
    "Notices",
    "Part",
    "Phase",
    "Planned",
    "Progress",
    "Result",
    "Resumed",
    "SizeAssumed",
    "StepDone",
    "Steps",
    "TimeTold",
    "as_part",
    "forward",
    "in_a_row",
    "merged",
    "of_image",
    "planned",
    "run",
    "without",
]
