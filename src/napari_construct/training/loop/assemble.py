"""Assemble a run: model, task, batches and initial prototypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from napari_construct.data.feature_cache import FeatureCache, default_folder
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.events import Steps
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.construct import ConstructNet
from napari_construct.training.loop.cached import CachedBatches, FeatureStore, centre_levels
from napari_construct.training.loop.contents import patch_hash
from napari_construct.training.loop.precision import resolve_precision
from napari_construct.training.loop.preparation import label_tensor
from napari_construct.training.loop.prototype_start import start_from_examples, text_start
from napari_construct.training.loop.setup import TrainingSetup
from napari_construct.training.loop.training_run import TrainingRun
from napari_construct.training.objective.regions import has_text
from napari_construct.training.objective.shared_norm import share_norms
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batches import DrawnBatches
from napari_construct.training.views.fixed_views import CentreViews, FixedViews


def assemble_run(
    setup: TrainingSetup, start: Float[Tensor, "k p d"] | None, *, resume: bool
) -> Steps[TrainingRun]:
    """The run of a setup whose patches are read.

    Parameters
    ----------
    setup : TrainingSetup
        Encoders, data and settings.
    start : Tensor, optional
        (k, p, d) start of the prototypes; by default ``prototype_start`` decides.
    resume : bool
        Whether a state will replace the initial prototypes.
    """
    config = setup.config
    if start is None and (
        config.prototype_start == "text" or (config.prototype_start == "auto" and has_text(setup.encoder))
    ):
        start = text_start(setup.encoder, setup.classes, config.model.prototypes_per_class)
    model = build_model(config.model, setup.encoder, len(setup.classes), start=start, seed=config.seed)
    task = _make_task(setup, model)
    batches = DrawnBatches(
        setup.patches, label_tensor(setup.dataset), setup.sampler, config, setup.device, setup.processes
    )
    run = TrainingRun(task, batches, setup.sheets, config, setup.device)
    if config.feature_cache:
        yield from _use_cache(setup, run)
    if config.prototype_start == "examples" and start is None and not resume:
        yield from run.estimate_norms()
        levels = run.kept_levels or _levels(setup, model)
        yield from start_from_examples(model, levels, setup.dataset.labels, config.seed)
    setup.processes.copy_from_main(model.head)
    return run


def _make_task(setup: TrainingSetup, model: ConstructNet) -> TrainingTask:
    if isinstance(setup.config.encoder_learning_rate, float):
        setup.encoder.requires_grad_(True)  # type: ignore[attr-defined]
    if setup.processes.count > 1:
        share_norms(model.head, setup.processes)
    with seeded(setup.config.seed):  # whatever the task starts at random
        labels = setup.sampler.expected_labels(label_tensor(setup.dataset))
        return TrainingTask(model, setup.teacher, setup.config, labels, setup.processes).to(setup.device)


def _use_cache(setup: TrainingSetup, run: TrainingRun) -> Steps[None]:
    config = setup.config
    cache = FeatureCache(config.cache_folder or default_folder(), int(config.cache_gb * 1e9))
    dtype = resolve_precision(config.precision, setup.device)
    store = FeatureStore(cache, run.task, setup.encoder_hash, setup.teacher_hash, dtype, setup.device)
    hashes = [patch_hash(path) for path in setup.patches.paths]
    views = FixedViews(setup.patches, hashes, config)
    batches = CachedBatches(store, views, label_tensor(setup.dataset), setup.sampler)
    yield from batches.fill()
    run.batches = batches
    run.kept_levels = centre_levels(store, CentreViews(setup.patches, hashes))


def _levels(setup: TrainingSetup, model: ConstructNet) -> Callable[[Sequence[int]], tuple[Tensor, ...]]:
    views = CentreViews(setup.patches, ())
    return lambda indices: model.features(views.images(indices, setup.device))
