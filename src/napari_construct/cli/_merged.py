"""The settings of a command, from what was typed, from JSON, and from files and defaults below."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from napari_construct.exceptions import ConfigurationError
from napari_construct.settings import Settings

Chosen = TypeVar("Chosen", bound=Settings)


def merged(base: Chosen, typed: Mapping[str, Any], text: str | None = None) -> Chosen:
    """The settings of a command: what was typed goes before JSON, and JSON before the rest.

    Parameters
    ----------
    base : Settings
        A file's, a preset's, or the defaults.
    typed : mapping
        Only what the user typed (``given``), be it equal to the default or not; parts of settings as
        mappings of their own.
    text : str, optional
        JSON of ``--settings``, or the name of a file that holds some.

    Raises
    ------
    ConfigurationError
        If the text is no JSON object, a name is unknown or a value impossible.
    """
    fields = base.model_dump()
    if text is not None:
        fields = overlaid(fields, base.renamed(json_object(text, type(base).__name__)))
    return type(base).checked(**overlaid(fields, typed))


def json_object(text: str, settings: str) -> dict[str, Any]:
    """The names and values of ``--settings``.

    Parameters
    ----------
    text : str
        JSON, or the name of a file that holds some.
    settings : str
        What the names are those of, for messages.

    Raises
    ------
    ConfigurationError
        If it is no JSON object.
    """
    try:
        content = text if text.lstrip().startswith(("{", "[")) else Path(text).read_text(encoding="utf-8")
        found = json.loads(content)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"expected JSON for --settings, or a file that holds some, got {text!r} ({error}); see "
            f"{settings} for its names"
        ) from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"expected a JSON object for --settings, got {type(found).__name__}")
    return found


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values with others laid over them, and within parts of settings over theirs."""
    result = dict(below)
    for name, value in above.items():
        old = below.get(name)
        parts = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[name] = overlaid(dict(old or {}), value) if parts else value
    return result
