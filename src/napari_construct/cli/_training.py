"""What the commands that train share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_construct.cli._output import check_model
from napari_construct.events import EpochDone, Event, Result, StepDone, Steps, forward
from napari_construct.events.progress import Bars


def training_target(output: Path, *, resume: bool, overwrite: bool, finish: bool) -> Path:
    """The checkpoint path, after checking that it is writable and replaces nothing by accident."""
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.models.checkpoints.locations import with_suffix
    from napari_construct.training.loop.identity import state_path

    if finish and not resume:
        raise ConfigurationError("expected --resume with --finish, got --finish alone; add --resume")
    target = with_suffix(output)
    for path in (target, state_path(target)):
        if path.exists() and not path.is_dir() and not (resume or overwrite):
            raise ConfigurationError(
                f"{path}: expected a new file, got an existing one; choose another name, --resume to "
                "continue, or --overwrite to replace it"
            )
    return check_model(target, overwrite=True)


def with_losses(steps: Steps[Result], bars: Bars, unit: str = "epoch") -> Steps[Result]:
    """Show losses next to the bar, and one line per epoch (or other ``unit``) above it."""

    def shown(event: Event) -> tuple[Event, ...]:
        if isinstance(event, EpochDone):
            bars.say(f"{unit} {event.done}/{event.total}: {numbers(event.metrics)}")
            return ()
        if isinstance(event, StepDone):
            text = f"{unit} {event.epoch + 1}/{event.epochs}, loss {event.losses['loss']:.4f}"
            return (Event(event.stage, event.done, event.total, text),)
        return (event,)

    return forward(steps, shown)


def numbers(metrics: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if value is not None)
