"""The second stage: pseudo masks train a small network that needs one pass, no views and no CRF.

1. The first stage makes a mask of every training patch, whose classes are known (pseudo masks).
2. A U-Net (:mod:`~napari_construct.models.unet`) learns them by cross-entropy; classes have the same say
   however much area each has.
3. Weights are averaged over the later steps, and the result is calibrated like any other model.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, StepDone, Steps
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.inference.devices import resolve_device
from napari_construct.inference.predictor import Predictor
from napari_construct.models.builder import make_encoder
from napari_construct.models.checkpoint import (
    Checkpoint,
    checkpoint_of,
    save_checkpoint,
)
from napari_construct.models.config import ModelConfig
from napari_construct.models.unet import UNet, build_unet
from napari_construct.training.augmentation import augment_with_masks
from napari_construct.training.averaging import WeightAverage, estimate_norms
from napari_construct.training.calibrate import fit_calibration
from napari_construct.training.labelled_logits import labelled_logits_steps
from napari_construct.training.mosaic import paste
from napari_construct.training.patches import PatchStore, load_patches
from napari_construct.training.pseudo_masks import pseudo_mask_steps
from napari_construct.training.randomness import epoch_order, generator, seed_of
from napari_construct.training.recalibrate import recalibrate, view_config
from napari_construct.training.second_config import FIRST, SecondStageConfig
from napari_construct.training.unknown import UNKNOWN, at_cells
from napari_construct.training.validation import mask_scores_steps, open_masked
from napari_construct.types import PathLike

WARM_UP: Final = 0.1
LARGEST_WEIGHT: Final = 10.0
"""Of a class in the loss, against the mean one."""

STATISTICS_FROM: Final = 20
"""Batches from which the averaged network's normalisation statistics are taken."""


def train_second_stage(
    dataset: ImageLevelDataset,
    first: Checkpoint,
    config: SecondStageConfig | None = None,
    *,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
    any_encoder: bool = False,
) -> Steps[Checkpoint]:
    """Train a one-pass network on the pseudo masks of a first stage.

    Parameters
    ----------
    dataset : ImageLevelDataset
        Patches with labels, best the first stage's own training patches.
    first : Checkpoint
        The first stage.
    config : SecondStageConfig, optional
        Settings.
    val : ImageLevelDataset or path, optional
        Patches with labels, on which the result is calibrated, or a folder with ``img`` and ``mask``, on
        which it is only scored.
    output : path, optional
        Checkpoint to write when all is done; a cancelled run writes nothing.
    encoder : Encoder, optional
        Of the first stage, where the catalogue cannot make it alone.
    device : str
        "auto", "cpu", "cuda" ...
    any_encoder : bool
        Take a first stage with an encoder of another hash as well.

    Yields
    ------
    Event, StepDone, Notice
        Stages "read", "pseudo masks", "train", "calibrate" and "validate".

    Returns
    -------
    Checkpoint
        Of the network "unet"; used like that of the first stage.

    Raises
    ------
    ConfigurationError
        If the data has other classes than the first stage, or the encoder has too few levels.
    DatasetError, InputError
        If a file cannot be used; the message names it.
    """
    config, started = config or SecondStageConfig(), time.perf_counter()
    if dataset.class_names != first.classes.names:
        raise ConfigurationError(
            f"expected patches with the classes {', '.join(first.classes.names)}, as the first stage "
            f"has, got {', '.join(dataset.class_names)}; use the same classes in the same order"
        )
    place = resolve_device(device)
    predictor = Predictor(first, device, encoder=encoder, any_encoder=any_encoder)
    network, stores_encoder = _network(first, config, predictor)
    for text in _notices(network, config):
        yield Notice("train", 0, 0, text)
    shown = view_config(predictor, config.patch_mpp).changed(
        num_workers=config.num_workers, memory_limit_mb=config.memory_limit_mb
    )
    patches = yield from load_patches(dataset, shown, network.spec)
    chosen = _selection(patches, config)
    images, masks = yield from pseudo_mask_steps(patches, chosen, dataset.labels, predictor, config)
    job = _Training(network.to(place), patches, images, masks, config, place)
    yield from job.steps()
    checkpoint = checkpoint_of(
        network,
        first.classes,
        with_encoder=stores_encoder,
        mpp=patches.view.mpp or first.mpp,
        data_fingerprint=dataset.fingerprint,
        training={
            "finished": True,
            "stage": 2,
            "patch": patches.view.size,
            "scale": patches.view.scale,
            "patches": len(chosen),
            "unknown_pixels": float((masks == UNKNOWN).mean()),
            "class_pixels": [float((masks == i).mean()) for i in range(len(first.classes))],
            "config": config.model_dump(mode="json"),
            "first_stage": {
                "encoder": first.config.encoder,
                "encoder_sha256": first.encoder_hash,
                "data_fingerprint": first.data_fingerprint,
            },
        },
    )
    _, logits = yield from labelled_logits_steps(network, patches, dataset.labels, place)
    calibration = fit_calibration(logits, held_out=False, background=first.calibration.background)
    # found on slides left out, which pseudo masks of training slides cannot stand in for
    offsets = {"class_offsets": first.calibration.class_offsets}
    checkpoint = replace(checkpoint, calibration=calibration.model_copy(update=offsets))
    checkpoint = yield from _validated(checkpoint, network.encoder, val, config, device)
    metrics = {**checkpoint.metrics, **job.means, "seconds": time.perf_counter() - started}
    checkpoint = replace(checkpoint, metrics=metrics)
    if output is not None:
        save_checkpoint(output, checkpoint)
    return checkpoint


