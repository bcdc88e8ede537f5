"""A run put together: model, task, batches, and where prototypes start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from napari_construct.data.feature_cache import FeatureCache, default_folder
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.events import Steps
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.construct import ConstructNet
from napari_construct.training.loop.cached import CachedBatches, FeatureStore, centre_levels
from napari_construct.training.loop.precision import resolve_precision
from napari_construct.training.loop.preparation import label_tensor
from napari_construct.training.loop.prototype_start import start_from_examples, text_start
from napari_construct.training.loop.setup import Job
from napari_construct.training.loop.training_run import TrainingRun
from napari_construct.training.objective.regions import has_text
from napari_construct.training.objective.shared_norm import share_norms
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batches import DrawnBatches
from napari_construct.training.views.fixed_views import CentreViews, FixedViews


def assemble_run(job: Job, start: Float[Tensor, "k p d"] | None, *, resume: bool) -> Steps[TrainingRun]:
    """The run of a job whose patches are read.

    Parameters
    ----------
    job : Job
        Encoders, data and settings.
    start : Tensor, optional
        (k, p, d) start of the prototypes; else as ``prototype_start`` says.
    resume : bool
        Whether a state will replace whatever prototypes start at.
    """
    config = job.config
    if start is None and (
        config.prototype_start == "text" or (config.prototype_start == "auto" and has_text(job.encoder))
    ):
        start = text_start(job.encoder, job.classes, config.model.prototypes_per_class)
    model = build_model(config.model, job.encoder, len(job.classes), start=start, seed=config.seed)
    task = _make_task(job, model)
    run = TrainingRun(task, DrawnBatches(job.patches, label_tensor(job.dataset), job.sampler, config,
                                         job.device, job.processes), config, job.device)  # fmt: skip
    if config.feature_cache:
        yield from _use_cache(job, run)
    if config.prototype_start == "examples" and start is None and not resume:
        yield from run.estimate_norms()
        levels = run.kept_levels or _levels(job, model)
        yield from start_from_examples(model, levels, job.dataset.labels, config.seed)
    job.processes.copy_from_main(model.head)
    return run


def _make_task(job: Job, model: ConstructNet) -> TrainingTask:
    if isinstance(job.config.encoder_learning_rate, float):
        job.encoder.requires_grad_(True)  # type: ignore[attr-defined]
    if job.processes.count > 1:
        share_norms(model.head, job.processes)
    with seeded(job.config.seed):  # whatever the task starts at random
        labels = job.sampler.expected_labels(label_tensor(job.dataset))
        return TrainingTask(model, job.teacher, job.config, labels, job.processes).to(job.device)


def _use_cache(job: Job, run: TrainingRun) -> Steps[None]:
    config = job.config
    cache = FeatureCache(config.cache_folder or default_folder(), int(config.cache_gb * 1e9))
    dtype = resolve_precision(config.precision, job.device)
    store = FeatureStore(cache, run.task, job.encoder_hash, job.teacher_hash, dtype, job.device)
    hashes = [file_hash(path) for path in job.patches.paths]
    views = FixedViews(job.patches, hashes, config)
    batches = CachedBatches(store, views, label_tensor(job.dataset), job.sampler)
    yield from batches.fill()
    run.batches = batches
    run.kept_levels = centre_levels(store, CentreViews(job.patches, hashes))


def _levels(job: Job, model: ConstructNet) -> Callable[[Sequence[int]], tuple[Tensor, ...]]:
    views = CentreViews(job.patches, ())
    return lambda indices: model.features(views.images(indices, job.device))
