"""``napari-construct models download`` and ``import``: get weights and models."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, say, write_json
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.encoders.entries import EncoderEntry
    from napari_construct.events import Steps

Result = TypeVar("Result")


def download(
    name: Annotated[str, typer.Argument(metavar="ID", help="Encoder id, see 'models list'.")],
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="Folder with the files, or URL of a server with the hub's interface."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to a gated licence without being asked.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Download again, even if the files exist.")] = False,
    json_file: options.JsonFile = None,
) -> None:
    """Download the weights of an encoder.

    An interrupted download resumes. For gated weights, the command shows the licence and checks your access
    before it downloads.
    """
    from napari_construct.encoders.catalogue.download import DownloadSettings, fetch_steps
    from napari_construct.encoders.catalogue.lookup import find_entry
    from napari_construct.encoders.catalogue.overview import status_of

    check_json(json_file)
    entry = find_entry(name)
    say(f"{entry.id}: licence {entry.licence}. {entry.licence_terms}", err=True)
    if status_of(entry).state == "gated" and not accept:
        _ask(entry)
    settings = DownloadSettings.checked(name=entry.id, mirror=mirror, again=again, accepted=True)
    found = _with_bar(fetch_steps(settings))
    write_json(json_file, {"id": entry.id, "files": {k: str(v) for k, v in found.files.items()}})
    if json_file != STDOUT:
        say(f"{entry.id}: ready in {found.weights.parent}")


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="model.construct, best_cam.pth, a weights file, or hf-hub:OWNER/NAME."
        ),
    ],
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="The file contains weights of this encoder.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name for the imported model.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", help="Classes of best_cam.pth, in training order; default TUM,STR,LYM,NEC."
        ),
    ] = None,
    mpp: Annotated[
        float,
        options.mpp_option("Micrometres per pixel in the training of best_cam.pth."),
    ] = 0.25,
    encoder_weights: options.EncoderWeights = None,
    file: Annotated[
        str | None, typer.Option("--file", help="File name, if the hub repository has several models.")
    ] = None,
    overwrite: options.OverwriteModel = False,
) -> None:
    """Import a model or weights. Use the model by name afterwards.

    The file is checked, and no code in it is run. From best_cam.pth of the released code, only the trained
    weights are kept. A model from a hub may have up to 2 GiB.
    """
    from napari_construct.models.library.importing import Import, import_steps

    wanted = Import(source, encoder, name, classes, mpp, encoder_weights, file, overwrite)
    path = _with_bar(import_steps(wanted))
    say(f"{encoder or path.stem}: {path}")


def _ask(entry: EncoderEntry) -> None:
    """Show where to request access, and ask the user to agree to the licence."""
    from napari_construct.exceptions import EncoderError

    say(f"{entry.id} is gated: request access at {entry.source}\nreference: {entry.citation}", err=True)
    if not sys.stdin.isatty():
        raise EncoderError(
            f"{entry.id}: expected your agreement to the licence, got no terminal to ask for it; read "
            f"{entry.source}, then add --accept-licence"
        )
    if not typer.confirm("Do you agree to this licence?", err=True):
        raise typer.Exit(1)


def _with_bar(steps: Steps[Result]) -> Result:
    """Run a job with a progress bar in bytes; a cancelled download keeps its data."""
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
                console.print(shown(f"note: {event.message}"), markup=False, highlight=False, soft_wrap=True)
                return
            if event.message not in bars:
                bars[event.message] = progress.add_task(shown(event.message), total=event.total)
            progress.update(bars[event.message], completed=event.done)

        return run(steps, show)
