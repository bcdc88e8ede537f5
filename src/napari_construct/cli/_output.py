"""What commands write: the files of one result, all or none of them, and JSON for programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_construct.exceptions import ConfigurationError, ConstructError

if TYPE_CHECKING:
    from napari_construct.inference.result import SegmentationResult
    from napari_construct.types import RGBImage

STDOUT = "-"


def check_folder(folder: Path) -> None:
    """Make sure that a folder can be written to, before any work is done.

    Raises
    ------
    ConfigurationError
        If it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: expected an output folder that can be written to, got {error.strerror or error}; "
            "choose another with --output"
        ) from error


def check_json(target: str | None) -> None:
    """Make sure that a JSON file can be written, before any work is done."""
    if target is not None and target != STDOUT:
        path = Path(target)
        if path.is_dir():
            raise ConfigurationError(f"{path}: expected a file for --json, got a folder; add a file name")
        check_folder(path.parent)


def write_json(target: str | None, content: Mapping[str, Any]) -> None:
    """Write to a file, atomically, or to standard output."""
    if target is None:
        return
    import json

    from napari_construct.export.record import plain, write_record

    if target == STDOUT:
        typer.echo(json.dumps(plain(content), indent=2, ensure_ascii=False))
    else:
        write_record(target, content)


def output_names(stem: str) -> dict[str, str]:
    """File names of one result."""
    return {
        "mask": f"{stem}_mask.tif",
        "cams": f"{stem}_cams.ome.tif",
        "overlay": f"{stem}_overlay.png",
        "record": f"{stem}.json",
    }


def write_result(
    folder: Path, stem: str, image: RGBImage, result: SegmentationResult, notices: tuple[str, ...] = ()
) -> dict[str, Path]:
    """Write mask, CAMs, overlay and record of one image; all appear together or none does.

    They are made in a hidden folder beside the targets and moved when the last one is complete.

    Parameters
    ----------
    folder : Path
        Output folder; exists.
    stem : str
        Start of the file names.
    image : ndarray
        (h, w, 3) uint8, for the overlay.
    result : SegmentationResult
        Its record is completed with areas, file names and the reader's notices.
    notices : tuple of str
        Of the reader of the image.

    Returns
    -------
    dict of str to Path
        "mask", "cams", "overlay" and "record".
    """
    from napari_construct.export.overlay import write_overlay
    from napari_construct.export.record import write_record
    from napari_construct.export.tiff import write_cams, write_mask

    names = output_names(stem)
    record = {
        **result.record,
        "notices": [*notices, *result.record.get("notices", ())],
        "areas": result.areas(),
        "colours": {tissue.name: tissue.colour for tissue in result.classes},
        "files": names,
    }
    try:
        hidden = Path(tempfile.mkdtemp(prefix=".napari-construct-", dir=folder))
        try:
            write_mask(hidden / names["mask"], result.labels, result.classes, result.mpp)
            write_cams(hidden / names["cams"], result.cams, result.classes, result.mpp)
            write_overlay(hidden / names["overlay"], image, result.labels, result.classes)
            write_record(hidden / names["record"], record)
            for name in names.values():
                (hidden / name).replace(folder / name)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise ConstructError(
            f"{folder}: cannot be written to ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error
    return {kind: folder / name for kind, name in names.items()}
