"""Weights on this computer: this package's folder and the hub's cache."""

from __future__ import annotations

import filecmp
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.folders import weights_folder
from napari_construct.exceptions import EncoderError
from napari_construct.reading.places import is_file, is_folder, size_of
from napari_construct.reading.texts.json import read_json


@dataclass(frozen=True, slots=True)
class Installed:
    """Files of an encoder on this computer.

    Attributes
    ----------
    files : mapping of str to Path
        By the first name of their :class:`~napari_construct.encoders.entries.WeightFile`.
    own : bool
        Whether they are in this package's folder; otherwise in the hub's cache, which other tools share.
    """

    files: Mapping[str, Path]
    own: bool

    @property
    def weights(self) -> Path:
        return next(iter(self.files.values()))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(size_of, self.files.values()))


def own_folder(entry: EncoderEntry) -> Path:
    """Folder of an encoder's files below the weights folder; need not exist."""
    return weights_folder() / re.sub(r"[^\w.-]+", "--", entry.id).strip("-")


def located(entry: EncoderEntry) -> Installed | None:
    """The files of an encoder, if all required ones are on this computer.

    Returns
    -------
    Installed or None
        None also for an encoder that needs no files.
    """
    if not entry.files:
        return None
    found: dict[str, Path] = {}
    own = True
    for file in entry.files:
        path = own_file(entry, file)
        if path is None:
            path = _cached(entry, file)
            own = own and (path is None or not file.required)
        if path is not None:
            found[file.name] = path
        elif file.required:
            return None
    return Installed(found, own)


def own_file(entry: EncoderEntry, file: WeightFile) -> Path | None:
    """A file in this package's own folder, under any of its names."""
    paths = (own_folder(entry) / name for name in file.names)
    return next((path for path in paths if is_file(path)), None)


def _cached(entry: EncoderEntry, file: WeightFile) -> Path | None:
    """A file in the hub's own cache, where any tool may have put it."""
    from huggingface_hub import try_to_load_from_cache

    repository = file.repository or entry.repository
    if repository is None or file.page is not None:
        return None
    owner, name = repository.split("/")
    for spelling in (repository, f"{owner}/{name.lower()}"):  # the hub does not care, its cache does
        for filename in file.names:
            try:
                found = try_to_load_from_cache(spelling, filename, revision=entry.revision)
            except (OSError, ValueError):  # a cache without permission, or with a folder for a file
                continue
            if isinstance(found, str):
                return Path(found)
    return None


def remove(entry: EncoderEntry) -> int:
    """Delete an encoder's files from this package's folder; returns the freed bytes.

    Raises
    ------
    EncoderError
        If there are none, or the system refuses (a file in use on Windows). The hub's cache is left to
        the hub's own command.
    """
    folder = own_folder(entry)
    if not is_folder(folder):
        found = located(entry)
        where = f"only in the hub's cache ({found.weights}); run 'hf cache delete'" if found else "none here"
        raise EncoderError(
            f"{entry.id}: expected downloaded weights in {folder}, got {where}; nothing was removed"
        )
    freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise EncoderError(
            f"{folder}: cannot be removed ({error.strerror or error}); close programs that use it"
        ) from error
    return freed


def import_weights(entry: EncoderEntry, path: Path, *, overwrite: bool = False) -> Path:
    """Copy the user's file of an encoder to this package's folder.

    Parameters
    ----------
    entry : EncoderEntry
        The encoder.
    path : Path
        A file whose name is one of the entry's, or that has the suffix of its weights.
    overwrite : bool
        Replace another file that is there.

    Raises
    ------
    EncoderError
        If the entry takes no such file, it holds something else, there is another one, or it cannot be
        copied.
    """
    if not is_file(path):
        raise EncoderError(f"expected a file of weights, got no file at {path}; check the path")
    names = [name for file in entry.files for name in file.names]
    target = path.name if path.name in names else None
    if target is None:
        weights = entry.files[0].names if entry.files else ()
        target = next((name for name in weights if Path(name).suffix == path.suffix.lower()), None)
    if target is None:
        raise EncoderError(
            f"{path}: expected a file of {entry.id} ({', '.join(names) or 'it takes none'}), got another "
            "name; rename it as it was published"
        )
    if target in entry.files[0].names:
        from napari_construct.encoders.weight_files import check_state  # imports torch

        check_state(path)
    elif target.endswith(".json"):
        read_json(path, what=f"{target} of {entry.id}", error=EncoderError)
    copy = own_folder(entry) / target
    if copy.is_file() and not overwrite:
        if filecmp.cmp(path, copy, shallow=False):
            return copy
        raise EncoderError(
            f"{copy}: expected no weights of {entry.id} yet, got others than {path}; remove them first "
            f"(napari-construct models remove {entry.id}), or replace them (--overwrite)"
        )
    place(path, copy)
    return copy


def place(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    # of this copy alone: a download may be writing the usual one
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        settle(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EncoderError(
            f"{target}: cannot be written ({error.strerror or error}); free some space and try again"
        ) from error


def settle(part: Path, target: Path) -> None:
    """Give a complete temporary file its name, after its bytes reached the disk."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.replace(target)
