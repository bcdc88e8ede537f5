"""The command ``napari-construct``: one file per command.

Exit codes: 0 success; 1 some items failed, or the job stopped on an internal error; 2 wrong usage or input,
nothing was done; 130 cancelled with Ctrl-C. Results go to standard output, progress and messages to
standard error. Modules here import torch and other slow packages inside functions, for a fast ``--help``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from napari_construct.cli import (
    agree,
    areas,
    batch,
    calibrate,
    demo,
    distill,
    evaluate,
    label,
    models,
    next_regions,
    polygons,
    prototypes,
    retrain,
    second_stage,
    segment,
    teach,
    train,
    viewer,
)
from napari_construct.cli._errors import OneLineErrors

__all__ = ["app"]

app = typer.Typer(
    name="napari-construct",
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help does not load rich
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Segment H&E images with models trained from image-level labels.",
    epilog="Exit codes: 0 success, 1 some items failed, 2 wrong usage or input, 130 cancelled.",
)


def _version(wanted: bool) -> bool:
    if wanted:
        from napari_construct import __version__

        typer.echo(f"napari-construct {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
) -> None:
    pass


app.command("segment")(segment.segment)
app.command("batch")(batch.batch)
app.command("train")(train.train)
app.command("second-stage")(second_stage.second_stage)
app.command("retrain")(retrain.retrain)
app.command("teach")(teach.teach)
app.command("distill")(distill.distill)
app.command("calibrate")(calibrate.calibrate)
app.command("evaluate")(evaluate.evaluate)
app.command("agree")(agree.agree)
app.command("areas")(areas.areas)
app.command("polygons")(polygons.polygons)
app.add_typer(prototypes.commands, name="prototypes")
app.add_typer(label.commands, name="label")
app.command("next")(next_regions.next_regions)
app.add_typer(models.commands, name="models")
app.command("demo")(demo.demo)
app.command("app")(viewer.app)
