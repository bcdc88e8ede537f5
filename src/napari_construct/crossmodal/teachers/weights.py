"""What teachers of other libraries need: the library, a file of weights, and a hash of what was loaded."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.encoders.folders import weights_folder
from napari_construct.exceptions import CheckpointError, ConfigurationError, InputError
from napari_construct.export.digests import digest
from napari_construct.reading.places import is_file
from napari_construct.settings import Settings


def own_folder(entry: TeacherEntry) -> Path:
    """Folder in which the weights of a teacher are looked for; need not exist."""
    return weights_folder() / "teachers" / entry.id


def check_library(entry: TeacherEntry) -> None:
    """Refuse a teacher whose library is not installed; what the library says while it is imported is muted.

    Raises
    ------
    ConfigurationError
        With the command that installs it.
    """
    if entry.package is None:
        return
    if importlib.util.find_spec(entry.package) is None:
        raise ConfigurationError(
            f"{entry.id}: expected the package {entry.package}, got none installed; run {entry.install}"
        )
    logging.getLogger(entry.package).addHandler(logging.NullHandler())


def find_weights(entry: TeacherEntry, weights: Path | None, beside: Iterable[Path] = ()) -> Path:
    """The file of weights: the one that is named, or one of the catalogue's names on this computer.

    Parameters
    ----------
    entry : TeacherEntry
        Of the teacher.
    weights : Path or None
        The file that the user named.
    beside : iterable of Path
        Folders in which the teacher's own library keeps its weights.

    Raises
    ------
    CheckpointError
        If there is none; the message says where to get it and where it goes.
    """
    if weights is not None:
        if not is_file(weights):
            raise CheckpointError(
                f"{weights}: expected the file of weights of {entry.title}, found none; check the path"
            )
        return weights
    for folder in (own_folder(entry), *beside):
        for name in entry.files:
            if is_file(folder / name):
                return folder / name
    raise CheckpointError(how_to_get(entry))


def how_to_get(entry: TeacherEntry) -> str:
    """How to get weights that are not on this computer, in one sentence."""
    size = "" if entry.size is None else f"{entry.size / 1e9:.1f} GB, "
    ask = "ask for access to" if entry.gated else "get"
    return (
        f"{entry.id}: expected its weights on this computer, got none; {ask} {entry.files[0]} ({size}"
        f"{entry.licence}) at {entry.source}, and name the file as weights or put it into {own_folder(entry)}"
    )


def refused(entry: TeacherEntry, weights: Path, error: Exception) -> CheckpointError:
    """The error for a file of weights that the teacher's library does not take."""
    reason = str(error).strip().partition("\n")[0][:200]
    return CheckpointError(
        f"{weights}: expected the weights of {entry.title}, got a file that {entry.package} refuses "
        f"({reason}); get {entry.files[0]} at {entry.source}"
    )


def identity_of(entry: TeacherEntry, weights: Path, settings: Settings, distribution: str) -> str:
    """SHA-256 over a file of weights, settings, and the version of the library that runs them.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    try:
        release = version(distribution)
    except PackageNotFoundError:
        release = ""
    try:
        content = digest(weights).sha256
    except (InputError, OSError) as error:
        raise CheckpointError(str(error)) from error
    parts = [entry.id, content, settings.model_dump(mode="json"), distribution, release]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
