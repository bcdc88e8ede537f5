"""Folders of the user's catalogue, weights and models."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import quoted

HOME: Final = "NAPARI_CONSTRUCT_HOME"
"""Environment variable: one folder for everything, instead of the system's usual places."""

_NAME: Final = "napari-construct"


def config_folder() -> Path:
    """Folder of the user's catalogue; need not exist."""
    if os.environ.get(HOME):
        return _expanded(os.environ[HOME])
    if sys.platform == "win32":
        return _system("APPDATA", "AppData/Roaming") / _NAME
    if sys.platform == "darwin":
        return _expanded("~") / "Library" / "Application Support" / _NAME
    return _system("XDG_CONFIG_HOME", ".config") / _NAME


def weights_folder() -> Path:
    """Folder of downloaded weights, one below it per encoder; need not exist."""
    if os.environ.get(HOME):
        return _expanded(os.environ[HOME]) / "weights"
    if sys.platform == "win32":
        return _system("LOCALAPPDATA", "AppData/Local") / _NAME / "weights"
    if sys.platform == "darwin":
        return _expanded("~") / "Library" / "Application Support" / _NAME / "weights"
    return _system("XDG_DATA_HOME", ".local/share") / _NAME / "weights"


def user_catalogues() -> tuple[Path, ...]:
    """Files in which a user may add encoders, whether they exist or not."""
    return config_folder() / "encoders.toml", config_folder() / "encoders.json"


def models_folder() -> Path:
    """Folder of trained models that the user imported; need not exist."""
    return weights_folder().parent / "models"


def _system(variable: str, otherwise: str) -> Path:
    value = os.environ.get(variable)
    return Path(value) if value else _expanded("~") / otherwise


def _expanded(text: str) -> Path:
    """A folder that may begin with ~ or ~NAME.

    Raises
    ------
    ConfigurationError
        If the system knows no such user, or no home of this one.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"expected a folder for models and weights, got {quoted(text)}, of which the system knows no "
            f"home folder; set {HOME} to a folder"
        ) from error
