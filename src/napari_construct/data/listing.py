"""Which files of a folder are images, and what is left out with the reason.

Suffixes choose among the files of a folder; a single file that is named is judged by its first bytes instead.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from napari_construct.data.formats import image_format
from napari_construct.data.slide_parts import SLIDE_SUFFIXES, is_dicom_folder, parts_among
from napari_construct.exceptions import InputError
from napari_construct.reading.marks import HIDDEN, has_mark
from napari_construct.reading.names import named, shown
from napari_construct.reading.places import is_folder, mode_of, place_of
from napari_construct.types import PathLike

IMAGE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp"}
    | {".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
    | {".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".svs", ".scn", ".ndpi", ".bif", ".qptiff"}
)
"""Suffixes, in any case, under which folders are searched."""

ZARR_SUFFIX: Final = ".zarr"

_OTHER_FORMATS: Final = frozenset(
    {".avif", ".czi", ".dcm", ".dicom", ".gif", ".h5", ".heic", ".heif", ".ims", ".isyntax", ".jxl", ".lif"}
    | {".mrxs", ".nd2", ".nrrd", ".oib", ".oif", ".oir", ".ozx", ".psd", ".svslide", ".vms", ".vmu", ".vsi"}
    | {".zvi"}
)
_TABLES: Final = frozenset({".csv", ".json", ".jsonl"})
_ZARR_FILES: Final = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_SYSTEM: Final = frozenset(
    {"thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "icon\r", "__macosx"}
    | {".ds_store", ".spotlight-v100", ".trashes", ".fseventsd", "lost+found", "@eadir", "#recycle"}
)
_SYSTEM_STARTS: Final = ("._", "~$", HIDDEN)


class Reason(StrEnum):
    """Why something in a folder is no image of it; the text follows the number of cases."""

    RESULT = "result(s) of napari-construct are no images to work on and are left out"
    OUTPUT = "folder(s) for results are left out"
    UNNAMED = "file(s) hold images, but have no suffix of one and are left out; name them to have them read"
    FORMAT = "file(s) of formats that are not read are left out; convert them to TIFF or PNG"
    OTHER = "other file(s) are left out"
    HIDDEN = "hidden image(s) or folder(s) are left out"
    BROKEN = "link(s) lead nowhere"
    SPECIAL = "pipe(s), device(s) or socket(s) are left out"
    CLOSED = "folder(s) cannot be listed and are left out; check their permissions"
    FOLDER = "folder(s) inside are not searched"
    PART = "file(s) or folder(s) belong to slides beside them"
    SYSTEM = "file(s) or folder(s) of the operating system"


SILENT: Final = frozenset({Reason.SYSTEM, Reason.PART})
"""Reasons that nobody wants to hear of."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a folder holds beside its images, and why it is none of them."""

    path: Path
    reason: Reason


@dataclass(frozen=True, slots=True)
class Listing:
    """Images of a folder, sorted by name, and what was left out.

    Attributes
    ----------
    folder : Path
        The folder.
    images : tuple of Path
        Files with an image's suffix and OME-Zarr folders. Whether they can be read is not known yet.
    left_out : tuple of LeftOut
        Everything else.
    """

    folder: Path
    images: tuple[Path, ...]
    left_out: tuple[LeftOut, ...] = ()

    def because(self, *reasons: Reason) -> tuple[Path, ...]:
        """What was left out for one of these reasons."""
        return tuple(one.path for one in self.left_out if one.reason in reasons)

    @property
    def notices(self) -> tuple[str, ...]:
        """A sentence for each reason: how many, which suffixes, the first names.

        System files and parts of slides are silent.
        """
        return self.sentences(*(reason for reason in Reason if reason not in SILENT))

    def sentences(self, *reasons: Reason) -> tuple[str, ...]:
        """As ``notices``, for some reasons."""
        found = ((reason, self.because(reason)) for reason in reasons)
        return tuple(self._sentence(reason, paths) for reason, paths in found if paths)

    def _sentence(self, reason: Reason, paths: Sequence[Path]) -> str:
        suffixes = sorted({path.suffix.lower() or "no suffix" for path in paths})
        told = reason in (Reason.UNNAMED, Reason.FORMAT, Reason.OTHER)
        which = f"{named(suffixes, 8)}; " if told else ""
        names = [path.relative_to(self.folder).as_posix() for path in paths]
        return f"{shown(self.folder)}: {len(paths)} {reason} ({which}{named(names)})"


def list_images(folder: PathLike, *, recursive: bool = False) -> tuple[Path, ...]:
    """Images of :func:`list_folder`."""
    return list_folder(folder, recursive=recursive).images


