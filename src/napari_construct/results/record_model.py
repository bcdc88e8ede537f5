"""What of a result's record is read back, with its types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_construct.classes import MAX_CLASSES, Colour
from napari_construct.exceptions import InputError
from napari_construct.reading.texts.text import at
from napari_construct.settings import problem
from napari_construct.types import PathLike

_Name = Annotated[str, Field(min_length=1, max_length=255)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    """A part of a record: further names are kept, types are not guessed."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class RecordedPresence(_Part):
    """Whether a class was found, and how surely; earlier versions left out one or both."""

    present: bool | None = None
    score: _Finite | None = None


class RecordedInput(_Part):
    """The image that was segmented."""

    mpp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class RecordedDistance(_Part):
    """How far the image is from the training patches."""

    score: _Finite
    limit: _Finite
    share: _Finite


class ResultRecord(_Part):
    """The parts of a record that reading a result needs.

    Parameters
    ----------
    files : dict
        Kind of file to its name, beside the record.
    colours : dict
        Name of a class to ``#RRGGBB``, in the order of the labels.
    presence : dict
        Name of a class to what was found.
    input : RecordedInput
        The pixel size.
    out_of_distribution : RecordedDistance or None
        None in records of earlier versions, and of models without a guard.
    """

    files: Annotated[dict[str, _Name], Field(max_length=100)]
    colours: Annotated[dict[str, Colour], Field(min_length=1, max_length=MAX_CLASSES)]
    presence: Annotated[dict[str, RecordedPresence], Field(max_length=MAX_CLASSES)] = Field(
        default_factory=dict
    )
    input: RecordedInput = RecordedInput()
    out_of_distribution: RecordedDistance | None = None


def checked_record(record: Mapping[str, Any], path: PathLike) -> ResultRecord:
    """The parts of a record that are read, with checked types.

    Raises
    ------
    InputError
        If one is missing or of another type; the message names it.
    """
    try:
        return ResultRecord.model_validate(record)
    except ValidationError as error:
        raise InputError(
            f"{at(path)}: expected the record of a segmentation, got one with {problem(error)}; segment again"
        ) from error
