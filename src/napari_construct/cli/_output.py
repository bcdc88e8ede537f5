"""Output of commands: check that folders are writable, and write JSON."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.models.checkpoints.checkpoint import Checkpoint

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


def check_json(target: str | None, *inputs: Path | str | None) -> None:
    """Check that a JSON file can be written and replaces nothing but an earlier report, before any work."""
    if target is not None and target != STDOUT:
        check_report(Path(target), "--json", *inputs)


def check_report(path: Path, option: str, *inputs: Path | str | None) -> None:
    """Check that a report can be written and replaces nothing but an earlier one, before any work is done.

    Parameters
    ----------
    path : Path
        File to write.
    option : str
        Of the command, for messages.
    *inputs : path or str
        What the command reads.
    """
    from napari_construct.export.reports import refuse_inputs, refuse_other_reports

    if path.is_dir():
        raise ConfigurationError(f"{path}: expected a file for {option}, got a folder; add a file name")
    refuse_inputs([path], [Path(one) for one in inputs if one is not None])
    refuse_other_reports([path])
    check_folder(path.parent)


def check_model(output: Path, *inputs: Path | str | None, overwrite: bool) -> Path:
    """The checkpoint's path, after a check that it can be written and replaces no model by accident.

    Parameters
    ----------
    output : Path
        As it was typed, with or without suffix.
    *inputs : path or str
        What the command reads.
    overwrite : bool
        Whether an earlier model may be replaced; an input never is.
    """
    from napari_construct.export.reports import refuse_inputs
    from napari_construct.models.checkpoints.locations import with_suffix

    target = with_suffix(output)
    if target.is_dir():
        raise ConfigurationError(f"{target}: expected a file for --output, got a folder; add a file name")
    refuse_inputs([target], [Path(one) for one in inputs if one is not None])
    if os.path.lexists(target) and not overwrite:
        raise ConfigurationError(
            f"{target}: expected a new file, got an existing one; choose another name, or --overwrite to "
            "replace it"
        )
    check_folder(target.parent)
    return target


def write_model(target: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint where :func:`check_model` allowed it, and nobody else is writing."""
    from napari_construct.export.locks import locked_file
    from napari_construct.models.checkpoints.checkpoint import save_checkpoint
    from napari_construct.whole_files import remove_partials

    with locked_file(target):
        remove_partials(target)
        save_checkpoint(target, checkpoint)


def write_json(target: str | None, content: Mapping[str, Any]) -> None:
    """Write JSON to a file (atomically) or to standard output."""
    if target is None:
        return
    import json

    from napari_construct.export.record import plain, write_record
    from napari_construct.export.reports import marked

    if target == STDOUT:
        text = json.dumps(plain(content), indent=2, ensure_ascii=False)
        typer.echo(_NOT_FOR_TERMINALS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        write_record(target, marked(content))
