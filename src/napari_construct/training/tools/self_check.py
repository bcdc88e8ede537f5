"""Check with gradients that training changes the prediction.

A loss can fall for epochs and change no mask: in the published wiring the distilled level feeds
nothing that the CAM is read from. For each part of the objective this check asks which parameters it
trains, and on which of those the CAM depends.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_construct.encoders.protocol import Encoder
from napari_construct.models.network.construct import ConstructNet
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batch import TrainingBatch


@dataclass(frozen=True, slots=True)
class LossReach:
    """Parameters that one loss trains.

    Attributes
    ----------
    loss : str
        Name of the part.
    trained : tuple of str
        Parameters that receive a gradient from it.
    reaching : tuple of str
        Those of them on which the CAM depends.
    trained_count, reaching_count : int
        The same in numbers of values.
    """

    loss: str
    trained: tuple[str, ...]
    reaching: tuple[str, ...]
    trained_count: int
    reaching_count: int

    @property
    def reaches_cam(self) -> bool:
        return bool(self.reaching)


@dataclass(frozen=True, slots=True)
class SelfCheckReport:
    """Result of :func:`self_check`.

    Attributes
    ----------
    losses : tuple of LossReach
        One per part of the objective.
    cam_count : int
        Trainable values on which the CAM depends.
    total_count : int
        Trainable values.
    untrained : tuple of str
        Trainable parameters that no part of the objective gives a gradient.
    """

    losses: tuple[LossReach, ...]
    cam_count: int
    total_count: int
    untrained: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every loss reaches the CAM and every trainable parameter is trained."""
        return not self.untrained and all(reach.reaches_cam for reach in self.losses)

    def __str__(self) -> str:
        rows = [("loss", "trains", "of which the CAM depends on", "reaches the CAM")]
        rows += [
            (r.loss, f"{r.trained_count:,}", f"{r.reaching_count:,}", "yes" if r.reaches_cam else "NO")
            for r in self.losses
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines.append(f"the CAM depends on {self.cam_count:,} of {self.total_count:,} trainable values")
        if self.untrained:
            lines.append(f"never trained ({len(self.untrained)}): {', '.join(self.untrained)}")
        return "\n".join(lines)


def self_check(
    model: ConstructNet, teacher: Encoder | None, objective: TrainingConfig, batch: TrainingBatch
) -> SelfCheckReport:
    """Report what each loss of an objective trains, and whether that can change a prediction.

    Works on a copy whose parameters are moved a little: layers that start at zero (the last one of
    each adapter) would hide their neighbours at the first step, and only there.

    Parameters
    ----------
    model : ConstructNet
        The network; it stays unchanged.
    teacher : Encoder or None
        For the distillation.
    objective : TrainingConfig
        Weights and forms of the losses.
    batch : TrainingBatch
        Images with labels; at least two images, and every class in one of them.

    Returns
    -------
    SelfCheckReport
        ``ok`` says whether every loss reaches the CAM; ``str(report)`` is a table.
    """
    device = batch.labels.device
    task = TrainingTask(copy.deepcopy(model), copy.deepcopy(teacher), objective).to(device)
    if task.trains_encoder:
        task.model.encoder.requires_grad_(True)
    _move(task.model)
    task.train()
    parameters = {n: p for n, p in task.model.named_parameters() if p.requires_grad}
    output = task.output(batch)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(output.cam.shape, generator=generator).to(device)
    cam = _nonzero(output.cam * direction, parameters)
    reaches = []
    for name, (_, term) in task.terms.items():
        trained = _nonzero(term(batch, task.output(batch)), parameters)
        both = tuple(n for n in trained if n in set(cam))
        reaches.append(
            LossReach(name, tuple(trained), both, _count(parameters, trained), _count(parameters, both))
        )
    touched = {name for reach in reaches for name in reach.trained}
    return SelfCheckReport(
        losses=tuple(reaches),
        cam_count=_count(parameters, cam),
        total_count=_count(parameters, parameters),
        untrained=tuple(name for name in parameters if name not in touched),
    )


def _nonzero(value: Tensor, parameters: dict[str, nn.Parameter]) -> list[str]:
    """Names of the parameters whose gradient from ``value`` is not zero everywhere."""
    total = value.sum()
    if not total.requires_grad:
        return []
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    return [
        name
        for name, gradient in zip(parameters, gradients, strict=True)
        if gradient is not None and bool((gradient != 0).any())
    ]


def _move(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.add_(0.05 * noise)


def _count(parameters: dict[str, nn.Parameter], names: Iterable[str]) -> int:
    return sum(parameters[name].numel() for name in names)
