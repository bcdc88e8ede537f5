"""A head that is taught by example: multinomial logistic regression on an encoder's features.

Every cell of the finest level is described by all levels of the encoder, enlarged to it, and a class's logit
is a linear function of that description. It is fitted in a tenth of a second to what a person painted
(:mod:`napari_construct.teaching`). Where the person started from a trained model or from words, their logits
are the base to which the linear function is added::

    logits = base + features @ weight + bias

``base`` are the log-probabilities of what came before, and 0 for a class that it did not know: such a class
is then as likely as all the others together. As long as weight and bias are 0, the known classes have the
probabilities that they had before, relative to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.dense import DenseTextEncoder
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.exceptions import EncoderError
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.pooling import pool_logits
from napari_construct.models.network.released_arithmetic import Restandardise
from napari_construct.models.network.taught_config import WordsConfig
from napari_construct.models.network.word_maps import relative_cosines


@dataclass(frozen=True, slots=True)
class Seen:
    """What does not change while a head is taught.

    Attributes
    ----------
    levels : tuple of Tensor
        (b, c_l, h_l, w_l) of the encoder, finest first.
    base : Tensor or None
        (b, known, h, w) at the finest level: what the base says of the classes that it knows.
    """

    levels: tuple[Tensor, ...]
    base: Tensor | None


@dataclass(frozen=True, slots=True)
class TaughtOutput:
    """Output of a forward pass; same names as of other networks.

    Attributes
    ----------
    cam : Tensor
        (b, k, h, w) logits at the encoder's finest stride; their mean over classes is zero.
    class_logits : Tensor
        (b, k) pooled logits.
    student : tuple of Tensor
        Levels of the encoder, finest first.
    """

    cam: Float[Tensor, "b k h w"]
    class_logits: Float[Tensor, "b k"]
    student: tuple[Tensor, ...]


@runtime_checkable
class Memory(Protocol):
    """Keeps what was seen of images."""

    def get(self, images: Tensor) -> Seen | None:
        """What was seen of these images; None if it is not known."""
        ...

    def put(self, images: Tensor, seen: Seen) -> None:
        """Keep it."""
        ...


class WordsHead(nn.Module):
    """The base in words.

    Parameters
    ----------
    config : WordsConfig
        Attention and scale.
    known : int
        Number of classes.
    """

    prototypes: Tensor
    neutral: Tensor | None

    def __init__(self, config: WordsConfig, known: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("prototypes", torch.zeros(known, config.prototypes, config.width))
        self.register_buffer("neutral", torch.zeros(config.width) if config.neutral else None)

    def forward(self, patches: Float[Tensor, "b d h w"]) -> Float[Tensor, "b k h w"]:
        return self.config.scale * relative_cosines(patches, self.prototypes, self.neutral)


class TaughtHead(nn.Module):
    """The linear function, and the base that it is added to.

    Parameters
    ----------
    spec : EncoderSpec
        Channels of the levels.
    n_classes : int
        Number of classes k; those of the base come first.
    config : ModelConfig
        With ``taught``.
    base : nn.Module or None
        A trained head (:class:`~.construct.ConstructHead`, :class:`~.unet.UNetDecoder`), or one of words.
    """

    base_scale: Tensor
    base_offsets: Tensor

    def __init__(
        self, spec: EncoderSpec, n_classes: int, config: ModelConfig, base: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.base = base
        self.scores = nn.ModuleList(nn.Conv2d(c, n_classes, 1, bias=False) for c in spec.channels)
        self.bias = nn.Parameter(torch.zeros(n_classes))
        self.register_buffer("base_scale", torch.ones(()))
        self.register_buffer("base_offsets", torch.zeros(0 if config.taught is None else config.taught.known))
        self.set(torch.zeros(sum(spec.channels), n_classes), torch.zeros(n_classes))

    @property
    def n_classes(self) -> int:
        return self.bias.shape[0]

    @property
    def weight(self) -> Float[Tensor, "c k"]:
        """The linear function of all levels' channels."""
        return torch.cat([score.weight[:, :, 0, 0].T for score in self._scores])

    @property
    def _scores(self) -> list[nn.Conv2d]:
        return [score for score in self.scores if isinstance(score, nn.Conv2d)]

    @torch.no_grad()
    def set(self, weight: Float[Tensor, "c k"], bias: Float[Tensor, " k"]) -> None:
        """Set the linear function."""
        start = 0
        for score in self._scores:
            rows = weight[start : start + score.in_channels]
            score.weight.copy_(rows.T[:, :, None, None])
            start += len(rows)
        self.bias.copy_(bias)

    @torch.no_grad()
    def calibrate_base(self, calibration: Calibration) -> None:
        """Read the base as its own calibration says."""
        self.base_scale.fill_(1 / calibration.temperature)
        if calibration.class_offsets:
            self.base_offsets.copy_(torch.tensor(calibration.class_offsets))

    def read_base(
        self, cam: Float[Tensor, "b known gh gw"], shape: tuple[int, int]
    ) -> Float[Tensor, "b known h w"]:
        """Log-probabilities of the known classes on the finest level's grid; the logit of a single one."""
        found = F.interpolate(cam.float(), shape, mode="bilinear", align_corners=False)
        found = found * self.base_scale + self.base_offsets.view(1, -1, 1, 1)
        return found if found.shape[1] == 1 else found.log_softmax(1)

    def logits(self, seen: Seen) -> Float[Tensor, "b k h w"]:
        """The sum of base and linear function, with its mean over classes."""
        shape = seen.levels[0].shape[-2:]
        # a linear function and an enlargement may change places; the classes are fewer than the channels
        parts = [
            score(level) if level.shape[-2:] == shape
            else F.interpolate(score(level), shape, mode="bilinear", align_corners=False)
            for score, level in zip(self.scores, seen.levels, strict=True)
        ]  # fmt: skip
        found: Tensor = torch.stack(parts).sum(0) + self.bias.view(1, -1, 1, 1)
        if seen.base is not None:
            found = found + F.pad(seen.base, (0, 0, 0, 0, 0, self.n_classes - seen.base.shape[1]))
        return found

    def forward(self, seen: Seen) -> TaughtOutput:
        logits = self.logits(seen)
        cam = logits - logits.mean(1, keepdim=True) if self.n_classes > 1 else logits
        return TaughtOutput(cam, pool_logits(cam, self.config.pooling), seen.levels)


