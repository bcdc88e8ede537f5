"""``napari-construct prototypes add``: add a prototype to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import check_model, say, write_model
from napari_construct.events.progress import progress_bars
from napari_construct.models.default_model import DEFAULT_MODEL


def add(
    output: Annotated[Path, typer.Option("--output", "-o", help="Changed model to write, FILE.construct.")],
    tissue: Annotated[str, typer.Option("--class", help="Class of the new prototype.")],
    model: options.Model = DEFAULT_MODEL,
    text: Annotated[
        str | None,
        typer.Option("--text", help="Text for the prototype; needs a text encoder. Separate several by |."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="Image with a region for the prototype.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Mask image of the same size that marks the region.")
    ] = None,
    value: Annotated[
        int | None,
        typer.Option("--value", help="Value of the region in the mask; default: all values except 0."),
    ] = None,
    mpp: options.Mpp = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    overwrite: options.OverwriteModel = False,
) -> None:
    """Add a prototype to a class, from text or from a marked region. Nothing is trained.

    Trained prototypes and the calibration do not change.
    """
    from napari_construct.cli._merged import merged
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.prototypes.place import place_region_steps, place_text
    from napari_construct.inference.prototypes.settings import PrototypeSettings
    from napari_construct.models.checkpoints.locations import resolve_model

    if (text is None) == (image is None) or (image is None) != (mask is None):
        raise ConfigurationError("expected --text, or --image with --mask, got neither or both; give one")
    target = check_model(output, resolve_model(model), image, mask, encoder_weights, overwrite=overwrite)
    predictor = load_model(
        model, device=device or "auto", encoder_weights=encoder_weights, any_encoder=any_encoder
    )
    if text is not None:
        checkpoint = place_text(predictor, tissue, text)
    elif image is not None and mask is not None:
        from napari_construct.data.images import read_image
        from napari_construct.data.masks import read_mask

        file, painted = read_image(image), read_mask(mask)
        region = painted != 0 if value is None else painted == value
        if file.valid is not None and region.shape == file.valid.shape:
            region &= file.valid
        settings = merged(PrototypeSettings(), options.given(mpp=mpp))
        with progress_bars() as bars:
            steps = place_region_steps(
                file.pixels, region, predictor, tissue, settings, mpp=file.mpp, name=image.name
            )
            checkpoint = bars.follow(steps, image.name)
    write_model(target, checkpoint)
    say(f"{target}")
