"""The jobs behind Train a model, without a widget: estimate a run, or check the patches and train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_construct.data.dataset_check import check_steps
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.catalogue.overview import size_text
from napari_construct.events import EpochDone, Event, Steps, forward, planned
from napari_construct.events.duration import in_words
from napari_construct.events.rarely import Rarely
from napari_construct.exceptions import DatasetError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.runs.libraries import training_libraries
from napari_construct.widgets.runs.results import Estimated, short_time
from napari_construct.widgets.train.data import validation_data
from napari_construct.widgets.train.previews import preview_files, preview_steps
from napari_construct.widgets.train.request import TrainRequest

if TYPE_CHECKING:  # these load torch
    from napari_construct.encoders.protocol import Encoder
    from napari_construct.models.checkpoints.checkpoint import Checkpoint
    from napari_construct.training.tools.estimate import Estimate


_SCORES: Final = {"val_miou": "mIoU", "val_f1": "F1 of presence"}


@dataclass(frozen=True, slots=True)
class Trained:
    """Result of :func:`train_job`: what is known of the model whose file is written."""

    output: Path
    epoch: int
    metrics: Mapping[str, float]
    epochs_planned: int | None = None
    """Of a run that was stopped before its end; None of others."""

    def in_words(self) -> str:
        """How the run ended, in a line."""
        scores = [
            f"{words} {100 * self.metrics[key]:.1f} %"
            for key, words in _SCORES.items()
            if self.metrics.get(key) is not None
        ]
        measured = f" ({', '.join(scores)} on the validation data)" if scores else ""
        early = "" if self.epochs_planned is None else f" of {self.epochs_planned}, stopped there"
        return f"Done: epoch {self.epoch}{early}{measured}. The model is in {self.output}."


def load_libraries() -> None:
    """Import what training and its curves need."""
    with training_libraries():
        from napari_construct.training.loop import train  # noqa: F401 - this is the purpose


def estimate_job(request: TrainRequest) -> Steps[Estimated]:
    """What the run will cost; torch is loaded here, in the worker's thread."""
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.training.tools.estimate import estimate_steps

    dataset, val = _data(request)
    found = yield from estimate_steps(
        dataset, request.config, classes=request.classes, val=val, device=request.device
    )
    return Estimated(estimate_in_words(found))


def train_job(request: TrainRequest, stop: Callable[[], bool] | None = None) -> Steps[Trained]:
    """The whole run, in the worker's thread.

    Parameters
    ----------
    request : TrainRequest
        The run.
    stop : callable, optional
        Asked after every step; once it returns True, the run ends there and the model is finished.

    Yields
    ------
    Event
        Those of the check and of the run, and :class:`PreviewsDone` after some of the epochs that were
        validated.
    """
    yield planned("train")  # what it costs is known when the patches are
    yield Event("starting", 0, 1)
    dataset, val = _data(request)
    if not (request.resume or request.checked.issuperset(dataset.paths)):
        yield from _check_steps(dataset)
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.training.loop.train import train_steps

    encoder = _frozen_encoder(request.config)
    yield Event("loading the libraries", 1, 1)
    steps = train_steps(
        dataset,
        request.config,
        classes=request.classes,
        val=val,
        output=request.output,
        resume=request.resume,
        overwrite=request.replace,
        encoder=encoder,
        device=request.device,
        stop=stop,
    )
    checkpoint = yield from _with_previews(steps, request, preview_files(dataset, val), encoder, stop)
    epoch = int(checkpoint.training.get("epoch", 0))
    of = checkpoint.training.get("stopped", {}).get("epochs")
    return Trained(request.output, epoch, dict(checkpoint.metrics), of)


def _data(request: TrainRequest) -> tuple[ImageLevelDataset, ImageLevelDataset | Path | None]:
    dataset = load_dataset(request.data, class_names=request.classes.names)
    return dataset, validation_data(request.val, dataset)


def _check_steps(dataset: ImageLevelDataset) -> Steps[None]:
    report = yield from check_steps(dataset)
    if not report.ok:
        names = ", ".join(name for name, _ in report.unreadable[:5])
        raise DatasetError(
            f"expected patches that can be read, got {len(report.unreadable)} that cannot ({names}); "
            "repair or remove them"
        )


def _frozen_encoder(config: TrainingConfig) -> Encoder | None:
    """The encoder, where it is not trained along: previews then use the same one."""
    from napari_construct.encoders.catalogue.lookup import create_encoder
    from napari_construct.training.loop.preparation import student_id, trains_encoder

    name = student_id(config)
    return None if trains_encoder(config, name) else create_encoder(name)


def _with_previews(
    steps: Steps[Checkpoint],
    request: TrainRequest,
    files: tuple[Path, ...],
    encoder: Encoder | None,
    stop: Callable[[], bool] | None,
) -> Steps[Checkpoint]:
    """Pass a run on; after an epoch whose checkpoint is on disk, look at a few images with it.

    Pictures decide nothing: they are made as often as their time allows, and after the last epoch.
    """
    written: int | None = None
    pictures = Rarely()

    def looked_at(event: Event) -> Iterator[Event]:
        nonlocal written
        yield event
        if not isinstance(event, EpochDone):
            return
        now = request.output.stat().st_mtime_ns if request.output.is_file() else None
        last = event.done == event.total or (stop is not None and stop())
        if now is not None and now != written and (pictures.due or last):
            written, mpp = now, request.config.patch_mpp
            with pictures.measured():
                yield (
                    yield from preview_steps(
                        files, request.output, request.device, mpp, event.epoch + 1, encoder
                    )
                )

    return forward(steps, looked_at)


def estimate_in_words(estimate: Estimate) -> str:
    """What a run will take, in a line."""
    text = (
        f"About {in_words(estimate.seconds)}: {estimate.steps} steps of {short_time(estimate.step_seconds)}"
    )
    if estimate.validation_seconds >= 0.05:
        text += f", {estimate.validations} validations of {short_time(estimate.validation_seconds)}"
    text += f". Memory up to {size_text(estimate.memory)}, this program included"
    if estimate.device_memory is not None:
        text += f"; {size_text(estimate.device_memory)} of {estimate.device}"
    return f"{text}."
