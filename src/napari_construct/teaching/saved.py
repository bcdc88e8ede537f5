"""Strokes on disk: a folder with a mask and the pixels of every image, and a table that names them.

The table, ``strokes.json``, is written last and in one step; files are named by what they hold. So at any
moment the folder holds the strokes of before or those of now, as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import tifffile
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.locks import locked_file
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_mask
from napari_construct.inference.decision.record import image_hash
from napari_construct.reading.foreign import harmless
from napari_construct.reading.marks import SOFTWARE
from napari_construct.reading.places import is_file
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import at
from napari_construct.settings import problem
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import PathLike, RGBImage
from napari_construct.whole_files import remove_partials

TABLE: Final = "strokes.json"
FORMAT: Final = "napari-construct strokes"
VERSION: Final = 1
MOST: Final = 10_000
"""Images of a folder."""

_LARGEST: Final = 64 * 2**20
_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Image(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, Field(max_length=1000)]
    image: _Hash
    painted: _Hash
    mpp: Annotated[float, Field(gt=0, le=1000)] | None
    place: tuple[Annotated[int, Field(ge=0, lt=2**40)], Annotated[int, Field(ge=0, lt=2**40)]]
    source: Annotated[str, Field(max_length=5000)] | None
    used: Annotated[bool, Field(strict=True)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["napari-construct strokes"]
    version: Annotated[int, Field(ge=1, le=VERSION)]
    classes: ClassTable
    images: Annotated[tuple[_Image, ...], Field(max_length=MOST)]


def save_strokes(folder: PathLike, strokes: Sequence[Strokes], classes: ClassTable) -> Path:
    """Write strokes into a folder, which is made; those that it held are replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If a painted value is that of no class.
    ConfigurationError
        If the folder holds another ``strokes.json`` than one of this format.
    ConstructError
        If a file cannot be written.
    """
    folder = Path(folder)
    table = folder / TABLE
    if table.exists():
        _read_table(table)  # of others nothing is replaced
    for one in strokes:
        one.counts(len(classes))
    with locked_file(table):
        remove_partials(table)
        rows = [_write(folder, one, classes) for one in strokes]
        about = {"format": FORMAT, "version": VERSION, "classes": classes.model_dump(mode="json")}
        write_record(table, {**about, "images": rows})
        _remove_others(folder, rows)
    return folder


def load_strokes(folder: PathLike) -> tuple[ClassTable, tuple[Strokes, ...]]:
    """Strokes of a folder, as they were saved.

    Raises
    ------
    InputError
        If it holds none, or a file is missing or damaged.
    """
    folder = Path(folder)
    table = _read_table(folder / TABLE)
    found = []
    for row in table.images:
        image = read_image(folder / _image_name(row.image)).pixels
        painted = read_mask(folder / _painted_name(row.painted))
        if image_hash(image) != row.image or _hash(painted) != row.painted:
            raise InputError(
                f"{at(folder / TABLE)}: expected the files of {harmless(row.name, 80)} as they were saved, "
                "got others; copy the folder again"
            )
        found.append(Strokes(row.name, image, painted, row.mpp, row.place, row.source, row.used))
        found[-1].counts(len(table.classes))
    return table.classes, tuple(found)


def holds_strokes(folder: PathLike) -> bool:
    """Whether a folder holds saved strokes."""
    return is_file(Path(folder) / TABLE)


def _read_table(path: Path) -> _Table:
    raw = read_json(path, what="a table of strokes", largest=_LARGEST, error=InputError)
    try:
        return _Table.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(
            f"{at(path)}: expected a table of strokes ({problem(error)}); choose another folder"
        ) from error


def _write(folder: Path, strokes: Strokes, classes: ClassTable) -> Mapping[str, Any]:
    image, painted = image_hash(strokes.image), _hash(strokes.painted)
    if not (folder / _image_name(image)).exists():
        _write_image(folder / _image_name(image), strokes.image)
    if not (folder / _painted_name(painted)).exists():
        write_mask(folder / _painted_name(painted), strokes.painted, classes, strokes.mpp)
    return {
        "name": strokes.name,
        "image": image,
        "painted": painted,
        "mpp": strokes.mpp,
        "place": list(strokes.place),
        "source": strokes.source,
        "used": strokes.used,
    }


def _write_image(path: Path, image: RGBImage) -> None:
    with atomic(path) as temporary:
        tifffile.imwrite(temporary, image, photometric="rgb", compression="zlib", software=SOFTWARE)


def _remove_others(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remove files that an earlier table named and this one does not."""
    named = {_image_name(row["image"]) for row in rows} | {_painted_name(row["painted"]) for row in rows}
    for kind in ("image", "painted"):
        for path in folder.glob(f"{kind}_{'[0-9a-f]' * 16}.tif"):
            if path.name not in named:
                with suppress(OSError):
                    path.unlink()


def _image_name(digest: str) -> str:
    return f"image_{digest[:16]}.tif"


def _painted_name(digest: str) -> str:
    return f"painted_{digest[:16]}.tif"


def _hash(painted: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    shape = f"{painted.shape}".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(painted).tobytes()).hexdigest()
