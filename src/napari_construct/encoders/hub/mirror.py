"""Weights from a folder, for machines without internet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.hub.store import own_folder, settle
from napari_construct.events import Event
from napari_construct.exceptions import EncoderError
from napari_construct.reading.places import is_file

CHUNK: Final = 2**22
"""Bytes that are copied between two reports of progress."""


def copy_steps(entry: EncoderEntry, file: WeightFile, folder: Path) -> Iterator[Event]:
    """Copy one file of an encoder from a folder to this package's folder.

    Parameters
    ----------
    entry, file
        Encoder and file.
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
        If the file is missing, its hash differs from the published one, or it cannot be copied.
    """
    repository = file.repository or entry.repository or ""
    places = [
        folder / repository,
        folder / repository.replace("/", "--"),
        folder / own_folder(entry).name,
        folder,
    ]
    for path in (where / name for where in places for name in file.names):
        if is_file(path):
            yield from _copied(entry, path, file.sha256)
            return
    raise EncoderError(
        f"{entry.id}: expected {file.name} in {places[0]} or {folder}, got none; copy it there from a "
        f"computer with internet (it lies at {entry.source})"
    )


def _copied(entry: EncoderEntry, path: Path, wanted: str | None) -> Iterator[Event]:
    """Copy in parts, so that a cancel need not wait for a large file, and compare the hash on the way."""
    size, target = path.stat().st_size, own_folder(entry) / path.name
    part = target.with_name(f"{target.name}.part")
    found = hashlib.sha256()
    yield Event("download", 0, size, path.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, part.open("wb") as copy:
            while chunk := source.read(CHUNK):
                copy.write(chunk)
                found.update(chunk)
                yield Event("download", copy.tell(), size, path.name)
        if wanted is not None and found.hexdigest() != wanted:
            raise EncoderError(
                f"{path}: expected the published file of {entry.id} (SHA-256 {wanted[:12]}...), got "
                f"{found.hexdigest()[:12]}...; copy it again"
            )
        settle(part, target)
    except OSError as error:
        raise EncoderError(
            f"{target}: cannot be written ({error.strerror or error}); free some space and try again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
