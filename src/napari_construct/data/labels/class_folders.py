"""One folder of patches per class; folders that are no classes are recognised.

Splits, images beside masks, and folders whose names are dates, patients or slides are an error in words
unless the classes were named. A system's folders and folders without images are left out with a notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.labels.no_classes import class_name, refuse_no_classes
from napari_construct.data.labels.wording import readable
from napari_construct.data.listing import LeftOut, Listing, Reason, list_folder
from napari_construct.exceptions import DatasetError
from napari_construct.reading.name_lists import names_as_text
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import files_in, is_folder


class ClassFolders(NamedTuple):
    """Patches, their labels (n, k) uint8, the classes, and notices."""

    paths: tuple[Path, ...]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    notices: tuple[str, ...]


def folders_of(root: Path) -> list[Path]:
    """Folders in ``root`` that are not hidden, by name."""
    found = (path for path in files_in(root) if is_folder(path) and not path.name.startswith("."))
    return sorted(found, key=class_name)


class _Content(NamedTuple):
    """Patches in a folder and below; how many images lie in folders of masks or of a system; the rest."""

    patches: tuple[Path, ...]
    others: Counter[str]
    left_out: tuple[LeftOut, ...]


Contents: TypeAlias = Mapping[Path, _Content]
"""Folders and what lies in them."""


def contents_of(root: Path) -> Contents:
    """What lies in the folders of ``root``; every patch is listed."""
    return {folder: _content(folder) for folder in folders_of(root)}


def filled_folders(contents: Contents) -> dict[Path, tuple[Path, ...]]:
    """Folders with images that are not a system's, with their patches."""
    return {folder: found.patches for folder, found in contents.items() if _may_be_class(folder, found)}


def _may_be_class(folder: Path, content: _Content) -> bool:
    return bool(content.patches) and kind_of(folder.name) != "system"


def read_class_folders(
    root: Path, wanted: tuple[str, ...] | None, contents: Contents | None = None
) -> ClassFolders:
    """Read a dataset of one folder per class.

    Parameters
    ----------
    root : Path
        Folder of the folders.
    wanted : tuple of str, optional
        The classes in order; whatever their folders are called then counts. All folders by default.
    contents : mapping, optional
        Of :func:`contents_of`, where the folders were looked through before.

    Raises
    ------
    DatasetError
        If a class has no folder, or folders are no classes.
    """
    if not is_folder(root):
        raise DatasetError(
            f"{root}: expected a folder with one sub-folder per class, found none; check the path"
        )
    contents = contents_of(root) if contents is None else contents
    folders = _by_name(root, contents)
    if wanted is None:
        chosen = [folder for folder in folders.values() if _may_be_class(folder, contents[folder])]
        refuse_no_classes(root, {folder: contents[folder].patches for folder in chosen})
        names = tuple(map(class_name, chosen))
    else:
        names = wanted
        absent = [name for name in names if normal(name).strip() not in folders]
        if absent:
            raise DatasetError(
                f"{root}: expected a sub-folder for every class, got none for {named(absent)} "
                f"(there are: {names_as_text(list(folders)[:20], separator=', ') or 'none'}); check the names"
            )
        chosen = [folders[normal(name).strip()] for name in names]
    found = [(path, i) for i, folder in enumerate(chosen) for path in contents[folder].patches]
    found.sort(key=lambda item: readable(item[0].relative_to(root).as_posix()))
    labels = np.zeros((len(found), len(names)), dtype=np.uint8)
    for row, (_, i) in enumerate(found):
        labels[row, i] = 1
    others = {folder: found for folder, found in contents.items() if folder not in chosen}
    inside = {folder: contents[folder] for folder in chosen}
    notices = (*_left_out(others), *_inside(inside), *_no_patches(root, inside, others))
    return ClassFolders(tuple(path for path, _ in found), labels, names, notices)


def _by_name(root: Path, folders: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        other = found.setdefault(class_name(folder), folder)
        if other is not folder:
            raise DatasetError(
                f"{root}: expected folders with different names, got {other.name!r} and {folder.name!r}, "
                "which look the same (composed letters, outer spaces); join or rename them"
            )
    return found


def _left_out(others: Mapping[Path, _Content]) -> tuple[str, ...]:
    """Notices on folders that are no classes."""
    groups: dict[str, list[str]] = {}
    for folder, content in others.items():
        if kind_of(folder.name) == "system":
            what = "of the system"
        else:
            what = "that are not among the classes" if content.patches else "without images"
        groups.setdefault(what, []).append(folder.name)
    return tuple(f"{len(names)} folder(s) {what} left out: {named(names)}" for what, names in groups.items())


def _inside(chosen: Mapping[Path, _Content]) -> tuple[str, ...]:
    """Notices on folders in the folders of classes."""
    notices, without = [], Counter[str]()
    for folder, content in chosen.items():
        without.update(content.others)
        parents = {path.parent for path in content.patches} - {folder}
        below = {parent.relative_to(folder).parts[0] for parent in parents}
        splits = sorted(part for part in below if kind_of(part) == "split")
        if len(splits) > 1:
            notices.append(
                f"{class_name(folder)} holds the splits {named(splits)}; the patches of all of them are used"
            )
    notices += [
        f"{count} image(s) in folders called {name} left out: no patches" for name, count in without.items()
    ]
    return tuple(notices)


def _no_patches(
    root: Path, chosen: Mapping[Path, _Content], others: Mapping[Path, _Content]
) -> tuple[str, ...]:
    """Notices on files that are no patches: in the folders of classes, beside them, and in empty ones."""
    beside = [one for one in list_folder(root).left_out if one.reason is not Reason.FOLDER]
    empty = [found for found in others.values() if not found.patches]
    inside = [one for found in (*chosen.values(), *empty) for one in found.left_out]
    return Listing(root, (), (*beside, *inside)).notices


def _content(folder: Path) -> _Content:
    patches, masks, others = [], [], Counter[str]()
    odd: dict[Path, tuple[str, str]] = {}
    listing = list_folder(folder, recursive=True)
    for path in listing.images:
        parent = path.parent
        if parent not in odd:
            odd[parent] = _odd_part(parent.relative_to(folder).parts)
        kind, name = odd[parent]
        if kind == "system":
            others[name] += 1
        elif kind == "masks":
            masks.append((path, name))
        else:
            patches.append(path)
    if not patches:  # nothing beside them: the folder's name misleads
        return _Content(tuple(path for path, _ in masks), others, listing.left_out)
    others.update(name for _, name in masks)
    return _Content(tuple(patches), others, listing.left_out)


def _odd_part(parts: Sequence[str]) -> tuple[str, str]:
    """The first folder of a system in a path, else the first of masks: its kind and name."""
    for kind in ("system", "masks"):
        for name in parts:
            if kind_of(name) == kind:
                return kind, name
    return "", ""
