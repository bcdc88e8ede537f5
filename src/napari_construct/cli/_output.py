"""Output of commands: check that folders are writable, and write JSON."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import shown

STDOUT = "-"

_NOT_FOR_TERMINALS = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls that JSON leaves in its texts."""


def say(text: str = "", *, err: bool = False) -> None:
    """Print text that may hold foreign names: nothing in it is obeyed by a terminal, line breaks stay."""
    typer.echo("\n".join(map(shown, text.split("\n"))), err=err)


def check_folder(folder: Path) -> None:
    """Check that a folder is writable, before any work is done.

    Raises
    ------
    ConfigurationError
        If it is not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: expected a writable output folder, got {error.strerror or error}; "
            "choose another with --output"
        ) from error


def check_json(target: str | None) -> None:
    """Check that a JSON file can be written, before any work is done."""
    if target is not None and target != STDOUT:
        path = Path(target)
        if path.is_dir():
            raise ConfigurationError(f"{path}: expected a file for --json, got a folder; add a file name")
        check_folder(path.parent)


def write_json(target: str | None, content: Mapping[str, Any]) -> None:
    """Write JSON to a file (atomically) or to standard output."""
    if target is None:
        return
    import json

    from napari_construct.export.record import plain, write_record

    if target == STDOUT:
        text = json.dumps(plain(content), indent=2, ensure_ascii=False)
        typer.echo(_NOT_FOR_TERMINALS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        write_record(target, content)
