"""The only place where encoder and head meet."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import Encoder, EncoderSpec, freeze
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructHead, ConstructNet
from napari_construct.models.network.taught import TaughtHead, TaughtNet, WordsHead
from napari_construct.models.network.unet import PixelNetwork, UNetDecoder, build_unet

SCRATCH: Final = "smp:"
"""Start of the id of an encoder that is trained from scratch."""


def make_encoder(encoder_id: str) -> Encoder:
    """An encoder of the catalogue, or one without weights (``smp:NAME``), to be trained from scratch."""
    if encoder_id.startswith(SCRATCH):
        from napari_construct.encoders.networks.scratch import ScratchEncoder

        return ScratchEncoder(encoder_id.removeprefix(SCRATCH))
    return create_encoder(encoder_id)


def build_model(
    config: ModelConfig,
    encoder: Encoder,
    n_classes: int,
    *,
    start: Float[Tensor, "k p d"] | None = None,
    seed: int = 0,
) -> ConstructNet:
    """Attach a freshly initialised head to an encoder, which is frozen.

    Parameters
    ----------
    config : ModelConfig
        The wiring.
    encoder : Encoder
        Student, ``nn.Module`` with a ``spec``.
    n_classes : int
        Number of classes k.
    start : Tensor, optional
        (k, p, d) start of the prototypes, e.g. text embeddings; seeded unit vectors by default.
    seed : int
        Seed of every random initial value.

    Raises
    ------
    ConfigurationError
        If ``start`` does not have the shape the configuration asks for.
    """
    expected = (n_classes, config.prototypes_per_class, config.prototype_width)
    with seeded(seed):
        if start is None:
            start = F.normalize(torch.randn(expected), dim=-1)
        if tuple(start.shape) != expected:
            raise ConfigurationError(
                f"expected prototypes of shape {expected} (classes, per class, width), got "
                f"{tuple(start.shape)}; set prototypes_per_class and prototype_width to match the embeddings"
            )
        head = ConstructHead(encoder.spec, start.float(), config)
    freeze(encoder)  # type: ignore[arg-type]
    return ConstructNet(encoder, head)


def build_network(config: ModelConfig, encoder: Encoder, n_classes: int) -> PixelNetwork:
    """The network that a configuration describes, freshly initialised; its encoder is frozen.

    Raises
    ------
    ConfigurationError
        If the encoder does not suit it.
    """
    if config.taught is not None:
        head = taught_head(config, encoder.spec, n_classes)
        freeze(encoder)  # type: ignore[arg-type]
        return TaughtNet(encoder, head)
    return (build_unet if config.network == "unet" else build_model)(config, encoder, n_classes)


def taught_head(config: ModelConfig, spec: EncoderSpec, n_classes: int) -> TaughtHead:
    """A head to be taught, whose linear function is 0, with a base that is freshly initialised.

    Raises
    ------
    ConfigurationError
        If ``config`` says nothing of a taught head, or the base knows more classes than there are.
    """
    taught = config.taught
    if taught is None:
        raise ConfigurationError("expected a configuration of a taught head, got one without; set taught")
    if taught.known > n_classes:
        raise ConfigurationError(
            f"expected at least the {taught.known} classes of what it was taught beside, got {n_classes}; "
            "name these classes, too"
        )
    return TaughtHead(spec, n_classes, config, _base_head(config, spec, taught.known))


def _base_head(config: ModelConfig, spec: EncoderSpec, known: int) -> nn.Module | None:
    taught = config.taught
    if taught is None or not known:
        return None
    if taught.words is not None:
        return WordsHead(taught.words, known)
    if config.network == "unet":
        return UNetDecoder(spec, known, config.base)
    with seeded(0):  # any: they are replaced by those of the base
        start = F.normalize(torch.randn(known, config.prototypes_per_class, config.prototype_width), dim=-1)
        return ConstructHead(spec, start, config.base)
