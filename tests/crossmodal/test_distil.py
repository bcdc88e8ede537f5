"""From images and a teacher to a student in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.crossmodal.conftest import QUICK

from napari_construct.crossmodal.distil import distil, distil_steps
from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.crossmodal.protocol import TeacherOutput, TeacherView
from napari_construct.crossmodal.teachers.cached import open_cache
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.data.cells.dataset import CellItem
from napari_construct.events import EpochDone, Event, Notice, Planned, Resumed, StepDone, run
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.models.checkpoints.channel_checkpoint import (
    load_channel_checkpoint,
    save_channel_checkpoint,
)
from napari_construct.training.loop.identity import state_path


def _losses(events: list[Event]) -> list[dict[str, float]]:
    return [dict(event.losses) for event in events if isinstance(event, StepDone)]


def test_a_student_learns_from_its_teacher_and_is_scored(images, others, teacher, tmp_path: Path) -> None:
    events: list[Event] = []
    output = tmp_path / "student"
    student = distil(images, teacher, QUICK, val=others, output=output, device="cpu", progress=events.append)
    assert student.channels == ("nuclear",)
    rounds = [event for event in events if isinstance(event, EpochDone)]
    assert [event.done for event in rounds] == [1, 2]
    assert {"dice", "ap50", "boundary_f1", "teacher_dice", "recovery"} <= rounds[-1].metrics.keys()
    assert rounds[-1].metrics["recovery"] == pytest.approx(
        rounds[-1].metrics["dice"] / rounds[-1].metrics["teacher_dice"]
    )
    losses = _losses(events)
    assert len(losses) == QUICK.steps
    assert {"probability", "boundary", "truth", "s truth"} <= losses[-1].keys()
    stored = load_channel_checkpoint(tmp_path / "student.construct")
    assert stored.training["teacher"] == "channel_unet"
    assert stored.training["images_with_truth"] == len(images)
    assert stored.object_diameter is not None
    assert 5 < stored.object_diameter < 40
    (plan,) = [event for event in events if isinstance(event, Planned)]
    stages = {part.stage for phase in plan.phases for part in phase.parts}
    assert stages == {event.stage for event in events} - {"planned", "epoch", "score teacher"}
    assert not state_path(tmp_path / "student.construct").exists()
    assert all(torch.equal(stored.state[name], value) for name, value in student.state.items())


def test_equal_seeds_give_equal_students(images, teacher) -> None:
    first, again = (distil(images, teacher, QUICK.changed(steps=2), device="cpu") for _ in range(2))
    other = distil(images, teacher, QUICK.changed(steps=2, seed=4), device="cpu")
    assert all(torch.equal(again.state[name], value) for name, value in first.state.items())
    assert not all(torch.equal(other.state[name], value) for name, value in first.state.items())


@pytest.mark.parametrize("stopped_after", [2, 4])
def test_a_stopped_run_goes_on_exactly(images, teacher, tmp_path: Path, stopped_after: int) -> None:
    whole: list[Event] = []
    wanted = distil(images, teacher, QUICK, device="cpu", progress=whole.append)
    output = tmp_path / "student.construct"
    job = distil_steps(images, teacher, QUICK, output=output, device="cpu")
    before: list[Event] = []
    for event in job:
        before.append(event)
        if len(_losses(before)) == stopped_after:
            break
    job.close()
    assert state_path(output).exists()
    after: list[Event] = []
    with pytest.raises(ConfigurationError, match="resume"):
        run(distil_steps(images, teacher, QUICK, output=output, device="cpu"))
    found = distil(images, teacher, QUICK, output=output, resume=True, device="cpu", progress=after.append)
    assert any(isinstance(event, Resumed) and event.done == stopped_after for event in after)
    assert _losses(before) + _losses(after) == _losses(whole)
    assert all(torch.equal(found.state[name], value) for name, value in wanted.state.items())
    assert not state_path(output).exists()


class Undrawn:
    """The same images; nobody drew cells."""

    def __init__(self, whole) -> None:
        self.whole, self.has_truth = whole, (False,) * len(whole)

    def __getattr__(self, name: str):
        return getattr(self.whole, name)

    def __len__(self) -> int:
        return len(self.whole)

    def load(self, index: int) -> CellItem:
        return CellItem(self.whole.load(index).image)


def test_nothing_is_said_of_truth_where_nobody_drew_cells(
    images, teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn, whole, after = Undrawn(images), [], []
    wanted = distil(undrawn, teacher, QUICK, device="cpu", progress=whole.append)
    numbers = [*_losses(whole), *(event.metrics for event in whole if isinstance(event, EpochDone))]
    assert all("s probability" in one and not any("truth" in name for name in one) for one in numbers)
    # a run that was started by a version that told the flat line
    output = tmp_path / "student.construct"
    with monkeypatch.context() as before:
        before.setattr(ItemStore, "terms", property(lambda store: store.config.terms))
        job = distil_steps(undrawn, teacher, QUICK, output=output, device="cpu")
        seen = [next(event for event in job if isinstance(event, StepDone)) for _ in range(QUICK.steps - 1)]
        assert all("s truth" in event.losses for event in seen)
        job.close()
    found = distil(undrawn, teacher, QUICK, output=output, resume=True, device="cpu", progress=after.append)
    assert _losses(after) == _losses(whole)[QUICK.steps - 1 :]
    assert all(torch.equal(found.state[name], value) for name, value in wanted.state.items())
    assert found.training["history"] == wanted.training["history"]
    (resumed,) = [event for event in after if isinstance(event, Resumed)]
    assert resumed.history
    assert not any("s truth" in one for one in resumed.history)


def test_a_run_resumes_with_its_own_settings_only(images, teacher, tmp_path: Path) -> None:
    output = tmp_path / "student.construct"
    job = distil_steps(images, teacher, QUICK, output=output, device="cpu")
    next(event for event in job if isinstance(event, StepDone))
    job.close()
    with pytest.raises(ConfigurationError, match="learning_rate"):
        distil(images, teacher, QUICK.changed(learning_rate=0.5), output=output, resume=True, device="cpu")
    with pytest.raises(CheckpointError, match="expected the state"):
        distil(images, teacher, QUICK, output=tmp_path / "other.construct", resume=True, device="cpu")


def test_a_run_that_is_enough_is_kept_as_it_is(images, teacher, tmp_path: Path) -> None:
    seen: list[Event] = []
    student = distil(
        images,
        teacher,
        QUICK,
        output=tmp_path / "s.construct",
        device="cpu",
        stop=lambda: len(_losses(seen)) >= 3,
        progress=seen.append,
    )
    assert student.training["stopped"] == {"step": 3, "steps": QUICK.steps}
    assert len(_losses(seen)) == 3
    assert load_channel_checkpoint(tmp_path / "s.construct").training["finished"]


def test_a_teacher_of_ours_comes_from_its_file_and_its_words_are_kept(
    images, both_channels, tmp_path: Path
) -> None:
    path = save_channel_checkpoint(tmp_path / "teacher", both_channels)
    teacher = load_teacher(path, device="cpu")
    assert teacher.spec.channels == ("nuclear", "membrane")
    cache = open_cache(tmp_path / "cache")
    config = QUICK.changed(steps=1)
    distil(images, teacher, config, device="cpu", cache=cache)
    files = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(files) == len(images)
    times = [file.stat().st_mtime_ns for file in files]

    def forbidden(_: object) -> None:
        raise AssertionError("shown again")

    teacher.predict = forbidden  # type: ignore[method-assign,assignment]
    distil(images, teacher, config, device="cpu", cache=cache)
    assert len(times) == len(sorted((tmp_path / "cache").rglob("*.safetensors")))


def test_without_a_cache_the_teacher_sees_each_image_once(images, teacher) -> None:
    class Counting:
        """The teacher, and the names of what it was shown."""

        spec, identity = teacher.spec, teacher.identity

        def __init__(self) -> None:
            self.shown: list[str] = []

        def predict(self, view: TeacherView) -> TeacherOutput:
            self.shown.append(view.name)
            return teacher.predict(view)

    counting = Counting()
    distil(images, counting, QUICK.changed(steps=1), device="cpu")
    assert sorted(counting.shown) == sorted(images.names)


def test_what_is_used_of_the_drawn_cells_is_said(images, teacher) -> None:
    events: list[Event] = []
    distil(images, teacher, QUICK.changed(steps=1, truth_images=1), device="cpu", progress=events.append)
    said = [event.message for event in events if isinstance(event, Notice)]
    assert "drawn cells of 1 of 4 images are used" in said


def test_nothing_of_others_is_replaced(images, tmp_path: Path) -> None:
    output = tmp_path / "mine.construct"
    output.write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="mine"):
        distil(images, None, QUICK.changed(terms=("truth",)), output=output, device="cpu")
    assert output.read_bytes() == b"something else"
