"""``napari-construct segment``: write masks, CAMs, overlays and records of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _options as options
from napari_construct.cli import _zero_shot as untrained
from napari_construct.cli._each_image import checked_images, each_image
from napari_construct.cli._result_names import stem_of
from napari_construct.data.format_names import INPUT_FORMATS
from napari_construct.events.progress import Bars
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.names import is_shortened

if TYPE_CHECKING:
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
    json_file: options.JsonFile = None,
) -> None:
    """Segment image files.

    Writes for each image NAME.png: NAME_mask.tif (0 unlabelled, 1 first class, ...), NAME_cams.ome.tif,
    NAME_overlay.png and NAME.json. Of a whole slide (more than 100 megapixels) the mask is a pyramid at the
    model's resolution, NAME_mask.ome.zarr; a stopped run goes on where it was. A student on one channel
    (distill) writes NAME_cells.tif, a number for each cell, and NAME_cells.csv in the place of the overlay.
    A broken file is reported and does not stop the others; the exit code is then 1.
    """
    from napari_construct.cli._cells import refuse_channel, refuse_options, segment_cell_files
    from napari_construct.inference.cells.loading import is_cell_model
    from napari_construct.inference.decision.decider import named_classes
    from napari_construct.inference.loading import load_model
    from napari_construct.models.checkpoints.checkpoint import check_has_guard
    from napari_construct.results.files import KINDS

    if not zero_shot and is_cell_model(model):
        refuse_options(
            model,
            options.given(
                classes=classes,
                views=views,
                crf=crf,
                region=region,
                min_confidence=min_confidence,
                encoder_weights=encoder_weights,
                first_class=first_class,
                ood_map=ood_map or None,
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
    kinds = (*KINDS, "ood") if ood_map else KINDS
    images, about_results = checked_images(
        images, output, kinds, json_file, model, encoder_weights, overwrite=overwrite
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

    def one(path: Path, bars: Bars) -> dict[str, Any]:
        return _one(path, output, predictor, settings, part, bars, overwrite, kinds)

    each_image(images, about_results, one, _in_words, output, json_file)


def _one(
    path: Path,
    output: Path,
    predictor: Predictor,
    settings: SegmentSettings,
    part: tuple[slice, slice] | None,
    bars: Bars,
    overwrite: bool,
    kinds: Sequence[str],
) -> dict[str, Any]:
    from napari_construct.data.images import read_image
    from napari_construct.data.slides.large import large_slide
    from napari_construct.inference.segment import segment_steps
    from napari_construct.inference.slides.part import slide_image
    from napari_construct.results.files import write_result

    if (slide := large_slide(path)) is None:
        image = read_image(path, region=part)
    else:
        with slide:
            if part is None:
                return _whole_slide(slide, output, predictor, settings, bars)
            image, settings = slide_image(slide, predictor, part, settings)
    if is_shortened(path.name):
        bars.say(
            f"note: {path}: the name is so long that those of the results are shortened to {stem_of(path)}"
        )
    pixels, valid = image.pixels, image.valid
    for notice in image.notices:
        bars.say(f"note: {notice}")
    steps = segment_steps(pixels, predictor, settings, mpp=image.mpp, name=path.name, valid=valid)
    result = bars.follow(steps, path.name)
    files = write_result(output, stem_of(path), pixels, result, image.notices, kinds, overwrite=overwrite)
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
    slide: Slide, output: Path, predictor: Predictor, settings: SegmentSettings, bars: Bars
) -> dict[str, Any]:
    from napari_construct.inference.slides.segment import segment_slide_steps

    steps = segment_slide_steps(slide, predictor, settings, folder=output, stem=stem_of(slide.path))
    result = bars.follow(steps, slide.name)
    return {
        "image": str(slide.path),
        "files": {kind: str(output / name) for kind, name in result.record["files"].items()},
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
