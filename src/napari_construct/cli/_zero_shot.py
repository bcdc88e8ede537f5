"""``segment --zero-shot``: a model from descriptions or marked examples, without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_construct.cli._options import given

if TYPE_CHECKING:
    from napari_construct.data.mask_values import FirstClass
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.zero_shot.settings import ZeroShotSettings


def zero_shot_settings(
    encoder: str,
    classes: Sequence[str] | None,
    attention: str | None,
    templates: Sequence[str] | None,
    prompt_ensemble: str | None,
) -> ZeroShotSettings:
    """The zero-shot settings, the same as in the widget and in Python.

    Raises
    ------
    ConfigurationError
        If classes are missing, or a value is not valid.
    """
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.inference.zero_shot.settings import ZeroShotSettings

    if not classes:
        raise ConfigurationError(
            "expected classes for --zero-shot, got none; add --classes 'tumour: malignant glands; stroma: "
            "fibrous tissue'"
        )
    typed = given(
        attention=attention,
        prompt_ensemble=prompt_ensemble,
        templates=tuple(templates) if templates else None,
    )
    return ZeroShotSettings.checked(encoder=encoder, classes="; ".join(classes), **typed)


def zero_shot_predictor(
    chosen: ZeroShotSettings,
    examples: Path | None,
    *,
    first_class: FirstClass,
    mpp: float | None,
    device: str,
    encoder_weights: Path | None,
) -> Predictor:
    """A predictor made from descriptions, or from a folder of marked examples."""
    from napari_construct.inference.loading import load_model

    if examples is None:
        return load_model(chosen, device=device, encoder_weights=encoder_weights)
    from napari_construct.data.images import read_image
    from napari_construct.data.mask_values import mask_reading
    from napari_construct.data.masks import find_pairs, read_mask
    from napari_construct.inference.zero_shot.predictor import load_zero_shot

    pairs = find_pairs(examples, inside=("",))
    reading = mask_reading([mask for _, mask in pairs], chosen.classes, first_class=first_class)
    read = [(read_image(image), reading.truth(mask, read_mask(mask))) for image, mask in pairs.pairs]
    return load_zero_shot(
        chosen.encoder,
        chosen.classes,
        examples=[(image.pixels, image.known(mask)) for image, mask in read],
        examples_mpp=next((image.mpp for image, _ in read if image.mpp is not None), mpp),
        device=device,
        encoder_weights=encoder_weights,
    )
