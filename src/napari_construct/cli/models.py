"""``napari-construct models``: list, get, share and remove encoders and models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _models_get as get
from napari_construct.cli import _models_share as share
from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, say, write_json
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.encoders.catalogue.overview import EncoderStatus

commands = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Encoders and trained models: list, info, download, import, export, remove, doctor.",
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Encoder id or model name.")]


@commands.command("list")
def list_models(json_file: options.JsonFile = None) -> None:
    """List all encoders and models, and which are installed.

    Add your own encoders to the file named below the table.
    """
    from napari_construct.encoders.catalogue.overview import overview
    from napari_construct.encoders.folders import user_catalogues
    from napari_construct.models.library.overview import trained_models

    check_json(json_file)
    rows = overview()
    models = trained_models()
    place = next((p for p in user_catalogues() if p.is_file()), user_catalogues()[0])
    write_json(
        json_file,
        {
            "encoders": [row.as_dict() for row in rows],
            "models": {name: str(path) for name, path in models.items()},
            "your_catalogue": str(place),
        },
    )
    if json_file == STDOUT:
        return
    _print_table(rows)
    say(f"models: {', '.join(models) or 'none'}")
    say(f"your own encoders: {place}{'' if place.is_file() else ' (does not exist yet)'}")


@commands.command("info")
def info(name: _Id, json_file: options.JsonFile = None) -> None:
    """Show the details of one encoder or model."""
    from napari_construct.models.library.overview import model_facts, trained_models

    check_json(json_file)
    is_model = name in trained_models() or Path(name).is_file()
    facts = model_facts(name) if is_model else _encoder_facts(name)
    write_json(json_file, facts)
    if json_file == STDOUT:
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        if value not in (None, "", [], {}, ()):
            say(f"{key:<{width}}  {_plain(value)}")


commands.command("download")(get.download)
commands.command("import")(get.import_)
commands.command("export")(share.export)


@commands.command("remove")
def remove(name: _Id) -> None:
    """Delete encoder weights or an imported model from this computer."""
    from napari_construct.encoders.catalogue.overview import size_text
    from napari_construct.models.library.overview import remove as delete

    say(f"{name}: removed, {size_text(delete(name))} freed")


@commands.command("doctor")
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Also check the connection to the hub.")] = False,
    json_file: options.JsonFile = None,
) -> None:
    """Print a diagnosis to paste into a bug report. It contains no token."""
    from napari_construct.models.library.diagnostics import as_text, diagnose

    check_json(json_file)
    report = diagnose(online=online)
    write_json(json_file, report)
    if json_file != STDOUT:
        say(as_text(report))


def _print_table(rows: tuple[EncoderStatus, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from napari_construct.encoders.catalogue.overview import size_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("encoder", "role", "state", "size", "text", "licence"):
        table.add_column(title, no_wrap=title != "licence", overflow="fold")
    for row in rows:
        entry = row.entry
        text = "yes" if entry.text else "no"
        cells = (entry.id, entry.role, row.state, size_text(row.size), text, entry.licence)
        table.add_row(*map(shown, cells))
    Console(file=sys.stdout, highlight=False, markup=False).print(table)


def _encoder_facts(name: str) -> dict[str, Any]:
    from napari_construct.encoders.catalogue.lookup import find_entry, how_to_get
    from napari_construct.encoders.catalogue.overview import size_text, status_of

    status = status_of(find_entry(name))
    facts = status.as_dict()
    facts["size"] = size_text(status.size)
    facts["files"] = [file.name for file in status.entry.files]
    facts["mpp"] = facts["mpp"] or "unknown"
    if status.state in ("available", "gated") and status.entry.files:
        facts["how to get it"] = how_to_get(status.entry)
    return facts


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
