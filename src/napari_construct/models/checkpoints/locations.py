"""Where trained models lie on this computer; without torch."""

from __future__ import annotations

from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Final

from napari_construct.encoders.folders import models_folder
from napari_construct.exceptions import CheckpointError
from napari_construct.reading.foreign import file_name, quoted

SUFFIX: Final = ".construct"


def bundled_models() -> dict[str, Path]:
    """Models that come with the package: name and file."""
    folder = Path(str(files("napari_construct.models").joinpath("bundled")))
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def imported_models() -> dict[str, Path]:
    """Models that the user imported: name and file."""
    folder = models_folder()
    try:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))
    except OSError:  # there is none, or it may not be looked at; diagnostics tell
        return {}
    return {path.name.removesuffix(SUFFIX): path for path in found}


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
    if not path.is_file():
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
            "one with --name"
        )
    return folder / f"{name}{SUFFIX}"


def with_suffix(path: str | PathLike[str]) -> Path:
    """``path`` with ``.construct`` added unless it ends so."""
    path = Path(path)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
