"""Fingerprints of images: whether an image is the one that an earlier run read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.torch
from torch import Tensor

from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.images import ImageFile
from napari_construct.data.slide_parts import parts_of
from napari_construct.export.digests import digest
from napari_construct.inference.decision.record import image_hash
from napari_construct.reading.places import is_folder, mode_of
from napari_construct.reading.regular import open_regular

_END: Final = 2**20
"""Bytes at the beginning and the end of a slide's files that tell them apart."""
_BLOCK: Final = 2**14
_BLOCKS: Final = 64


def file_fingerprint(path: Path) -> str:
    """Size, time of the last change and SHA-256 of a file; :func:`same_image` says what of it counts."""
    found = path.stat()
    state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return f"{found.st_size}-{found.st_mtime_ns}-{_sha256(path, state)}"


def path_fingerprint(path: Path) -> str:
    """That of a file; of an OME-Zarr folder, names, sizes and times of its files; empty for nothing."""
    if not mode_of(path):
        return ""  # reading it will say why
    if not is_folder(path):
        return file_fingerprint(path)
    found = hashlib.sha256()
    for folder, below, files in os.walk(path):
        below.sort()
        for name in sorted(files):
            file = Path(folder, name)
            about = file.stat()
            place = file.relative_to(path).as_posix()
            found.update(os.fsencode(f"{place}\0{about.st_size}-{about.st_mtime_ns}\n"))
    return found.hexdigest()


def slide_fingerprint(path: Path) -> str:
    """Size, time and a SHA-256 of parts of a slide and of all that belongs to it; see :func:`same_image`.

    Slides have gigabytes: of each file the first and the last megabyte count, and blocks between them.
    """
    if not mode_of(path) or is_folder(path):
        return path_fingerprint(path)
    files = [path]
    for part in parts_of(path):
        files += sorted(found for found in part.rglob("*") if found.is_file()) if is_folder(part) else [part]
    found, size, newest = hashlib.sha256(), 0, 0
    for file in files:
        about = file.stat()
        size, newest = size + about.st_size, max(newest, about.st_mtime_ns)
        found.update(os.fsencode(f"{file.relative_to(path.parent).as_posix()}\0{about.st_size}\0"))
        with open_regular(file, "a slide") as stream:
            for start, length in _sampled(about.st_size):
                stream.seek(start)
                found.update(stream.read(length))
    return f"{size}-{newest}-{found.hexdigest()}"


def _sampled(size: int) -> Iterator[tuple[int, int]]:
    """Start and length of the parts of a file that are read; all of one that is small."""
    if size <= 4 * _END:
        yield 0, size
        return
    yield 0, _END
    for i in range(1, _BLOCKS + 1):
        yield _END + (size - 2 * _END) * i // (_BLOCKS + 1), _BLOCK
    yield size - _END, _END


def array_fingerprint(image: ImageFile | ChannelImage) -> str:
    """SHA-256 of the pixels, and their size, on which areas and scale depend; of channels also of names."""
    if isinstance(image, ChannelImage):
        found = hashlib.sha256(repr((image.names, image.pixels.shape, image.pixels.dtype.str)).encode())
        found.update(np.ascontiguousarray(image.pixels).data)
        return f"{found.hexdigest()}@{image.mpp}"
    return f"{image_hash(image.pixels)}@{image.mpp}"


def same_image(before: str, now: str) -> bool:
    """Whether two fingerprints are of one image.

    Of files the contents count, not when they were written. Earlier versions stored size and time alone.
    """
    earlier, present = before.split("-"), now.split("-")
    if len(present) == 3 and len(earlier) == 2:
        return earlier == present[:2]
    if len(present) == 3 and len(earlier) == 3:
        return earlier[2] == present[2]
    return before == now


def state_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights, for a model that is no file."""
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    return hashlib.sha256(safetensors.torch.save(stored)).hexdigest()


@lru_cache(maxsize=1024)
def _sha256(path: Path, state: tuple[int, ...]) -> str:  # noqa: ARG001 - a changed file is read again
    """Of a file; read once for all planes of a stack."""
    return digest(path).sha256