class TaughtNet(nn.Module):
    """A frozen encoder with a taught head; ``forward`` takes RGB in [0, 1].

    Parameters
    ----------
    encoder : Encoder
        An ``nn.Module``.
    head : TaughtHead
        What was taught.
    memory : Memory, optional
        Keeps what was seen, while the head changes.
    """

    def __init__(self, encoder: Encoder, head: TaughtHead, memory: Memory | None = None) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Module):
            raise TypeError(f"expected an encoder that is an nn.Module, got {type(encoder).__name__}")
        self.encoder = encoder
        self.head = head
        self.memory = memory
        self.restandardise = Restandardise(encoder.spec, head.config.mean, head.config.std)

    @property
    def spec(self) -> EncoderSpec:
        spec: EncoderSpec = self.encoder.spec
        return spec

    @torch.no_grad()
    def look(self, images: Float[Tensor, "b 3 h w"]) -> Seen:
        """Levels of the encoder, and what the base says."""
        known = None if self.memory is None else self.memory.get(images)
        if known is not None:
            return known
        levels: tuple[Tensor, ...] = self.encoder(self.restandardise(images))
        seen = Seen(levels, self._base(images, levels))
        if self.memory is not None:
            self.memory.put(images, seen)
        return seen

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> TaughtOutput:
        output: TaughtOutput = self.head(self.look(images))
        return output

    def train(self, mode: bool = True) -> TaughtNet:
        """The encoder and the base stay in eval mode always: what is taught has no other one."""
        del mode
        super().train(False)
        return self

    def _base(self, images: Tensor, levels: Sequence[Tensor]) -> Tensor | None:
        base: Any = self.head.base
        if base is None:
            return None
        shape = (levels[0].shape[-2], levels[0].shape[-1])
        if not isinstance(base, WordsHead):
            return self.head.read_base(base(levels).cam, shape)
        encoder: Any = self.encoder
        if not isinstance(encoder, DenseTextEncoder):
            raise EncoderError(
                f"{self.spec.id}: expected an encoder that embeds patches and texts, as the model was taught "
                "with, got one that cannot; load it with its own encoder"
            )
        return self.head.read_base(base(encoder.embed_patches(images, base.config.attention)), shape)
