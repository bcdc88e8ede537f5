"""A folder of patches that were cut to be labelled: its table and its description."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_file, is_folder
from napari_construct.reading.regular import open_regular

LABELS: Final = "labels.csv"
"""Name of the table: path, one column per class, group, source, row, column, mpp."""

ABOUT: Final = "labelling.json"
"""Name of the description: classes with colours, patches, settings."""

FORMAT: Final = "napari-construct labelling"

_START: Final = f'{{\n  "format": "{FORMAT}"'.encode()


def is_labelled_folder(folder: Path) -> bool:
    """Whether patches were cut into a folder by napari-construct, to be labelled there."""
    if not is_folder(folder) or not is_file(folder / ABOUT):
        return False
    try:
        with open_regular(folder / ABOUT, "a description") as stream:
            return stream.read(len(_START)) == _START
    except (InputError, OSError):
        return False


def labelled_table(path: Path) -> Path:
    """The table of such a folder; any other path as it is."""
    return path / LABELS if is_labelled_folder(path) else path
