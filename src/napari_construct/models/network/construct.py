"""The network: frozen encoder, trainable head, class activation maps.

One class serves both wirings. ``fusion="none"`` is the published one: adapters on four levels, CAM
from the last. ``fusion="top_down"`` fuses the refined levels first, so that every level, and
therefore every loss on a level, reaches the CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.models.network.adapters import StructureAdapter
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.fusion import TopDownFusion
from napari_construct.models.network.pooling import pool_logits
from napari_construct.models.network.prototypes import PlacedPrototypes, PrototypeBank, TwoLayerMLP
from napari_construct.models.network.released_arithmetic import Restandardise

INITIAL_SCALE = 1 / 0.07
"""tau at the start of training: the inverse temperature of CLIP."""


@dataclass(frozen=True, slots=True)
class ConstructOutput:
    """Output of a forward pass.

    Attributes
    ----------
    cam : Tensor
        (b, k, h, w) logits, tau times the cosine to the nearest prototype of the class.
    class_logits : Tensor
        (b, k) pooled CAM logits.
    student, refined : tuple of Tensor
        Levels before and after the adapters, finest first.
    embedding : Tensor
        (b, c, h, w) the map from which the CAM is computed: the fused one, or the last refined level.
    prototypes : Tensor
        (k * p, d) in prototype space.
    projected : Tensor
        (k * p, c) in the space of ``embedding``.
    similarity : Tensor
        (b, k * p + n, h, w) cosine of every pixel to every prototype, -1 to 1; the n that were placed after
        training come last.
    """

    cam: Float[Tensor, "b k h w"]
    class_logits: Float[Tensor, "b k"]
    student: tuple[Tensor, ...]
    refined: tuple[Tensor, ...]
    embedding: Float[Tensor, "b c h w"]
    prototypes: Float[Tensor, "kp d"]
    projected: Float[Tensor, "kp c"]
    similarity: Float[Tensor, "b kpn h w"]


class ConstructHead(nn.Module):
    """Everything that is trained: adapters, fusion, prototypes, adaptive layers, temperature.

    Parameters
    ----------
    spec : EncoderSpec
        Channels and strides of the encoder it sits on.
    start : Tensor
        (classes, per_class, width) start of the prototypes.
    config : ModelConfig
        The wiring.
    """

    def __init__(self, spec: EncoderSpec, start: Float[Tensor, "k p d"], config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.adapters = nn.ModuleList(StructureAdapter(c, config.adapter_hidden) for c in spec.channels)
        self.prototypes = PrototypeBank(start, mlp=config.prototype_mlp)
        width, hidden = start.shape[-1], config.projection_hidden
        if config.fusion == "none":
            self.fusion = None
            targets: tuple[int, ...] = spec.channels
        else:
            self.fusion = TopDownFusion(spec.channels, spec.strides, config.fusion_width, config.cam_stride)
            targets = (config.fusion_width,)
        self.adaptive_layers = nn.ModuleList(TwoLayerMLP(width, hidden, c) for c in targets)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_SCALE))
        self.class_bias = nn.Parameter(torch.zeros(start.shape[0])) if config.class_bias else None
        self.placed = PlacedPrototypes(config.placed, targets[-1]) if config.placed else None

    @property
    def n_classes(self) -> int:
        return self.prototypes.n_classes

    def forward(self, levels: Sequence[Tensor]) -> ConstructOutput:
        refined = tuple(adapter(level) for adapter, level in zip(self.adapters, levels, strict=True))
        embedding = refined[-1] if self.fusion is None else self.fusion(refined)
        prototypes = self.prototypes()
        projected = self.adaptive_layers[-1](prototypes)
        similarity = torch.einsum(
            "bchw,pc->bphw", F.normalize(embedding, dim=1), F.normalize(projected, dim=-1)
        )
        cam = self.prototypes.class_maximum(self.logit_scale * similarity)
        if self.placed is not None:
            extra = self.placed.similarity(embedding)
            cam = self.placed.class_maximum(cam, extra, self.logit_scale)
            similarity = torch.cat([similarity, extra], 1)
        if self.class_bias is not None:
            cam = cam + self.class_bias.view(1, -1, 1, 1)
        return ConstructOutput(
            cam=cam,
            class_logits=pool_logits(cam, self.config.pooling),
            student=tuple(levels),
            refined=refined,
            embedding=embedding,
            prototypes=prototypes,
            projected=projected,
            similarity=similarity,
        )


class ConstructNet(nn.Module):
    """A frozen encoder with its trainable head; ``forward`` takes RGB in [0, 1]."""

    def __init__(self, encoder: Encoder, head: ConstructHead) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Module):
            raise TypeError(f"expected an encoder that is an nn.Module, got {type(encoder).__name__}")
        self.encoder = encoder
        self.head = head
        self.restandardise = Restandardise(encoder.spec, head.config.mean, head.config.std)

    @property
    def spec(self) -> EncoderSpec:
        spec: EncoderSpec = self.encoder.spec
        return spec

    def features(self, images: Float[Tensor, "b 3 h w"], *, trained: bool = False) -> tuple[Tensor, ...]:
        """Feature pyramid of the encoder; gradient is recorded only where it is ``trained``."""
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            levels: tuple[Tensor, ...] = self.encoder(self.restandardise(images))
        return levels

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> ConstructOutput:
        output: ConstructOutput = self.head(self.features(images))
        return output

    def train(self, mode: bool = True) -> ConstructNet:
        """Set the head's mode; the encoder stays in eval mode always."""
        super().train(mode)
        self.encoder.eval()
        return self


def trainable_parameters(module: nn.Module) -> int:
    """Number of parameters that receive gradients."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
