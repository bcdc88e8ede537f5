"""Settings from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import LARGEST_SETTINGS, at
from napari_construct.reading.texts.yaml import read_yaml


def read_settings(path: Path) -> dict[str, Any]:
    """Names and values of a YAML or JSON file.

    Raises
    ------
    ConfigurationError
        If the file is missing, too large, or holds no names and plain values.
    """
    what = "settings in YAML or JSON"
    if path.suffix.lower() == ".json":
        fields = read_json(path, what=what, largest=LARGEST_SETTINGS)
    else:
        fields = read_yaml(path, what=what)
    if not isinstance(fields, dict):
        raise ConfigurationError(
            f"{at(path)}: expected names and values, got {type(fields).__name__}; write one `name: value` "
            "a line"
        )
    return fields
