"""Where trained models lie on this computer; without torch."""

from __future__ import annotations

import os
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Final

from napari_construct.encoders.folders import models_folder
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.reading.foreign import file_name, quoted
from napari_construct.reading.names import folded
from napari_construct.reading.places import files_in, is_file

SUFFIX: Final = ".construct"


def bundled_models() -> dict[str, Path]:
    """Models that come with the package: name and file."""
    folder = Path(str(files("napari_construct.models").joinpath("bundled")))
    return _models_in(folder)


def imported_models() -> dict[str, Path]:
    """Models that the user imported: name and file."""
    return _models_in(models_folder())


def _models_in(folder: Path) -> dict[str, Path]:
    """Name and file of each model of a folder; a file that is none says so when it is opened."""
    return {path.stem: path for path in files_in(folder) if path.suffix == SUFFIX}


def imported_path(name: str) -> Path:
    """File of an imported model of that name; need not exist.

    Raises
    ------
    CheckpointError
        If the name is that of a bundled model, which would be used in its place, or is no name of a file.
    """
    if folded(name) in map(folded, bundled_models()):  # one file where the system ignores case
        raise CheckpointError(
            f"{name}: expected a name of its own, got that of a model that comes with napari-construct, "
            "which would be used in its place; give another one (--name)"
        )
    return named_file(models_folder(), name)


def resolve_model(name_or_path: str | PathLike[str]) -> Path:
    """File of a bundled or imported model by its name, or the path of a checkpoint.

    Raises
    ------
    CheckpointError
        If it is neither.
    """
    named = imported_models() | bundled_models()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    path = Path(name_or_path)
    if not is_file(path):
        names = ", ".join(sorted(named)) or "none"
        raise CheckpointError(
            f"{path}: expected a checkpoint ({SUFFIX}) or the name of a bundled model ({names}), found "
            "neither; check the path or the name"
        )
    return path


def named_file(folder: Path, name: str) -> Path:
    """Where the model of a name lies in a folder; the name may come from anybody.

    Raises
    ------
    CheckpointError
        If it is not the name of one file: a path, a drive, a name that systems reserve, control characters.
    """
    if name != file_name(name):
        raise CheckpointError(
            f"expected a model name without folders, such as {file_name(name)}, got {quoted(name)}; choose "
            "one (--name)"
        )
    return folder / f"{name}{SUFFIX}"


def refuse_existing(path: Path, *, remedy: str = "") -> None:
    """Refuse to replace a model, or what an interrupted run left of it, without being asked to.

    Raises
    ------
    ConfigurationError
        If something lies there. ``remedy`` is what else one may do, "resume=True to continue it".
    """
    if os.path.lexists(path):
        more = f", {remedy}," if remedy else ""
        raise ConfigurationError(
            f"{path}: expected a new file, got an existing one; choose another name{more} or overwrite=True "
            "to replace it"
        )


def with_suffix(path: str | PathLike[str]) -> Path:
    """``path`` with ``.construct`` added unless it ends so."""
    path = Path(path)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
