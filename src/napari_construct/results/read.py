"""Read results that ``save``, ``segment``, ``demo``, ``batch`` or napari wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tifffile

from napari_construct.classes import ClassTable, hex_of
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.own_files import has_tissue_labels, read_record, record_path
from napari_construct.reading.foreign import inside, passed_on
from napari_construct.reading.json import parse_json
from napari_construct.reading.text import at
from napari_construct.results.record_model import checked_record
from napari_construct.results.result import StoredResult
from napari_construct.types import PathLike, ShortRepr

Read: TypeAlias = Callable[[Path], StoredResult]

_DAMAGED = (
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    ValueError,
    RecursionError,
    OverflowError,
    tifffile.TiffFileError,
)


def load_result(path: PathLike, name: str | None = None) -> StoredResult:
    """Read a stored result.

    Parameters
    ----------
    path : path
        A folder with one result, its JSON record, its mask (TIFF), or an OME-Zarr with labels.
    name : str, optional
        Which result to read from a folder with several; ``NAME.json`` is its record.

    Returns
    -------
    StoredResult
        The exact labels, CAMs if they were written, classes, pixel size and record.

    Raises
    ------
    InputError
        If there is no result, the folder holds several, or a file is missing or damaged.
    """
    path = Path(path)
    if name is not None:
        return read_from_record(path / f"{name}.json")
    reader = reader_of(path)
    if reader is not None:
        return reader(path)
    if path.is_dir():
        return read_from_record(_only_record(path))
    if path.suffix.lower() == ".json":
        return read_from_record(path)  # says what is wrong with it
    raise InputError(
        f"{path}: expected a result of napari-construct (folder, JSON record, mask or OME-Zarr), "
        f"{'got another file' if path.exists() else 'found nothing there'}; check the path"
    )


def reader_of(path: Path) -> Read | None:
    """Function that reads a file or an OME-Zarr; None if it is no result of napari-construct."""
    if path.is_dir():
        return _read_zarr if has_tissue_labels(path) else None
    suffix = path.suffix.lower()
    if suffix in {".tif", ".tiff"}:
        return read_from_mask if _description(path) is not None else None
    if suffix == ".json":
        return read_from_record if _is_record(path) else None
    return None


def read_from_record(path: Path) -> StoredResult:
    """The result of a record; its files lie beside it under the names it gives.

    Raises
    ------
    InputError
        If a file is missing or is not what the record says.
    """
    record = read_record(path)
    known = checked_record(record, path)
    files, colours = known.files, known.colours
    try:
        table = ClassTable.from_names(tuple(colours), palette=tuple(colours.values()))
        if "mask" in files:
            labels = _labels(inside(path.parent, files["mask"], InputError))
        else:
            labels = _read_zarr(inside(path.parent, files["zarr"], InputError)).labels
        cams = None
        if "cams" in files:
            maps = np.asarray(
                tifffile.imread(inside(path.parent, files["cams"], InputError)), dtype=np.float32
            )
            cams = maps.reshape(len(table), *labels.shape)
        return _stored(labels, table, known.input.mpp, record, cams)
    except (*_DAMAGED, ConfigurationError) as error:
        raise InputError(
            f"{at(path)}: expected the record of a segmentation with its files, got "
            f"{passed_on(error)}; segment again"
        ) from error


def read_from_mask(path: Path) -> StoredResult:
    """A mask TIFF in the colours of its palette, with the record beside it where there is one.

    Raises
    ------
    InputError
        If napari-construct did not write the mask.
    """
    found = _description(path)
    if found is None:
        raise InputError(f"{path}: expected a mask with its classes in the description, got another TIFF")
    names, mpp, palette = found
    record = _record_beside(path)
    colours = record.get("colours", {})
    given = [str(colours.get(n) or palette.get(i, "")) for i, n in enumerate(names, start=1)]
    table = ClassTable.from_names(names, palette=given) if all(given) else ClassTable.from_names(names)
    return _stored(_labels(path), table, mpp, record)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ZarrResult(ShortRepr):
    """An OME-Zarr with labels, opened and not read yet.

    Attributes
    ----------
    image, labels : tuple of zarr arrays
        Levels, the finest first: (3, h, w) uint8 and (h, w) uint8.
    classes : ClassTable
        Names and colours.
    mpp : float or None
        Micrometres per pixel of the finest level.
    record : mapping
        The JSON beside it; empty where there is none.
    """

    image: tuple[Any, ...]
    labels: tuple[Any, ...]
    classes: ClassTable
    mpp: float | None
    record: Mapping[str, Any]


def open_zarr(path: Path) -> ZarrResult:
    """Open an OME-Zarr of :func:`~napari_construct.export.ome_zarr.write_ome_zarr`.

    Raises
    ------
    InputError
        If it has no labels with classes.
    """
    import zarr

    try:
        root: Any = zarr.open_group(path, mode="r")
        group = root["labels/tissue"]
        (image,), (mask,) = root.attrs["ome"]["multiscales"], group.attrs["ome"]["multiscales"]
        about = group.attrs["ome"]["image-label"]
        names = [part["class"] for part in about["properties"]]
        colours = [hex_of(colour["rgba"]) for colour in about["colors"]]
        known = any(axis.get("unit") == "micrometer" for axis in image["axes"])
        return ZarrResult(
            image=tuple(root[level["path"]] for level in image["datasets"]),
            labels=tuple(group[level["path"]] for level in mask["datasets"]),
            classes=ClassTable.from_names(names, palette=colours),
            mpp=image["datasets"][0]["coordinateTransformations"][0]["scale"][-1] if known else None,
            record=_record_beside(path),
        )
    except (*_DAMAGED, ConfigurationError) as error:
        raise InputError(
            f"{path}: expected an OME-Zarr with the labels of a segmentation, got "
            f"{type(error).__name__}: {passed_on(error)}; segment again"
        ) from error


def _read_zarr(path: Path) -> StoredResult:
    found = open_zarr(path)
    return _stored(found.labels[0][:], found.classes, found.mpp, found.record)


def _stored(
    labels: Any, table: ClassTable, mpp: float | None, record: Mapping[str, Any], cams: Any = None
) -> StoredResult:
    presence = record.get("presence", {})
    known = [presence.get(name, {}) for name in table.names] if isinstance(presence, Mapping) else []
    return StoredResult(
        labels=labels,
        classes=table,
        presence=tuple(bool(p["present"]) for p in known) if all("present" in p for p in known) else (),
        presence_scores=tuple(float(p["score"]) for p in known) if all("score" in p for p in known) else (),
        mpp=mpp,
        record=record,
        cams=cams,
    )


def _labels(path: Path) -> Any:
    """(h, w) uint8, or (planes, h, w) of a stack."""
    if not path.is_file():
        raise InputError(f"{path}: expected the mask of a result, found nothing there; segment again")
    with tifffile.TiffFile(path) as file:
        if len(file.series[0].shape) == 2:
            return read_mask(path)
        stack = np.asarray(file.asarray())
    if stack.ndim != 3 or stack.dtype != np.uint8:
        raise InputError(
            f"{path}: expected a mask (h, w) or (planes, h, w) uint8, got {stack.shape} {stack.dtype}; "
            "segment again"
        )
    return stack


def _only_record(folder: Path) -> Path:
    records = [path for path in sorted(folder.glob("*.json")) if _is_record(path)]
    if len(records) != 1:
        names = ", ".join(path.stem for path in records[:5]) + (" ..." if len(records) > 5 else "")
        raise InputError(
            f"{folder}: expected one result, found {len(records)}"
            + (f" ({names}); give the name of one" if records else "; check the path")
        )
    return records[0]


def _is_record(path: Path) -> bool:
    try:
        return {"files", "colours"} <= set(read_record(path))
    except InputError:
        return False


def _record_beside(path: Path) -> dict[str, Any]:
    """What is known of a mask; nothing where the record is missing or damaged: the mask is good without."""
    beside = record_path(path)
    try:
        record = read_record(beside)
        checked_record(record, beside)
    except InputError:
        return {}
    return record


def _description(path: Path) -> tuple[tuple[str, ...], float | None, dict[int, str]] | None:
    """Names of the classes, micrometres per pixel, colours of a mask; None of another TIFF."""
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            found = parse_json(page.description or "{}", str(path))
            classes = {int(value): str(name) for value, name in found["classes"].items()}
            colours = {}
            if page.colormap is not None:
                for value in classes:
                    colours[value] = hex_of(page.colormap[:, value] // 257)
    except _DAMAGED:
        return None
    mpp = found.get("mpp")
    known = isinstance(mpp, float | int) and not isinstance(mpp, bool) and mpp > 0
    return tuple(classes[value] for value in sorted(classes)), float(mpp) if known else None, colours
