"""The values of a widget that are kept until the next session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import QSettings

from napari_construct.exceptions import ConfigurationError
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
        text = _settings().value(self._name, "")
        try:
            found = parse_json(text, self._name) if isinstance(text, str) and text else {}
        except ConfigurationError:
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, values: dict[str, Any]) -> None:
        """Replace the kept values."""
        _settings().setValue(self._name, json.dumps(values))


def _settings() -> QSettings:
    path = os.environ.get(LOCATION)
    if path:
        return QSettings(str(Path(path)), QSettings.Format.IniFormat)
    return QSettings("napari-construct", "napari-construct")
