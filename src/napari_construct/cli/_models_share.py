"""``napari-construct models export``: share a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import say


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, or path of a .construct file.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the model and its model card.")
    ] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="Name for the exported model.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of the model, for the model card.")
    ] = "unknown",
    push: Annotated[
        str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload to this hub repository.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public/--private", help="Visibility of a new hub repository.")
    ] = False,
    overwrite: options.OverwriteModel = False,
) -> None:
    """Write a model and its model card, or upload both. Gated encoder weights are never included.

    Models on CONCH: its authors count models trained on its outputs as derivatives. Read their terms before
    you share such a model.
    """
    from napari_construct.models.library.sharing import export_model, push_model

    if push is not None:
        say(push_model(model, push, private=not public, licence=licence))
        return
    for kind, path in export_model(model, folder, name=name, licence=licence, overwrite=overwrite).items():
        say(f"{kind}: {path}")
