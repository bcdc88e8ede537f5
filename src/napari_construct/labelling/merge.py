"""Labels of a table, taken over into a labelled folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from napari_construct.data.labels.table_rows import read_rows
from napari_construct.data.labels.wording import label_value
from napari_construct.exceptions import DatasetError
from napari_construct.labelling.session import LabelSession
from napari_construct.reading.foreign import quoted
from napari_construct.reading.names import named, normal
from napari_construct.types import PathLike

_PATH: Final = "path"


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a table.

    Attributes
    ----------
    changed : int
        Patches that got labels.
    unused : tuple of str
        Paths of the table that say nothing of any patch.
    """

    changed: int
    unused: tuple[str, ...]


def merge_labels(session: LabelSession, table: PathLike, *, overwrite: bool = False) -> Merged:
    """Take over image-level labels of a CSV.

    A row is of the patch of this path or file name. A row of an image is of its patch, where images were
    taken as they are; else it says something of the image's patches only where it names no class: then none
    of them shows one. Which of its patches show a class that an image has is not known.

    Parameters
    ----------
    session : LabelSession
        The open folder.
    table : str or path
        With the column path, and a column of 0 and 1 for every class; rows without any label are left out.
    overwrite : bool
        Also change patches that have labels.

    Raises
    ------
    DatasetError
        If it is no such table.
    """
    path = Path(table)
    header, rows = read_rows(path)
    names = {name.casefold(): i for i, name in reversed(list(enumerate(header)))}
    names |= {name: i for i, name in reversed(list(enumerate(header)))}
    missing = [name for name in (_PATH, *session.classes.names) if name not in names]
    if missing:
        raise DatasetError(
            f"{path}: expected the columns path and {named(session.classes.names, 20)}, found none for "
            f"{named(missing)}; name the columns so"
        )
    known = _patches_by_name(session)
    found: dict[str, frozenset[int]] = {}
    unused: list[str] = []
    for row in rows:
        own = [row.cells[names[name]].strip() for name in session.classes.names]
        if not any(own):
            continue
        labels = set()
        for i, text in enumerate(own):
            value = label_value(text) if text else False
            if value is None:
                raise DatasetError(
                    f"{path}, line {row.line}: expected 0 or 1 for {named([session.classes.names[i]])}, got "
                    f"{quoted(text)}; correct the label"
                )
            if value:
                labels.add(i)
        written = row.cells[names[_PATH]].strip()
        of_patches, of_image = known
        name = PurePosixPath(normal(written.replace("\\", "/"))).name
        patches = of_patches.get(name) or (of_image.get(name, ()) if session.whole or not labels else ())
        if not patches:
            unused.append(written)
        for patch in patches:
            found[patch] = frozenset(labels)
    return Merged(_label(session, found, overwrite=overwrite), tuple(unused))


def _label(session: LabelSession, found: Mapping[str, frozenset[int]], *, overwrite: bool) -> int:
    """Label patches by their paths; how many got other labels."""
    changed = 0
    for number, patch in enumerate(session.patches):
        before, wanted = session.labels(number), found.get(patch.path)
        if wanted is not None and wanted != before and (overwrite or before is None):
            session.set(number, wanted)
            changed += 1
    session.save()
    return changed


def _patches_by_name(
    session: LabelSession,
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
    """Paths of the patches by their own file's name, and by that of the image they are of."""
    own: dict[str, tuple[str, ...]] = {normal(p.file): (p.path,) for p in session.patches}
    images: dict[str, tuple[str, ...]] = {}
    for patch in session.patches:
        name = normal(Path(patch.source.replace("\\", "/")).name)
        images[name] = (*images.get(name, ()), patch.path)
    return own, images
