"""Descriptions of classes in words, and the prototypes that text encoders make of them.

A class may have several descriptions, separated by ``|``; each is put into every template. Averaging
templates and descriptions is the ensembling of CLIP (Radford et al. 2021, section 3.1.4) and of MI-Zero
(Lu et al. 2023) for pathology; several prototypes keep what a class looks like in several guises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from napari_construct.classes import OKABE_ITO, ClassTable, TissueClass
from napari_construct.encoders.protocol import Encoder, TextEncoder
from napari_construct.exceptions import ConfigurationError, EncoderError

TEMPLATES: Final = (
    "{}.",
    "an H&E image of {}.",
    "a histopathology image showing {}.",
    "a photomicrograph of {}.",
    "{} is present.",
)
"""What descriptions are put into by default; ``{}`` is the place."""

PLAIN: Final = ("{}",)
"""The description as it is: for long ones, such as those of the ConStruct paper."""

LONG: Final = 80
"""Characters from which a description is a sentence of its own and templates would not fit."""

SEPARATOR: Final = "|"

Several = Literal["average", "prototypes"]


def parse_classes(text: str) -> ClassTable:
    """A class table from what a user writes.

    Parameters
    ----------
    text : str
        "tumour: malignant epithelium | carcinoma; stroma: fibrous tissue", "tumour, stroma", or the
        path of a table (CSV or JSON).

    Raises
    ------
    ConfigurationError
        If there is no class in it, or a name is wrong or taken twice.
    """
    if text.lower().endswith((".csv", ".json")):
        return ClassTable.load(Path(text))
    parts = text.split(";") if ";" in text or ":" in text else text.split(",")
    rows = [tuple(map(str.strip, part.partition(":")[::2])) for part in parts if part.strip()]
    try:
        return ClassTable(
            classes=tuple(
                TissueClass(name=name, prompt=prompt, colour=OKABE_ITO[i % len(OKABE_ITO)])
                for i, (name, prompt) in enumerate(rows)
            )
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"expected classes as 'tumour: malignant glands; stroma: fibrous tissue', got {text!r} "
            f"({error.errors()[0]['msg']}); correct them"
        ) from error


def descriptions(tissue: TissueClass) -> tuple[str, ...]:
    """A class's descriptions; its name where there is none."""
    found = tuple(part.strip() for part in tissue.prompt.split(SEPARATOR) if part.strip())
    return found or (tissue.name,)


def filled(description: str, templates: Sequence[str] = TEMPLATES) -> tuple[str, ...]:
    """A description in every template; a long one as it is."""
    if len(description) >= LONG:
        return (description,)
    return tuple(template.replace("{}", description) for template in templates)


def text_prototypes(
    encoder: Encoder,
    classes: ClassTable,
    *,
    templates: Sequence[str] = TEMPLATES,
    several: Several = "average",
) -> Float[Tensor, "k p d"]:
    """L2-normalised prototypes of classes in an encoder's joint space of images and texts.

    Parameters
    ----------
    encoder : Encoder
        One that embeds texts.
    classes : ClassTable
        With descriptions, see :func:`descriptions`.
    templates : sequence of str
        Each with one ``{}``.
    several : {"average", "prototypes"}
        Whether a class's descriptions are averaged (p = 1) or each becomes a prototype; classes with
        fewer descriptions than others repeat theirs.

    Raises
    ------
    EncoderError
        If the encoder knows no texts.
    ConfigurationError
        If a template has no place for the description.
    """
    text = as_text_encoder(encoder)
    wrong = [template for template in templates if template.count("{}") != 1]
    if wrong or not templates:
        raise ConfigurationError(
            f"expected templates with one {{}} each, got {wrong or 'none'}; correct them"
        )
    rows: list[Tensor] = []
    with torch.no_grad():
        for tissue in classes:
            means = [
                F.normalize(text.embed_texts(filled(d, templates)).float().cpu().mean(0), dim=-1)
                for d in descriptions(tissue)
            ]
            rows.append(torch.stack(means))
    if several == "average":
        return torch.stack([F.normalize(row.mean(0, keepdim=True), dim=-1) for row in rows])
    most = max(len(row) for row in rows)
    return torch.stack([row[torch.arange(most) % len(row)] for row in rows])


def as_text_encoder(encoder: Encoder) -> TextEncoder:
    """The same encoder, if it knows texts.

    Raises
    ------
    EncoderError
        Otherwise.
    """
    if encoder.spec.embedding_width is None or not isinstance(encoder, TextEncoder):
        raise EncoderError(
            f"{encoder.spec.id}: expected an encoder that embeds texts, got one for images only; choose "
            "another (quiltnet-b-16, conch, ...), or give example regions"
        )
    found: Any = encoder
    text: TextEncoder = found
    return text
