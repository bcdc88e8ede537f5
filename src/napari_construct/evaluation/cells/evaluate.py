"""Score students on images with drawn cells, beside their baselines and their teacher."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teacher_view import DatasetViews
from napari_construct.crossmodal.teachers.cached import Taught, TeacherCache
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.open_cells import open_cells
from napari_construct.evaluation.cells.models import CellModels, Training
from napari_construct.evaluation.cells.overlays import CellExample
from napari_construct.evaluation.cells.passes import Passes
from napari_construct.evaluation.cells.report import CellReport
from napari_construct.evaluation.cells.rows import baseline_of, grouped
from napari_construct.evaluation.cells.scores import CellImageScore, CellModelScores
from napari_construct.events import Event, Notice, Progress, Steps, run
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.metrics.cells import TOLERANCE
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.types import PathLike

Model = PathLike | CellPredictor


def evaluate_cells(
    models: Model | Sequence[Model],
    data: PathLike | CellDataset,
    *,
    teacher: PathLike | Teacher | None = None,
    baseline: Model | Sequence[Model] | None = None,
    settings: CellSettings | None = None,
    teacher_channels: Sequence[int | str] = (),
    tolerance: float = TOLERANCE,
    mpp: float | None = None,
    examples: int = 2,
    device: str = "auto",
    cache: TeacherCache | None = None,
    progress: Progress = None,
    **changes: Any,
) -> CellReport:
    """Score students on one channel.

    Parameters
    ----------
    models : str, path, CellPredictor, or sequence of these
        Students. Those that differ in the seed of their training only are one row: mean and standard
        deviation.
    data : str, path or CellDataset
        Images with drawn cells, as :func:`~napari_construct.open_cells` opens them.
    teacher : str, path or Teacher, optional
        What the students learned from: its own scores, and how much of its Dice they recover. Where nobody
        drew cells, the students are compared with it. Names as of :func:`~napari_construct.load_teacher`.
    baseline : as ``models``, optional
        Students that were trained without a teacher (``--no-kd``); each stands beside those of its encoder.
    settings : CellSettings, optional
        How cells are decided, of students and teacher alike.
    teacher_channels : sequence of int or str
        Channels that the teacher sees, in the order of its roles; empty takes the first ones.
    tolerance : float
        Pixels within which contours agree.
    mpp : float, optional
        Micrometres per pixel of the images, where ``data`` is a path.
    examples : int
        Number of worst, of median and of best images that are kept as pictures.
    device : str
        Device of models that are loaded here.
    cache : TeacherCache, optional
        Where outputs of the teacher are kept.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of the settings, for example ``channel="DAPI"``.

    Returns
    -------
    CellReport
        ``report.scores["dice"]``, ``report.to_dict()``, ``report.to_markdown()``, ``report.to_html()``.

    Raises
    ------
    ConfigurationError
        If a model looks at several channels or is named twice, or the channel is not clear.
    DatasetError
        If no image could be scored.
    CheckpointError
        If a model cannot be read or is one of stained tissue.
    """
    settings = (settings or CellSettings()).changed(**changes)
    opened = CellModels(_several(models), _several(baseline), device=device)
    dataset = open_cells(data, mpp=mpp) if isinstance(data, str | os.PathLike) else data
    if isinstance(teacher, str | os.PathLike):
        teacher = load_teacher(teacher, device=device)
    steps = evaluate_cells_steps(
        opened,
        dataset,
        teacher=teacher,
        settings=settings,
        teacher_channels=teacher_channels,
        tolerance=tolerance,
        examples=examples,
        cache=cache,
    )
    return run(steps, progress)


def evaluate_cells_steps(
    models: CellModels,
    dataset: CellDataset,
    *,
    teacher: Teacher | None = None,
    settings: CellSettings | None = None,
    teacher_channels: Sequence[int | str] = (),
    tolerance: float = TOLERANCE,
    examples: int = 2,
    cache: TeacherCache | None = None,
) -> Steps[CellReport]:
    """:func:`evaluate_cells` as a job.

    Yields
    ------
    Event
        Stage "images", one per model and image; stage "tiles" in between; notices. Closing the generator
        cancels within one tile.
    """
    settings, clock = settings or CellSettings(), time.perf_counter()
    taught = None
    if teacher is not None:
        taught = Taught(DatasetViews(dataset, teacher.spec, teacher_channels), teacher, cache)
    own = teacher is not None and any(dataset.has_truth)
    passes = Passes(dataset, taught, settings, tolerance, len(models) + own)
    for text in (*dataset.notices, *_unscored(passes)):
        passes.notices.add(Notice("images", 0, 0, text))
        yield Notice("images", 0, 0, text)
    scores: list[dict[int, CellImageScore]] = []
    records: list[dict[str, Any]] = []
    shown: tuple[CellExample, ...] = ()
    for predictor, training in zip(models, models.trainings, strict=True):
        found = yield from passes.model_steps(predictor)
        records.append(_record(predictor, training))
        if not scores and found and examples:
            shown = yield from passes.example_steps(predictor, found, examples)
        scores.append(found)
    if own:
        scores.append((yield from passes.teacher_steps()))
    yield Event("images", len(scores) * len(passes.indices), len(scores) * len(passes.indices))
    images = passes.shared(scores)
    every = [tuple(one[i] for i in images) for one in scores]
    known = zip(models.names, models.trainings, records, every, strict=False)
    scored = [CellModelScores(name, training.seed, record, of) for name, training, record, of in known]
    rows = grouped(scored, models.kinds, models.trainings)
    notices = passes.notices.texts()
    for row in rows:
        _, doubt = baseline_of(row, rows) if row.kind == "student" else (None, "")
        if doubt:
            notices.append(doubt)
            yield Notice("images", 1, 1, doubt)
    return CellReport(
        rows=rows,
        teacher=None if teacher is None or not own else _teacher_scores(teacher, every[-1]),
        truth=passes.truth,
        failures=tuple(passes.failures.values()),
        notices=tuple(notices),
        record={
            "software": software_versions(),
            "settings": settings.model_dump(mode="json"),
            "tolerance": tolerance,
            "data": dataset.fingerprint,
            "channels": list(dataset.channels),
            "teacher": None if teacher is None else _teacher_record(teacher),
            "device": str(predictor.device),
            "seconds": time.perf_counter() - clock,
        },
        examples=tuple(one for one in shown if one.name in {image.name for image in every[0]}),
    )


def _several(models: Model | Sequence[Model] | None) -> Sequence[Model]:
    if models is None:
        return ()
    single = isinstance(models, str | CellPredictor) or not isinstance(models, Sequence)
    return [models] if single else models  # type: ignore[list-item, return-value]


def _unscored(passes: Passes) -> tuple[str, ...]:
    """What is compared with what, where it is not plain."""
    dataset = passes.dataset
    if passes.truth == "teacher":
        return ("nobody drew cells on these images; the students are compared with what the teacher says",)
    left = len(dataset) - len(passes.indices)
    return (f"{left} of {len(dataset)} images have no drawn cells and are not scored",) if left else ()


def _record(predictor: CellPredictor, training: Training) -> dict[str, Any]:
    checkpoint = predictor.checkpoint
    return {
        "sha256": predictor.sha256,
        "encoder": checkpoint.config.encoder,
        "pretrained": checkpoint.pretrained,
        "mpp": checkpoint.mpp,
        "data": training.data,
        "teacher": training.teacher_name,
        "teacher_identity": training.teacher,
        "images": training.images,
        "images_with_truth": training.images_with_truth,
        "images_taught": training.taught,
        "settings": dict(training.settings),
        "seed": training.seed,
    }


def _teacher_record(teacher: Teacher) -> dict[str, Any]:
    spec = teacher.spec
    return {
        "id": spec.id,
        "title": spec.title,
        "licence": spec.licence,
        "channels": list(spec.channels),
        "identity": teacher.identity,
    }


def _teacher_scores(teacher: Teacher, images: tuple[CellImageScore, ...]) -> CellModelScores:
    return CellModelScores(teacher.spec.title, None, _teacher_record(teacher), images)
