"""What decides a run's numbers besides its settings: the patches' contents, and the number of threads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch

from napari_construct.exceptions import ConstructError
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.reading.places import is_file, is_folder


def contents_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in their order; about 1 GB a second.

    A file that cannot be read counts as empty: whoever needs it says what is wrong with it.
    """
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{_hash(path)}\n".encode())
    return found.hexdigest()


def patch_hash(path: Path) -> str:
    """SHA-256 of a patch: of a file's bytes; of an OME-Zarr, of the names and bytes of its files.

    Raises
    ------
    OSError, CheckpointError
        If it cannot be read.
    """
    if not is_folder(path):
        return file_hash(path)
    found = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if is_file(file)):
        found.update(f"{file.relative_to(path).as_posix()}\0{file_hash(file)}\n".encode())
    return found.hexdigest()


def threads_notice(before: object, device: torch.device) -> str:
    """That a run resumes with another number of threads than ``before``; empty if that changes nothing."""
    now = torch.get_num_threads()
    if device.type != "cpu" or not isinstance(before, int) or before == now:
        return ""
    return (
        f"the interrupted run used {before} thread(s), this one uses {now}: sums are rounded in another way, "
        f"so the weights will differ in their last digits; with OMP_NUM_THREADS={before} they do not"
    )


def _hash(path: Path) -> str:
    try:
        return patch_hash(path)
    except (OSError, ConstructError):
        return ""
