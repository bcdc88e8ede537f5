"""``napari-construct prototypes``: list, map and add prototypes, and find their top patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_folder, check_json, say, write_json
from napari_construct.cli._prototypes_add import add
from napari_construct.events.progress import progress_bars
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.names import found_as, result_stem

if TYPE_CHECKING:
    from napari_construct.inference.prototypes.settings import PrototypeSettings

commands = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prototypes of a model: list, map, top, add.",
)

_Prototype = Annotated[
    str | None,
    typer.Option("--prototype", "-p", help='Name, for example "tumour 2"; default: the first prototype.'),
]


@commands.command("list")
def list_prototypes(
    model: Annotated[str, typer.Argument(help="Model name, or path of a .construct file.")] = (DEFAULT_MODEL),
    json_file: options.JsonFile = None,
) -> None:
    """List the prototypes of a model by class."""
    from napari_construct.inference.prototypes.names import prototypes_of
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint
    from napari_construct.models.checkpoints.locations import resolve_model

    check_json(json_file)
    found = prototypes_of(load_checkpoint(resolve_model(model)))
    write_json(
        json_file,
        {"prototypes": [{"name": p.name, "class": p.tissue, "origin": p.origin} for p in found]},
    )
    if json_file != STDOUT:
        width = max(len(p.name) for p in found)
        for p in found:
            say(f"{p.name:<{width}}  {p.origin}")


@commands.command("map")
def map_(
    image: Annotated[Path, typer.Argument(help="Image file.")],
    model: options.Model = DEFAULT_MODEL,
    output: options.Output = options.HERE,
    region: options.Region = None,
    tile: options.Tile = None,
    overlap: options.Overlap = None,
    mpp: options.Mpp = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    json_file: options.JsonFile = None,
) -> None:
    """Map the similarity of an image to every prototype.

    Writes NAME_similarity.ome.tif (cosine similarity, one channel per prototype), NAME_deciding.tif (number
    of the nearest prototype, from 1) and NAME_prototypes.json.
    """
    from napari_construct.data.images import read_image
    from napari_construct.data.slides.large import large_slide
    from napari_construct.export.own_files import refuse_others
    from napari_construct.export.record import write_record
    from napari_construct.export.reports import marked, refuse_inputs, refuse_other_reports
    from napari_construct.export.tiff import write_cams, write_mask
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.prototypes.names import prototype_table
    from napari_construct.inference.prototypes.similarity_maps import prototype_steps
    from napari_construct.inference.slides.part import slide_image

    settings = _settings(tile=tile, overlap=overlap, mpp=mpp)
    image = found_as(str(image))
    part = options.parse_region(region)
    check_folder(output)
    check_json(json_file, image, model, encoder_weights)
    stem = output / result_stem(image.name)
    similarity, nearest = Path(f"{stem}_similarity.ome.tif"), Path(f"{stem}_deciding.tif")
    about = Path(f"{stem}_prototypes.json")
    refuse_inputs([similarity, nearest, about], [image])
    refuse_others([similarity, nearest])
    refuse_other_reports([about])
    predictor = load_model(
        model, device=device or "auto", encoder_weights=encoder_weights, any_encoder=any_encoder
    )
    if part is None or (slide := large_slide(image)) is None:
        file = read_image(image, region=part)
    else:
        with slide:
            file, settings = slide_image(slide, predictor, part, settings)
    pixels = file.pixels
    with progress_bars() as bars:
        steps = prototype_steps(pixels, predictor, settings, mpp=file.mpp, name=image.name)
        maps = bars.follow(steps, image.name)
    table = prototype_table(maps.prototypes, maps.classes)
    deciding = maps.deciding()
    write_cams(similarity, maps.everything(), table, maps.mpp)
    write_mask(nearest, deciding, table, maps.mpp)
    share = {p.name: float((deciding == p.index + 1).mean()) for p in maps.prototypes}
    record = {**maps.record, "decides": share}
    write_record(about, marked(record))
    write_json(json_file, record)
    if json_file != STDOUT:
        for name, part_won in share.items():
            say(f"{name}: nearest prototype in {100 * part_won:.1f} % of the pixels")


@commands.command("top")
def top(
    inputs: Annotated[list[Path], typer.Argument(help="Image files, TIFF stacks, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the gallery.")],
    model: options.Model = DEFAULT_MODEL,
    prototype: _Prototype = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=200, help="Number of patches; default 12.")
    ] = None,
    per_image: Annotated[
        int | None,
        typer.Option("--per-image", min=1, max=200, help="Maximum number of patches per image; default 3."),
    ] = None,
    tile: options.Tile = None,
    overlap: options.Overlap = None,
    mpp: options.Mpp = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
) -> None:
    """Collect the patches that are most similar to a prototype.

    Writes top.png (a page with all patches), top_01.png ... and top.json (positions). A broken image is
    named and does not stop the others; the exit code is then 1.
    """
    from napari_construct.batch.sources import announced, look_for_sources
    from napari_construct.export.overlay import write_picture
    from napari_construct.export.own_files import refuse_others
    from napari_construct.export.record import write_record
    from napari_construct.export.reports import is_own_report, marked, refuse_inputs, refuse_other_reports
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.prototypes.top_patches import gallery, top_patches_steps

    settings = _settings(
        prototype=prototype,
        count=count,
        per_image=per_image,
        tile=tile,
        overlap=overlap,
        mpp=mpp,
    )
    check_folder(output)
    most = settings.count
    pages = [output / name for name in ("top.png", *(f"top_{i:02d}.png" for i in range(1, most + 1)))]
    refuse_inputs([*pages, output / "top.json"], inputs)
    refuse_other_reports([output / "top.json"])
    if not is_own_report(output / "top.json"):  # earlier versions did not mark their pages
        refuse_others(pages)
    images = look_for_sources(inputs, output=output)
    predictor = load_model(
        model, device=device or "auto", encoder_weights=encoder_weights, any_encoder=any_encoder
    )
    with progress_bars() as bars:
        steps = top_patches_steps(images.sources, predictor, settings)
        found = bars.follow(announced(images.notices, steps))
    pictures = {f"top_{i:02d}.png": patch.pixels for i, patch in enumerate(found.patches, start=1)}
    if found.patches:
        pictures["top.png"] = gallery(found.patches)
    for name, pixels in pictures.items():
        write_picture(output / name, pixels)
    rows = [patch.as_dict() for patch in found.patches]
    write_record(
        output / "top.json",
        marked({"prototype": found.prototype.name, "patches": rows, "failed": dict(found.failed)}),
    )
    say(f"{len(rows)} patches most similar to {found.prototype.name} in {output}")
    if found.failed:
        raise typer.Exit(1)


commands.command("add")(add)


def _settings(**typed: Any) -> PrototypeSettings:
    from napari_construct.cli._merged import merged
    from napari_construct.inference.prototypes.settings import PrototypeSettings

    return merged(PrototypeSettings(), options.given(**typed))
