"""How a prediction is compared with the truth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_construct.inference.settings import SegmentSettings


class EvaluateSettings(BaseModel):
    """Settings of an evaluation of layers or of folders.

    Parameters
    ----------
    mode : {"layers", "folders"}
        A labels layer against another one, or a model on images with masks.
    ignore : tuple of int
        Values of the truth whose pixels are left out.
    first_class : {0, 1}
        Value of the first class in the truth's layer: 1 where 0 is unlabelled, as in layers of ours; 0 as
        in mask files. Masks in folders always begin at 0.
    model : str
        Name of a model, or path of a checkpoint; of folders.
    segment : SegmentSettings
        How images are segmented; of folders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["layers", "folders"] = "layers"
    ignore: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()
    first_class: Literal[0, 1] = 1
    model: str = "lymph-node"
    segment: SegmentSettings = SegmentSettings()
