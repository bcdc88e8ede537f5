"""Outputs of a teacher, computed once per image and kept on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar, Final, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from napari_construct.crossmodal.protocol import Teacher, TeacherOutput, TeacherView
from napari_construct.crossmodal.teachers.arrays import ArrayTeacher
from napari_construct.crossmodal.teachers.precomputed import PrecomputedTeacher
from napari_construct.data.tensor_cache import TensorCache, cache_folder
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.types import PathLike

VERSION: Final = 1
"""Raised when the same teacher comes to give other outputs, or the files another form."""

LIMIT: Final = 20_000_000_000
"""Bytes that the outputs of all teachers may take by default."""

STAGE: Final = "teacher"

_TYPES: Final = {"foreground": torch.float16, "boundary": torch.float16, "instances": torch.int32}


@runtime_checkable
class Views(Protocol):
    """What a teacher is shown of each image of a set; loaded when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> TeacherView: ...


class TeacherCache(TensorCache):
    """Outputs of teachers in a folder of bounded size, see :class:`TensorCache`.

    Probabilities are kept in half precision (three decimals), numbers of cells exactly.
    """

    KEPT: ClassVar[str] = "outputs of a teacher"
    REMEDY: ClassVar[str] = "free some space, or choose another folder for the cache"

    def output(self, key: str, shape: tuple[int, int]) -> TeacherOutput | None:
        """The output of a key; None if it is absent, damaged or not of this (h, w)."""
        found = self.get(key)
        if found is None or not _sound(found, shape):
            return None
        return _output(found)

    def keep(self, key: str, output: TeacherOutput) -> TeacherOutput:
        """Store an output; returns it as :meth:`output` will give it.

        Raises
        ------
        ConstructError
            If the system refuses to write.
        """
        arrays = {name: getattr(output, name) for name in _TYPES}
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(_TYPES[name])
            for name, array in arrays.items()
            if array is not None
        }
        return _output(self.put(key, tensors))


def open_cache(folder: PathLike | None = None, limit: int = LIMIT) -> TeacherCache:
    """The cache in a folder; by default ``napari-construct/teachers`` in the user's cache folder."""
    return TeacherCache(cache_folder("teachers") if folder is None else Path(folder), limit)


def output_key(view: TeacherView, teacher: Teacher) -> str:
    """SHA-256 over pixels, roles and resolution of an image, the teacher's identity, and this version."""
    channels = np.ascontiguousarray(view.channels)
    start = f"{VERSION}|{teacher.identity}|{view.roles}|{view.mpp}|{channels.dtype}|{channels.shape}|"
    found = hashlib.sha256(start.encode())
    found.update(channels.data)
    return found.hexdigest()


class Taught:
    """Outputs of a teacher by the index of an image; what the cache has lost is computed again.

    Parameters
    ----------
    views : Views
        What the teacher is shown.
    teacher : Teacher
        The teacher. What it gives is rounded as the cache rounds it, so that it is the same number for
        number whether it was found on the disk or not.
    cache : TeacherCache or None
        None computes every time. Stored outputs (:class:`~.precomputed.PrecomputedTeacher`,
        :class:`~.arrays.ArrayTeacher`) are not stored a second time.
    """

    def __init__(self, views: Views, teacher: Teacher, cache: TeacherCache | None) -> None:
        self.views, self.teacher = views, teacher
        self.cache = None if isinstance(teacher, PrecomputedTeacher | ArrayTeacher) else cache
        self._keys: dict[int, tuple[str, tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> TeacherOutput:
        if self.cache is None:
            return self.teacher.predict(self.views[index])
        if index in self._keys:
            found = self.cache.output(*self._keys[index])
            if found is not None:
                return found
        view = self.views[index]
        key, shape = output_key(view, self.teacher), (view.channels.shape[1], view.channels.shape[2])
        self._keys[index] = key, shape
        found = self.cache.output(key, shape)
        return self.cache.keep(key, self.teacher.predict(view)) if found is None else found


def teach_steps(views: Views, teacher: Teacher, cache: TeacherCache | None = None) -> Steps[Taught]:
    """Show every image to a teacher once.

    Closing the generator between two images cancels the job; what was computed stays in the cache.

    Parameters
    ----------
    views : Views
        What the teacher is shown: of each image the roles of ``teacher.spec.channels``.
    teacher : Teacher
        The teacher.
    cache : TeacherCache, optional
        Where outputs are kept.

    Returns
    -------
    Taught
        The outputs by index. Each image yields an event of the stage "teacher".

    Raises
    ------
    InputError
        If an image cannot be used; the message names it.
    ConfigurationError
        If the cache is too small for all of them.
    """
    taught = Taught(views, teacher, cache)
    yield Event(STAGE, 0, len(views))
    needed = 0
    for index in range(len(views)):
        needed += _bytes(taught[index])
        if taught.cache is not None and needed * len(views) > taught.cache.limit * (index + 1):
            raise ConfigurationError(
                f"expected room for the outputs of {teacher.spec.title} for {len(views)} images, about "
                f"{needed / (index + 1) * len(views) / 1e9:.1f} GB, got a cache of "
                f"{taught.cache.limit / 1e9:.1f} GB; raise its limit, or choose fewer images"
            )
        yield Event(STAGE, index + 1, len(views))
    return taught


def _bytes(output: TeacherOutput) -> int:
    """What an output takes on the disk, about."""
    arrays = {name: getattr(output, name) for name in _TYPES}
    return 1000 + sum(int(a.size) * _TYPES[name].itemsize for name, a in arrays.items() if a is not None)


def _sound(found: dict[str, Tensor], shape: tuple[int, int]) -> bool:
    known = "foreground" in found and found.keys() <= _TYPES.keys()
    return known and all(v.dtype == _TYPES[n] and tuple(v.shape) == shape for n, v in found.items())


def _output(found: dict[str, Tensor]) -> TeacherOutput:
    boundary, instances = found.get("boundary"), found.get("instances")
    return TeacherOutput(
        found["foreground"].float().numpy(),
        None if boundary is None else boundary.float().numpy(),
        None if instances is None else instances.numpy(),
    )
