"""``napari-construct models download`` and ``import``: weights and models onto this computer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, write_json

if TYPE_CHECKING:
    from napari_construct.encoders.entries import EncoderEntry
    from napari_construct.events import Steps

Result = TypeVar("Result")


def download(
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of an encoder, see 'models list'.")],
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", help="Folder with the files, or address of a server that answers as the hub does."
        ),
    ] = None,
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
    from napari_construct.encoders.catalogue.download import DownloadSettings, fetch_steps
    from napari_construct.encoders.catalogue.lookup import find_entry
    from napari_construct.encoders.catalogue.overview import status_of

    check_json(json_file)
    entry = find_entry(name)
    typer.echo(f"{entry.id}: licence {entry.licence}. {entry.licence_terms}", err=True)
    if status_of(entry).state == "gated" and not accept:
        _ask(entry)
    settings = DownloadSettings(name=entry.id, mirror=mirror, again=again, accepted=True)
    found = _with_bar(fetch_steps(settings))
    write_json(json_file, {"id": entry.id, "files": {k: str(v) for k, v in found.files.items()}})
    if json_file != STDOUT:
        typer.echo(f"{entry.id}: ready in {found.weights.parent}")


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
    from napari_construct.models.library.importing import Import, import_steps

    wanted = Import(source, encoder, name, classes, mpp, encoder_weights, file)
    path = _with_bar(import_steps(wanted))
    typer.echo(f"{encoder or path.stem}: {path}")


def _ask(entry: EncoderEntry) -> None:
    """Show where to ask for access, and ask for the user's agreement to the licence."""
    from napari_construct.exceptions import EncoderError

    typer.echo(
        f"{entry.id} is gated: ask for access at {entry.source}\nreference: {entry.citation}", err=True
    )
    if not sys.stdin.isatty():
        raise EncoderError(
            f"{entry.id}: expected your agreement to its licence, got no terminal to ask at; read "
            f"{entry.source}, then add --accept-licence"
        )
    if not typer.confirm("Do you agree to this licence?", err=True):
        raise typer.Exit(1)


def _with_bar(steps: Steps[Result]) -> Result:
    """Drive a job with a bar of bytes; a cancelled download keeps what came."""
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

        return run(steps, show)
