"""Archives of tensors and JSON: the one file format of checkpoints and training states.

A zip without compression holds ``manifest.json`` and some ``*.safetensors``. Everything is checked
before it is read: no pickle, no path leaves the archive, no size is believed before it is compared
with the file. Equal contents give equal bytes, so a file's SHA-256 identifies a model.
"""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from napari_construct.exceptions import CheckpointError, ConstructError, InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.record import plain
from napari_construct.models.checkpoints.head import MANIFEST, MAX_MANIFEST
from napari_construct.reading.pytorch.tensor_headers import Described, read_header
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import parse_json
from napari_construct.reading.zip_directory import check_directory
from napari_construct.types import PathLike

MAX_TENSORS: Final = 8 * 2**30
LONGEST_REASON: Final = 200
"""Bounds: bytes of one member of tensors, characters of a reason in a message."""

_DAMAGE: Final = (
    zipfile.BadZipFile,
    SafetensorError,
    struct.error,
    EOFError,
    NotImplementedError,
    RecursionError,
    ValueError,
)
_TENSORS: Final = ".safetensors"
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
        f"{name}{_TENSORS}": safetensors.torch.save(
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
    """Read an archive as a whole, see :func:`open_archive`.

    Returns
    -------
    manifest : dict
    states : dict of str to dict of str to Tensor
        On the CPU.
    """
    with open_archive(path, kind=kind, version=version, required=required, optional=optional) as archive:
        return archive.manifest, {name: archive.state(name) for name in archive.headers}


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive, whose tensors were not read yet.

    Attributes
    ----------
    manifest : dict
    headers : dict of str to dict of str to Described
        Type and shape of every tensor, by the names of state and tensor.
    """

    manifest: dict[str, Any]
    headers: dict[str, dict[str, Described]]
    _read: Callable[[str], bytes]

    def state(self, name: str) -> dict[str, Tensor]:
        """Tensors of a state, on the CPU."""
        return safetensors.torch.load(self._read(f"{name}{_TENSORS}"))


@contextmanager
def open_archive(
    path: PathLike, *, kind: str, version: int, required: Collection[str], optional: Collection[str] = ()
) -> Iterator[Archive]:
    """Open an archive whose members are exactly the expected ones.

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

    Yields
    ------
    Archive
        Damage that is found while its tensors are read is a ``CheckpointError``, too.

    Raises
    ------
    CheckpointError
        If the file is missing, no such archive, damaged, or of a newer version.
    """
    path = Path(path)
    try:
        stream = open_regular(path, f"a {kind}")
    except InputError as error:
        raise CheckpointError(str(error)) from error
    try:
        with stream:
            size = check_directory(stream)
            with zipfile.ZipFile(stream) as archive:
                entries = _check_entries(path, archive, kind, required, optional, size)
                manifest = parse_json(archive.read(entries.pop(MANIFEST)), MANIFEST)
                _check_version(path, manifest, kind, version)
                headers = {}
                for name, entry in entries.items():
                    with archive.open(entry) as member:
                        headers[name.removesuffix(_TENSORS)] = read_header(member.read, entry.file_size)
                yield Archive(manifest, headers, archive.read)
    except _DAMAGE as error:
        raise damaged(path, kind, error) from error
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or error}); check the disk"
        ) from error


def damaged(path: Path, kind: str, why: object) -> CheckpointError:
    """The error for a file that is not what it should be; a long reason is cut."""
    reason = " ".join(str(why)[:1000].split())
    reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."
    return CheckpointError(
        f"{path}: expected a complete {kind}, got a damaged or different file ({reason}); copy or make it "
        "again"
    )


def file_hash(path: PathLike) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open_regular(path, "a checkpoint") as stream:
        while part := stream.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _check_entries(
    path: Path,
    archive: zipfile.ZipFile,
    kind: str,
    required: Collection[str],
    optional: Collection[str],
    room: int,
) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    needed = {MANIFEST, *(f"{name}{_TENSORS}" for name in required)}
    allowed = needed | {f"{name}{_TENSORS}" for name in optional}
    if len(set(names)) != len(names) or not needed <= set(names) <= allowed:
        shown = ", ".join(name[:40] for name in sorted(names)[:6])
        raise damaged(path, kind, f"its members are {shown or 'none'}, not {', '.join(sorted(needed))}")
    for entry in entries:
        limit = MAX_MANIFEST if entry.filename == MANIFEST else MAX_TENSORS
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        room -= entry.file_size
        a_file = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        if not stored or not a_file or entry.flag_bits & 1 or entry.file_size > limit or room < 0:
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
