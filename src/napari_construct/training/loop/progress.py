"""How far a training run is, as JSON holds it: checked when it is read."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.dataclasses import dataclass

from napari_construct.models.network.calibration import Calibration

_Name = Annotated[str, Field(max_length=200)]
_Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
# a whole number stays one: a resumed run writes the same bytes
_Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(allow_inf_nan=False, strict=True)]
_Sums = Annotated[dict[_Name, _Number], Field(max_length=1000)]
_Metrics = Annotated[dict[_Name, _Number | None], Field(max_length=1000)]
"""What is no number, as of a class that no patch has, is null in JSON."""


_HISTORY: Final[TypeAdapter[list[dict[str, Any]]]] = TypeAdapter(list[_Metrics])


class _Best(BaseModel):
    """The best validation so far."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    score: _Number
    epoch: _Count
    metrics: _Metrics
    calibration: Calibration


@dataclass(slots=True, config=ConfigDict(extra="forbid"))
class Progress:
    """The part of the state that JSON holds.

    Attributes
    ----------
    epoch, step_in_epoch : int
        Finished epochs, and finished steps of the next one.
    sums : dict of str to float
        Losses summed over the steps of the unfinished epoch.
    history : list of dict
        Metrics of every finished epoch.
    calibration : dict
        Calibration of the last finished epoch.
    best : dict or None
        Score, epoch, metrics and calibration of the best epoch, if it is kept.
    validations_since_best : int
        Validations without a better score.
    stopped : bool
        Whether training ended early.
    scaler : dict
        State of the gradient scaler, in float16.
    pseudo_label_rounds_done : int
        Rounds of pseudo labels that are finished.
    """

    epoch: _Count = 0
    step_in_epoch: _Count = 0
    sums: _Sums = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    calibration: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    validations_since_best: _Count = 0
    stopped: Annotated[bool, Field(strict=True)] = False
    scaler: _Sums = field(default_factory=dict)
    pseudo_label_rounds_done: _Count = 0

    @field_validator("history")
    @classmethod
    def _numbers(cls, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _HISTORY.validate_python(history)

    @field_validator("calibration")
    @classmethod
    def _usable(cls, calibration: dict[str, Any]) -> dict[str, Any]:
        if calibration:  # there is none before the first validation
            Calibration.model_validate(calibration)
        return calibration

    @field_validator("best")
    @classmethod
    def _complete(cls, best: dict[str, Any] | None) -> dict[str, Any] | None:
        if best is not None:
            _Best.model_validate(best)
        return best

    @model_validator(mode="after")
    def _consistent(self) -> Progress:
        if len(self.history) != self.epoch:
            raise ValueError(f"expected the metrics of {self.epoch} epochs, got {len(self.history)}")
        return self
