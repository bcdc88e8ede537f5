"""Whether a teacher of the catalogue can be loaded here; neither torch nor its library is loaded for it."""

from __future__ import annotations

import os
from pathlib import Path

from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.crossmodal.teachers.weights import check_library, find_weights
from napari_construct.exceptions import ConstructError


def library_folders(entry: TeacherEntry) -> tuple[Path, ...]:
    """Folders in which a teacher's own library keeps its weights."""
    home = Path.home()
    if entry.loader == "cellsam":
        return home / ".deepcell" / "models", home / ".cellsam_assets"
    if entry.loader == "cellpose_sam":
        own = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
        return (Path(own) if own else home / ".cellpose" / "models",)
    return ()


def lacking(entry: TeacherEntry, weights: Path | None = None) -> str:
    """What a teacher needs and does not find, in one sentence with the next step; empty if it can be loaded.

    Parameters
    ----------
    entry : TeacherEntry
        One with weights of its own.
    weights : Path, optional
        The file that the user named.
    """
    try:
        check_library(entry)
        find_weights(entry, weights, library_folders(entry))
    except ConstructError as error:
        return str(error)
    return ""
