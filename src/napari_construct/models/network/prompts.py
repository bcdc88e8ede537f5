"""Prototypes from text embeddings of class descriptions.

Averaging templates and descriptions is the ensembling of CLIP (Radford et al. 2021, section 3.1.4) and of
MI-Zero (Lu et al. 2023) for pathology; several prototypes keep the different appearances of a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.encoders.protocol import Encoder, TextEncoder
from napari_construct.exceptions import ConfigurationError, EncoderError
from napari_construct.models.network.descriptions import TEMPLATES, PromptEnsemble, descriptions, filled


def text_prototypes(
    encoder: Encoder,
    classes: ClassTable,
    *,
    templates: Sequence[str] = TEMPLATES,
    prompt_ensemble: PromptEnsemble = "average",
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
    prompt_ensemble : {"average", "prototypes"}
        Whether a class's descriptions are averaged (p = 1) or each becomes a prototype; classes with
        fewer descriptions than others repeat theirs.

    Raises
    ------
    EncoderError
        If the encoder embeds no texts.
    ConfigurationError
        If a template has no ``{}``.
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
    if prompt_ensemble == "average":
        return torch.stack([F.normalize(row.mean(0, keepdim=True), dim=-1) for row in rows])
    most = max(len(row) for row in rows)
    return torch.stack([row[torch.arange(most) % len(row)] for row in rows])


def as_text_encoder(encoder: Encoder) -> TextEncoder:
    """The same encoder, if it embeds texts.

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
