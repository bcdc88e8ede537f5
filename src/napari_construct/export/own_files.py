"""Recognise files that napari-construct made: only those are replaced without asking.

They are recognised by content, never by name: TIFFs by their software tag, pictures by their software text,
OME-Zarr folders and GeoJSON by their creator, records by their format, ledgers and tables by their first
line. Pictures and folders of earlier versions lack this; the record beside them names them.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.geojson_mark import has_start
from napari_construct.reading.marks import HIDDEN, SOFTWARE, has_mark
from napari_construct.reading.places import is_folder
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import at

RECORD_FORMAT: Final = "napari-construct result"
LEDGER_FORMAT: Final = "napari-construct batch"
PYRAMID_FORMAT: Final = "napari-construct label pyramid"
TABLE_COLUMNS: Final = ("item", "state", "error", "seconds")
"""The first columns of a batch's table."""
CELL_COLUMNS: Final = ("label", "area_px")
"""The first columns of a table of cells."""
REGION_COLUMNS: Final = ("region", "class", "pixels")
"""The first columns of a table of areas by region."""

MASK_MARKS: Final = ("_mask", " mask", " (refined)")
"""Ends of the names of masks, before the file's ending; layers are saved under their name."""

CELL_MARKS: Final = ("_cells", " cells")
"""Ends of the names of numbered cells."""

_OWN_NAMES: Final = frozenset({"zarr.json", "labels", "tissue", "probabilities", "cams"})
"""Names in our OME-Zarr folders, beside the numbers of levels."""
_LONGEST_RECORD: Final = 2**26
_HEAD: Final = 4096


def refuse_others(targets: Iterable[Path], *, overwrite: bool = False) -> None:
    """Refuse to replace files that napari-construct did not make. Called before the work begins.

    Parameters
    ----------
    targets : iterable of Path
        All files and folders that would be written; most do not exist yet.
    overwrite : bool
        Also replace files that napari-construct did not make. Folders that it did not make are never deleted.

    Raises
    ------
    ConfigurationError
        If there is such a file; the first one is named.
    """
    others = [path for path in targets if os.path.lexists(path) and not is_own(path)]
    folders = [path for path in others if is_folder(path)]
    if folders:
        raise ConfigurationError(
            f"{_listed(folders)}: expected a free name or an earlier result of napari-construct, got a "
            "folder that it did not make and never deletes; choose another output folder or name, or move it "
            "away"
        )
    if others and not overwrite:
        raise ConfigurationError(
            f"{_listed(others)}: expected a free name or an earlier result of napari-construct, got a "
            "file that it did not make; choose another output folder or name, move it away, or let it be "
            "replaced (--overwrite; in napari: Overwrite files of others, in Batch)"
        )


def is_own(path: Path) -> bool:
    """Whether napari-construct made a file or folder; unreadable ones count as not."""
    if is_folder(path):
        return _is_own_zarr(path)
    suffix, head = path.suffix.lower(), _head(path)
    if head.startswith((b"II", b"MM", b"\x89PNG")):
        # whatever rewrites a picture puts its own name there
        return has_mark(path) or (head[:1] == b"\x89" and _is_in_record(path, "overlay"))
    if suffix == ".jsonl":
        start = f'{{"format": "{LEDGER_FORMAT}"'.encode()
        return start.startswith(head[: len(start)])  # a kill may have torn the first line
    if suffix == ".csv":
        ours = (TABLE_COLUMNS, CELL_COLUMNS, ("image", *CELL_COLUMNS), REGION_COLUMNS)
        return head.startswith(tuple(",".join(columns).encode() for columns in ours))
    if has_start(head):
        return True
    return head.lstrip().startswith(b"{") and bool(_own_record(path))


def move_over(made: Path, target: Path) -> None:
    """Move a finished file or folder to its place. A folder there is deleted only if napari-construct made
    it.

    Raises
    ------
    ConfigurationError
        If there is a folder that napari-construct did not make.
    OSError
        If the system refuses.
    """
    if not target.is_dir():
        if made.is_dir():
            target.unlink(missing_ok=True)
        made.replace(target)
        return
    refuse_others([target])
    # aside first: a kill while it is deleted leaves no half of it at its place
    old = made.with_name(f"{HIDDEN}{secrets.token_hex(4)}.old.part")
    target.replace(old)
    made.replace(target)
    if old.is_symlink():
        old.unlink()
    else:
        shutil.rmtree(old, ignore_errors=True)


