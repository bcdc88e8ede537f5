"""Settings of the ranking of regions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from napari_construct.settings import Settings

MOST_REGIONS: Final = 5000


class QueueSettings(Settings):
    """Which regions are ranked, and by what.

    Parameters
    ----------
    count : int
        Regions in the queue.
    side_um : float
        Side of a square region in micrometres.
    side_px : int
        Side in pixels of images whose pixel size is not known.
    doubt : {"entropy", "margin"}
        How doubt is read from calibrated probabilities: their entropy over its maximum, or one minus the
        distance of the two largest.
    diversity : float
        Power of the distance to what was annotated or is queued already, in the space of an encoder's
        features; 0 ranks by doubt and area alone.
    min_tissue : float
        Share of a region that is tissue, at least.
    encoder : str
        Whose features say what a region looks like.
    """

    count: Annotated[int, Field(ge=1, le=MOST_REGIONS)] = 20
    side_um: Annotated[float, Field(gt=0, le=10_000)] = 128.0
    side_px: Annotated[int, Field(ge=16, le=8192)] = 256
    doubt: Literal["entropy", "margin"] = "entropy"
    diversity: Annotated[float, Field(ge=0, le=4)] = 1.0
    min_tissue: Annotated[float, Field(ge=0, le=1)] = 0.25
    encoder: str = "lite0"
