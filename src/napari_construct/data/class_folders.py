"""One folder of patches per class; folders that are no classes are recognised.

Splits, images beside masks, and folders whose names are dates, patients or slides are an error in words
unless the classes were named. A system's folders and folders without images are left out with a notice.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.folder_names import Kind, bearers, begins_with_digit, kind_of, same_but_for_split
from napari_construct.data.listing import list_images
from napari_construct.data.wording import named, readable
from napari_construct.exceptions import DatasetError
from napari_construct.reading.name_lists import names_as_text
from napari_construct.reading.names import normal

_EACH_ALONE: Final = 8
"""So many folders of one patch each are patients rather than classes."""


class UnsureClassesError(DatasetError):
    """Folders that may be classes or not: somebody must say so.

    Attributes
    ----------
    names : tuple of str
        The folders as classes.
    """

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


class ClassFolders(NamedTuple):
    """Patches, their labels (n, k) uint8, the classes, and notices."""

    paths: tuple[Path, ...]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    notices: tuple[str, ...]


def folders_of(root: Path) -> list[Path]:
    """Folders in ``root`` that are not hidden, by name."""
    found = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(found, key=class_name)


def class_name(folder: Path) -> str:
    """The class that a folder's name means."""
    return readable(folder.name).strip()


class _Content(NamedTuple):
    """Patches in a folder and below; and how many images lie in folders of masks or of a system there."""

    patches: tuple[Path, ...]
    others: Counter[str]


def filled_folders(root: Path) -> dict[Path, tuple[Path, ...]]:
    """Folders with images that are not a system's, with their patches."""
    return {
        folder: found.patches for folder, found in _contents(root).items() if _may_be_class(folder, found)
    }


def _contents(root: Path) -> dict[Path, _Content]:
    return {folder: _content(folder) for folder in folders_of(root)}


def _may_be_class(folder: Path, content: _Content) -> bool:
    return bool(content.patches) and kind_of(folder.name) != "system"


def read_class_folders(root: Path, wanted: tuple[str, ...] | None) -> ClassFolders:
    """Read a dataset of one folder per class.

    Parameters
    ----------
    root : Path
        Folder of the folders.
    wanted : tuple of str, optional
        The classes in order; whatever their folders are called then counts. All folders by default.

    Raises
    ------
    DatasetError
        If a class has no folder, or folders are no classes.
    """
    if not root.is_dir():
        raise DatasetError(
            f"{root}: expected a folder with one sub-folder per class, found none; check the path"
        )
    contents = _contents(root)
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
    notices = (*_left_out(others), *_inside({folder: contents[folder] for folder in chosen}))
    return ClassFolders(tuple(path for path, _ in found), labels, names, notices)


def refuse_no_classes(root: Path, folders: Mapping[Path, Sequence[Path]]) -> None:
    """Refuse folders with patches that are no classes, or may be none.

    Raises
    ------
    DatasetError
        If they are splits, or images and masks.
    UnsureClassesError
        If they look like dates, patients or slides.
    """
    by_name = {class_name(folder): folder for folder in folders}
    kinds = {name: kind_of(name) for name in by_name}
    explicit = _explicit(kinds)
    splits = [name for name in by_name if kinds[name] == "split"] or same_but_for_split(list(by_name))
    if splits:
        first = min(splits, key=lambda name: ("train" not in name.lower(), name))
        raise DatasetError(
            f"{root}: expected one sub-folder per class, got {named(splits)}, which are splits; give the "
            f"folder of one split, for example {by_name[first]}; {explicit}"
        )
    masks, images = ([by_name[n] for n in by_name if kinds[n] == kind] for kind in ("masks", "images"))
    if masks:
        both = f"{images[0] if images else 'IMAGES'} {masks[0]}"
        raise DatasetError(
            f"{root}: expected one sub-folder per class, got {named([p.name for p in (*images, *masks)])}: "
            "images and masks, which are no classes; training needs labels of whole patches. Score a model "
            f"on them with: napari-construct evaluate {both}; or validate with --val {root}; {explicit}"
        )
    if images:
        raise DatasetError(
            f"{root}: expected one sub-folder per class, got {named([p.name for p in images])}, a folder of "
            f"images; give the folder that holds the classes or the labelled patches itself, for example "
            f"{images[0]}; {explicit}"
        )
    inner = _same_inside(folders)
    if inner:
        raise UnsureClassesError(
            f"{root}: expected one sub-folder per class, got {named(list(by_name))}, which all hold the "
            f"same sub-folders ({named(inner)}): those are the classes, it seems; give one of these folders, "
            f"for example {next(iter(folders))}, or a CSV table of all patches; {explicit}",
            list(by_name),
        )
    what = bearers(list(by_name))
    if not what and len(folders) >= _EACH_ALONE and all(len(files) == 1 for files in folders.values()):
        what = "patients or slides (one patch each)"
    if what:
        raise UnsureClassesError(
            f"{root}: expected one sub-folder per class, got {named(list(by_name))}, which look like {what}; "
            f"sort the patches by class, or list them in a CSV table with the column group; {explicit}",
            list(by_name),
        )


def _explicit(kinds: Mapping[str, Kind]) -> str:
    """How to say which folders are classes."""
    others = [name for name, kind in kinds.items() if kind == "other"]
    only = f"if only {named(others)} are classes: --classes {_typed(others)}; " if others else ""
    only = "" if len(others) == len(kinds) else only
    return f"{only}if these are classes, name them: --classes {_typed(kinds)} (in Python: class_names)"


def _typed(names: Collection[str]) -> str:
    return shlex.quote(names_as_text(names)) if len(names) <= 20 else "a,b,..."


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


def _same_inside(folders: Mapping[Path, Sequence[Path]]) -> tuple[str, ...]:
    """Names of folders inside that all of several folders have, if they can be classes."""
    inside = []
    for folder, files in folders.items():
        parents = {path.parent for path in files}
        if folder in parents:
            return ()
        inside.append(frozenset(readable(parent.relative_to(folder).parts[0]) for parent in parents))
    if not inside or len(inside[0]) < 2 or len(set(inside)) > 1:
        return ()
    names = tuple(sorted(inside[0]))
    if len(inside) == 1:  # a folder around them
        return () if bearers(names) else names
    said = bearers(names) or any(begins_with_digit(name) or kind_of(name) != "other" for name in names)
    return () if said else names


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


def _content(folder: Path) -> _Content:
    patches, masks, others = [], [], Counter[str]()
    odd: dict[Path, tuple[str, str]] = {}
    for path in list_images(folder, recursive=True):
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
        return _Content(tuple(path for path, _ in masks), others)
    others.update(name for _, name in masks)
    return _Content(tuple(patches), others)


def _odd_part(parts: Sequence[str]) -> tuple[str, str]:
    """The first folder of a system in a path, else the first of masks: its kind and name."""
    for kind in ("system", "masks"):
        for name in parts:
            if kind_of(name) == kind:
                return kind, name
    return "", ""
