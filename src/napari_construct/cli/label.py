"""``napari-construct label``: cut patches to be labelled, take over labels of a table, see how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_folder, check_json, say, write_json
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.labelling.session import LabelSession

commands = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Patches of your own tissue, to be labelled in napari (Label patches) or in a table: cut, merge, "
    "status.",
)

_Folder = Annotated[Path, typer.Argument(help="Folder that patches were cut into.", show_default=False)]


@commands.command("cut")
def cut(
    sources: Annotated[
        list[Path], typer.Argument(help="Images, slides, or folders of them.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="New or empty folder for the patches.")],
    classes: Annotated[
        list[str],
        typer.Option(
            "--classes",
            help="Classes to label: names a,b,c; or a class table, a CSV or JSON file. Quote a name that "
            "holds a comma.",
        ),
    ],
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=10_000, help="Number of patches; default 100.")
    ] = None,
    side: Annotated[
        int | None,
        typer.Option("--side", min=32, max=2048, help="Side of a patch in pixels; default 224."),
    ] = None,
    side_um: Annotated[
        float | None,
        typer.Option(
            "--side-um", parser=options.decimal, metavar="FLOAT", help="Side in micrometres instead."
        ),
    ] = None,
    patch_mpp: Annotated[
        float | None,
        typer.Option(
            "--patch-mpp",
            parser=options.decimal,
            metavar="FLOAT",
            help="Micrometres per pixel of the patches; default 0.5.",
        ),
    ] = None,
    mpp: options.Mpp = None,
    whole: Annotated[
        bool | None,
        typer.Option("--whole/--cut", help="Take every image as one patch, as it is. Default: cut them."),
    ] = None,
    choice: Annotated[
        Literal["spread", "random"] | None,
        typer.Option(
            "--choice",
            help="spread: patches that differ in stain and texture (default). random: drawn.",
        ),
    ] = None,
    min_tissue: Annotated[
        float | None,
        typer.Option(
            "--min-tissue", min=0, max=1, help="Share of a patch that is tissue, at least; default 0.7."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the draws; default 0.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Model whose guesses the patches can be ordered by: name, or path of a .construct file.",
        ),
    ] = None,
    settings_json: options.SettingsJson = None,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Cut patches of images and slides, only of tissue, chosen so that they differ.

    Writes patches as PNG and labels.csv with a row for each: slide and place, and a column for every class,
    empty until the patch is labelled. Label them in napari (Label patches), or type 0 and 1 into the table;
    train reads the folder.
    """
    from napari_construct.cli._merged import merged
    from napari_construct.labelling.cut import check_free, cut_steps, forget_unfinished
    from napari_construct.labelling.description import check_classes, read_description
    from napari_construct.labelling.settings import CutSettings

    typed = options.given(
        count=count,
        side=side,
        side_um=side_um,
        mpp=patch_mpp,
        image_mpp=mpp,
        whole=whole,
        choice=choice,
        min_tissue=min_tissue,
        seed=seed,
    )
    settings = merged(CutSettings(), typed, settings_json)
    table = options.class_table(classes)
    check_classes(table)
    check_free(output)
    check_folder(output)
    check_json(json_file, *sources)
    try:
        with progress_bars() as bars:
            bars.follow(cut_steps(sources, output, table, settings, model=model, device=device or "auto"))
    except BaseException:
        forget_unfinished(output)
        raise
    patches = read_description(output).patches
    groups = len({patch.group for patch in patches})
    write_json(
        json_file, {"folder": str(output), "patches": [patch.model_dump(mode="json") for patch in patches]}
    )
    if json_file != STDOUT:
        say(f"{len(patches)} patches of {groups} image(s) in {output}; label them in napari: Label patches")


@commands.command("merge")
def merge(
    folder: _Folder,
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV with the column path (of patches, or of their images) and one 0/1 column per class.",
            show_default=False,
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also change patches that are labelled already.")
    ] = False,
    json_file: options.JsonFile = None,
) -> None:
    """Take over image-level labels of a table.

    A row of a patch labels it. A row of an image without any class says that none of its patches shows one.
    """
    from napari_construct.labelling.merge import merge_labels
    from napari_construct.labelling.session import LabelSession
    from napari_construct.reading.names import named

    check_json(json_file, table)
    with LabelSession(folder) as session:
        made = merge_labels(session, table, overwrite=replace)
        if made.unused:
            what = "row(s) of the table say nothing of any patch"
            say(f"note: {len(made.unused)} {what} ({named(made.unused)})", err=True)
        _report(session, json_file, {"changed": made.changed, "unused": list(made.unused)})


@commands.command("status")
def status(folder: _Folder, json_file: options.JsonFile = None) -> None:
    """How many patches of a folder are labelled, by class."""
    from napari_construct.labelling.session import LabelSession

    check_json(json_file)
    with LabelSession(folder) as session:
        _report(session, json_file, {})


def _report(session: LabelSession, json_file: str | None, more: dict[str, object]) -> None:
    progress = session.progress()
    write_json(
        json_file,
        {
            **more,
            "folder": str(session.folder),
            "patches": progress.total,
            "labelled": progress.labelled,
            "none": progress.none,
            "classes": dict(progress.counts),
        },
    )
    if json_file != STDOUT:
        changed = f"{more['changed']} patch(es) got labels. " if "changed" in more else ""
        say(f"{changed}{progress}")
