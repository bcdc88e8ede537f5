"""What is still good of an earlier run: images as they were, results as they were written."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_construct.batch.entries import Entry, Joined
from napari_construct.batch.fingerprints import same_image
from napari_construct.batch.sources import Source
from napari_construct.data.limits import DECODER_ERRORS, MAX_PIXELS
from napari_construct.data.pictures.read import read_pillow
from napari_construct.data.tiff.checks import BYTES_PER_PIXEL, check_segments
from napari_construct.exceptions import ConstructError, InputError
from napari_construct.export.digests import is_unchanged
from napari_construct.export.own_files import is_pyramid, read_record
from napari_construct.reading.tiff.file import open_tiff
from napari_construct.results.stored_cells import read_confidences
from napari_construct.results.stored_pyramid import open_pyramid
from napari_construct.results.stored_zarr import open_zarr

_FAILURES: Final = (*DECODER_ERRORS, ConstructError)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run left of one image.

    Attributes
    ----------
    why : str
        Why the image is segmented again; empty where it is not.
    edited : tuple of Path
        Files that were changed since they were written, and are whole.
    damaged : tuple of Path
        Files that cannot be read any more.
    """

    why: str = ""
    edited: tuple[Path, ...] = ()
    damaged: tuple[Path, ...] = ()

    @property
    def good(self) -> bool:
        return not self.why


def earlier_result(entry: Entry, source: Source, output: Path) -> Earlier:
    """Compare an image and its files with what an entry of the ledger says of them."""
    if entry.state != "done":
        return Earlier("it was not finished")
    missing, edited, damaged = [], [], []
    for kind, name in entry.files.items():
        path = output / name
        if not os.path.lexists(path):
            missing.append(path)
            continue
        known = kind in entry.sizes and kind in entry.sha256
        if known and is_unchanged(path, entry.sizes[kind], entry.sha256[kind]):
            continue
        if not _is_whole(kind, path):
            damaged.append(path)
        elif known:  # without a hash nobody knows
            edited.append(path)
    why = ""
    if not _same(entry, source):
        why = "the image or its pixel size changed"
    elif missing or damaged:
        why = f"{(missing or damaged)[0].name} is {'missing' if missing else 'damaged'}"
    return Earlier(why, tuple(edited), tuple(damaged))


def was_edited(joined: Joined | None, path: Path) -> bool:
    """Whether somebody changed a joined file that the ledger knows, and it can be read."""
    if joined is None or is_unchanged(path, joined.size, joined.sha256):
        return False
    return _is_whole(joined.kind, path)


def set_aside(path: Path) -> None:
    """Free the place of a damaged file: one that is not empty is kept under another name."""
    with suppress(OSError):
        if path.is_file() and not path.stat().st_size:
            path.unlink()
            return
        number = 1
        while os.path.lexists(kept := path.with_name(f"{path.name}.damaged{number}")):
            number += 1
        path.rename(kept)


def _same(entry: Entry, source: Source) -> bool:
    try:
        return same_image(entry.fingerprint, source.fingerprint())
    except _FAILURES:
        return False


def _is_whole(kind: str, path: Path) -> bool:
    """Whether any program could make use of a file: it opens, and decodes to its end."""
    try:
        if kind == "zarr":
            return open_pyramid(path).complete if is_pyramid(path) else bool(open_zarr(path))
        if kind == "record":
            read_record(path)
        elif kind == "table":
            read_confidences(path)
        elif kind == "overlay":
            read_pillow(path, 2 * MAX_PIXELS)
        else:
            _decode_pages(path)
    except _FAILURES:
        return False
    return True


def _decode_pages(path: Path) -> None:
    """Decode a TIFF page by page, each within the bounds of an image, whatever it means."""
    with open_tiff(path) as file:
        pages: Any = file.pages
        for page in pages:
            if page.nbytes > BYTES_PER_PIXEL * MAX_PIXELS:
                raise InputError(f"{path}: expected a result, got a page of {page.nbytes:,} bytes")
            rows, columns = slice(0, page.imagelength), slice(0, page.imagewidth)
            check_segments(path, page, file.filehandle.size, MAX_PIXELS, rows, columns)
            page.asarray()
