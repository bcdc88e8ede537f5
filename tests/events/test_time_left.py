"""The time left of a whole job, against a clock of our own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from napari_construct.events import Event, Notice, Part, Phase, Resumed, planned
from napari_construct.events.rarely import Rarely
from napari_construct.events.time_left import Left, TimeLeft


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """What a job tells while time goes by."""

    def __init__(self, costs: dict | None = None) -> None:
        self.clock = Clock()
        self.left = TimeLeft({} if costs is None else costs, self.clock)
        self.shares: list[float] = []

    def __call__(self, seconds: float, event: Event) -> Left:
        self.clock.now += seconds
        found = self.left.update(event)
        self.shares.append(found.share)
        return found

    def all(self, events: Iterable[tuple[float, Event]]) -> list[tuple[float, float | None]]:
        """When each event came, and what was said to be left then."""
        return [(self.clock.now + s, self(s, e).seconds) for s, e in events]


SEGMENT = planned(
    "segment",
    Phase((Part("loading", 5.0, steady=False),)),
    Phase((Part("tiles", 10.0), Part("refine", 1.0), Part("dense CRF", 20.0)), 1),
    Phase((Part("layers", 1.0),)),
)


def segmentation(slow: float = 1.0, *, load: float = 3.0) -> list[tuple[float, Event]]:
    """Events of a run and the seconds before each; a computer that takes ``slow`` times the weights."""
    return [
        (0.0, Event("loading", 0, 1)),
        (load, Event("tiles", 0, 10)),
        *((slow, Event("tiles", i, 10)) for i in range(1, 11)),
        (0.0, Event("refine", 0, 1)),
        (slow, Event("dense CRF", 0, 5)),
        *((4 * slow, Event("dense CRF", i, 5)) for i in range(1, 6)),
        (0.0, Event("refine", 1, 1)),
        (0.0, Event("layers", 0, 1)),
    ]


@pytest.mark.parametrize("slow", [0.5, 1.0, 3.0])
def test_stages_that_have_not_come_count_as_slow_as_those_that_have(slow) -> None:
    told = Told()
    told(0, SEGMENT)
    end = 100 + 3 + 32 * slow
    rows = told.all(segmentation(slow))
    assert rows[0][1] is None  # nothing is known at first
    third = [left for at, left in rows if left is not None and (at - 100) / (end - 100) > 0.2]
    true = [end - at for at, left in rows if left is not None and (at - 100) / (end - 100) > 0.2]
    assert len(third) > 10
    assert third == pytest.approx(true, rel=0.3, abs=1.0 * slow)
    assert told.shares == sorted(told.shares)


def test_what_an_earlier_run_cost_is_known_from_the_start() -> None:
    costs: dict = {}
    first = Told(costs)
    first(0, SEGMENT)
    first.all(segmentation(2.0))
    first.clock.now += 2
    first.left.end()
    again = Told(costs)
    again(0, SEGMENT)
    (_, left) = again.all(segmentation(2.0))[0]
    assert left == pytest.approx(3 + 33 * 2, rel=0.1)


def test_a_stage_that_is_left_out_leaves_no_time_behind() -> None:
    told = Told()
    told(0, SEGMENT)
    told.all(segmentation(1.0)[:13])
    assert told(0.0, Event("layers", 0, 1)).seconds == pytest.approx(1.0, rel=0.15)  # no CRF was run


def test_rows_that_come_again_are_counted() -> None:
    told = Told()
    told(
        0,
        planned("batch", Phase((Part("images", 1.0), Part("tiles", 4.0), Part("writing", 1.0)), 4, "images")),
    )
    for i in range(4):
        told(0.0, Event("images", i, 4))
        told(1.0, Event("tiles", 0, 2))
        told(4.0, Event("tiles", 1, 2))
        half = told(4.0, Event("tiles", 2, 2))
        assert half.seconds == pytest.approx(1 + (3 - i) * 10, rel=0.15)
        told(0.0, Event("writing", 0, 1))
        after = told(1.0, Event("images", i + 1, 4))
        assert after.seconds == pytest.approx((3 - i) * 10, rel=0.01)
    assert told.shares == sorted(told.shares)
    assert told.shares[-1] == pytest.approx(1.0)


def test_an_image_that_fails_is_over() -> None:
    told = Told()
    told(0, planned("batch", Phase((Part("images", 0.1), Part("tiles", 4.0)), 3, "images")))
    told(0, Event("images", 0, 3))
    told(0.1, Event("tiles", 0, 4))
    for i in range(1, 5):
        told(1, Event("tiles", i, 4))
    told(0, Event("images", 1, 3))
    assert told(0.5, Event("images", 2, 3)).seconds == pytest.approx(
        4.1, rel=0.2
    )  # the second was unreadable


def training(steps: int, every: int, *, previews: bool = False) -> list[tuple[float, Event]]:
    """One second a step; each validation takes four, each picture two."""
    rows: list[tuple[float, Event]] = []
    for i in range(1, steps + 1):
        rows.append((1.0, Event("train", i, steps)))
        if i % every == 0:
            rows += [(1.0, Event("average", 1, 1)), (3.0, Event("validate", 1, 1)),
                     (0.5, Event("epoch", i // every, steps // every))]  # fmt: skip
            if previews:
                rows += [(0.0, Event("previews", 0, 1)), (2.0, Event("previews", 1, 1))]
    return rows


@pytest.mark.parametrize("previews", [False, True])
def test_validations_and_pictures_of_a_training_count(previews) -> None:
    told = Told()
    validation = Phase((Part("average", 100.0), Part("validate", 300.0)), 10, during=True)
    told(0, planned("train", Phase((Part("train", 20_000.0),)), validation, Phase((Part("last", 400.0),))))
    rows = told.all([*training(200, 20, previews=previews), (4.0, Event("last", 1, 1))])
    end = rows[-1][0]
    later = [(end - at, left) for at, left in rows if at > 160 and left is not None]
    assert len(later) > 100
    for true, left in later:
        assert left == pytest.approx(true, rel=0.3, abs=6)
    assert told.shares == sorted(told.shares)


def test_a_resumed_run_tells_what_is_left_of_it() -> None:
    told = Told()
    told(0, planned("train", Phase((Part("train", 100.0),))))
    told(0, Resumed("train", 80, 100))
    for i in range(81, 91):
        left = told(2, Event("train", i, 100))
    assert left.seconds == pytest.approx(20, rel=0.05)


def test_without_a_plan_the_present_stage_is_told() -> None:
    told = Told()
    told(0, Event("download", 0, 10))
    assert told(4, Event("download", 2, 10)).seconds == pytest.approx(16)
    told(0, Notice("download", 0, 0, "a notice changes nothing"))
    assert told(0, Event("other", 0, 0)).seconds is None
    assert told.shares == sorted(told.shares)


def test_what_comes_before_an_announced_plan_moves_no_bar() -> None:
    told = Told()
    told(0, planned("train"))
    told(0, Event("check", 0, 6))
    assert told(6, Event("check", 6, 6)) == Left(None, 0.0)
    told(0, planned("train", Phase((Part("train", 100.0),))))
    told(1, Event("train", 1, 100))
    assert told(4, Event("train", 5, 100)).share < 0.15


def test_time_goes_by_between_two_events() -> None:
    told = Told()
    told(0, Event("download", 0, 10))
    told(4, Event("download", 2, 10))
    told.clock.now += 6
    assert told.left.now().seconds == pytest.approx(10)


def test_a_stage_under_parts_of_the_job_is_one_stage() -> None:
    told = Told()
    told(0, planned("stack", Phase((Part("tiles", 2.0),), 3)))
    for i in range(1, 4):
        told(0, Event(f"plane {i} of 3, tiles", 0, 2))
        told(2, Event(f"plane {i} of 3, tiles", 1, 2))
        left = told(2, Event(f"plane {i} of 3, tiles", 2, 2))
        assert left.seconds == pytest.approx((3 - i) * 4, abs=0.01)


def test_rare_work_takes_its_share_of_the_time() -> None:
    clock = Clock()
    pictures, spent = Rarely(0.1, clock), 0.0
    assert pictures.due  # one early
    for _ in range(1000):
        clock.now += 1
        if pictures.due:
            with pictures.measured():
                clock.now += 3
            spent += 3
    assert spent / (clock.now - 100) == pytest.approx(0.1, rel=0.1)


def test_work_that_is_alike_tells_what_is_to_come() -> None:
    plan = planned("train", Phase((Part("step", 10.0), Part("score", 10.0), Part("fit", 10.0, like="score"))))
    told = Told()
    told(0.0, plan)
    told.all((10.0, Event("step", i, 10)) for i in range(11))
    found = told.all((1.0, Event("score", i, 10)) for i in range(11))
    assert found[-1][1] == pytest.approx(10.0, rel=0.15)