class _Training:
    """Optimiser, averaged weights and the loop over steps."""

    def __init__(
        self,
        network: UNet,
        patches: PatchStore,
        images: NDArray[np.uint8],
        masks: NDArray[np.uint8],
        config: SecondStageConfig,
        device: torch.device,
    ) -> None:
        self.network, self.config, self.device = network, config, device
        self.window, self.size = patches.view.window, patches.view.size
        self.images, self.masks = torch.from_numpy(images), torch.from_numpy(masks)
        self.weights = class_weights(masks, network.head.n_classes).to(device)
        groups: list[dict[str, Any]] = [
            {"params": list(network.head.parameters()), "lr": config.learning_rate}
        ]
        if network.trains_encoder:
            rate = config.encoder_learning_rate
            groups.append({"params": list(network.encoder.parameters()), "lr": rate})
        self.optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]
        trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.average = WeightAverage(trained)
        self.losses: list[float] = []

    @property
    def means(self) -> dict[str, float]:
        """Mean loss of the last tenth of the steps."""
        return {"loss": float(np.mean(self.losses[-max(len(self.losses) // 10, 1) :]))}

    def steps(self) -> Steps[None]:
        """Train; afterwards the network holds the averaged weights and is in eval mode."""
        total, first = self.config.steps, int(self.config.steps * self.config.average_from)
        self.network.train()
        for step in range(total):
            factor = min((step + 1) / max(math.ceil(total * WARM_UP), 1), 1.0)
            for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(seed_of(self.config.seed, "layers", step))
                loss = self._optimise(*self._batch(step))
            self.losses.append(loss)
            if step >= first:
                self.average.update()
            yield StepDone(
                "train", step + 1, total, epoch=0, losses={"loss": loss}, learning_rate=self.rates[0] * factor
            )
        if self.average.count > 1:
            self.average.put_into_model()
            yield from self._statistics()
        self.network.trains_encoder = False
        self.network.requires_grad_(False).eval()

    def _batch(self, step: int) -> tuple[Float[Tensor, "b 3 s s"], UInt8[Tensor, "b s s"]]:
        """The batch of a step: a function of the seed and the step's number."""
        config = self.config
        indices = _full_batch(step, config.batch_size, len(self.images), config.seed)
        images, masks = augment_with_masks(
            self.images[indices].to(self.device),
            self.masks[indices].to(self.device),
            config.augmentation,
            window=self.window,
            size=self.size,
            generator=generator(config.seed, "augmentation", step),
        )
        if config.augmentation.mosaic:
            random = generator(config.seed, "mosaic", step)
            images, pasted, partner = paste(images, config.augmentation.mosaic, random)
            masks = torch.where(pasted, masks[partner], masks)
        return images, masks

    def _optimise(self, images: Tensor, masks: Tensor) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        loss = pseudo_mask_loss(self.network(images).cam, masks, self.weights)
        if not bool(torch.isfinite(loss)):
            raise ConstructError(
                f"expected a finite loss at step {len(self.losses) + 1}, got {float(loss):g}; lower the "
                "learning rate"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 5.0)
        self.optimiser.step()
        return float(loss.detach())

    def _statistics(self) -> Steps[None]:
        """Statistics of batch normalisation under the averaged weights."""
        part = self.network if self.network.trains_encoder else self.network.head

        def forward(step: int) -> None:
            self.network(self._batch(step)[0])

        yield from estimate_norms(part, [partial(forward, n) for n in range(STATISTICS_FROM)])


def _full_batch(step: int, size: int, count: int, seed: int) -> list[int]:
    """Patches of a step: epochs follow each other without a gap, so that no batch is small."""
    places = range(step * size, (step + 1) * size)
    orders = {epoch: epoch_order(seed, epoch, count).tolist() for epoch in {p // count for p in places}}
    return [orders[p // count][p % count] for p in places]


def pseudo_mask_loss(
    cam: Float[Tensor, "b k gh gw"], masks: UInt8[Tensor, "b h w"], weights: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """Cross-entropy at the pixel in the middle of each cell; 0 where nothing in the batch is known."""
    truth = at_cells(masks, (cam.shape[-2], cam.shape[-1])).long()
    if not bool((truth != UNKNOWN).any()):
        return cam.sum() * 0
    return F.cross_entropy(cam, truth, weights, ignore_index=UNKNOWN)


def class_weights(masks: NDArray[np.uint8], k: int) -> Float[Tensor, " k"]:
    """Inverse of each class's area, 1 in the mean over pixels, at most ``LARGEST_WEIGHT``."""
    area = np.bincount(masks.ravel(), minlength=256)[:k].astype(np.float64)
    known = max(area.sum(), 1.0)
    return torch.from_numpy(np.clip(known / (k * np.maximum(area, 1)), None, LARGEST_WEIGHT)).float()


def _network(first: Checkpoint, config: SecondStageConfig, predictor: Predictor) -> tuple[UNet, bool]:
    """The network, and whether the checkpoint must hold its encoder."""
    own = config.encoder in (FIRST, first.config.encoder)
    loaded: Any = predictor.network
    student: Any = copy.deepcopy(loaded.encoder) if own else make_encoder(config.encoder)
    wiring = ModelConfig(
        network="unet",
        encoder=student.spec.id,
        teacher=None,
        fusion_width=config.width,
        cam_stride=student.spec.strides[0],
        pooling="attention",
    )
    network = build_unet(wiring, student, len(first.classes), seed=config.seed)
    network.trains_encoder = config.encoder_learning_rate is not None and student.spec.redistributable
    student.requires_grad_(network.trains_encoder)
    return network, network.trains_encoder or (own and first.encoder_state is not None)


def _notices(network: UNet, config: SecondStageConfig) -> tuple[str, ...]:
    spec = network.spec
    if config.encoder_learning_rate is None or spec.redistributable:
        return ()
    text = (
        f"the encoder {spec.id} stays frozen: its licence ({spec.licence}) does not let a checkpoint hold it"
    )
    return (text,)


def _selection(patches: PatchStore, config: SecondStageConfig) -> list[int]:
    """All patches, or an even selection of as many as fit into memory with their masks."""
    rows, columns = patches.view.side
    most = max(int(config.memory_limit_mb * 1e6 / (4 * rows * columns)), 1)
    if len(patches) <= most:
        return list(range(len(patches)))
    return [int(i) for i in np.unique(np.linspace(0, len(patches) - 1, most).round())]


def _validated(
    checkpoint: Checkpoint,
    encoder: Encoder,
    val: ImageLevelDataset | PathLike | None,
    config: SecondStageConfig,
    device: str,
) -> Steps[Checkpoint]:
    if val is None:
        return checkpoint
    if isinstance(val, ImageLevelDataset):
        return (yield from recalibrate(checkpoint, val, mpp=config.patch_mpp, encoder=encoder, device=device))
    predictor = Predictor(checkpoint, device, encoder=encoder)
    scores = yield from mask_scores_steps(open_masked(val, config.patch_mpp), predictor)
    return replace(checkpoint, metrics={**checkpoint.metrics, **scores})
