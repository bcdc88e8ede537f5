"""Labels of a whole slide as an OME-Zarr 0.5 pyramid that is written shard by shard while it can be read.

::

    NAME.ome.zarr/
      zarr.json                     the plan, and whether all shards are written
      labels/tissue/                labels: multiscales, image-label (names, colours, source)
        0/  1/  2/ ...              levels; a file each shard, none where all labels are 0
      probabilities/  cams/         on request: uint8 (k, rows, columns), 255 is certain
      .napari-construct-shards/     a mark each shard that is written; gone when the pyramid is finished

The unit of writing is the shard, 4096 x 4096 pixels of level 0 with what follows from them in the coarser
levels. The caller asks for the shards that are left, computes each whole and writes it:

    pyramid = LabelPyramid.create("slide.ome.zarr", shape, classes, mpp=0.5)
    for top, left, height, width in pyramid.left():
        pyramid.write(top, left, segment_block(top, left, height, width))
    pyramid.finish()

Rectangles of other sizes are not taken: pieces of a shard would have to be kept somewhere until the rest
comes, in memory for a whole row of the slide or on disk with a second writer, and would be lost by a kill.
Who works tile by tile gathers the tiles of a shard.

Every file is written beside its place, synced and moved there, and the shard's mark comes last. zarr's own
store does move files, but syncs none, so that after a power cut an empty file could stand for a shard; the
library therefore encodes in memory, and :mod:`~napari_construct.whole_files` writes. Whatever moment a kill
chooses, a shard without a mark is written again, to the same bytes. Several processes may write different
shards at the same time, from objects of their own (:meth:`LabelPyramid.open`, or by pickle).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from pydantic import ValidationError

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.atomic import unwritable
from napari_construct.export.locks import hidden_folder
from napari_construct.export.own_files import PYRAMID_FORMAT, is_pyramid, move_over, refuse_others
from napari_construct.export.pyramid_arrays import create_groups, shard_files
from napari_construct.export.pyramid_blocks import checked_blocks, put
from napari_construct.export.pyramid_plan import CHUNK, SHARD, PyramidPlan, Shard
from napari_construct.reading.marks import HIDDEN, SOFTWARE
from napari_construct.reading.names import shown
from napari_construct.reading.texts.json import read_json
from napari_construct.settings import problem
from napari_construct.types import PathLike
from napari_construct.whole_files import replacing, sync, sync_names

_MARKS: Final = f"{HIDDEN}shards"
_ABOUT: Final = "zarr.json"
_COMPLETE: Final = "complete"
_LONGEST: Final = 2**22


@dataclass(frozen=True, slots=True)
class LabelPyramid:
    """A label pyramid on disk; the object itself holds no state and may be pickled.

    Attributes
    ----------
    path : Path
        The folder.
    plan : PyramidPlan
        What it holds.
    """

    path: Path
    plan: PyramidPlan

    @classmethod
    def create(
        cls,
        folder: PathLike,
        shape: tuple[int, int],
        classes: ClassTable,
        *,
        mpp: float | tuple[float, float] | None = None,
        downsample: float = 1.0,
        probabilities: bool = False,
        cams: bool = False,
        source: str | None = None,
        about: Mapping[str, Any] | None = None,
        shard: int = SHARD,
        chunk: int = CHUNK,
    ) -> LabelPyramid:
        """Make a pyramid with all metadata and no pixel, complete or not at all.

        Parameters
        ----------
        folder : str or path
            Usually ``NAME.ome.zarr``; one that napari-construct made is replaced, also an unfinished one.
        shape : (int, int)
            Rows and columns of level 0.
        classes : ClassTable
            Names and colours.
        mpp : float or (float, float), optional
            Micrometres per pixel of the image that the labels lie on, along rows and columns.
        downsample : float
            Side of a pixel of level 0, in pixels of that image.
        probabilities, cams : bool
            Whether blocks come with the probabilities, and with the activation maps, of the classes.
        source : str, optional
            Address of that image, such as its path relative to the folder's ``labels/tissue``.
        about : mapping, optional
            What :attr:`PyramidPlan.about` keeps for whoever goes on: image, model and settings, as JSON.
        shard, chunk : int
            Sides in pixels, powers of two.

        Raises
        ------
        ConfigurationError
            If a value is impossible, or there is a file or folder that napari-construct did not make.
        ConstructError
            If the folder cannot be written.
        """
        plan = PyramidPlan.checked(
            shape=shape,
            classes=classes,
            mpp=(mpp, mpp) if isinstance(mpp, int | float) else mpp,
            downsample=downsample,
            probabilities=probabilities,
            cams=cams,
            about=dict(about or {}),
            shard=shard,
            chunk=chunk,
        )
        return cls.begin(folder, plan, source=source)

    @classmethod
    def begin(cls, folder: PathLike, plan: PyramidPlan, *, source: str | None = None) -> LabelPyramid:
        """:meth:`create` with a plan that is made."""
        path = Path(folder)
        refuse_others([path])
        try:
            with hidden_folder(path.parent) as hidden:
                made = hidden / path.name
                create_groups(made, plan, shown(path.name), source, _stored(plan))
                for file in made.rglob("*"):
                    sync(file) if file.is_file() else sync_names(file)
                move_over(made, path)
                sync_names(path.parent)
        except OSError as error:
            raise unwritable(path, error) from error
        return cls(path, plan)

    @classmethod
    def gone_on_with(cls, folder: PathLike, plan: PyramidPlan) -> LabelPyramid:
        """The unfinished pyramid of this plan in a folder, or a new one."""
        if is_pyramid(Path(folder)):
            found = cls.open(folder)
            if found.plan == plan and not found.complete:
                return found
        return cls.begin(folder, plan)

    @classmethod
    def open(cls, folder: PathLike) -> LabelPyramid:
        """The pyramid in a folder, finished or not.

        Raises
        ------
        InputError
            If there is none, or its metadata are damaged.
        """
        path = Path(folder)
        if not is_pyramid(path):
            raise InputError(
                f"{path}: expected a label pyramid of napari-construct, got "
                f"{'something else' if path.exists() else 'nothing there'}; check the path, or segment again"
            )
        try:
            return cls(path, PyramidPlan.model_validate(_own(path)["plan"]))
        except (ValidationError, KeyError) as error:
            said = problem(error) if isinstance(error, ValidationError) else "no plan"
            raise InputError(
                f"{path}: expected a label pyramid of this version, got {said}; segment again"
            ) from error

    @property
    def complete(self) -> bool:
        """Whether :meth:`finish` was called."""
        return _own(self.path).get(_COMPLETE) is True

    def left(self) -> tuple[Shard, ...]:
        """The shards that are not written yet, row by row."""
        if self.complete:
            return ()
        done = self._marked()
        return tuple(
            shard for shard in self.plan.shards() if self._mark(shard.top, shard.left).name not in done
        )

    def records(self) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """The shards that are written, each with what :meth:`write` was given to keep; gone once finished."""
        done = self._marked()
        for shard in self.plan.shards():
            mark = self._mark(*shard[:2])
            if mark.name in done:
                yield shard, read_json(mark, what="the mark of a shard", largest=_LONGEST, error=InputError)

    def write(
        self,
        top: int,
        left: int,
        labels: NDArray[Any] | None,
        probabilities: NDArray[Any] | None = None,
        *,
        cams: NDArray[Any] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one shard with its coarser levels, whole or not at all.

        Never the same shard from two places at once. One that is written already is written over.

        Parameters
        ----------
        top, left : int
            Of one of :meth:`left`.
        labels : ndarray or None
            (height, width) uint8 of the whole shard; None where all is unlabelled, such as glass.
        probabilities, cams : ndarray, optional
            (k, height, width) uint8, 255 for certain; needed if the pyramid holds them and there are labels.
        record : mapping, optional
            JSON to keep until the pyramid is finished, such as sums over the shard; see :meth:`records`.

        Raises
        ------
        InputError
            If the arrays are not those of a shard.
        ConfigurationError
            If the pyramid is finished.
        ConstructError
            If the system refuses, such as a full disk; what was written before stays.
        """
        row, column = self.plan.place(top, left)
        maps = {"probabilities": probabilities, "cams": cams}
        blocks = checked_blocks(self.plan, top, left, labels, maps)
        if self.complete:
            raise ConfigurationError(
                f"{self.path}: expected a pyramid that is not finished, got a finished one; create it again"
            )
        mark = self._mark(top, left)
        text = json.dumps(dict(record or {}), ensure_ascii=False, allow_nan=False)
        try:
            mark.unlink(missing_ok=True)  # of an earlier block: it must not vouch for half of this one
            for group, block in blocks.items():
                files = shard_files(self.plan, row, column, block, averaged=block.ndim == 3)
                for place, content in files:
                    put(self.path / group / place, content)
            mark.parent.mkdir(exist_ok=True)
            with replacing(mark) as part:
                part.write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def finish(self) -> None:
        """Say that all is written. What runs before left behind goes; called again, it does nothing.

        Raises
        ------
        ConfigurationError
            If shards are left.
        ConstructError
            If the system refuses.
        """
        if left := self.left():
            rows, columns = self.plan.grid
            raise ConfigurationError(
                f"{self.path}: expected all of the {rows * columns} shards, got all but {len(left)}; write "
                "those of left() first"
            )
        try:
            for partial in [*self.path.rglob(f"{HIDDEN}*.part")]:
                partial.unlink()
            about = read_json(self.path / _ABOUT, largest=_LONGEST, error=InputError)
            about["attributes"][SOFTWARE][_COMPLETE] = True
            with replacing(self.path / _ABOUT) as part:
                part.write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
            shutil.rmtree(self.path / _MARKS, ignore_errors=True)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _mark(self, top: int, left: int) -> Path:
        return self.path / _MARKS / f"{top // self.plan.shard}-{left // self.plan.shard}.json"

    def _marked(self) -> frozenset[str]:
        try:
            return frozenset(mark.name for mark in (self.path / _MARKS).iterdir())
        except FileNotFoundError:
            return frozenset()


def _stored(plan: PyramidPlan) -> dict[str, Any]:
    return {"format": PYRAMID_FORMAT, "version": 1, _COMPLETE: False, "plan": plan.model_dump(mode="json")}


def _own(path: Path) -> dict[str, Any]:
    """Our own attributes of the root."""
    found = read_json(
        path / _ABOUT, what="the metadata of a label pyramid", largest=_LONGEST, error=InputError
    )
    try:
        own = found["attributes"][SOFTWARE]
    except (KeyError, TypeError):
        own = None
    if not isinstance(own, dict):
        raise InputError(f"{path}: expected a label pyramid, got other metadata; segment again")
    return own
