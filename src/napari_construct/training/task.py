"""The objective: which losses, on what, with which weight.

The task owns the teacher, the memory bank and the weights; the model knows no loss. To try another
objective, change or add a method of :class:`TrainingTask` and its entry in ``terms``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from napari_construct.encoders.protocol import Encoder, freeze
from napari_construct.exceptions import ConfigurationError
from napari_construct.losses.classification import class_balance, classification_loss
from napari_construct.losses.info_nce import ForegroundBackgroundContrast
from napari_construct.losses.relational_distillation import relational_distillation
from napari_construct.models.construct import ConstructNet, ConstructOutput
from napari_construct.models.pooling import pool_logits
from napari_construct.models.published import teacher_images
from napari_construct.training.config import TrainingConfig
from napari_construct.training.mosaic import share_of_cells
from napari_construct.training.regions import Regions, encoded_regions, pooled_regions, text_encoder


@dataclass(frozen=True, slots=True)
class Batch:
    """Views of patches with the classes that occur in the patches.

    Attributes
    ----------
    images : Tensor
        (b, 3, h, w) RGB in [0, 1].
    labels : Tensor
        (b, k) float, 1 where the class occurs.
    pasted : Tensor or None
        (b, h, w) bool, where a strip of another patch lies (see :mod:`~napari_construct.training.mosaic`);
        ``labels`` are then those of both parts.
    parts : tuple of Tensor
        With ``pasted``, (b, k) labels of the patch and of its strip.
    """

    images: Float[Tensor, "b 3 h w"]
    labels: Float[Tensor, "b k"]
    pasted: Bool[Tensor, "b h w"] | None = None
    parts: tuple[Tensor, ...] = ()


class TrainingTask(nn.Module):
    """``task(batch)`` is ``{"loss": total, part: unweighted value, ...}``.

    Parts whose weight is 0, or whose teacher is missing, are neither computed nor returned.

    Parameters
    ----------
    model : ConstructNet
        What is trained.
    teacher : Encoder or None
        Frozen; without one there is no distillation.
    config : TrainingConfig
        Weights, temperature, form of the contrast; guidance levels are the model's.
    labels : Tensor, optional
        (n, k) of the whole data set, for ``config.class_balance``.

    Raises
    ------
    ConfigurationError
        If a guidance level does not exist, or the form of the contrast does not fit the encoder.
    """

    positive_weight: Tensor | None

    def __init__(
        self,
        model: ConstructNet,
        teacher: Encoder | None,
        config: TrainingConfig,
        labels: Float[Tensor, "n k"] | None = None,
    ) -> None:
        super().__init__()
        balance = class_balance(labels) if labels is not None and config.class_balance else None
        self.register_buffer("positive_weight", balance, persistent=False)
        self.model, self.config = model, config
        self.teacher = None if teacher is None else freeze(teacher)  # type: ignore[arg-type]
        self.trains_encoder = config.encoder_learning_rate is not None
        self.published = model.head.config.preset == "published"
        self.levels = model.head.config.guidance_levels
        weights = config.weights
        self.terms: dict[str, tuple[float, Callable[[Batch, ConstructOutput], Tensor]]] = {}
        if weights.classification:
            self.terms["classification"] = (weights.classification, self._classification)
        if weights.distillation and teacher is not None and self.levels:
            self._check_levels(teacher)
            self.terms["distillation"] = (weights.distillation, self._distillation)
        if weights.contrast:
            self.terms["contrast"] = (weights.contrast, self._contrast)
        if not self.terms:
            raise ConfigurationError("expected a positive weight for at least one loss, got none; raise one")
        self.contrast = (
            ForegroundBackgroundContrast(self._contrast_width(), config.memory_bank, config.temperature)
            if weights.contrast
            else None
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        output = self.output(batch.images)
        parts = {name: term(batch, output) for name, (_, term) in self.terms.items()}
        total = torch.stack([self.terms[name][0] * value for name, value in parts.items()]).sum()
        return {"loss": total, **parts}

    def output(self, images: Float[Tensor, "b 3 h w"]) -> ConstructOutput:
        """The model's output, with gradient into the encoder where it is trained."""
        if not self.trains_encoder:
            output: ConstructOutput = self.model(images)
            return output
        with_gradient: ConstructOutput = self.model.head(self.model.encoder(self.model.restandardise(images)))
        return with_gradient

    def train(self, mode: bool = True) -> TrainingTask:
        """Set the head's mode; encoder and teacher stay in eval mode always."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def _classification(self, batch: Batch, output: ConstructOutput) -> Tensor:
        if self.config.labels_speak_of == "cells":
            logits, labels = cell_logits(output.cam.float(), batch)
            return classification_loss(logits, labels, self.positive_weight)
        if batch.pasted is None:
            return classification_loss(output.class_logits.float(), batch.labels, self.positive_weight)
        logits, labels = part_logits(output.cam.float(), batch, self.model.head.config.pooling)
        return classification_loss(logits, labels, self.positive_weight)

    def _distillation(self, batch: Batch, output: ConstructOutput) -> Tensor:
        if self.teacher is None:
            raise ConfigurationError("expected a teacher for the distillation, got none; name one")
        with torch.no_grad():
            images = teacher_images(batch.images) if self.published else batch.images
            targets: tuple[Tensor, ...] = self.teacher(images)
        losses = [
            relational_distillation(output.refined[level].float(), targets[level].float())
            for level in self.levels
        ]
        return torch.stack(losses).mean()

    def _contrast(self, batch: Batch, output: ConstructOutput) -> Tensor:
        if self.contrast is None:
            raise ConfigurationError("expected a weight for the contrast, got 0; raise it")
        regions = self._regions(batch, output)
        if not len(regions.classes):  # no patch of the batch has a class
            return 0.0 * output.cam.sum()
        owners = torch.arange(len(regions.prototypes), device=regions.classes.device)
        owners = owners // self.model.head.prototypes.per_class
        loss: Tensor = self.contrast(
            regions.foreground, regions.background, regions.prototypes, regions.classes, owners
        )
        return loss

    def _regions(self, batch: Batch, output: ConstructOutput) -> Regions:
        if self.config.contrast_form == "tokens":
            return pooled_regions(output, batch.labels)
        encoder = text_encoder(self.model.encoder)
        return encoded_regions(output, batch.images, batch.labels, encoder, published=self.published)

    def _contrast_width(self) -> int:
        head = self.model.head
        if self.config.contrast_form == "tokens":
            return head.adaptive_layers[-1].fc2.out_features  # type: ignore[union-attr, return-value]
        spec = text_encoder(self.model.encoder).spec
        if spec.embedding_width != head.config.prototype_width:
            raise ConfigurationError(
                f"expected prototypes of the encoder's embedding width {spec.embedding_width}, got "
                f"{head.config.prototype_width}; set prototype_width"
            )
        return head.config.prototype_width

    def _check_levels(self, teacher: Encoder) -> None:
        count = min(len(self.model.spec.channels), len(teacher.spec.channels))
        wrong = [level for level in self.levels if not 0 <= level < count]
        if wrong:
            raise ConfigurationError(
                f"expected guidance levels from 0 to {count - 1}, which student and teacher both have, "
                f"got {wrong[0]}; change guidance_levels"
            )


def part_logits(
    cam: Float[Tensor, "b k h w"], batch: Batch, pooling: str
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Pooled logits and labels of every part of a mosaic that is there: patches first, then strips."""
    if batch.pasted is None:
        raise ValueError("expected a batch with mosaics, got none; pool the whole CAM instead")
    strip = share_of_cells(batch.pasted, (cam.shape[-2], cam.shape[-1]))
    own, other = batch.parts
    there = strip.flatten(1).amax(1) > 0
    logits = torch.cat([pool_logits(cam, pooling, 1 - strip), pool_logits(cam, pooling, strip)[there]])
    return logits, torch.cat([own, other[there]])


def cell_logits(
    cam: Float[Tensor, "b k h w"], batch: Batch
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Logits of every cell of the CAM, and the labels of the part that most of the cell belongs to."""
    labels = batch.labels[:, :, None, None].expand_as(cam)
    if batch.pasted is not None:
        strip = share_of_cells(batch.pasted, (cam.shape[-2], cam.shape[-1]))[:, None] > 0.5
        own, other = (part[:, :, None, None] for part in batch.parts)
        labels = torch.where(strip, other, own)
    return cam.movedim(1, -1).flatten(0, -2), labels.movedim(1, -1).flatten(0, -2)
