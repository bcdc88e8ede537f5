"""``napari-construct models export``: a model for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    from napari_construct.models.library.sharing import export_model, push_model

    if push is not None:
        typer.echo(push_model(model, push, private=not public, licence=licence))
        return
    for kind, path in export_model(model, folder, name=name, licence=licence).items():
        typer.echo(f"{kind}: {path}")
