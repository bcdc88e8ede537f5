"""The objective: losses, their inputs and weights.

The task owns the teacher, the memory bank and the weights; the model holds no loss. To try another objective,
change or add a method of :class:`TrainingTask` and its entry in ``terms``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.protocol import Encoder, freeze
from napari_construct.exceptions import ConfigurationError
from napari_construct.losses.classification import class_balance, classification_loss
from napari_construct.losses.info_nce import ForegroundBackgroundContrast
from napari_construct.losses.labelled_contrast import LabelledContrast
from napari_construct.losses.partial_labels import PartialLabels, partial_label_loss
from napari_construct.losses.prototype_diversity import prototype_diversity
from napari_construct.losses.relational_distillation import relational_distillation
from napari_construct.models.network.construct import ConstructNet, ConstructOutput
from napari_construct.models.network.released_arithmetic import teacher_images
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.objective.part_logits import cell_losses, part_logits
from napari_construct.training.objective.regions import (
    Regions,
    encoded_regions,
    pooled_regions,
    published_regions,
    text_encoder,
)
from napari_construct.training.processes import Processes
from napari_construct.training.views.batch import Features, Parts, TrainingBatch, parts_of

__all__ = ["Features", "TrainingBatch", "TrainingTask"]


class TrainingTask(nn.Module):
    """``task(batch)`` is ``{"loss": total, part: unweighted value, ...}``.

    Losses of weight 0, or without a teacher, are neither computed nor returned. With several processes every
    value is this process's share: the sum over processes is the value of the whole batch.

    Parameters
    ----------
    model : ConstructNet
        The trained model.
    teacher : Encoder or None
        Frozen; without one there is no distillation.
    config : TrainingConfig
        Weights, temperature, form of the contrast; guidance levels are the model's.
    labels : Tensor, optional
        (n, k) of the whole data set as an epoch draws it, for ``config.class_balance``.
    processes : Processes, optional
        By default this process only.

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
        processes: Processes | None = None,
    ) -> None:
        super().__init__()
        balance = class_balance(labels) if labels is not None and config.class_balance else None
        self.register_buffer("positive_weight", balance, persistent=False)
        self.model, self.config = model, config
        self.processes = processes or Processes()
        self.teacher = None if teacher is None else freeze(teacher)  # type: ignore[arg-type]
        self.trains_encoder = isinstance(config.encoder_learning_rate, float)
        # batch statistics of parts of a batch are not those of the batch: then they stay as they are
        whole = config.accumulate == 1 and self.processes.count == 1
        self.trains_norms = self.trains_encoder and whole and config.norm_statistics != "frozen"
        self.partial_labels = PartialLabels(labels) if labels is not None else None
        self.published = model.head.config.preset == "published"
        self.levels = model.head.config.guidance_levels
        weights = config.weights
        self.terms: dict[str, tuple[float, Callable[[TrainingBatch, ConstructOutput], Tensor]]] = {}
        if weights.classification:
            self.terms["classification"] = (weights.classification, self._classification)
        if weights.distillation and teacher is not None and self.levels:
            self._check_levels(teacher)
            self.terms["distillation"] = (weights.distillation, self._distillation)
        if weights.contrast:
            self.terms["contrast"] = (weights.contrast, self._contrast)
        if weights.diversity and model.head.prototypes.per_class > 1:
            self.terms["diversity"] = (weights.diversity, self._diversity)
        if not self.terms:
            raise ConfigurationError("expected a positive weight for at least one loss, got none; raise one")
        self.contrast = self._make_contrast() if weights.contrast else None

    def forward(self, batch: TrainingBatch) -> dict[str, Tensor]:
        output = self.output(batch)
        parts = {name: term(batch, output) for name, (_, term) in self.terms.items()}
        total = torch.stack([self.terms[name][0] * value for name, value in parts.items()]).sum()
        return {"loss": total, **parts}

    def output(self, batch: TrainingBatch) -> ConstructOutput:
        """The model's output, from features where they are known, with gradient into a trained encoder."""
        levels = self.student(_images(batch)) if batch.features is None else batch.features.student
        output: ConstructOutput = self.model.head(levels)
        return output

    def student(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """The encoder's levels, with gradient where it is trained."""
        return self.model.features(images, trained=self.trains_encoder)

    @torch.no_grad()
    def targets(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """The teacher's levels that are distilled; none without a distillation."""
        if self.teacher is None or "distillation" not in self.terms:
            return ()
        levels = self.teacher(teacher_images(images) if self.published else images)
        return tuple(levels[level] for level in self.levels)

    @torch.no_grad()
    def encode(self, images: Float[Tensor, "b 3 h w"], parts: int = 1) -> Features:
        """Features of student and teacher without gradient, computed in ``parts``."""
        chunks = images.chunk(parts)
        students = [self.model.features(chunk) for chunk in chunks]
        teachers = [self.targets(chunk) for chunk in chunks]
        return Features(
            *(tuple(torch.cat(level) for level in zip(*rows, strict=True)) for rows in (students, teachers))
        )

    def train(self, mode: bool = True) -> TrainingTask:
        """Set the head's mode, and that of an encoder that is trained; others stay in eval mode always."""
        super().train(mode)
        if self.trains_norms:
            self.model.encoder.train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def _classification(self, batch: TrainingBatch, output: ConstructOutput) -> Tensor:
        if self.config.label_target == "cells":
            return self._cells(batch, output)
        if batch.pasted is None:
            logits, labels = output.class_logits.float(), batch.labels
        else:
            logits, labels = part_logits(output.cam.float(), batch, self.model.head.config.pooling)
        loss = classification_loss(logits, labels, self.positive_weight)
        weight = self.processes.mean_weight(len(logits), loss)
        return loss * weight if len(logits) else 0.0 * logits.sum()  # a process may have no patch of a batch

    def _cells(self, batch: TrainingBatch, output: ConstructOutput) -> Tensor:
        balanced = self.partial_labels if self.config.class_balance else None
        found = cell_losses(output.cam.float(), batch, balanced or partial_label_loss)
        loss = found.partial * self.processes.mean_weight(found.cells, found.partial)
        if not self.config.weights.presence:
            return loss
        share = self.processes.mean_weight(found.asked, found.presence)
        return loss + self.config.weights.presence * share * found.presence

    def _distillation(self, batch: TrainingBatch, output: ConstructOutput) -> Tensor:
        targets = self.targets(_images(batch)) if batch.features is None else batch.features.teacher
        losses = [
            relational_distillation(output.refined[level].float(), target.float())
            for level, target in zip(self.levels, targets, strict=True)
        ]
        loss = torch.stack(losses).mean()
        weight = self.processes.mean_weight(len(batch.labels), loss)
        if len(batch.labels):
            return loss * weight
        return 0.0 * torch.stack([output.refined[level].sum() for level in self.levels]).sum()

    def _contrast(self, batch: TrainingBatch, output: ConstructOutput) -> Tensor:
        regions = self._regions(batch, output)
        foreground, background, classes, labels = (
            self.processes.gather(rows)
            for rows in (regions.foreground, regions.background, regions.classes, regions.labels)
        )
        if self.contrast is None or not len(classes):  # no patch of the batch has a class
            return 0.0 * output.cam.sum()
        owners = torch.arange(len(regions.prototypes), device=classes.device)
        owners = owners // self.model.head.prototypes.per_class
        labelled = (labels,) if isinstance(self.contrast, LabelledContrast) else ()
        loss: Tensor = self.contrast(foreground, background, regions.prototypes, classes, *labelled, owners)
        return loss / self.processes.count

    def _diversity(self, batch: TrainingBatch, output: ConstructOutput) -> Tensor:  # noqa: ARG002
        bank = self.model.head.prototypes
        grouped = output.projected.float().reshape(bank.n_classes, bank.per_class, -1)
        return prototype_diversity(grouped) / self.processes.count

    def _regions(self, batch: TrainingBatch, output: ConstructOutput) -> Regions:
        tokens = self.config.contrast_form == "tokens"
        if self.published and not tokens:
            encoder = text_encoder(self.model.encoder)
            return published_regions(output, _images(batch), batch.labels, encoder)
        shape = (output.cam.shape[-2], output.cam.shape[-1])
        whole = self.config.contrast_pairs == "background"
        parts: Parts = parts_of(TrainingBatch(None, batch.labels) if whole else batch, shape)
        if tokens:
            return pooled_regions(output, parts)
        return encoded_regions(output, _images(batch), parts, text_encoder(self.model.encoder))

    def _make_contrast(self) -> LabelledContrast | ForegroundBackgroundContrast:
        head, size, temperature = self.model.head, self.config.memory_bank, self.config.temperature
        width = head.config.prototype_width
        if self.config.contrast_form == "tokens":
            width = head.adaptive_layers[-1].fc2.out_features  # type: ignore[union-attr, assignment]
        elif (found := text_encoder(self.model.encoder).spec.embedding_width) != width:
            raise ConfigurationError(
                f"expected prototypes of the encoder's embedding width {found}, got {width}; "
                "set prototype_width"
            )
        if self.config.contrast_pairs == "labels":
            return LabelledContrast(width, head.n_classes, size, temperature)
        return ForegroundBackgroundContrast(width, size, temperature)

    def _check_levels(self, teacher: Encoder) -> None:
        count = min(len(self.model.spec.channels), len(teacher.spec.channels))
        wrong = [level for level in self.levels if not 0 <= level < count]
        if wrong:
            raise ConfigurationError(
                f"expected guidance levels from 0 to {count - 1}, which student and teacher both have, "
                f"got {wrong[0]}; change guidance_levels"
            )


def _images(batch: TrainingBatch) -> Tensor:
    if batch.images is None:
        raise ValueError("expected a batch with images, got one with features only; draw it from patches")
    return batch.images
