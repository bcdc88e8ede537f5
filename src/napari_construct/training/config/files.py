"""Settings from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_construct.exceptions import ConfigurationError


def read_settings(path: Path) -> dict[str, Any]:
    """Names and values of a YAML or JSON file.

    Raises
    ------
    ConfigurationError
        If the file is missing or holds no names and values.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        fields = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{path}: expected settings in YAML or JSON, got {error}") from error
    if not isinstance(fields, dict):
        raise ConfigurationError(
            f"{path}: expected names and values, got {type(fields).__name__}; write one `name: value` a line"
        )
    return {str(name): value for name, value in fields.items()}
