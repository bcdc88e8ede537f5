"""Weights from a folder, for machines without internet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.store import own_folder, place
from napari_construct.events import Event
from napari_construct.exceptions import EncoderError


def copy_steps(entry: EncoderEntry, file: WeightFile, folder: Path) -> Iterator[Event]:
    """Copy one file of an encoder from a folder to where it is found from now on.

    Parameters
    ----------
    entry, file
        What is wanted.
    folder : Path
        Holds it below ``OWNER/NAME/`` (as ``hf download --local-dir`` leaves it), below ``OWNER--NAME/``,
        below the encoder's id, or directly.

    Yields
    ------
    Event
        Stage "download", in bytes.

    Raises
    ------
    EncoderError
        If it is not there, has another hash than was published, or cannot be copied.
    """
    repository = file.repository or entry.repository or ""
    places = [
        folder / repository,
        folder / repository.replace("/", "--"),
        folder / own_folder(entry).name,
        folder,
    ]
    for path in (where / name for where in places for name in file.names):
        if path.is_file():
            size = path.stat().st_size
            yield Event("download", 0, size, path.name)
            _check_source(entry, path, file.sha256)
            place(path, own_folder(entry) / path.name)
            yield Event("download", size, size, path.name)
            return
    raise EncoderError(
        f"{entry.id}: expected {file.name} in {places[0]} or {folder}, got none; copy it there from a "
        f"computer with internet (it lies at {entry.source})"
    )


def _check_source(entry: EncoderEntry, path: Path, wanted: str | None) -> None:
    if wanted is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != wanted:
        raise EncoderError(
            f"{path}: expected the published file of {entry.id} (SHA-256 {wanted[:12]}...), got "
            f"{found[:12]}...; copy it again"
        )
