"""Whether a record describes the files beside it, or others: those before it, or after somebody's edit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_construct.exceptions import InputError
from napari_construct.export.digests import is_unchanged
from napari_construct.export.own_files import read_record, record_path
from napari_construct.results.record_model import checked_record


def describes(record: Mapping[str, Any], kind: str, path: Path) -> bool:
    """Whether a record is of the file at ``path``, as far as it can tell.

    It tells by size and SHA-256, which records of earlier versions lack: those are believed.
    """
    sizes, hashes = record.get("sizes"), record.get("sha256")
    if hashes is None:
        return True
    try:
        return is_unchanged(path, int(sizes[kind]), str(hashes[kind]))  # type: ignore[index]
    except (TypeError, ValueError, KeyError):
        return False


def record_beside(path: Path, kind: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is known of a mask; nothing where the record is missing or damaged: the mask is good without.

    A record of another mask, or of this one before it was changed, leaves a notice only.
    """
    beside = record_path(path)
    try:
        record = read_record(beside) if beside.is_file() else {}
        if record:
            checked_record(record, beside)
    except InputError:
        return {}, ()
    if not record or describes(record, kind, path):
        return record, ()
    what = "its classes are those that it names itself, without the record"
    return {}, (changed(path, beside, what),)


def changed(path: Path, record: Path, what: str) -> str:
    """The notice on a file that a record does not describe: ``what`` follows from that."""
    return f"{path.name} is not as {record.name} describes it (edited, or of another run): {what}"
