"""The stored output of any tool as a teacher: a folder of probability maps, instances or masks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers import map_kinds
from napari_construct.crossmodal.teachers.from_instances import output_of
from napari_construct.crossmodal.teachers.map_files import NUMPY, read_map
from napari_construct.data.limits import MAX_CHANNELS
from napari_construct.data.listing import IMAGE_SUFFIXES, list_folder
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.export.digests import digest
from napari_construct.reading.foreign import cut
from napari_construct.reading.names import normal, shown
from napari_construct.reading.places import files_in, is_folder
from napari_construct.settings import Settings
from napari_construct.types import PathLike

LOOKED_AT: Final = 16
"""Files that are looked at to find what the folder holds."""

_ENDS: Final = re.compile(
    r"[ _-](cp[ _-]masks?|pred|preds|predictions?|masks?|cells?|probs?|probability|probabilities|labels?"
    r"|seg|segmentation|instances?|foreground|output)$",
    re.IGNORECASE,
)

_Channel = Annotated[int, Field(ge=0, lt=MAX_CHANNELS)]


class PrecomputedSettings(Settings):
    """How the files of a folder are read.

    Parameters
    ----------
    content : {"auto", "probability", "labels", "mask"}
        What they hold: probabilities of foreground; a number for each cell; or 0 and another value. "auto"
        looks at the first files.
    foreground : int or tuple of int, optional
        Which channels of a map with several are foreground, from 0; those of several are added. For
        example (0, 1) where nucleus, cytoplasm and background were told apart.
    boundary : int, optional
        Channel that holds the probability of a border.
    suffix : str, optional
        Only files whose name ends with it, such as "_cp_masks", where the folder holds other files too.
    """

    content: Literal["auto", "probability", "labels", "mask"] = "auto"
    foreground: _Channel | tuple[_Channel, ...] | None = None
    boundary: _Channel | None = None
    suffix: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class PrecomputedTeacher:
    """Reads what a teacher said of an image from a file of the same name.

    Names are compared without what tools append: ``_pred``, ``_mask``, ``_cells``, ``_prob``,
    ``_Probabilities``, ``_cp_masks`` and the like.

    Parameters
    ----------
    spec : TeacherSpec
        Of the catalogue.
    folder : path
        TIFF, PNG and .npy files.
    settings : PrecomputedSettings
        How they are read.

    Attributes
    ----------
    identity : str
        SHA-256 over names and contents of the files, and the settings.
    content : {"probability", "labels", "mask"}
        What they hold.

    Raises
    ------
    DatasetError
        If there is no such folder, it holds no files, or two of one name.
    InputError
        If the first file cannot be read, or has several channels and it is not said which are foreground.
    """

    def __init__(self, spec: TeacherSpec, folder: PathLike, settings: PrecomputedSettings) -> None:
        self.spec, self.folder, self.settings = spec, Path(folder), settings
        self._files = _by_stem(self.folder, settings.suffix)
        self._taken: dict[Path, str] = {}
        self.identity = _identity(self._files, settings)
        self.content = self._content() if settings.content == "auto" else settings.content
        if self.content != "probability" and (settings.foreground, settings.boundary) != (None, None):
            raise ConfigurationError(
                f"{shown(self.folder)}: expected maps of several channels for foreground and boundary, got "
                f'{self.content}; leave both out, or give content "probability"'
            )
        if self.content == "probability" and settings.foreground is None:
            self._ask_early()

    def __len__(self) -> int:
        """Number of files."""
        return len(self._files)

    def __contains__(self, name: str) -> bool:
        """Whether there is a file for an image of this name."""
        return self._file(name) is not None

    def predict(self, view: TeacherView) -> TeacherOutput:
        """What the file of an image says.

        Raises
        ------
        InputError
            If there is no file for the image, it is damaged, of another size, or holds something else.
        """
        path = self._file(view.name)
        if path is None:
            raise InputError(
                f"{view.name}: expected a file of the same name in {shown(self.folder)} ({len(self)} files, "
                f"for example {cut(shown(next(iter(self._files.values())).name))}), found none; name the "
                "files like the images"
            )
        if self._taken.setdefault(path, view.name) != view.name:
            raise InputError(
                f"{path}: expected one image of this name, got {self._taken[path]} and {view.name}; give "
                "the images different names"
            )
        shape = (view.channels.shape[1], view.channels.shape[2])
        values = read_map(path)
        if self.content == "labels":
            whole = map_kinds.labels(_single(values), path)
            return output_of(map_kinds.at_size(whole, shape, view.name, path))
        if self.content == "mask":
            return TeacherOutput(
                map_kinds.at_size(map_kinds.mask(_single(values), path), shape, view.name, path)
            )
        maps = map_kinds.channel_last(values, shape)
        maps = map_kinds.at_size(map_kinds.probabilities(maps, path), shape, view.name, path)
        foreground = map_kinds.summed(maps, self._foreground(maps.shape[-1], path), path)
        if self.settings.boundary is None:
            return TeacherOutput(foreground)
        return TeacherOutput(foreground, map_kinds.summed(maps, (self.settings.boundary,), path))

    def _foreground(self, channels: int, path: Path) -> tuple[int, ...]:
        chosen = self.settings.foreground
        if chosen is None and channels > 1:
            raise InputError(
                f"{path}: expected to know which of {channels} channels are foreground, got no choice; "
                "give their numbers, for example 0,1, whose sum is taken (--teacher-foreground; in Python "
                "foreground)"
            )
        return (0,) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen

    def _ask_early(self) -> None:
        """Ask for the foreground before a run, if the first file has several channels."""
        path = next(iter(self._files.values()))
        values = _single(read_map(path))
        if values.ndim == 3:
            self._foreground(min(values.shape), path)

    def _file(self, name: str) -> Path | None:
        stem = _stem(name.replace("\\", "/").rpartition("/")[2])
        return self._files.get(stem) or self._files.get(_bare(stem))

    def _content(self) -> map_kinds.Kind:
        """What the first file holds that is no plain mask."""
        for path in list(self._files.values())[:LOOKED_AT]:
            found = map_kinds.kind_of(_single(read_map(path)))
            if found != "mask":
                return found
        return "mask"


def _single(values: np.ndarray) -> np.ndarray:
    """One of several equal channels, as masks saved in colours have; other arrays as they are."""
    if values.ndim != 3 or values.shape[2] > 4 or (values.shape[2] == 2 and values.dtype.kind == "f"):
        return values  # two classes are no grey with alpha
    grey = values[..., : 3 if values.shape[2] >= 3 else 1]
    return grey[..., 0] if bool((grey == grey[..., :1]).all()) else values


def _by_stem(folder: Path, suffix: str | None) -> Mapping[str, Path]:
    if not is_folder(folder):
        raise DatasetError(
            f"{shown(folder)}: expected a folder of stored outputs, found none; check the path"
        )
    listing = list_folder(folder, is_result=lambda _: False)
    paths = [*listing.images, *(p for p in files_in(folder) if p.suffix.lower() == NUMPY)]
    found: dict[str, Path] = {}
    for path in sorted(paths):
        stem = _stem(path.name)
        if suffix is not None and not stem.lower().endswith(normal(suffix).lower()):
            continue
        bare = _bare(stem if suffix is None else stem[: -len(normal(suffix))])
        if bare in found:
            raise DatasetError(
                f"{shown(folder)}: expected one file an image, got {shown(found[bare].name)} and "
                f"{shown(path.name)}; choose those of one kind with suffix, or remove one"
            )
        found[bare] = path
    if not found:
        ending = "" if suffix is None else f" whose name ends with {suffix}"
        raise DatasetError(
            f"{shown(folder)}: expected TIFF, PNG or .npy files{ending}, found none; check the folder"
        )
    return found


def _stem(name: str) -> str:
    """A name without the suffix of an image, if it has one; other dots belong to the name."""
    start, dot, end = normal(name).rpartition(".")
    known = dot and f".{end.lower()}" in {*IMAGE_SUFFIXES, NUMPY, ".zarr"}
    return (start if known else normal(name)).removesuffix(".ome")


def _bare(stem: str) -> str:
    """A name without what tools append."""
    while (shorter := _ENDS.sub("", stem)) != stem and shorter:
        stem = shorter
    return stem


def _identity(files: Mapping[str, Path], settings: PrecomputedSettings) -> str:
    found = hashlib.sha256(settings.model_dump_json().encode())
    for stem, path in files.items():
        try:
            content = digest(path).sha256
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}); copy it again") from error
        found.update(f"{stem}\0{path.suffix.lower()}\0{content}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()
