"""Learn deeper: the strokes train a U-Net along with its encoder, in a minute or two.

The head that is fitted at once stands on features that were learned from other images. Here the encoder is
trained, too, statistics of its normalisation included, on crops around the strokes; nothing is known beside
them, and the loss looks at painted cells only.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from torch import Tensor

from napari_construct.events import Event, Steps, in_a_row, planned
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import model_shape, resample_image
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import UNet, build_unet
from napari_construct.teaching.cells import Cells, painted_cells
from napari_construct.teaching.crops import (
    SMALLEST,
    WIDEST,
    ImageCells,
    ImageSheets,
    centres_of,
    cut_crops,
    tiled_crops,
)
from napari_construct.teaching.held_out import strokes_of
from napari_construct.teaching.records import teaching_record
from napari_construct.teaching.session import Taught, TeachSession
from napari_construct.teaching.settings import TeachSettings
from napari_construct.training.config.parts import AugmentationConfig
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.loop.image_statistics import STAGE as STATISTICS
from napari_construct.training.second_stage.loop import SecondStageTraining
from napari_construct.training.second_stage.self_training import SelfTraining
from napari_construct.training.views.partial_masks import UNKNOWN
from napari_construct.types import RGBImage

SURE: Final = 0.9
"""Probability from which the start's own word counts beside the strokes."""

LEAST_HELD_OUT: Final = 10
"""Strokes of every class from which some are left out."""

WIDTH: Final = 64
"""Channels of the decoder."""

_LARGEST_TEMPERATURE: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _Painted:
    """An image at the model's resolution with its painted cells."""

    pixels: RGBImage
    cells: Cells
    classes: np.ndarray[Any, np.dtype[np.intp]]
    """Class of the model of each cell."""
    strokes: np.ndarray[Any, np.dtype[np.intp]]
    """Number of the stroke of each cell."""
    held: np.ndarray[Any, np.dtype[np.bool_]]
    """Cells of strokes that are left out."""