def list_folder(
    folder: PathLike,
    *,
    recursive: bool = False,
    is_result: Callable[[Path], bool] = has_mark,
    output: PathLike | None = None,
    slides: bool = False,
) -> Listing:
    """Look through a folder. Links are followed; each real folder is searched once, circles end.

    Parameters
    ----------
    folder : str or path
        The folder; one that is not there has no images.
    recursive : bool
        Also look through the folders inside. An OME-Zarr folder is one image and is never looked through.
    is_result : callable
        Tells results of napari-construct, which are left out.
    output : str or path, optional
        Folder for results. Where it lies inside, it is left out as a whole.
    slides : bool
        Whether slides are images too that only readers of slides know (MRXS, DICOM, VMS ...): of a slide in
        several files the one that is opened. A folder that is named like an image and holds none then stands
        among the images, and whoever reads it says what is wrong.

    Returns
    -------
    Listing
        No error is raised for anything inside: what cannot be looked at is left out with the reason.
    """
    search = _Search(Path(folder), recursive, is_result, output, slides)
    search.run()

    def by_name(path: Path) -> str:
        return path.relative_to(search.root).as_posix()

    left_out = sorted(search.left_out, key=lambda one: by_name(one.path))
    return Listing(search.root, tuple(sorted(search.images, key=by_name)), tuple(left_out))


def is_zarr(path: PathLike) -> bool:
    """Whether a path is a folder of Zarr, by its suffix or the files in it."""
    path = Path(path)
    return is_folder(path) and (
        path.suffix.lower() == ZARR_SUFFIX or any(os.path.lexists(path / name) for name in _ZARR_FILES)
    )


def is_system(name: str) -> bool:
    """Whether a file or folder of this name belongs to an operating system or a storage device."""
    return name.lower() in _SYSTEM or name.startswith(_SYSTEM_STARTS)


class _Search:
    """One look through a folder."""

    def __init__(
        self,
        root: Path,
        recursive: bool,
        is_result: Callable[[Path], bool],
        output: PathLike | None,
        slides: bool,
    ) -> None:
        self.root = root
        self.images: list[Path] = []
        self.left_out: list[LeftOut] = []
        self._recursive = recursive
        self._is_result = is_result
        self._output = None if output is None else _identity(output)
        self._slides = slides
        self._suffixes = IMAGE_SUFFIXES | SLIDE_SUFFIXES if slides else IMAGE_SUFFIXES
        self._like_images: list[Path] = []
        self._seen: set[object] = set()
        self._folders: deque[Path] = deque()
        self._links: deque[Path] = deque()

    def run(self) -> None:
        self._folders.append(self.root)
        # folders before links to them: what lies in the folder keeps its own name
        while self._folders or self._links:
            folder = (self._folders or self._links).popleft()
            identity = _identity(folder)
            if identity not in self._seen:
                self._seen.add(identity)
                self._look_into(folder)
        for folder in self._like_images:
            if not any(folder in path.parents for path in self.images):
                self.left_out = [one for one in self.left_out if one.path != folder]
                self.images.append(folder)

    def _look_into(self, folder: Path) -> None:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError:
            self._leave(folder, Reason.CLOSED)
            return
        parts = parts_among([folder / entry.name for entry in found]) if self._slides else set()
        for entry in found:
            path = folder / entry.name
            if path in parts:
                self._leave(path, Reason.PART)
            else:
                self._sort(entry, path)

    def _sort(self, entry: os.DirEntry[str], path: Path) -> None:
        suffix, mode = path.suffix.lower(), mode_of(path)
        folder = stat.S_ISDIR(mode)
        if is_system(entry.name):
            self._leave(path, Reason.SYSTEM)
        elif entry.name.startswith("."):
            named = folder or suffix in self._suffixes
            self._leave(path, Reason.HIDDEN if named else Reason.SYSTEM)
        elif folder:
            self._folder(entry, path)
        elif stat.S_ISREG(mode):
            self._file(path, suffix)
        elif mode:
            self._leave(path, Reason.SPECIAL)
        elif _is_link(entry):
            self._leave(path, Reason.BROKEN)
        elif suffix in self._suffixes:
            self.images.append(path)  # its folder may be listed, not entered; reading it will say so
        else:
            self._leave(path, Reason.OTHER)

    def _folder(self, entry: os.DirEntry[str], path: Path) -> None:
        if self._output is not None and _identity(path) == self._output:
            self._leave(path, Reason.OUTPUT)
        elif is_zarr(path):
            self._take(path)
        elif not self._recursive and not (self._slides and is_dicom_folder(path)):
            self._leave(path, Reason.FOLDER)
            self._note_name(path)
        else:
            self._note_name(path)
            (self._links if _is_link(entry) else self._folders).append(path)

    def _note_name(self, path: Path) -> None:
        if self._slides and path.suffix.lower() in self._suffixes:
            self._like_images.append(path)

    def _file(self, path: Path, suffix: str) -> None:
        if suffix in self._suffixes:
            self._take(path)
        elif suffix in _TABLES and self._is_result(path):
            self._leave(path, Reason.RESULT)
        elif suffix in _OTHER_FORMATS:
            self._leave(path, Reason.FORMAT)
        else:
            self._leave(path, Reason.UNNAMED if _holds_image(path) else Reason.OTHER)

    def _take(self, path: Path) -> None:
        if self._is_result(path):
            self._leave(path, Reason.RESULT)
        else:
            self.images.append(path)

    def _leave(self, path: Path, reason: Reason) -> None:
        self.left_out.append(LeftOut(path, reason))


def _identity(folder: PathLike) -> object:
    """Equal for all names of a folder."""
    return place_of(folder) or Path(folder).absolute()


def _is_link(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False


def _holds_image(path: Path) -> bool:
    try:
        image_format(path)
    except (InputError, OSError):
        return False
    return True
