from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.cells.conftest import SETTINGS, Trained

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.loop.validation import student_scores, teacher_scores
from napari_construct.crossmodal.phantom import PhantomDataset
from napari_construct.crossmodal.teacher_view import DatasetViews
from napari_construct.crossmodal.teachers.cached import Taught
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.data.cells.dataset import CellItem
from napari_construct.evaluation.cells.evaluate import evaluate_cells
from napari_construct.evaluation.cells.report import CellReport
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.inference.cells.loading import load_cell_model


class Changed:
    """A dataset some of whose images are without truth, or damaged, or named otherwise."""

    def __init__(self, whole: PhantomDataset, *, blind: bool = False, damaged: int | None = None) -> None:
        self.whole, self.blind, self.damaged = whole, blind, damaged
        self.groups, self.channels = whole.groups, whole.channels
        self.names = tuple(f"<b>{name}</b>" for name in whole.names)
        self.notices: tuple[str, ...] = ()
        self.fingerprint = "f" * 64
        self.has_truth = (not blind,) * len(whole)

    def __len__(self) -> int:
        return len(self.whole)

    def load(self, index: int) -> CellItem:
        if index == self.damaged:
            raise InputError(f"{self.names[index]}: expected a whole file, got half of one; copy it again")
        item = self.whole.load(index)
        return replace(item, truth=None) if self.blind else item


@pytest.fixture(scope="session")
def report(trained: Trained, phantoms: PhantomDataset) -> CellReport:
    return evaluate_cells(
        trained.seeds,
        phantoms,
        teacher=trained.teacher,
        baseline=trained.baseline,
        settings=SETTINGS,
        examples=1,
    )


@pytest.fixture(scope="session")
def content(report: CellReport) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.to_json())
    return found


def test_seeds_are_one_row_with_their_deviation(content: dict[str, Any]) -> None:
    student, base = content["rows"]
    assert (student["name"], student["seeds"], base["kind"]) == ("kd", [0, 1], "baseline")
    each = [m["pooled"]["dice"] for m in content["models"] if m["row"] == "kd"]
    assert each[0] != each[1]
    assert student["pooled"]["dice"] == pytest.approx(statistics.fmean(each))
    assert student["std"]["dice"] == pytest.approx(statistics.stdev(each))
    assert base["std"] is None


def test_numbers_are_those_of_the_loop(
    trained: Trained, phantoms: PhantomDataset, content: dict[str, Any]
) -> None:
    config, teacher = DistilConfig(channels=(0,)), load_teacher(trained.teacher)
    predictor = load_cell_model(trained.seeds[1])
    expected = run(student_scores(phantoms, predictor, config, settings=SETTINGS))
    found = next(m["pooled"] for m in content["models"] if m["name"] == "kd-seed1")
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    taught = Taught(DatasetViews(phantoms, teacher.spec, ()), teacher, None)
    best = run(teacher_scores(phantoms, taught, SETTINGS))
    found = content["teacher"]["pooled"]
    # the teacher decides its own cells with its own settings
    assert {name: found[name] for name in best} == pytest.approx(best)


def test_gain_and_recovery(content: dict[str, Any]) -> None:
    student, base = content["rows"]
    gain = student["baseline"]["gain"]["dice"]
    assert student["baseline"]["name"] == base["name"] == "plain"
    assert gain["value"] == pytest.approx(student["pooled"]["dice"] - base["pooled"]["dice"])
    low, high = gain["interval"]
    assert low <= gain["value"] <= high
    shares = [
        m["pooled"]["dice"] / content["teacher"]["pooled"]["dice"]
        for m in content["models"]
        if m["row"] == "kd"
    ]
    assert student["recovery"]["value"] == pytest.approx(statistics.fmean(shares))
    assert student["recovery"]["std"] == pytest.approx(statistics.stdev(shares))


def test_labels_that_every_run_saw(content: dict[str, Any]) -> None:
    student, base = (row["training"] for row in content["rows"])
    assert (student["images_with_truth"], student["images_taught"]) == (2, 4)
    assert (base["images_with_truth"], base["images_taught"], base["terms"]) == (2, 0, ["truth"])


def test_intervals_hold_the_score_and_need_images(
    content: dict[str, Any], trained: Trained, phantoms: PhantomDataset
) -> None:
    for row in (*content["rows"], content["teacher"]):
        low, high = row["intervals"]["dice"]
        assert low <= row["pooled"]["dice"] <= high
    few = evaluate_cells(
        trained.baseline, PhantomDataset(range(1000, 1002), (64, 64)), settings=SETTINGS, examples=0
    )
    assert few.to_dict()["rows"][0]["intervals"]["dice"] is None
    assert few.examples == ()