def read_record(path: Path) -> dict[str, Any]:
    """The JSON beside a result.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    what = "the JSON record of a segmentation"
    record = read_json(path, what=what, largest=_LONGEST_RECORD, error=InputError)
    if not isinstance(record, dict):
        raise InputError(f"{at(path)}: expected {what}, got a {type(record).__name__}; segment again")
    return record


def record_path(path: Path) -> Path:
    """Where the record of a mask, an overlay or an OME-Zarr lies: beside it, the first that names it.

    That is NAME.json or, where this belongs to something else, the file's whole name with ".json" behind.
    """
    places = _record_places(path)
    return next((place for place in places if path.name in files_of(place).values()), places[0])


def free_record_path(path: Path) -> Path:
    """Where the record of a file that is to be written may lie without replacing anything else.

    NAME.json or, where this is no record of ours, or that of other files, the whole name of the file with
    ".json" behind.

    Raises
    ------
    ConfigurationError
        If both belong to something else.
    """
    places = _record_places(path)
    for place in places:
        others = {name for name in files_of(place).values() if (path.parent / name).exists()} - {place.name}
        if not os.path.lexists(place) or (is_own(place) and (path.name in others or not others)):
            return place
    refuse_others(places)
    raise ConfigurationError(
        f"{_listed(list(places))}: expected a free name for the record of {path.name}, got the records of "
        "other files; choose another name"
    )


def result_name(path: Path) -> str:
    """NAME of a file of a result, such as NAME_mask.tif, NAME mask.tif, NAME_cells.csv, NAME.json."""
    stem = path.name
    for ending in (
        ".zarr",
        ".ome",
        ".tif",
        ".tiff",
        ".csv",
        ".png",
        ".ome",
        *MASK_MARKS[:2],
        *CELL_MARKS,
        "_overlay",
        "_areas",
    ):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    return stem


def _record_places(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{result_name(path)}.json"), path.with_name(f"{path.name}.json")


def files_of(record: Path) -> dict[str, str]:
    """Kinds and names of the files that a record of ours describes; empty of anything else."""
    files = _own_record(record).get("files")
    return {kind: str(name) for kind, name in files.items()} if isinstance(files, dict) else {}


def has_tissue_labels(path: Path) -> bool:
    """Whether a folder is an OME-Zarr with the labels of a segmentation: classes with names and colours."""
    try:
        image = read_json(path / "zarr.json", error=InputError)["attributes"]["ome"]
        about = read_json(path / "labels" / "tissue" / "zarr.json", error=InputError)["attributes"]["ome"]
        labels = about["image-label"]
        if not about["multiscales"] or not (image.get("multiscales") or is_pyramid(path)):
            return False
        return "colors" in labels and all("class" in label for label in labels["properties"])
    except (OSError, InputError, KeyError, TypeError, AttributeError):
        return False


def is_pyramid(path: Path) -> bool:
    """Whether a folder is a label pyramid of ours, finished or not: labels without an image beside them."""
    try:
        about = read_json(path / "zarr.json", error=InputError)["attributes"][SOFTWARE]
        return bool(about["format"] == PYRAMID_FORMAT)
    except (OSError, InputError, KeyError, TypeError):
        return False


def _listed(paths: list[Path]) -> str:
    more = len(paths) - 1
    return f"{paths[0]}" + (f" (and {more} more)" if more else "")


def _own_record(path: Path) -> dict[str, Any]:
    """The content of a record of ours; empty of anything else."""
    try:
        record = read_record(path)
    except InputError:
        return {}
    # earlier versions wrote no format
    own = record.get("format") == RECORD_FORMAT or {"areas", "colours", "files"} <= set(record)
    return record if own else {}


def _is_in_record(path: Path, kind: str) -> bool:
    """Whether our record beside it names a file."""
    return files_of(record_path(path)).get(kind) == path.name


def _is_own_zarr(path: Path) -> bool:
    """Whether we made the folder, and nobody has put labels or groups of their own into it since."""
    if not has_tissue_labels(path):
        return False
    try:
        inside = {part.name for part in path.iterdir()} | {part.name for part in (path / "labels").iterdir()}
        root = read_json(path / "zarr.json", error=InputError)
        creator = root["attributes"]["ome"].get("_creator", {}).get("name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    added = {n for n in inside - _OWN_NAMES if not (n.isdigit() or n.startswith("."))}
    return not added and (creator == SOFTWARE or (creator is None and _is_in_record(path, "zarr")))


def _head(path: Path) -> bytes:
    try:
        with open_regular(path, "a file") as stream:
            return stream.read(_HEAD)
    except (InputError, OSError):
        return b"\0"
