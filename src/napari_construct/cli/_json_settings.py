"""Settings given as JSON on the command line."""

from __future__ import annotations

import json
from typing import Any

from napari_construct.exceptions import ConfigurationError


def json_object(text: str) -> dict[str, Any]:
    """The names and values of ``--settings``.

    Raises
    ------
    ConfigurationError
        If the text is no JSON object.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"expected JSON for --settings, got {text!r} ({error}); see TrainingConfig for its names"
        ) from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"expected a JSON object for --settings, got {type(found).__name__}")
    return found


def merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some fields changed, and within the parts of settings some fields of theirs."""
    result = dict(settings)
    for name, value in changes.items():
        old = settings.get(name)
        result[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
