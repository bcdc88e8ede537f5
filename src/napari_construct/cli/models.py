"""``napari-construct models``: what is here of encoders and models, and how to get the rest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, write_json

if TYPE_CHECKING:
    from napari_construct.encoders.entries import EncoderEntry
    from napari_construct.encoders.overview import EncoderStatus

commands = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Encoders and trained models: list, info, download, import, export, remove, doctor.",
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Id of an encoder or name of a model.")]
_Mirror = Annotated[
    str | None,
    typer.Option(
        "--mirror", help="Folder with the files, or address of a server that answers as the hub does."
    ),
]


@commands.command("list")
def list_models(json_file: options.JsonFile = None) -> None:
    """Show all encoders and models and what is on this computer.

    Your own encoders go into the file named below the table.
    """
    from napari_construct.encoders.folders import user_catalogues
    from napari_construct.encoders.overview import overview

    check_json(json_file)
    rows = overview()
    models = _trained()
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
    typer.echo(f"models: {', '.join(models) or 'none'}")
    typer.echo(f"your own encoders: {place}{'' if place.is_file() else ' (not there yet)'}")


@commands.command("info")
def info(name: _Id, json_file: options.JsonFile = None) -> None:
    """Show all that is known of one encoder or model."""
    check_json(json_file)
    facts = _model_facts(name) if name in _trained() or Path(name).is_file() else _encoder_facts(name)
    write_json(json_file, facts)
    if json_file == STDOUT:
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        if value not in (None, "", [], {}, ()):
            typer.echo(f"{key:<{width}}  {_plain(value)}")


@commands.command("download")
def download(
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of an encoder, see 'models list'.")],
    mirror: _Mirror = None,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask whether you agree to a gated licence.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch also what is here already.")] = False,
    json_file: options.JsonFile = None,
) -> None:
    """Bring an encoder's weights to this computer.

    A download that stopped goes on where it was. For gated weights the licence is shown, and access is
    checked before anything is fetched.
    """
    from napari_construct.encoders.catalogue import find_entry
    from napari_construct.encoders.hub import download_steps
    from napari_construct.encoders.overview import status_of

    check_json(json_file)
    entry = find_entry(name)
    typer.echo(f"{entry.id}: licence {entry.licence}. {entry.meaning}", err=True)
    if status_of(entry).state == "gated":
        _through_the_gate(entry, mirror, accept=accept)
    found = _with_bar(download_steps(entry, mirror=mirror, again=again))
    write_json(json_file, {"id": entry.id, "files": {k: str(v) for k, v in found.files.items()}})
    if json_file != STDOUT:
        typer.echo(f"{entry.id}: ready in {found.weights.parent}")


@commands.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="model.construct, best_cam.pth, a file of weights, or hf-hub:OWNER/NAME."
        ),
    ],
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="The file holds the weights of this encoder.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model from now on.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", help="Of best_cam.pth, in the order of training; TUM,STR,LYM,NEC otherwise."
        ),
    ] = None,
    mpp: Annotated[
        float, typer.Option("--mpp", help="Micrometres per pixel that best_cam.pth was trained at.")
    ] = 0.25,
    encoder_weights: options.EncoderWeights = None,
    file: Annotated[
        str | None, typer.Option("--file", help="Which file of a hub repository with several models.")
    ] = None,
) -> None:
    """Take over a model or weights: checked, and found by name from now on.

    Nothing in a file is run. Of the released code's best_cam.pth only what was trained is kept.
    """
    from napari_construct.models.sharing import HUB, import_model, pull_model

    if encoder is not None:
        from napari_construct.encoders.catalogue import find_entry
        from napari_construct.encoders.store import import_weights

        typer.echo(f"{encoder}: {import_weights(find_entry(encoder), Path(source))}")
        return
    if source.startswith(HUB):
        path = pull_model(source, file=file)
    elif Path(source).suffix == ".construct":
        path = import_model(source, name=name)
    else:
        path = _import_released(Path(source), name, classes, mpp, encoder_weights)
    typer.echo(f"{path.stem}: {path}")


@commands.command("export")
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or path of a model.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the model and its card.")
    ] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="Of the exported model.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="That you give the model, for its card.")
    ] = "unknown",
    push: Annotated[
        str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload to this hub repository.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public/--private", help="Whether a new repository is for everyone.")
    ] = False,
) -> None:
    """Write a model with its card, or upload both; an encoder's weights never go along.

    Models on CONCH: its authors count models trained on its outputs as derivatives, read their terms
    before you share one.
    """
    from napari_construct.models.sharing import export_model, push_model

    if push is not None:
        typer.echo(push_model(model, push, private=not public, licence=licence))
        return
    for kind, path in export_model(model, folder, name=name, licence=licence).items():
        typer.echo(f"{kind}: {path}")


@commands.command("remove")
def remove(name: _Id) -> None:
    """Delete an encoder's weights, or a model that you imported, from this computer."""
    from napari_construct.encoders.catalogue import find_entry
    from napari_construct.encoders.folders import models_folder
    from napari_construct.encoders.overview import size_text
    from napari_construct.encoders.store import remove as remove_weights

    path = models_folder() / f"{name}.construct"
    if path.is_file():
        size = path.stat().st_size
        path.unlink()
    else:
        size = remove_weights(find_entry(name))
    typer.echo(f"{name}: removed, {size_text(size)} freed")


