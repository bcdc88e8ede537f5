"""The values of a widget that are kept until the next session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import QSettings

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.places import is_file
from napari_construct.reading.texts.json import parse_json

LOCATION: Final = "NAPARI_CONSTRUCT_WIDGETS"
"""Environment variable that names another file, for tests and for shared computers."""


class Memory:
    """Values of one widget as JSON in the user's settings; unreadable values are ignored.

    Parameters
    ----------
    name : str
        Of the widget.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def load(self) -> dict[str, Any]:
        """The kept values; empty if there are none."""
        settings = _settings()
        text = "" if settings is None else settings.value(self._name, "")
        try:
            found = parse_json(text, self._name) if isinstance(text, str) and text else {}
        except ConfigurationError:
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, values: dict[str, Any]) -> None:
        """Replace the kept values, where the system lets us."""
        settings = _settings()
        if settings is not None:
            settings.setValue(self._name, json.dumps(values))


def _settings() -> QSettings | None:
    """The file of all widgets; None where a pipe, device or folder lies in its place.

    Qt waits for a pipe, and puts its file in the place of a device where the user may do so.
    """
    path = os.environ.get(LOCATION)
    if path:
        if os.path.lexists(path) and not is_file(path):
            return None
        return QSettings(str(Path(path)), QSettings.Format.IniFormat)
    return QSettings("napari-construct", "napari-construct")
