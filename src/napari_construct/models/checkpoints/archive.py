"""Archives of tensors and JSON: the one file format of checkpoints and training states.

A zip without compression holds ``manifest.json`` and some ``*.safetensors``. Everything is checked
before it is read: no pickle, no path leaves the archive, no size is believed before it is compared
with the file. Equal contents give equal bytes, so a file's SHA-256 identifies a model.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from napari_construct.exceptions import CheckpointError, ConstructError
from napari_construct.export.atomic import atomic
from napari_construct.export.record import plain
from napari_construct.reading.json import parse_json
from napari_construct.types import PathLike

MANIFEST: Final = "manifest.json"
MAX_MANIFEST: Final = 16 * 2**20
MAX_TENSORS: Final = 8 * 2**30
MAX_TENSOR_COUNT: Final = 20_000
"""Bounds on what is read: bytes of JSON, bytes of one tensor member, tensors in it."""

_DAMAGE: Final = (
    zipfile.BadZipFile,
    SafetensorError,
    EOFError,
    NotImplementedError,
    RecursionError,
    ValueError,
)
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_archive(
    path: PathLike, manifest: Mapping[str, Any], states: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Write ``manifest`` and each state as ``NAME.safetensors``, atomically.

    Parameters
    ----------
    path : path-like
        Target; replaced in one step when everything is on the disk.
    manifest : mapping
        What JSON can hold; numbers that are not finite become null.
    states : mapping of str to mapping of str to Tensor
        Tensors are copied to the CPU and keep their type.

    Raises
    ------
    CheckpointError
        If the system refuses to write.
    """
    members = {
        f"{name}.safetensors": safetensors.torch.save(
            {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
        )
        for name, state in states.items()
    }
    text = json.dumps(plain(manifest), indent=1, sort_keys=True, allow_nan=False).encode()
    try:
        with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, data in {MANIFEST: text, **members}.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    except ConstructError as error:
        raise CheckpointError(str(error)) from error


def read_archive(
    path: PathLike, *, kind: str, version: int, required: Collection[str], optional: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read an archive whose members are exactly the expected ones.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What the manifest's ``format`` must say.
    version : int
        Highest ``format_version`` that is understood.
    required, optional : collection of str
        Names of states.

    Returns
    -------
    manifest : dict
    states : dict of str to dict of str to Tensor
        On the CPU.

    Raises
    ------
    CheckpointError
        If the file is missing, no such archive, damaged, or of a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: expected a {kind}, found no file; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _check_entries(path, archive, kind, required, optional)
            manifest = parse_json(archive.read(entries[MANIFEST]), MANIFEST)
            _check_version(path, manifest, kind, version)
            states = {
                name.removesuffix(".safetensors"): safetensors.torch.load(archive.read(entry))
                for name, entry in entries.items()
                if name != MANIFEST
            }
    except _DAMAGE as error:
        raise damaged(path, kind, error) from error
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or error}); check the disk"
        ) from error
    for state in states.values():
        if len(state) > MAX_TENSOR_COUNT:
            raise damaged(path, kind, f"{len(state)} tensors")
    return manifest, states


def damaged(path: Path, kind: str, why: object) -> CheckpointError:
    """The error for a file that is not what it should be."""
    return CheckpointError(
        f"{path}: expected a complete {kind}, got a damaged or different file ({why}); copy or make it again"
    )


def file_hash(path: PathLike) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_entries(
    path: Path, archive: zipfile.ZipFile, kind: str, required: Collection[str], optional: Collection[str]
) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    needed = {MANIFEST, *(f"{name}.safetensors" for name in required)}
    allowed = needed | {f"{name}.safetensors" for name in optional}
    if len(set(names)) != len(names) or not needed <= set(names) <= allowed:
        shown = ", ".join(sorted(names)[:6])
        raise damaged(path, kind, f"its members are {shown or 'none'}, not {', '.join(sorted(needed))}")
    room = path.stat().st_size
    for entry in entries:
        limit = MAX_MANIFEST if entry.filename == MANIFEST else MAX_TENSORS
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        room -= entry.file_size
        if not stored or entry.flag_bits & 1 or entry.file_size > limit or room < 0:
            raise damaged(
                path, kind, f"member {entry.filename} of {entry.file_size} bytes is not stored plainly"
            )
    return {entry.filename: entry for entry in entries}


def _check_version(path: Path, manifest: Any, kind: str, version: int) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        raise damaged(path, kind, "its manifest is of something else")
    found = manifest.get("format_version")
    if not isinstance(found, int) or found < 1:
        raise damaged(path, kind, f"format version {found!r}")
    if found > version:
        raise CheckpointError(
            f"{path}: expected format version {version} or older, got {found}, written by a newer "
            "napari-construct; update napari-construct (pip install -U napari-construct)"
        )
