"""The network of the second stage: every pixel's class in one pass.

A U-Net (Ronneberger et al. 2015): from the coarsest level of an encoder upwards, features are enlarged
and joined with the next finer level. It learns from pseudo masks what the first stage finds out with
views and a dense CRF, and then needs neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import Encoder, EncoderSpec, freeze
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructNet
from napari_construct.models.network.pooling import pool_logits
from napari_construct.models.network.taught import TaughtNet

DROPPED = 0.1
"""Share of channels that is dropped before the classes are scored."""


@dataclass(frozen=True, slots=True)
class UNetOutput:
    """Output of a forward pass; same names as in the first stage.

    Attributes
    ----------
    cam : Tensor
        (b, k, h, w) logits at the encoder's finest stride. Their mean over classes is zero, so that 0 is
        where a class is as likely as the others; the softmax over classes are the probabilities.
    class_logits : Tensor
        (b, k) pooled logits.
    student : tuple of Tensor
        Levels of the encoder, finest first.
    """

    cam: Float[Tensor, "b k h w"]
    class_logits: Float[Tensor, "b k"]
    student: tuple[Tensor, ...]


class UNetDecoder(nn.Module):
    """From the levels of an encoder to one score per class at the finest of them.

    Parameters
    ----------
    spec : EncoderSpec
        Channels of the levels.
    n_classes : int
        Number of classes k.
    config : ModelConfig
        ``fusion_width`` channels everywhere; ``pooling``.
    """

    def __init__(self, spec: EncoderSpec, n_classes: int, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.fusion_width
        *finer, coarsest = spec.channels
        self.start = _block(coarsest, width)
        self.merge = nn.ModuleList(_block(width + channels, width) for channels in reversed(finer))
        self.drop = nn.Dropout2d(DROPPED)
        self.score = nn.Conv2d(width, n_classes, 1)

    @property
    def n_classes(self) -> int:
        return self.score.out_channels

    def forward(self, levels: Sequence[Tensor]) -> UNetOutput:
        x = self.start(levels[-1])
        for level, merge in zip(reversed(levels[:-1]), self.merge, strict=True):
            x = F.interpolate(x, level.shape[-2:], mode="bilinear", align_corners=False)
            x = merge(torch.cat([x, level], 1))
        scores = self.score(self.drop(x))
        cam = scores - scores.mean(1, keepdim=True)
        return UNetOutput(cam, pool_logits(cam, self.config.pooling), tuple(levels))


class UNet(nn.Module):
    """An encoder with its decoder; ``forward`` takes RGB in [0, 1].

    Parameters
    ----------
    encoder : Encoder
        An ``nn.Module``; frozen unless :attr:`trains_encoder` is set, and with :attr:`keeps_norms` its batch
        statistics even then.
    head : UNetDecoder
        The decoder.
    """

    def __init__(self, encoder: Encoder, head: UNetDecoder) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Module):
            raise TypeError(f"expected an encoder that is an nn.Module, got {type(encoder).__name__}")
        self.encoder = encoder
        self.head = head
        self.trains_encoder = self.keeps_norms = False

    @property
    def trains_norms(self) -> bool:
        """Whether the encoder takes the statistics of its batches."""
        return self.trains_encoder and not self.keeps_norms

    @property
    def spec(self) -> EncoderSpec:
        spec: EncoderSpec = self.encoder.spec
        return spec

    def features(self, images: Float[Tensor, "b 3 h w"], *, trained: bool = False) -> tuple[Tensor, ...]:
        """Feature pyramid of the encoder; gradient is recorded only where it is ``trained``."""
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            levels: tuple[Tensor, ...] = self.encoder(images)
        return levels

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> UNetOutput:
        output: UNetOutput = self.head(self.features(images, trained=self.trains_encoder))
        return output

    def train(self, mode: bool = True) -> UNet:
        """Set the mode; an encoder that is not trained, or keeps its batch statistics, stays in eval mode."""
        super().train(mode)
        if not self.trains_norms:
            self.encoder.eval()
        return self


PixelNetwork: TypeAlias = ConstructNet | UNet | TaughtNet
"""What a checkpoint can hold: all turn RGB in [0, 1] into an output with ``cam`` and ``class_logits``."""


def build_unet(config: ModelConfig, encoder: Encoder, n_classes: int, *, seed: int = 0) -> UNet:
    """Attach a freshly initialised decoder to an encoder, which is frozen.

    Raises
    ------
    ConfigurationError
        If the configuration is not one of a U-Net, or the encoder has a single level.
    """
    if config.network != "unet":
        raise ConfigurationError(f"expected the network unet, got {config.network}; set network to unet")
    if len(encoder.spec.channels) < 2 or len(set(encoder.spec.strides)) < 2:
        raise ConfigurationError(
            f"expected an encoder with levels of different strides, got {encoder.spec.id} with "
            f"{encoder.spec.strides}; choose another encoder"
        )
    with seeded(seed):
        head = UNetDecoder(encoder.spec, n_classes, config)
    freeze(encoder)  # type: ignore[arg-type]
    return UNet(encoder, head)


def _block(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
