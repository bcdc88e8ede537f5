"""Folders of patches that are no classes, or may be none: said in words before anything is trained."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from napari_construct.data.labels.folder_names import (
    Kind,
    bearers,
    begins_with_digit,
    kind_of,
    same_but_for_split,
)
from napari_construct.data.labels.wording import readable
from napari_construct.exceptions import DatasetError
from napari_construct.reading.name_lists import names_as_text
from napari_construct.reading.names import named

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


def class_name(folder: Path) -> str:
    """The class that a folder's name means."""
    return readable(folder.name).strip()


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
            f"on them (napari-construct evaluate {both}), or validate with them (--val {root}); {explicit}"
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
    only = f"if only {named(others)} are classes, name them (--classes {_typed(others)}); " if others else ""
    only = "" if len(others) == len(kinds) else only
    return f"{only}if these are classes, name them (--classes {_typed(kinds)}, in Python class_names)"


def _typed(names: Collection[str]) -> str:
    return shlex.quote(names_as_text(names)) if len(names) <= 20 else "a,b,..."


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
