"""Settings from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import LARGEST_SETTINGS, at, holds_json
from napari_construct.reading.texts.yaml import read_yaml


def read_settings(path: Path) -> dict[str, Any]:
    """Names and values of a YAML or JSON file.

    Raises
    ------
    ConfigurationError
        If the file is missing, too large, or holds no names and plain values.
    """
    what = "settings in YAML or JSON"
    fields = _parsed(path, what)
    if not isinstance(fields, dict):
        raise ConfigurationError(
            f"{at(path)}: expected names and values, got {type(fields).__name__}; write one `name: value` "
            "a line"
        )
    return fields


def _parsed(path: Path, what: str) -> Any:
    """JSON under any name; YAML otherwise, of which nearly all JSON is a part."""
    if not holds_json(path, what):
        return read_yaml(path, what=what)
    try:
        return read_json(path, what=what, largest=LARGEST_SETTINGS)
    except ConfigurationError:
        if path.suffix.lower() == ".json":
            raise
        return read_yaml(path, what=what)  # {epochs: 3}
