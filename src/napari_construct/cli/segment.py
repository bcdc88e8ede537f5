"""``napari-construct segment``: write masks, CAMs, overlays and records of image files."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _cluster as several
from napari_construct.cli import _options as options
from napari_construct.cli import _segment_outputs as wanted
from napari_construct.cli import _zero_shot as untrained
from napari_construct.cli._each_image import checked_images, each_image
from napari_construct.cli._result_names import stem_of
from napari_construct.data.format_names import INPUT_FORMATS
from napari_construct.events.progress import Bars
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.names import is_shortened

if TYPE_CHECKING:
    from napari_construct.cluster.cluster import Cluster
    from napari_construct.data.slides.slide import Slide
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.settings import SegmentSettings


def segment(
    images: Annotated[
        list[Path],
        typer.Argument(help=f"Images: {INPUT_FORMATS}."),
    ],
    model: options.Model = DEFAULT_MODEL,
    output: options.Output = options.HERE,
    overwrite: options.Overwrite = False,
    region: options.Region = None,
    regions: wanted.Regions = None,
    outputs: wanted.SegmentOutputs = None,
    whole_slide: wanted.WholeSlide = False,
    settings_json: options.SettingsJson = None,
    classes: options.Classes = None,
    views: options.Views = None,
    crf: options.CrfOfModel = None,
    tile: options.Tile = None,
    overlap: options.Overlap = None,
    mpp: options.Mpp = None,
    channel: options.Channel = None,
    min_confidence: options.MinConfidence = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    zero_shot: untrained.ZeroShot = None,
    attention: untrained.Attention = None,
    template: untrained.Template = None,
    prompt_ensemble: untrained.PromptEnsemble = None,
    examples: untrained.Examples = None,
    first_class: options.FirstClass = None,
    ood_map: options.OodMap = False,
    boundary_map: options.BoundaryMap = False,
    workers: several.WorkerCount = None,
    scheduler: several.Scheduler = None,
    json_file: options.JsonFile = None,
) -> None:
    """Segment image files.

    Writes for each image NAME.png: NAME_mask.tif (0 unlabelled, 1 first class, ...), NAME_cams.ome.tif,
    NAME_overlay.png and NAME.json. Of a whole slide (more than 100 megapixels, or with --whole-slide) the
    mask is a pyramid at the model's resolution, NAME_mask.ome.zarr, with a table, NAME_areas.csv; a stopped
    run goes on where it was.
    A student on one channel
    (distill) writes NAME_cells.tif, a number for each cell, and NAME_cells.csv in the place of the overlay.
    A broken file is reported and does not stop the others; the exit code is then 1.
    """
    from napari_construct.cli._cells import refuse_channel, refuse_options, segment_cell_files
    from napari_construct.data.slides.large import large_slide
    from napari_construct.data.slides.slide import open_slide
    from napari_construct.inference.cells.loading import is_cell_model
    from napari_construct.inference.decision.decider import named_classes
    from napari_construct.inference.loading import load_model
    from napari_construct.models.checkpoints.checkpoint import check_has_guard

    if not zero_shot and is_cell_model(model):
        refuse_options(
            model,
            options.given(
                classes=classes,
                views=views,
                crf=crf,
                region=region,
                regions=regions,
                outputs=outputs,
                whole_slide=whole_slide or None,
                min_confidence=min_confidence,
                encoder_weights=encoder_weights,
                first_class=first_class,
                ood_map=ood_map or None,
                workers=workers,
                scheduler=scheduler,
            ),
        )
        typed = {"tile": tile, "overlap": overlap, "mpp": mpp, "channel": channel}
        segment_cell_files(
            images,
            model,
            output,
            typed,
            settings_json,
            device,
            json_file,
            overwrite=overwrite,
            boundary_map=boundary_map,
        )
        return
    refuse_channel(model, channel, boundary_map=boundary_map)
    settings, device = options.segment_settings(
        settings_json,
        device,
        classes=None if zero_shot else classes,
        views=views,
        crf=crf,
        tile=tile,
        overlap=overlap,
        mpp=mpp,
        min_confidence=min_confidence,
    )
    part = options.parse_region(region)
    kinds = wanted.segment_outputs(outputs, ood_map=ood_map, regions=regions is not None)
    ood_map = "ood" in kinds["image"]
    wanted.refuse_part_of_whole_slide(whole_slide=whole_slide, part=part is not None)
    wanted.refuse_more_than_one_image(regions, len(images), part=part is not None)
    images, about_results = checked_images(
        images,
        output,
        kinds["slide" if whole_slide else "image"],
        json_file,
        model,
        encoder_weights,
        regions,
        overwrite=overwrite,
        whole_slide=whole_slide,
    )
    if zero_shot:
        chosen = untrained.zero_shot_settings(zero_shot, classes, attention, template, prompt_ensemble)
        predictor = untrained.zero_shot_predictor(
            chosen,
            examples,
            first_class=options.first_class_of(first_class),
            mpp=settings.mpp,
            device=device,
            encoder_weights=encoder_weights,
        )
    else:
        predictor = load_model(model, device=device, encoder_weights=encoder_weights, any_encoder=any_encoder)
    settings = options.with_classes(settings, None if zero_shot else classes, predictor.classes.names)
    named_classes(settings.classes, predictor.classes)
    if ood_map:
        check_has_guard(predictor.checkpoint)

    with several.cluster_of(workers, scheduler) as cluster:

        def one(path: Path, bars: Bars) -> dict[str, Any]:
            slide = open_slide(path) if whole_slide else large_slide(path)
            if slide is not None and part is None:
                with slide:
                    return _whole_slide(
                        slide, output, predictor, settings, bars, regions, overwrite, kinds["slide"], cluster
                    )
            if cluster is not None:
                bars.say(f"note: {path}: {wanted.ALONE}")
            with nullcontext() if slide is None else slide:
                return _image(
                    path, slide, output, predictor, settings, part, regions, bars, overwrite, kinds["image"]
                )

        each_image(images, about_results, one, _in_words, output, json_file)


def _image(
    path: Path,
    slide: Slide | None,
    output: Path,
    predictor: Predictor,
    settings: SegmentSettings,
    part: tuple[slice, slice] | None,
    regions: Path | None,
    bars: Bars,
    overwrite: bool,
    kinds: tuple[str, ...],
) -> dict[str, Any]:
    """An image, or a part of a slide, in memory."""
    from napari_construct.data.images import read_image
    from napari_construct.data.region_set import Window
    from napari_construct.inference.segment import segment_steps
    from napari_construct.inference.slides.part import slide_image
    from napari_construct.results.files import write_result

    wanted.refuse_outputs_of_slides(kinds, path)
    if slide is None or part is None:
        image = read_image(path, region=part)
    else:
        image = slide_image(slide, predictor, part, settings.mpp)
        settings = settings.changed(mpp=None)
    if is_shortened(path.name):
        bars.say(
            f"note: {path}: the name is so long that those of the results are shortened to {stem_of(path)}"
        )
    pixels, valid = image.pixels, image.valid
    areas = wanted.regions_of_image(regions, pixels.shape[:2], path.name)
    notices = (*image.notices, *(() if areas is None else areas.notices))
    for notice in notices:
        bars.say(f"note: {notice}")
    if areas is not None:
        inside = areas.mask(Window(0, 0, *pixels.shape[:2]))
        valid = inside if valid is None else valid & inside
    steps = segment_steps(pixels, predictor, settings, mpp=image.mpp, name=path.name, valid=valid)
    result = bars.follow(steps, path.name)
    files = write_result(
        output,
        stem_of(path),
        pixels,
        result,
        notices,
        kinds,
        regions=areas,
        overwrite=overwrite,
    )
    return {
        "image": str(path),
        "files": {kind: str(file) for kind, file in files.items()},
        "areas": result.areas(),
        "presence": result.record["presence"],
        "out_of_distribution": result.record.get("out_of_distribution"),
        "mean_confidence": float(result.confidence[... if valid is None else valid].mean()),
        "erased_regions": 0 if result.refinement is None else len(result.refinement.erased),
    }


def _whole_slide(
    slide: Slide,
    output: Path,
    predictor: Predictor,
    settings: SegmentSettings,
    bars: Bars,
    regions: Path | None,
    overwrite: bool,
    outputs: tuple[str, ...],
    cluster: Cluster | None,
) -> dict[str, Any]:
    """A slide out of core."""
    from napari_construct.batch.slides import make_room
    from napari_construct.inference.slides.outputs import slide_paths
    from napari_construct.inference.slides.segment import segment_slide_steps

    if overwrite:
        make_room(slide_paths(output, stem_of(slide.path), outputs).values())
    steps = segment_slide_steps(
        slide,
        predictor,
        settings,
        folder=output,
        stem=stem_of(slide.path),
        outputs=outputs,
        regions=regions,
        workers=cluster,
    )
    result = bars.follow(steps, slide.name)
    return {
        "image": str(slide.path),
        "files": {kind: str(path) for kind, path in result.files.items()},
        "areas": list(result.areas),
        "presence": result.record["presence"],
        "out_of_distribution": result.record.get("out_of_distribution"),
    }


def _in_words(item: dict[str, Any]) -> str:
    shares = ", ".join(f"{row['class']} {row['percent_of_tissue']:.1f} %" for row in item["areas"])
    lost = item.get("erased_regions")
    erased = f"; the CRF erased {lost} region(s), see the record" if lost else ""
    unlike = (item["out_of_distribution"] or {}).get("flagged")
    doubt = " (out of distribution: do not rely on it)" if unlike else ""
    return f"{shares}{erased}{doubt}"
