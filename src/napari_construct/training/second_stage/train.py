"""The second stage: pseudo masks train a small network that needs one pass, no views and no CRF.

1. The first stage makes a mask of every training patch, whose classes are known (pseudo masks).
2. A U-Net (:mod:`~napari_construct.models.network.unet`) learns them by cross-entropy; classes have
   the same say however much area each has.
3. Weights are averaged over the later steps, and the result is calibrated like any other model.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.events import Notice, Planned, Progress, Steps, in_a_row, planned, run
from napari_construct.export.locks import locked_file
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    save_checkpoint,
)
from napari_construct.models.checkpoints.locations import refuse_existing, with_suffix
from napari_construct.models.network.unet import UNet
from napari_construct.training.calibration.fit_calibration import fit_calibration
from napari_construct.training.calibration.guard import STAGE as GUARD
from napari_construct.training.calibration.guard import guard_steps
from napari_construct.training.calibration.guard_validation import raised_steps
from napari_construct.training.calibration.labelled_logits import labelled_logits_steps
from napari_construct.training.calibration.recalibrate import (
    check_same_classes,
    recalibrate_steps,
    view_config,
)
from napari_construct.training.calibration.validation import (
    MaskedImages,
    mask_scores_steps,
    open_masked,
)
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.loop.image_statistics import STAGE as STATISTICS
from napari_construct.training.loop.preparation import settled_norms
from napari_construct.training.loop.schedule import guard_cost
from napari_construct.training.second_stage.loop import SecondStageTraining
from napari_construct.training.second_stage.network import encoder_notices, make_network
from napari_construct.training.second_stage.pseudo_masks import pseudo_mask_steps
from napari_construct.training.views.partial_masks import UNKNOWN
from napari_construct.training.views.patches import PatchStore, load_patches
from napari_construct.training.views.sheets import Sheets
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials


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
    overwrite: bool = False,
    progress: Progress = None,
) -> Checkpoint:
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
        Checkpoint to write at the end; a cancelled run writes nothing.
    encoder : Encoder, optional
        Encoder of the first stage, if the catalogue cannot load it.
    device : str
        "auto", "cpu", "cuda" ...
    any_encoder : bool
        Also accept a first stage with another encoder's hash.
    overwrite : bool
        Replace a model that lies at ``output``.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    Checkpoint
        Checkpoint of the network "unet"; used like one of the first stage.

    Raises
    ------
    ConfigurationError
        If the data has other classes than the first stage, the encoder has too few levels, or something lies
        at ``output`` that is not to be overwritten.
    DatasetError, InputError
        If a file cannot be used; the message names it.
    """
    steps = train_second_stage_steps(
        dataset,
        first,
        config,
        val=val,
        output=output,
        encoder=encoder,
        device=device,
        any_encoder=any_encoder,
        overwrite=overwrite,
    )
    return run(steps, progress)


def train_second_stage_steps(
    dataset: ImageLevelDataset,
    first: Checkpoint,
    config: SecondStageConfig | None = None,
    *,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
    any_encoder: bool = False,
    overwrite: bool = False,
) -> Steps[Checkpoint]:
    """:func:`train_second_stage` as a job.

    Yields
    ------
    Planned, Event, StepDone, Notice
        Stages "read", "pseudo masks", "train", "calibrate" and "validate".
    """
    target = None if output is None else with_suffix(output)
    with locked_file(target):
        if target is not None and not overwrite:
            refuse_existing(target)
        steps = _steps(dataset, first, config, val, output, encoder, device, any_encoder)
        return (yield from steps)


