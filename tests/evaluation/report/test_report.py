"""One content, three forms: JSON, Markdown and HTML must say the same."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.evaluation.evaluate import evaluate
from napari_construct.evaluation.report.report import EvaluationReport
from napari_construct.evaluation.report.table import percent
from napari_construct.evaluation.report.tables import all_tables, short_tables
from napari_construct.evaluation.scores.examples import ExampleGallery, make_example


@pytest.fixture
def report(
    tmp_path: Path,
    colours_model: Callable[..., Any],
    save: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> EvaluationReport:
    """Two models on six images with noise; a file name that would break a page."""

    def cleared(self: Any, image: Any, probabilities: np.ndarray, crf: Any, part: Any) -> Any:
        kept = probabilities.copy()
        kept[:, :20, :20] = kept[::-1, :20, :20]
        yield from ()
        return kept

    monkeypatch.setattr("napari_construct.inference.decision.decider.Decider._refined", cleared)
    random = np.random.default_rng(0)
    for i in range(6):
        mask = np.kron(random.integers(0, 3, (4, 4)), np.ones((16, 16))).astype(int)
        colours = np.clip(np.eye(3)[mask] * 130 + random.integers(0, 120, (64, 64, 3)), 0, 255)
        save(tmp_path, f"a<b>&_{i}.png", colours, mask)
    models = [colours_model(name="first"), colours_model(shift=1.0, name="second|<i>")]
    return evaluate(tmp_path / "img", tmp_path / "mask", models)


class _Page(HTMLParser):
    """Texts of cells, sources, and whether every element is closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [
            value or "" for name, value in attrs if name in {"src", "href", "srcset", "xlink:href"}
        ]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def test_page_stands_alone_and_is_well_formed(report: EvaluationReport) -> None:
    text = report.to_html()
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    for word in ("http://", "https://", "@import", "url(", "<script", "<link", "<i>"):
        assert word not in text
    assert len(page.sources) == 4 * 6
    assert all(source.startswith("data:image/") for source in page.sources)
    assert text.count("<svg ") == 4
    first = base64.b64decode(page.sources[0].split(",")[1])
    assert Image.open(io.BytesIO(first)).size == (64, 64)
    assert len(text) < 500_000


def test_three_forms_hold_the_same_numbers(report: EvaluationReport) -> None:
    content = json.loads(report.to_json())
    assert content == json.loads(json.dumps(report.to_dict()))
    page = _Page()
    page.feed(report.to_html())
    lines = report.to_markdown().splitlines()
    rows = [line.replace("\\", "").replace("**", "") for line in lines if line.startswith("| ")]
    for table in all_tables(content):
        for row in table.rows:
            where = "".join(row)
            assert where in "".join(page.cells)
            assert "| " + " | ".join(row) + " |" in rows
    score = percent(content["predicted"]["miou"])
    assert any(row.startswith(f"| mean | {score} ± ") for row in rows)
    assert percent(content["intervals"]["predicted"]["miou"][0]) in "".join(page.cells)


def test_intervals_hold_the_score(report: EvaluationReport) -> None:
    content = report.to_dict()
    for column in ("predicted", "oracle"):
        for scores, intervals in (
            (content[column], content["intervals"][column]),
            (content["before_crf"][column], content["before_crf"]["intervals"][column]),
        ):
            low, high = intervals["miou"]
            assert 0 <= low < scores["miou"] < high <= 1
            for name in ("red", "green", "blue"):
                low, high = intervals["iou"][name]
                assert low < scores["iou"][name] < high
    low, high = content["before_crf"]["gain"]["predicted"]["interval"]
    assert low <= content["before_crf"]["gain"]["predicted"]["miou"] <= high < 0


def test_terminal_gets_the_short_tables(report: EvaluationReport) -> None:
    titles = [table.title for table in short_tables(report.to_dict())]
    assert titles[0] == "Scores"
    assert "Models" in titles
    assert "Images" not in titles


def test_reliability_curve_covers_all_pixels(report: EvaluationReport) -> None:
    curve = report.to_dict()["calibration"]["predicted"]["curve"]
    assert len(curve) == 15
    assert sum(b["share"] for b in curve) == pytest.approx(1)
    for b in curve:
        if b["confidence"] is not None:
            assert b["from"] <= b["confidence"] <= b["to"] + 1e-6


def test_gallery_keeps_the_extremes_and_no_image_twice() -> None:
    classes, image = ClassTable.from_names(("a", "b")), np.zeros((20, 30, 3), np.uint8)
    mask, labels = np.zeros((20, 30), np.uint8), np.ones((20, 30), np.uint8)

    def filled(scores: list[float], most: int = 3) -> ExampleGallery:
        gallery = ExampleGallery(classes, most)
        for score in scores:
            gallery.offer(f"{score}", score, image, mask, labels, ())
        return gallery

    many = filled([0.5, 0.1, 0.9, 0.4, 0.8, 0.2, 0.7, float("nan")])
    assert [e.score for e in many.worst] == [0.1, 0.2, 0.4]
    assert [e.score for e in many.best] == [0.9, 0.8, 0.7]
    few = filled([0.3, 0.6, 0.2])
    assert [e.score for e in few.worst] == [0.2, 0.3]
    assert [e.score for e in few.best] == [0.6]
    assert filled([0.5], most=0).worst == ()


def test_pictures_show_truth_prediction_and_errors() -> None:
    classes = ClassTable.from_names(("a", "b"), palette=("#ff0000", "#00ff00"))
    truth = np.repeat(np.array([0, 1, 9], np.uint8), 4)[None].repeat(12, 0)
    labels = np.repeat(np.array([1, 0, 2], np.uint8), 4)[None].repeat(12, 0)
    example = make_example("x", 0.5, np.zeros((12, 12, 3), np.uint8), truth, labels, classes, (9,))

    def pixels(data: bytes) -> list[tuple[int, ...]]:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        return [picture.getpixel((x, 5)) for x in (1, 5, 9)]  # type: ignore[misc]

    assert pixels(example.truth) == [(255, 0, 0), (0, 255, 0), (255, 255, 255)]
    assert pixels(example.prediction) == [(255, 0, 0), (255, 255, 255), (0, 255, 0)]
    assert pixels(example.errors) == [(225, 225, 225), (200, 30, 30), (255, 255, 255)]
