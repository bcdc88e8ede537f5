"""Settings of an evaluation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings, with_device_of_segment
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.settings import Settings


class CellEvaluation(Settings):
    """What an evaluation of a student on one channel takes beside its images.

    Parameters
    ----------
    cells : CellSettings
        Channel, thresholds and tiles; of students and teacher alike.
    labels : {"whole_cell", "nuclear"}
        Which labels of a TissueNet file are the truth.
    teacher : str
        What the student learned from: a folder of outputs, a ``.construct`` file, or a name of the catalogue;
        empty for none.
    baseline : str
        A student that was trained without a teacher; empty for none.
    """

    cells: CellSettings = CellSettings()
    labels: Literal["whole_cell", "nuclear"] = "whole_cell"
    teacher: str = ""
    baseline: str = ""


class EvaluateSettings(Settings):
    """Settings of an evaluation of layers or folders.

    Parameters
    ----------
    mode : {"layers", "folders"}
        A labels layer against another one, or a model on images with masks.
    ignore : tuple of int
        Values of the ground truth to leave out.
    first_class : {"auto", 0, 1}
        Value of the first class in the ground truth: 1 if 0 is unlabelled, as in the plugin's layers and
        masks; 0 as in masks of published datasets. "auto" is 1 for layers, and derived from the files for
        folders (:func:`~napari_construct.data.mask_values.mask_reading`).
    model : str
        Name of a model, or path of a checkpoint; for folders.
    segment : SegmentSettings
        Settings of the segmentation; for folders.
    student : CellEvaluation
        In its place, where the model is a student on one channel.
    device : str
        Device of the model; for folders.
    """

    mode: Literal["layers", "folders"] = "layers"
    ignore: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()
    first_class: Literal["auto", 0, 1] = "auto"
    model: str = DEFAULT_MODEL
    segment: SegmentSettings = SegmentSettings()
    student: CellEvaluation = CellEvaluation()
    device: str = "auto"

    @property
    def first_in_layers(self) -> Literal[0, 1]:
        """Value of the first class in the layer of the ground truth."""
        return 1 if self.first_class == "auto" else self.first_class

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return with_device_of_segment(fields)