def deeper_steps(
    session: TeachSession, taught: Taught, images: Sequence[tuple[RGBImage, float | None]] = ()
) -> Steps[Checkpoint]:
    """Train a U-Net on the strokes of a session.

    Parameters
    ----------
    session : TeachSession
        Strokes, start and settings.
    taught : Taught
        What was fitted at once; where the start knows classes, its sure pixels teach beside the strokes.
    images : sequence of (image, mpp)
        Others of the same source, without strokes: for the statistics of the normalisation, and to learn from
        what the network is sure of there (:mod:`~napari_construct.training.second_stage.self_training`).

    Yields
    ------
    Planned, Event, StepDone
        Stages "pseudo masks", "train", "average", "statistics" and "calibrate".

    Returns
    -------
    Checkpoint
        Of the network "unet".

    Raises
    ------
    ConfigurationError
        If the encoder has too few levels for a U-Net.
    """
    started, settings = time.perf_counter(), session.settings
    network = _network(session)
    stride = network.spec.strides[0]
    painted = _hold_out(_painted(session, stride), settings)
    others = [_shown(image, mpp, session) for image, mpp in images]
    shown = [*(one.pixels for one in painted), *others]
    size = max(settings.crop // network.spec.multiple, 1) * network.spec.multiple
    config = _config(settings)
    yield planned(
        f"teach {network.spec.id}",
        in_a_row(("pseudo masks", float(4 * len(painted) if session.start.known else 1))),
        in_a_row(("train", 6.0 * config.steps * config.batch_size)),
        in_a_row(("average", 40.0 * config.batch_size), (STATISTICS, 10.0 * len(shown)), ("calibrate", 10.0)),
    )
    known = yield from _known_masks(session, taught, painted, stride)
    sources = [_cells_of(one, mask, stride, size) for one, mask in zip(painted, known, strict=True)]
    store, pixels, masks = cut_crops(sources, size, stride, session.mpp, settings.seed)
    sheets = ImageSheets(shown, settings.seed, network.spec.multiple)
    network.to(session.device)
    unlabelled = None
    if others:
        parts = tiled_crops(shown, size, settings.seed)
        unlabelled = SelfTraining(network, parts, config, window=store.view.window, size=size)
    job = SecondStageTraining(network, store, pixels, masks, sheets, config, session.device, unlabelled)
    yield from job.steps()
    calibration, metrics = yield from _calibrated(network, painted, session)
    return checkpoint_of(
        network,
        session.classes,
        calibration,
        with_encoder=network.spec.redistributable
        and (settings.encoder_learning_rate is not None or session.start.encoder_state is not None),
        mpp=session.mpp,
        metrics={**job.means, **metrics, "seconds": time.perf_counter() - started},
        training={
            "finished": True,
            "stage": 2,
            "patch": size,
            "scale": session.start.scale,
            "config": config.model_dump(mode="json"),
            "teaching": teaching_record(tuple(session.strokes.values()), settings, session.start.record)
            | {"crops": len(pixels)},
        },
    )


def _network(session: TeachSession) -> UNet:
    settings, encoder = session.settings, copy.deepcopy(session.start.encoder)
    config = ModelConfig(
        network="unet",
        encoder=encoder.spec.id,
        teacher=None,
        fusion_width=WIDTH,
        cam_stride=encoder.spec.strides[0],
        pooling="attention",
    )
    network = build_unet(config, encoder, len(session.classes), seed=settings.seed)
    network.trains_encoder = settings.encoder_learning_rate is not None and encoder.spec.redistributable
    network.encoder.requires_grad_(network.trains_encoder)
    return network


def _config(settings: TeachSettings) -> SecondStageConfig:
    return SecondStageConfig(
        width=WIDTH,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        encoder_learning_rate=settings.encoder_learning_rate,
        weight_decay=1e-2,
        norm_statistics="batch",
        average_from=0.5,
        seed=settings.seed,
        augmentation=AugmentationConfig.none().changed(
            flips=True,
            rotations=True,
            crop_area=((SMALLEST / WIDEST) ** 2, 1.0),
            stain_gain=0.25,
            stain_offset=0.03,
            brightness=0.05,
        ),
    )


def _painted(session: TeachSession, stride: int) -> list[_Painted]:
    index = session.index()
    found = []
    for one in session.used():
        pixels = _shown(one.image, one.mpp, session, one.name)
        shape = (pixels.shape[0], pixels.shape[1])
        cells = painted_cells(one.painted, shape, stride)
        classes = index[cells.values.astype(np.intp) - 1]
        strokes = strokes_of(one.painted, cells, shape, stride)
        found.append(_Painted(pixels, cells, classes, strokes, np.zeros(len(cells), dtype=bool)))
    return found


def _hold_out(painted: list[_Painted], settings: TeachSettings) -> list[_Painted]:
    """Leave out a share of every class's strokes, where each class has enough."""
    strokes: dict[int, list[tuple[int, int]]] = {}
    for i, one in enumerate(painted):
        numbers, first = np.unique(one.strokes, return_index=True)
        for number, owner in zip(numbers.tolist(), one.classes[first].tolist(), strict=True):
            strokes.setdefault(owner, []).append((i, number))
    out: set[tuple[int, int]] = set()
    if settings.held_out and min(map(len, strokes.values())) >= LEAST_HELD_OUT:
        for owner, own in sorted(strokes.items()):
            random = np.random.default_rng([settings.seed, owner])
            chosen = random.choice(len(own), round(settings.held_out * len(own)), replace=False)
            out |= {own[i] for i in chosen}
    return [
        replace(one, held=np.array([(i, number) in out for number in one.strokes.tolist()], dtype=bool))
        for i, one in enumerate(painted)
    ]


def _shown(image: RGBImage, mpp: float | None, session: TeachSession, name: str = "image") -> RGBImage:
    """An image at the model's resolution."""
    size = (image.shape[0], image.shape[1])
    return resample_image(image, model_shape(size, mpp, session.mpp, name, session.start.scale))


def _known_masks(
    session: TeachSession, taught: Taught, painted: Sequence[_Painted], stride: int
) -> Steps[list[np.ndarray[Any, np.dtype[np.uint8]]]]:
    """Per image what a start that knows classes is sure of, on the finest grid; nothing without one."""
    found = []
    settings = SegmentSettings(crf=None, min_confidence=SURE)
    for done, one in enumerate(painted):
        yield Event("pseudo masks", done, len(painted))
        rows, columns = (-(-side // stride) for side in one.pixels.shape[:2])
        mask = np.full((rows, columns), UNKNOWN, dtype=np.uint8)
        if session.start.known:
            activation = yield from cam_steps(one.pixels, taught.predictor, settings, mpp=session.mpp)
            labels = finish(activation, taught.predictor, settings).labels
            at = labels[stride // 2 :: stride, stride // 2 :: stride]
            part = mask[: at.shape[0], : at.shape[1]]
            part[at > 0] = at[at > 0] - 1
        found.append(mask)
    yield Event("pseudo masks", len(painted), len(painted))
    return found


def _cells_of(one: _Painted, mask: np.ndarray[Any, np.dtype[np.uint8]], stride: int, size: int) -> ImageCells:
    cells, used = one.cells, ~one.held
    mask[cells.rows, cells.columns] = UNKNOWN
    mask[cells.rows[used], cells.columns[used]] = one.classes[used]
    own = Cells(cells.rows[used], cells.columns[used], cells.values[used])
    return ImageCells(one.pixels, mask, centres_of(own, stride, size // 4))


def _calibrated(
    network: UNet, painted: Sequence[_Painted], session: TeachSession
) -> Steps[tuple[Calibration, dict[str, float]]]:
    """Temperature of the strokes that were left out; every class counts as present."""
    k = len(session.classes)
    neutral = Calibration(presence_thresholds=(0.0,) * k, crf=False)
    yield Event("calibrate", 0, 1)
    if not any(one.held.any() for one in painted):
        yield Event("calibrate", 1, 1)
        return neutral, {}
    about = Checkpoint(
        config=network.head.config,
        classes=session.classes,
        calibration=neutral,
        encoder_hash="0" * 64,
        head_state={},
        mpp=session.mpp,
    )
    predictor = Predictor.of_network(about, network, session.device, "taught")
    logits, truth = [], []
    for one in painted:
        if one.held.any():
            activation = yield from cam_steps(one.pixels, predictor, mpp=session.mpp)
            rows, columns = one.cells.rows[one.held], one.cells.columns[one.held]
            logits.append(torch.from_numpy(activation.logits[:, rows, columns].T))
            truth.append(torch.from_numpy(one.classes[one.held]))
    temperature, accuracy = fit_temperature(torch.cat(logits), torch.cat(truth))
    yield Event("calibrate", 1, 1)
    return neutral.changed(temperature=temperature), {"held_out_accuracy": accuracy}


def fit_temperature(logits: Float[Tensor, "n k"], truth: Int[Tensor, " n"]) -> tuple[float, float]:
    """Temperature of the least cross-entropy, in which classes have the same say; balanced accuracy."""
    counts = torch.bincount(truth, minlength=logits.shape[1]).double()
    weight = (1 / counts.clamp_min(1))[truth] / (counts > 0).sum()

    def loss(log_temperature: float) -> float:
        log_p = (logits.double() / np.exp(log_temperature)).log_softmax(1)
        return float(-(weight * log_p.gather(1, truth[:, None])[:, 0]).sum())

    bound = float(np.log(_LARGEST_TEMPERATURE))
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded")
    return float(np.exp(found.x)), float((weight * (logits.argmax(1) == truth)).sum())
