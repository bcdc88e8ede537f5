"""A U-Net for channels: foreground and boundaries of cells, from one channel (student) or more (teacher).

U-Net (Ronneberger et al. 2015) of ``segmentation_models_pytorch`` with a narrow decoder. The input is what
percentile normalisation leaves, values in [0, 1]; no mean is subtracted, so that dark background is what the
convolutions pad with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from napari_construct.encoders.networks.seeded import seeded
from napari_construct.exceptions import InputError
from napari_construct.models.network.channel_encoders import ENCODERS, MULTIPLE, EncoderName
from napari_construct.models.network.channel_weights import pretrained_state
from napari_construct.reading.foreign import quoted
from napari_construct.settings import Settings

MAPS: Final = 2
"""Foreground and boundary."""

_Percentile = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Width = Annotated[int, Field(ge=4, le=512)]


class ChannelUNetConfig(Settings):
    """Configuration of a network for channels.

    Parameters
    ----------
    network : {"channels"}
        Tells its file from those of the networks for stained tissue.
    encoder : {"swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3", "lite0"}
        Of :data:`~napari_construct.models.network.channel_encoders.ENCODERS`.
    channels : tuple of str
        Role of each input channel, in their order: "nuclear", "membrane".
    decoder : tuple of int
        Channels of the decoder's maps at strides 16, 8, 4, 2 and 1.
    low, high : float
        Percentiles of a channel that become 0 and 1.
    """

    network: Literal["channels"] = "channels"
    encoder: EncoderName = "resnet18"
    channels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(min_length=1, max_length=64)
    ] = ("nuclear",)
    decoder: tuple[_Width, _Width, _Width, _Width, _Width] = (128, 64, 32, 16, 16)
    low: _Percentile = 1.0
    high: _Percentile = 99.8

    @field_validator("channels")
    @classmethod
    def _plain_and_distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name.isprintable() or name != name.strip():
                raise ValueError(f"expected names of plain text, got {quoted(name)}; rename the channel")
        if len({name.casefold() for name in names}) != len(names):
            raise ValueError(f"expected each channel once, got {', '.join(names)}; name each once")
        return names

    @model_validator(mode="after")
    def _in_order(self) -> ChannelUNetConfig:
        if self.low >= self.high:
            raise ValueError(
                f"expected low below high, got {self.low:g} and {self.high:g}; the usual ones are 1 and 99.8"
            )
        return self


@dataclass(frozen=True, slots=True)
class ChannelOutput:
    """Output of a forward pass.

    Attributes
    ----------
    foreground : Tensor
        (b, 1, h, w) logits that a pixel belongs to a cell, at the input's resolution.
    boundary : Tensor
        (b, 1, h, w) logits that it lies on the border of one.
    """

    foreground: Float[Tensor, "b 1 h w"]
    boundary: Float[Tensor, "b 1 h w"]


class ParameterCounts(NamedTuple):
    """Numbers of weights; the decoder's include the two maps."""

    encoder: int
    decoder: int
    total: int


class ChannelUNet(nn.Module):
    """Encoder, decoder, and one convolution for both maps; everything is trained.

    Parameters
    ----------
    config : ChannelUNetConfig
        The wiring.
    encoder, decoder, head : Module
        Of :class:`segmentation_models_pytorch.Unet`.
    pretrained : bool
        Whether the encoder started from weights of ImageNet; their licence goes with the network.
    """

    def __init__(
        self,
        config: ChannelUNetConfig,
        encoder: nn.Module,
        decoder: nn.Module,
        head: nn.Module,
        *,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.pretrained = pretrained
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    @property
    def multiple(self) -> int:
        """Height and width of the input are multiples of this many pixels."""
        return MULTIPLE

    def forward(self, images: Float[Tensor, "b c h w"]) -> ChannelOutput:
        """Both maps of channels in [0, 1].

        Raises
        ------
        InputError
            If there are other channels than the configuration names, or sides are no multiples of
            :attr:`multiple`.
        """
        c, h, w = images.shape[1:]
        wanted = self.config.channels
        if c != len(wanted):
            raise InputError(f"expected {len(wanted)} channels ({', '.join(wanted)}), got {c}; choose those")
        if h % MULTIPLE or w % MULTIPLE or not h or not w:
            raise InputError(f"expected sides that are multiples of {MULTIPLE}, got {h} x {w}; pad the image")
        # depthwise convolutions on processors are twice as fast with channels last
        levels: Sequence[Tensor] = self.encoder(images.contiguous(memory_format=torch.channels_last))
        maps: Tensor = self.head(self.decoder(list(levels)))
        return ChannelOutput(maps[:, :1], maps[:, 1:])


def build_channel_unet(config: ChannelUNetConfig, *, pretrained: bool = False, seed: int = 0) -> ChannelUNet:
    """A network with random weights that follow from the seed alone; nothing is downloaded.

    Parameters
    ----------
    config : ChannelUNetConfig
        The wiring.
    pretrained : bool
        Start the encoder from weights of ImageNet: bundled for lite0, else those on this computer. Its first
        convolution is adapted to the number of channels.
    seed : int
        Of the random weights.

    Raises
    ------
    EncoderError
        If the pre-trained weights are not on this computer, damaged or of another network.
    """
    state = pretrained_state(config.encoder, len(config.channels)) if pretrained else None
    with seeded(seed):
        model = _made(config)
    if state is not None:
        model.encoder.load_state_dict(state, strict=True)
    model.pretrained = pretrained
    return model.to(memory_format=torch.channels_last)


def channel_shapes(config: ChannelUNetConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors, before any of them takes memory."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in _made(config).state_dict().items()}


def parameter_counts(net: ChannelUNet) -> ParameterCounts:
    """Numbers of weights of the encoder, the decoder, and both."""
    encoder, total = (sum(p.numel() for p in module.parameters()) for module in (net.encoder, net))
    return ParameterCounts(encoder, total - encoder, total)


def counts_in_words(net: ChannelUNet) -> str:
    """One sentence with the numbers of weights, beside the paper's and what is counted there."""
    found, kind = parameter_counts(net), ENCODERS[net.config.encoder]
    own = (
        f"{kind.title}: encoder {found.encoder / 1e6:.2f} M, decoder {found.decoder / 1e6:.2f} M, together "
        f"{found.total / 1e6:.2f} M parameters"
    )
    if kind.paper is None:
        return own
    return (
        f"{own}; the paper's {kind.paper.millions:g} M are {kind.paper.counted} "
        f"({kind.paper.parameters / 1e6:.2f} M for RGB)"
    )


def _made(config: ChannelUNetConfig) -> ChannelUNet:
    import segmentation_models_pytorch as smp

    kind = ENCODERS[config.encoder]
    unet = smp.Unet(
        f"tu-{kind.library}",
        encoder_depth=5,
        encoder_weights=None,
        decoder_channels=config.decoder,
        in_channels=len(config.channels),
        classes=MAPS,
        **kind.options,
    )
    return ChannelUNet(config, unet.encoder, unet.decoder, unet.segmentation_head)
