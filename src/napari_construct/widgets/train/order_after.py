"""Masks in another order, noticed after training: proposed, and read so without training again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from qtpy.QtWidgets import QWidget

from napari_construct.events import Event, Steps
from napari_construct.metrics.class_order import OrderDoubt
from napari_construct.metrics.segmentation import Confusion
from napari_construct.widgets.parts.order_row import OrderRow, without_notice
from napari_construct.widgets.train.job import Trained, load_libraries, train_job
from napari_construct.widgets.train.request import TrainRequest


@dataclass(frozen=True, slots=True, eq=False)
class ReorderRequest:
    """Read the validation masks of a trained model in another order.

    Attributes
    ----------
    run : TrainRequest
        The run of the model.
    trained : Trained
        What is known of the model.
    order : tuple of str
        The classes in the order of the masks' values.
    turned : tuple of int
        Class that each class of the earlier reading truly is.
    matrix : ndarray or None
        Counts of the earlier reading, if they are of the model that was kept.
    """

    run: TrainRequest
    trained: Trained
    order: tuple[str, ...]
    turned: tuple[int, ...]
    matrix: Confusion | None


class OrderAfter(OrderRow):
    """The proposal after a run, if its masks fit much better in another order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = "Score the model with this order and fit its thresholds again. Nothing is trained"
        super().__init__("Use this order", tip, parent)
        self._run: TrainRequest | None = None
        self._doubt: OrderDoubt | None = None
        self._proposed: ReorderRequest | None = None
        self.kept.connect(self.clear)

    def begin(self, run: TrainRequest) -> None:
        """A run begins: what was proposed after another one does not hold for it."""
        self._run, self._doubt = run, None
        self.clear()

    def follow(self) -> None:
        """The proposal is being followed; it is made again if that is cancelled."""
        self._doubt = None
        self.hide()

    def over(self) -> None:
        """A job is over: show what is still proposed."""
        self.setVisible(self._proposed is not None)

    def clear(self) -> None:
        """Propose nothing."""
        self._proposed = None
        self.propose("")

    def take(self, event: Event) -> None:
        """Remember what the last validation found; other events are nothing to it."""
        if isinstance(event, OrderDoubt):
            self._doubt = event

    def ready(self, trained: Trained) -> None:
        """The run is over: propose the order, if there is another one."""
        self.clear()
        run, doubt = self._run, self._doubt
        if run is None or doubt is None or doubt.found is None:
            return
        matrix = None if run.config.keeps_best else doubt.matrix  # of the last epoch
        self._proposed = ReorderRequest(run, trained, doubt.order, doubt.found.order, matrix)
        self.propose(f"{doubt.said[:1].upper()}{doubt.said[1:]}.")

    def proposed(self) -> ReorderRequest | None:
        """What the button asks for."""
        return self._proposed


def train_steps_with_order(request: TrainRequest, stop: Callable[[], bool]) -> Steps[Trained]:
    """The run; what the dock proposes about the order of the masks is no notice beside."""
    return without_notice(train_job(request, stop))


def reorder_job(request: ReorderRequest) -> Steps[Trained]:
    """Score and fit again, in the worker's thread; the model's file is replaced at the end."""
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
    from napari_construct.training.calibration.reorder import reorder_steps
    from napari_construct.training.calibration.validation import open_masked

    run, config = request.run, request.run.config
    yield Event("loading the libraries", 1, 1)
    if run.val is None:
        return request.trained
    checkpoint = load_checkpoint(run.output)
    data = open_masked(run.val, config.patch_mpp, config.first_class, request.order)
    made = yield from reorder_steps(
        checkpoint, data, request.turned, request.matrix, refit=config.calibrate_on_masks, device=run.device
    )
    save_checkpoint(run.output, made)
    return replace(request.trained, metrics=dict(made.metrics))
