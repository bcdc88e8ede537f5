from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.encoders.tiny import TinyEncoder
from napari_construct.evaluation.evaluate import evaluate, evaluate_steps
from napari_construct.events import Event, run
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.inference.model import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.builder import build_model
from napari_construct.models.checkpoint import checkpoint_of
from napari_construct.models.config import ModelConfig

PLAIN = SegmentSettings(crf=None)


class RedGreenBlue(Predictor):
    """Logits are the colours themselves: a red pixel is class 0, green 1, blue 2; presence follows."""

    def __init__(self, ignored: bool = False) -> None:
        classes = ClassTable(
            classes=(
                TissueClass(name="red"),
                TissueClass(name="green"),
                TissueClass(name="blue", ignored=ignored),
            )
        )
        config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
        self.checkpoint = checkpoint_of(build_model(config, TinyEncoder(), 3), classes)
        self.device, self.name, self.sha256 = torch.device("cpu"), "colours", None

    @property
    def spec(self) -> EncoderSpec:
        return TinyEncoder().spec

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return 20 * (images - 0.05)


def _save(folder: Path, name: str, colours: np.ndarray, mask: np.ndarray) -> None:
    for kind, array in (("img", colours), ("mask", mask)):
        (folder / kind).mkdir(exist_ok=True, parents=True)
        Image.fromarray(array.astype(np.uint8)).save(folder / kind / name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures of three stripes; in the second the last stripe, blue, is truly green."""
    stripes = np.repeat(np.arange(3), 32)[None].repeat(96, axis=0)
    colours = np.eye(3)[stripes] * 200
    _save(tmp_path, "right.png", colours, stripes)
    _save(tmp_path, "wrong.png", colours, np.minimum(stripes, 1))
    return tmp_path


def test_two_columns(data: Path) -> None:
    report = evaluate(data / "img", data / "mask", RedGreenBlue(), PLAIN)
    third = 32 * 96
    assert report.confusion("predicted").tolist() == [
        [2 * third, 0, 0, 0],
        [0, 2 * third, third, 0],
        [0, 0, third, 0],
    ]
    assert report.predicted["iou"] == pytest.approx([1, 2 / 3, 1 / 2])
    # with blue known to be absent, its pixels tie between red and green, so blue is never predicted there
    assert report.confusion("oracle")[:, 2].tolist() == [0, 0, third]
    wrong = report.images[1]
    assert wrong.present == (True, True, True)
    assert wrong.truly_present == (True, True, False)
    assert (report.images[0].oracle == report.images[0].predicted).all()


def test_report_as_json(data: Path) -> None:
    report = evaluate(data / "img", data / "mask", RedGreenBlue(), PLAIN, ignore=[1])
    found = json.loads(report.to_json())
    for column in ("predicted", "oracle"):
        assert found[column].keys() == {"miou", "mdice", "fwiou", "iou", "dice"}
        assert found[column]["iou"].keys() == {"red", "green", "blue"}
    assert found["predicted"]["iou"]["green"] is None  # ignored, hence undefined
    assert found["record"]["ignore"] == [1]
    assert found["record"]["model"]["name"] == "colours"
    assert [image["image"] for image in found["images"]] == ["right.png", "wrong.png"]
    assert SegmentSettings.model_validate(found["record"]["settings"]) == PLAIN


def test_ignored_class_of_the_table_is_left_out(data: Path) -> None:
    report = evaluate(data / "img", data / "mask", RedGreenBlue(ignored=True), PLAIN)
    assert report.confusion("predicted")[2].sum() == 0


def test_broken_files_are_named_and_not_scored(data: Path) -> None:
    (data / "img" / "aaa.png").write_bytes(b"not an image")
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(data / "mask" / "aaa.png")
    _save(data, "small.png", np.full((96, 96, 3), 90), np.zeros((50, 96)))
    _save(data, "values.png", np.full((96, 96, 3), 90), np.full((96, 96), 7))
    events: list[Event] = []
    report = run(
        evaluate_steps(
            [(p, data / "mask" / p.name) for p in sorted((data / "img").iterdir())], RedGreenBlue(), PLAIN
        ),
        events.append,
    )
    assert [image.name for image in report.images] == ["right.png", "wrong.png"]
    assert [Path(name).name for name, _ in report.failures] == ["aaa.png", "small.png", "values.png"]
    messages = [message for _, message in report.failures]
    assert "aaa.png" in messages[0]
    assert "mask of 96 x 96 pixels like small.png, got 50 x 96" in messages[1]
    assert "got 7; if these are to be left out, ignore them (--ignore 7)" in messages[2]
    assert [e.done for e in events if e.stage == "images" and type(e) is Event] == list(range(6))


def test_nothing_to_score(data: Path) -> None:
    (data / "img" / "right.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"got none: .*right\.png"):
        run(
            evaluate_steps([(data / "img" / "right.png", data / "mask" / "right.png")], RedGreenBlue(), PLAIN)
        )
    with pytest.raises(DatasetError, match="got none"):
        run(evaluate_steps([], RedGreenBlue(), PLAIN))
    with pytest.raises(ConfigurationError, match="without classes"):
        evaluate(data / "img", data / "mask", RedGreenBlue(), PLAIN, classes=("red",))


def test_image_without_scored_pixels_counts_nothing(data: Path) -> None:
    before = evaluate(data / "img", data / "mask", RedGreenBlue(), PLAIN, ignore=[4]).to_dict()
    _save(data, "white.png", np.full((96, 96, 3), 120), np.full((96, 96), 4))
    after = evaluate(data / "img", data / "mask", RedGreenBlue(), PLAIN, ignore=[4]).to_dict()
    assert "white.png: expected pixels of a class" in after["notices"][0]
    assert before["predicted"] == after["predicted"]
    assert before["oracle"] == after["oracle"]
