"""Fingerprints of images: whether an image is the one that an earlier run read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.torch
from torch import Tensor

from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.images import ImageFile
from napari_construct.export.digests import digest
from napari_construct.inference.decision.record import image_hash
from napari_construct.reading.places import is_folder, mode_of


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
