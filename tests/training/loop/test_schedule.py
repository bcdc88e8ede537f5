"""When a run validates: a small share of it, the same epochs everywhere, one early and the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from napari_construct.events import Event, Notice, run
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.schedule import CHOICE, FIT, REFIT, SHARE, Schedule, fit_told

TRAINED = TrainingConfig(encoder_learning_rate=1e-3)


def of_run(config: TrainingConfig = TRAINED, steps: int = 1, **given) -> Schedule:
    return Schedule.of_run(config, steps, **{"calibrated": 16} | given)


def share(schedule: Schedule) -> float:
    """Of the run that its validations take, as it is counted."""
    each = schedule.norms + schedule.calibration + schedule.scores
    spent = each * len(schedule.validated)
    return spent / (spent + schedule.steps * schedule.step)


@pytest.mark.parametrize(
    ("steps", "given"),
    [
        (1, {}),  # 16 patches: 400 epochs of one step
        (4, {"calibrated": 64}),
        (120, {"calibrated": 1906, "images": 16, "area": 500.0}),
        (1000, {"calibrated": 2000, "images": 40, "area": 4000.0}),
    ],
)
def test_validations_take_a_small_share(steps, given) -> None:
    schedule = of_run(steps=steps, **given)
    assert share(schedule) < 0.1
    assert schedule.epochs in schedule.validated
    assert min(schedule.validated) <= max(0.02 * schedule.epochs, 1)  # something to see early
    assert all(1 <= epoch <= schedule.epochs for epoch in schedule.validated)


def test_many_cheap_epochs_are_validated_often() -> None:
    schedule = of_run(steps=1000)
    assert schedule.validated == frozenset(range(1, 21))
    assert share(schedule) < SHARE


def test_validations_that_decide_something_are_enough_for_a_choice() -> None:
    costly = {"images": 100, "area": 1e4}
    assert len(of_run(steps=10, **costly).validated) <= 3
    for change in ({"keep": "best"}, {"patience": 2}):
        assert len(of_run(TRAINED.changed(**change), 10, **costly).validated) >= 10


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_short_runs(epochs) -> None:
    assert of_run(TRAINED.changed(epochs=epochs)).validated == frozenset({1, epochs})


def test_a_number_is_obeyed() -> None:
    assert of_run(TRAINED.changed(epochs=7, validate_every=3)).validated == frozenset({3, 6, 7})


def test_the_last_calibration_is_told_as_two_stages_that_go_on() -> None:
    def fit():
        yield Event("calibrate", 0, 2)
        yield Event("tiles", 1, 2)
        yield Event("calibrate", 1, 2)
        yield Event("calibrate", 2, 2)
        yield Notice("calibrate", 0, 0, "kept")
        for _ in range(4):
            yield Event("tiles", 1, 2)
            yield Event("tiles", 2, 2)

    events: list[Event] = []
    run(fit_told(fit(), 2), events.append)
    told = [(e.stage, e.done, e.total) for e in events if not isinstance(e, Notice)]
    first, second = told[:4], told[4:]
    assert first == [("calibrate on masks", done, 2) for done in (0, 0, 1, 2)]
    assert [row[0] for row in second] == ["choose views and CRF"] * 8
    assert [row[1] for row in second] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert second[-1][2] == 4


def test_a_fit_with_other_views_is_a_stage_of_its_own() -> None:
    """The plan knows of it: the time left does not stand at nothing while it runs."""

    def fit() -> Iterator[Event]:
        yield from (Event("calibrate", done, 2) for done in range(3))
        yield from (Event("tiles", done % 2, 1) for done in range(8))
        yield from (Event("calibrate", 0, 2), Event("tiles", 0, 4), Event("calibrate", 2, 2))

    stages = [event.stage for event in fit_told(fit(), images=2)]
    assert list(dict.fromkeys(stages)) == [FIT, CHOICE, REFIT]
    assert stages == sorted(stages, key=[FIT, CHOICE, REFIT].index)
