"""``segment --zero-shot``: a model from descriptions or marked examples, without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_construct.cli._options import given
from napari_construct.encoders.networks.attentions import DenseAttention

if TYPE_CHECKING:
    from napari_construct.data.mask_values import FirstClass
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.zero_shot.settings import ZeroShotSettings

ZeroShot = Annotated[
    str | None,
    typer.Option(
        "--zero-shot",
        metavar="ENCODER",
        help="Segment without a trained model. This encoder compares the image with the descriptions in "
        "--classes 'tumour: malignant glands; stroma: fibrous tissue'. Quote a name that holds one of , ; :",
    ),
]
Attention = Annotated[
    DenseAttention | None,
    typer.Option(
        "--attention",
        help="With --zero-shot: attention of the last block, as in the papers; default clearclip.",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help="With --zero-shot: prompt template, e.g. 'an H&E image of {}.'; repeat it for several. "
        "Default: five templates from the literature.",
    ),
]
PromptEnsemble = Annotated[
    Literal["average", "prototypes"] | None,
    typer.Option(
        "--prompt-ensemble",
        "--several",  # its name in earlier versions
        help="With --zero-shot: how several descriptions of a class (a | b) are combined. average (default): "
        "they are averaged. prototypes: each is a prototype, and the nearest prototype wins.",
    ),
]
Examples = Annotated[
    Path | None,
    typer.Option(
        "--examples",
        help="With --zero-shot: folder with img/ and mask/ of marked regions, used instead of descriptions.",
    ),
]


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