def _steps(
    dataset: ImageLevelDataset,
    first: Checkpoint,
    config: SecondStageConfig | None,
    val: ImageLevelDataset | PathLike | None,
    output: PathLike | None,
    encoder: Encoder | None,
    device: str,
    any_encoder: bool,
) -> Steps[Checkpoint]:
    config, started = config or SecondStageConfig(), time.perf_counter()
    check_same_classes(dataset, first.classes.names, "patches", "the first stage")
    opened = _open(val, first, config)
    place = resolve_device(device)
    predictor = Predictor(first, device, encoder=encoder, any_encoder=any_encoder)
    network, stores_encoder = make_network(first, config, predictor.network)
    norms = settled_norms(config.norm_statistics, network.spec.id, dataset.labels)
    config = config.changed(norm_statistics=norms)
    network.keeps_norms = norms == "frozen"
    for text in encoder_notices(network, first, config):
        yield Notice("train", 0, 0, text)
    patches = yield from load_patches(dataset, _shown(predictor, config, network.spec), network.spec)
    chosen = _selection(patches, config)
    sheets = Sheets(patches, dataset.labels, dataset.groups, config.seed, network.spec.multiple)
    yield _plan(network, config, len(chosen), sheets, scored=val is not None)
    images, masks = yield from pseudo_mask_steps(patches, chosen, dataset.labels, predictor, config)
    job = SecondStageTraining(network.to(place), patches, images, masks, sheets, config, place)
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
    guard = yield from guard_steps(network, patches, dataset.groups, place)
    calibration = calibration.model_copy(update=offsets)
    checkpoint = replace(checkpoint, calibration=calibration, guard=guard)
    checkpoint = yield from _validated(checkpoint, network.encoder, opened, config, device)
    metrics = {**checkpoint.metrics, **job.means, "seconds": time.perf_counter() - started}
    checkpoint = replace(checkpoint, metrics=metrics)
    if output is not None:
        remove_partials(with_suffix(output))
        save_checkpoint(output, checkpoint)
    return checkpoint


def _shown(first: Predictor, config: SecondStageConfig, spec: EncoderSpec) -> TrainingConfig:
    """How patches are shown: as to the first stage, or a little smaller where the encoder needs it."""
    shown = view_config(first, config.patch_mpp)
    size = shown.image_size
    if size is not None:
        size = max(size // spec.multiple, 1) * spec.multiple
    return shown.changed(
        image_size=size, num_workers=config.num_workers, memory_limit_mb=config.memory_limit_mb
    )


def _plan(network: UNet, config: SecondStageConfig, patches: int, sheets: Sheets, *, scored: bool) -> Planned:
    """What is to come, in passes of a network over a patch."""
    return planned(
        f"second stage {network.spec.id}",
        in_a_row(("pseudo masks", 4.0 * patches)),
        in_a_row(("train", 6.0 * config.steps * config.batch_size)),
        in_a_row(
            ("average", 50.0 * config.batch_size),
            (STATISTICS, sheets.area),
            ("calibrate", 1.0 * patches),
            (GUARD, guard_cost(float(patches))),
        ),
        in_a_row(*((("validate", 1.0 * patches),) if scored else ())),
    )


def _selection(patches: PatchStore, config: SecondStageConfig) -> list[int]:
    """All patches, or an even selection of as many as fit into memory with their masks."""
    rows, columns = patches.view.side
    most = max(int(config.memory_limit_mb * 1e6 / (4 * rows * columns)), 1)
    if len(patches) <= most:
        return list(range(len(patches)))
    return [int(i) for i in np.unique(np.linspace(0, len(patches) - 1, most).round())]


def _open(
    val: ImageLevelDataset | PathLike | None, first: Checkpoint, config: SecondStageConfig
) -> ImageLevelDataset | MaskedImages | None:
    """Validation data, checked before anything is trained."""
    if isinstance(val, ImageLevelDataset):
        check_same_classes(val, first.classes.names)
    if val is None or isinstance(val, ImageLevelDataset):
        return val
    return open_masked(val, config.patch_mpp, config.first_class, config.mask_order).read_as(first.classes)


def _validated(
    checkpoint: Checkpoint,
    encoder: Encoder,
    val: ImageLevelDataset | MaskedImages | None,
    config: SecondStageConfig,
    device: str,
) -> Steps[Checkpoint]:
    if val is None:
        return checkpoint
    predictor, guard = Predictor(checkpoint, device, encoder=encoder), checkpoint.guard
    if isinstance(val, ImageLevelDataset):
        patches = yield from load_patches(val, view_config(predictor, config.patch_mpp), predictor.spec)
        if guard is not None:
            guard = yield from raised_steps(guard, predictor, patches=patches, groups=val.groups)
        checkpoint = replace(checkpoint, guard=guard)
        return (
            yield from recalibrate_steps(checkpoint, val, encoder=encoder, device=device, patches=patches)
        )
    scores = yield from mask_scores_steps(val, predictor)
    if guard is not None:
        guard = yield from raised_steps(guard, predictor, val)
    return replace(checkpoint, guard=guard, metrics={**checkpoint.metrics, **scores})
