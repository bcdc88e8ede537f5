"""The lines of a ledger: what identifies a run, and what is known of its images and stacks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from napari_construct.batch.settings import BatchSettings
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.record import plain
from napari_construct.results.areas import stored_area

VERSION: Final = 1

State: TypeAlias = Literal["waiting", "running", "done", "failed"]
Area: TypeAlias = Mapping[str, str | int | float]

_TOLERANT: Final = ConfigDict(extra="ignore")  # of a later version


@dataclass(frozen=True, slots=True, config=_TOLERANT)
class Entry:
    """State and results of one image.

    Attributes
    ----------
    key, name : str
        Name in the ledger; name for people.
    state : str
        "waiting", "running", "done" or "failed"; "running" after the end of a run means that the run was
        killed at this image.
    error : str
        Why it failed.
    files : mapping
        Kind of output to path relative to the output folder.
    areas : tuple
        Of the classes, as ``SegmentationResult.areas`` gives them.
    fingerprint : str
        Fingerprint of the image when it was read.
    seconds : float
        Time spent on the image.
    sizes, sha256 : mapping
        Of the files, by kind, as :func:`~napari_construct.export.digests.digest` finds them. Empty in entries
        of earlier versions.
    warnings : tuple of str
        What was said about the image: a guessed pixel size, an image that was resampled. Empty in entries of
        earlier versions.
    tissue_pixels : int or None
        Pixels of the mask with tissue. None in entries of earlier versions.
    mm2_per_pixel : float or None
        Area of a pixel of the mask; None where it is unknown.
    looked_at : int
        Pixels at the model's resolution that the network looked at; 0 in entries of earlier versions.
    """

    key: str
    name: str
    state: State = "waiting"
    error: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    areas: tuple[Area, ...] = ()
    fingerprint: str = ""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tissue_pixels: Annotated[int, Field(ge=0)] | None = None
    mm2_per_pixel: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    looked_at: Annotated[int, Field(ge=0)] = 0

    @field_validator("files")
    @classmethod
    def _inside(cls, files: Mapping[str, str]) -> Mapping[str, str]:
        for name in files.values():
            path = PurePosixPath(name)
            if not name or "\0" in name or path.is_absolute() or ".." in path.parts or "\\" in name:
                raise ValueError(f"expected a path in the output folder, got {name[:80]!r}")
        return files

    @field_validator("areas")
    @classmethod
    def _of_classes(cls, areas: tuple[Area, ...]) -> tuple[Area, ...]:
        for area in areas:
            numbers = [value for name, value in area.items() if name != "class"]
            if not isinstance(area.get("class"), str) or not all(map(_is_finite, numbers)):
                raise ValueError("expected the name and the finite measures of a class")
        return areas


@dataclass(frozen=True, slots=True, config=_TOLERANT)
class Header:
    """What identifies a run.

    Attributes
    ----------
    format, version
        Of the ledger.
    settings : mapping
        Of the batch, without model and device.
    model : str
        SHA-256 of the model, or its name.
    encoder : str or None
        SHA-256 of the encoder's weights. None in ledgers of earlier versions.
    weights : str or None
        SHA-256 of the weights of a model that is no file, of which ``model`` is only the name.
    """

    format: Literal["napari-construct batch"]
    settings: Mapping[str, Any]
    model: str
    version: Annotated[int, Field(ge=1)] = VERSION
    encoder: str | None = None
    weights: str | None = None


@dataclass(frozen=True, slots=True, config=_TOLERANT)
class Joined:
    """A joined file of a stack, as it was written.

    Attributes
    ----------
    stack : str
        Stem of the stack.
    size, sha256
        As of an entry's files.
    kind : str
        Earlier versions joined masks only.
    """

    stack: str
    size: int
    sha256: str
    kind: str = "mask"


def header_of(path: Path, row: Any) -> Header:
    """The first line of a ledger.

    Raises
    ------
    ConfigurationError
        If it is none, or of a later version.
    """
    if isinstance(row, dict) and isinstance(row.get("version"), int) and row["version"] > VERSION:
        raise ConfigurationError(f"{path}: expected version {VERSION}, got a newer one; update this package")
    try:
        return _HEADER.validate_python(row)
    except ValidationError as error:
        raise ConfigurationError(
            f"{path}: expected the ledger of a batch, got a first line that is not its beginning; move it "
            "away, or choose another output folder"
        ) from error


def entry_of(row: Any) -> Entry | Joined | None:
    """Another line of a ledger; None if it is none."""
    if isinstance(row, dict) and isinstance(row.get("areas"), list):
        row = {**row, "areas": [stored_area(a) if isinstance(a, dict) else a for a in row["areas"]]}
    kind = _JOINED if isinstance(row, dict) and "stack" in row else _ENTRY
    try:
        return kind.validate_python(row)
    except ValidationError:
        return None


def check_header(path: Path, found: Header, wanted: Header) -> None:
    """Refuse to go on with a run of other settings, another model or encoder.

    Raises
    ------
    ConfigurationError
        With what differs.
    """
    old = BatchSettings.renamed(found.settings)
    different = [
        name
        for name, changed in (
            ("encoder", _differ(found.encoder, wanted.encoder)),
            ("model", found.model != wanted.model or _differ(found.weights, wanted.weights)),
            ("settings", old != plain(wanted.settings)),
        )
        if changed
    ]
    if different:
        raise ConfigurationError(
            f"{path}: expected the ledger of a run with the same settings, got different "
            f"{', '.join(different)}; choose another output folder, or restart to replace its results"
        )


def _differ(found: str | None, wanted: str | None) -> bool:
    return found is not None and wanted is not None and found != wanted


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


_ENTRY: Final[TypeAdapter[Entry | Joined]] = TypeAdapter(Entry)
_JOINED: Final[TypeAdapter[Entry | Joined]] = TypeAdapter(Joined)
_HEADER: Final[TypeAdapter[Header]] = TypeAdapter(Header)
