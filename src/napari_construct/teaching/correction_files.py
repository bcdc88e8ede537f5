"""Corrections in files: images with masks, saved ones, or annotations of QuPath beside their image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, ValidationError

from napari_construct.annotations import Feature, is_ignored
from napari_construct.classes import ClassTable
from napari_construct.data.geojson import read_geojson
from napari_construct.data.image_header import read_header
from napari_construct.data.images import read_image
from napari_construct.data.listing import list_folder
from napari_construct.data.masks import find_pairs, read_mask
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.foreign import file_name
from napari_construct.reading.places import is_file, is_folder
from napari_construct.reading.texts.json import read_json
from napari_construct.settings import Settings, problem
from napari_construct.teaching.annotated import painted_annotations
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import PathLike
from napari_construct.whole_files import replacing

RECORD: Final = "corrections.json"
"""In a folder of saved corrections: classes of the values, and what images do not say of themselves."""

KIND: Final = "napari-construct corrections"

LARGEST: Final = 4096
"""Rows or columns up to which an image is read whole; of a larger one the parts around annotations."""

MARGIN: Final = 256
"""Pixels that are read around annotations."""

MOST_PIXELS: Final = 100_000_000
"""Of one part."""

_ANNOTATED: Final = (".geojson", ".json")


class ReadCorrections(NamedTuple):
    """Corrections of files.

    Attributes
    ----------
    strokes : tuple of Strokes
        What is painted, in the values of ``classes``.
    classes : ClassTable
        Their classes; those of the model, and behind them others that files name.
    notices : tuple of str
        What is left out.
    """

    strokes: tuple[Strokes, ...]
    classes: ClassTable
    notices: tuple[str, ...] = ()


class _Saved(Settings):
    """One image of a folder of saved corrections."""

    name: Annotated[str, Field(max_length=1000)]
    file: Annotated[str, Field(max_length=300)]
    mpp: Annotated[float, Field(gt=0, le=1000)] | None = None
    place: tuple[int, int] = (0, 0)
    source: Annotated[str, Field(max_length=4000)] | None = None
    used: bool = True


class _Record(Settings):
    """Content of :data:`RECORD`."""

    format: Annotated[str, Field(pattern=f"^{KIND}$")]
    classes: ClassTable
    images: Annotated[tuple[_Saved, ...], Field(max_length=100_000)]


def save_corrections(folder: PathLike, strokes: Sequence[Strokes], classes: ClassTable) -> Path:
    """Write corrections as images and masks, which :func:`read_corrections` and ``retrain`` read.

    Parameters
    ----------
    folder : path
        A new or empty folder, or one of saved corrections, which are replaced.
    strokes : sequence of Strokes
        What was painted, in the values of ``classes``.
    classes : ClassTable
        Its classes.

    Raises
    ------
    InputError
        If the folder holds something else.
    OSError
        If the system refuses.
    """
    folder = Path(folder)
    if (
        folder.exists()
        and not (folder / RECORD).exists()
        and (not is_folder(folder) or any(folder.iterdir()))
    ):
        raise InputError(
            f"{folder}: expected a new or empty folder, or one of saved corrections, got another one; choose "
            "a new name"
        )
    for inside in ("img", "mask"):
        (folder / inside).mkdir(parents=True, exist_ok=True)
    saved = []
    for number, one in enumerate(strokes, start=1):
        file = f"{number:04d}-{file_name(Path(one.name).stem)[:100]}.png"
        for inside, pixels in (("img", one.image), ("mask", one.painted)):
            with replacing(folder / inside / file) as part:
                Image.fromarray(pixels).save(part, format="PNG")
        saved.append(
            _Saved(name=one.name, file=file, mpp=one.mpp, place=one.place, source=one.source, used=one.used)
        )
    record = _Record(format=KIND, classes=classes, images=tuple(saved))
    with replacing(folder / RECORD) as part:
        part.write_text(json.dumps(record.model_dump(mode="json"), indent=2), encoding="utf-8")
    return folder


def read_corrections(
    paths: Sequence[PathLike], model: ClassTable, *, mpp: float | None = None
) -> ReadCorrections:
    """Read corrections of all kinds.

    Parameters
    ----------
    paths : sequence of path
        Each a folder with ``img`` and ``mask`` inside (value 0 is not corrected, ``i + 1`` is class ``i`` of
        the model), a folder of :func:`save_corrections`, or a GeoJSON file beside its image of the same name.
    model : ClassTable
        Classes of the model.
    mpp : float, optional
        Micrometres per pixel of images that do not say so themselves.

    Raises
    ------
    DatasetError, InputError
        If something cannot be read; the message names it.
    """
    names, strokes, notices = list(model.names), list[Strokes](), list[str]()
    for path in map(Path, paths):
        if is_folder(path):
            found, classes, said = _folder(path, model, mpp)
        else:
            found, classes, said = _annotations(path, mpp)
        values = np.zeros(256, np.uint8)
        for value, name in enumerate(classes, start=1):
            if name not in names:
                names.append(name)
            values[value] = names.index(name) + 1
        for one in found:
            strokes.append(_with_values(one, values, len(classes)))
        notices += said
    new = tuple(ClassTable.from_names(names))[len(model) :]
    return ReadCorrections(tuple(strokes), ClassTable(classes=(*model, *new)), tuple(notices))


def _with_values(strokes: Strokes, values: NDArray[np.uint8], count: int) -> Strokes:
    largest = int(strokes.painted.max(initial=0))
    if largest > count:
        raise InputError(
            f"{strokes.name}: expected values from 0 (not corrected) to {count} in the mask, got {largest}; "
            "the first class is 1"
        )
    return replace(strokes, painted=values[strokes.painted])


def _folder(
    path: Path, model: ClassTable, mpp: float | None
) -> tuple[list[Strokes], Sequence[str], list[str]]:
    pairs = find_pairs(path, inside=("",))
    record = _record(path)
    saved = {} if record is None else {one.file: one for one in record.images}
    found = []
    for image_path, mask_path in pairs:
        image, mask = read_image(image_path), read_mask(mask_path)
        if mask.shape != image.pixels.shape[:2]:
            raise DatasetError(
                f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels "
                f"as its image has, got {mask.shape[0]} x {mask.shape[1]}; check the pair"
            )
        known = saved.get(image_path.name)
        if known is None:
            found.append(
                Strokes(image_path.name, image.pixels, mask, image.mpp or mpp, source=str(image_path))
            )
        else:
            size = known.mpp or mpp
            found.append(Strokes(known.name, image.pixels, mask, size, known.place, known.source, known.used))
    return found, (model if record is None else record.classes).names, list(pairs.notices)


def _record(folder: Path) -> _Record | None:
    path = folder / RECORD
    if not is_file(path):
        return None
    try:
        return _Record.model_validate(read_json(path, what="saved corrections", error=InputError))
    except ValidationError as error:
        raise InputError(
            f"{path}: expected saved corrections, got others: {problem(error)}; save them again"
        ) from error


def _annotations(path: Path, mpp: float | None) -> tuple[list[Strokes], Sequence[str], list[str]]:
    if path.suffix.lower() not in _ANNOTATED:
        raise InputError(
            f"{path}: expected corrections: a folder with img and mask inside, or annotations as GeoJSON "
            "beside their image; choose one of these"
        )
    with_class: list[Feature] = []
    ignored: list[Feature] = []
    without = 0
    features = read_geojson(path)
    for feature in features:
        if is_ignored(feature.class_name):
            ignored.append(feature)
        elif feature.class_name is None:
            without += 1
        else:
            with_class.append(feature)
    said = list(features.notices)
    if without:
        said.append(f"{path.name}: {without} annotation(s) without a class are no corrections")
    if not with_class:
        raise InputError(
            f"{path}: expected annotations with classes, got none; set a class of each annotation, and "
            "export them again"
        )
    image = _image_beside(path)
    header = read_header(image)
    classes = list(dict.fromkeys(str(feature.class_name) for feature in with_class))
    if len(classes) > 254:
        raise InputError(f"{path}: expected at most 254 classes, got {len(classes)}; merge some")
    values = {name: value for value, name in enumerate(classes, start=1)}
    found = []
    for box in _boxes(with_class, (header.rows, header.columns)):
        read = read_image(image, region=box)
        place = box[0].start, box[1].start
        shape = box[0].stop - place[0], box[1].stop - place[1]
        painted = painted_annotations(with_class, ignored, shape, values, place)
        size = read.mpp or header.mpp or mpp
        found.append(Strokes(image.name, read.pixels, painted, size, place, str(image)))
    return found, classes, said


def _image_beside(path: Path) -> Path:
    stem = path.name.split(".")[0]
    images = [one for one in list_folder(path.parent).images if one.name.split(".")[0] == stem]
    if len(images) != 1:
        names = ", ".join(one.name for one in images[:3]) or "none"
        raise InputError(
            f"{path}: expected one image named {stem} beside it, got {names}; put the image and its "
            "annotations into one folder, under one name"
        )
    return images[0]


def _boxes(features: Sequence[Feature], shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Parts of an image that hold annotations: all of a small one, else what is close together."""
    if max(shape) <= LARGEST:
        yield slice(0, shape[0]), slice(0, shape[1])
        return
    bounds = shapely.bounds(np.array([feature.geometry for feature in features], dtype=object))
    boxes = shapely.box(*(bounds + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN])).T)
    while len(joined := [one.envelope for one in _parts(shapely.union_all(boxes))]) < len(boxes):
        boxes = np.array(joined, dtype=object)
    for one in joined:
        left, top, right, bottom = (int(edge) for edge in one.bounds)
        rows = slice(max(top, 0), min(bottom + 1, shape[0]))
        columns = slice(max(left, 0), min(right + 1, shape[1]))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue  # outside of the image
        if (pixels := (rows.stop - rows.start) * (columns.stop - columns.start)) > MOST_PIXELS:
            raise InputError(
                f"expected annotations within {MOST_PIXELS:,} pixels of each other, got {pixels:,}; correct "
                "smaller areas"
            )
        yield rows, columns


def _parts(geometry: Any) -> Sequence[Any]:
    return list(getattr(geometry, "geoms", [geometry]))