def test_markdown_and_html_show_the_numbers(report: CellReport, content: dict[str, Any]) -> None:
    student, base = content["rows"]
    numbers = [
        f"{100 * student['pooled']['dice']:.2f} ± {100 * student['std']['dice']:.2f}",
        f"{100 * base['pooled']['boundary_f1']:.2f}",
        f"{100 * student['baseline']['gain']['dice']['value']:+.2f}",
        f"{100 * content['teacher']['pooled']['dice']:.2f}",
        f"{100 * student['recovery']['value']:.2f}",
    ]
    page = report.to_html()
    for text in (report.to_markdown(), page):
        assert all(number in text for number in numbers)
        assert all(name in text for name in report.images)
    assert {one.which for one in report.examples} == {"worst", "median", "best"}
    assert page.count("data:image/png;base64,") == 9, "channel, truth and student of three images"
    assert "http" not in page.split("<pre>")[0]
    assert "<svg" in page


def test_names_of_files_are_no_markup(trained: Trained, phantoms: PhantomDataset) -> None:
    named = evaluate_cells(trained.baseline, Changed(phantoms, damaged=2), settings=SETTINGS, examples=1)
    page = named.to_html()
    assert "<b>phantom" not in page
    assert "&lt;b&gt;phantom-1000" in page
    assert len(named.images) == 5
    assert named.failures[0][0] == "<b>phantom-1002</b>"
    assert "half of one" in named.to_dict()["failures"][0]["error"]


def test_without_truth_the_teacher_stands_in(trained: Trained, phantoms: PhantomDataset) -> None:
    blind = Changed(phantoms, blind=True)
    found = evaluate_cells(
        trained.seeds[0], blind, teacher=trained.teacher, settings=SETTINGS, examples=0
    ).to_dict()
    assert (found["truth"], found["teacher"], found["rows"][0]["recovery"]) == ("teacher", None, None)
    assert "nobody drew cells" in " ".join(found["notices"])
    with pytest.raises(DatasetError, match="name a teacher"):
        evaluate_cells(trained.seeds[0], blind, settings=SETTINGS)


def test_a_perfect_teacher_is_recovered_by_the_students_dice(
    trained: Trained, phantoms: PhantomDataset, tmp_path: Path
) -> None:
    for i, name in enumerate(phantoms.names):
        np.save(tmp_path / f"{name}.npy", phantoms.load(i).truth)
    found = evaluate_cells(
        trained.seeds[0], phantoms, teacher=tmp_path, settings=SETTINGS, examples=0
    ).to_dict()
    assert found["teacher"]["pooled"]["dice"] == found["teacher"]["pooled"]["ap"] == 1
    assert found["rows"][0]["recovery"]["value"] == found["rows"][0]["pooled"]["dice"]


def test_a_baseline_of_other_settings_is_doubted(trained: Trained, phantoms: PhantomDataset) -> None:
    found = evaluate_cells(
        trained.seeds[0], phantoms, baseline=trained.shorter, settings=SETTINGS, examples=0
    )
    assert any("also differ in steps" in text for text in found.notices)
    both = evaluate_cells(
        trained.seeds[0],
        phantoms,
        baseline=[trained.shorter, trained.baseline],
        settings=SETTINGS,
        examples=0,
    )
    assert both.to_dict()["rows"][0]["baseline"]["name"] == "plain", "the one with the fewest differences"
    assert not any("also differ" in text for text in both.notices)


def test_models_that_are_refused(trained: Trained, phantoms: PhantomDataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"looks at nuclear, membrane.*--teacher"):
        evaluate_cells(trained.teacher, phantoms)
    copy = tmp_path / "copy.construct"
    copy.write_bytes(trained.seeds[0].read_bytes())
    with pytest.raises(ConfigurationError, match="the same settings, data and seed"):
        evaluate_cells([trained.seeds[0], copy], phantoms)
    with pytest.raises(ConfigurationError, match="at least one student"):
        evaluate_cells([], phantoms)


def test_closing_the_job_cancels_it(trained: Trained, phantoms: PhantomDataset) -> None:
    from napari_construct.evaluation.cells.evaluate import evaluate_cells_steps
    from napari_construct.evaluation.cells.models import CellModels

    steps = evaluate_cells_steps(CellModels(trained.seeds), phantoms, settings=SETTINGS)
    event = next(steps)
    assert (event.stage, event.total) == ("images", 2 * len(phantoms))
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
