"""The settings of a command, merged from typed options, JSON, files and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.texts.json import parse_json, read_json
from napari_construct.reading.texts.text import LARGEST_SETTINGS
from napari_construct.settings import Settings

Chosen = TypeVar("Chosen", bound=Settings)


def merged(base: Chosen, typed: Mapping[str, Any], text: str | None = None) -> Chosen:
    """The settings of a command: typed options override JSON, JSON overrides the base settings.

    Parameters
    ----------
    base : Settings
        Settings of a file or a preset, or the defaults.
    typed : mapping
        Only the typed options (``given``), also if they equal the default. Nested settings are nested
        mappings.
    text : str, optional
        JSON of ``--settings``, or the name of a JSON file.

    Raises
    ------
    ConfigurationError
        If the text is not a JSON object, a name is unknown or a value is not valid.
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
        JSON, or the name of a JSON file.
    settings : str
        Name of the settings class, for messages.

    Raises
    ------
    ConfigurationError
        If the text is not a JSON object.
    """
    what = f"JSON or a JSON file (see {settings} for the names)"
    if text.lstrip().startswith(("{", "[")):
        found = parse_json(text, f"--settings {quoted(text)}", what)
    else:
        found = read_json(text, what=what, largest=LARGEST_SETTINGS)
    if not isinstance(found, dict):
        raise ConfigurationError(f"expected a JSON object for --settings, got {type(found).__name__}")
    return found


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping ``below`` updated with ``above``; nested mappings are updated too."""
    result = dict(below)
    for name, value in above.items():
        old = below.get(name)
        parts = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[name] = overlaid(dict(old or {}), value) if parts else value
    return result