@commands.command("doctor")
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Ask the hub whether it answers.")] = False,
    json_file: options.JsonFile = None,
) -> None:
    """Print one screen to paste into a question; it names no token."""
    from napari_construct.inference.diagnostics import as_text, diagnose

    check_json(json_file)
    report = diagnose(online=online)
    write_json(json_file, report)
    if json_file != STDOUT:
        typer.echo(as_text(report))


def _trained() -> dict[str, Path]:
    """Models on this computer: bundled and imported."""
    from napari_construct.models.checkpoint import bundled_models, imported_models

    return imported_models() | bundled_models()


def _print_table(rows: tuple[EncoderStatus, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from napari_construct.encoders.overview import size_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("encoder", "role", "state", "size", "text", "licence"):
        table.add_column(title, no_wrap=title != "licence", overflow="fold")
    for row in rows:
        entry = row.entry
        text = "yes" if entry.text else "no"
        table.add_row(entry.id, entry.role, row.state, size_text(row.size), text, entry.licence)
    Console(file=sys.stdout, highlight=False, markup=False).print(table)


def _encoder_facts(name: str) -> dict[str, Any]:
    from napari_construct.encoders.catalogue import find_entry, how_to_get
    from napari_construct.encoders.overview import size_text, status_of

    status = status_of(find_entry(name))
    facts = status.as_dict()
    facts["size"] = size_text(status.size)
    facts["files"] = [file.name for file in status.entry.files]
    facts["mpp"] = facts["mpp"] or "unknown"
    if status.state in ("available", "gated") and status.entry.files:
        facts["how to get it"] = how_to_get(status.entry)
    return facts


def _model_facts(name: str) -> dict[str, Any]:
    from napari_construct.models.archive import file_hash
    from napari_construct.models.checkpoint import load_checkpoint

    path = _trained().get(name, Path(name))
    checkpoint = load_checkpoint(path)
    return {
        "model": path.stem,
        "file": str(path),
        "sha256": file_hash(path),
        "classes": list(checkpoint.classes.names),
        "preset": checkpoint.config.preset,
        "encoder": checkpoint.config.encoder,
        "encoder sha256": checkpoint.encoder_hash,
        "encoder weights inside": checkpoint.encoder_state is not None,
        "mpp": checkpoint.mpp,
        "metrics": dict(checkpoint.metrics),
        "versions": dict(checkpoint.versions),
    }


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def _import_released(
    source: Path, name: str | None, classes: str | None, mpp: float, encoder_weights: Path | None
) -> Path:
    from napari_construct.encoders.catalogue import create_encoder
    from napari_construct.encoders.folders import models_folder
    from napari_construct.models.authors_checkpoint import import_authors_checkpoint
    from napari_construct.models.checkpoint import save_checkpoint
    from napari_construct.models.prompts import parse_classes

    checkpoint, notices = import_authors_checkpoint(
        source,
        classes=None if classes is None else parse_classes(classes),
        encoder=None if encoder_weights is None else create_encoder("conch", weights=encoder_weights),
        mpp=mpp,
    )
    for notice in notices:
        typer.echo(f"note: {notice}", err=True)
    return save_checkpoint(models_folder() / f"{name or source.stem}.construct", checkpoint)


def _through_the_gate(entry: EncoderEntry, mirror: str | None, *, accept: bool) -> None:
    """Licence, token and access, in this order; an error names the first that is missing."""
    from napari_construct.encoders.hub import check_access
    from napari_construct.exceptions import EncoderError

    typer.echo(
        f"{entry.id} is gated: ask for access at {entry.source}\nreference: {entry.citation}", err=True
    )
    if not accept:
        if not sys.stdin.isatty():
            raise EncoderError(
                f"{entry.id}: expected your agreement to its licence, got no terminal to ask at; read "
                f"{entry.source}, then add --accept-licence"
            )
        if not typer.confirm("Do you agree to this licence?", err=True):
            raise typer.Exit(1)
    refused = check_access(entry, mirror) if mirror is None or "://" in mirror else None
    if refused is not None:
        raise EncoderError(refused)


def _with_bar(steps: Any) -> Any:
    """Drive a download with a bar of bytes; a cancel keeps what came."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from napari_construct.events import Event, Notice, run

    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def show(event: Event) -> None:
            if isinstance(event, Notice):
                console.print(f"note: {event.message}", markup=False, highlight=False, soft_wrap=True)
                return
            if event.message not in bars:
                bars[event.message] = progress.add_task(event.message, total=event.total)
            progress.update(bars[event.message], completed=event.done)

        try:
            return run(steps, show)
        finally:
            steps.close()
