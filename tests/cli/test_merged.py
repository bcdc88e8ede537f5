"""What was typed goes before JSON, JSON before files and presets, and these before the defaults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from napari_construct.cli import _merged
from napari_construct.crf import CRFParameters
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig

Call = Callable[..., Any]
PAPER = CRFParameters().model_dump()

SEGMENT: list[tuple[list[str], str, Any, Any]] = [
    # typed, the setting, what was typed, what JSON says; every default is typed once
    (["--tile", "512"], "tile", 512, 256),
    (["--tile", "128"], "tile", 128, 256),
    (["--overlap", "64"], "overlap", 64, 32),
    (["--views", "one"], "views", "one", "six"),
    (["--mpp", "0.5"], "mpp", 0.5, 0.25),
    (["--mpp", "0,5"], "mpp", 0.5, 0.25),
    (["--min-confidence", "0"], "min_confidence", 0.0, 0.5),
    (["--crf"], "crf", PAPER, None),
    (["--crf"], "crf", PAPER, "auto"),
    (["--crf"], "crf", PAPER | {"iterations": 3}, {"iterations": 3}),
    (["--no-crf"], "crf", None, {"iterations": 3}),
    (["--no-crf"], "crf", None, "auto"),
]
CLASSES = (["--classes", " tumour, lymphoid"], "classes", ("tumour", "lymphoid"), ["tumour"])
TRAIN: list[tuple[list[str], str, Any, Any]] = [
    (["--epochs", "20"], "epochs", 20, 3),
    (["--batch-size", "16"], "batch_size", 16, 4),
    (["--sampling", "label_sets"], "sampling", "label_sets", "uniform"),
    (["--groups", "(p[0-9])"], "group_pattern", "(p[0-9])", "x"),
    (["--image-size", "64"], "image_size", 64, 128),
    (["--mpp", "0.5"], "patch_mpp", 0.5, 0.25),
    (["--seed", "0"], "seed", 0, 7),
    (["--keep-best"], "keep", "best", "last"),
    (["--keep-last"], "keep", "last", "best"),
    (["--patience", "2"], "patience", 2, 5),
    (["--average-from", "0.3"], "average_from", 0.3, 0.6),
    (["--feature-cache"], "feature_cache", True, False),
    (["--no-feature-cache"], "feature_cache", False, True),
    (["--precision", "auto"], "precision", "auto", "float32"),
    (["--encoder", "auto"], "model.encoder", "auto", "tiny"),
    (["--teacher", "structure"], "model.teacher", "structure", None),
    (["--teacher", "none"], "model.teacher", None, "structure"),
]
SECOND: list[tuple[list[str], str, Any]] = [
    (["--encoder", "smp:resnet18"], "encoder", "smp:resnet18"),
    (["--steps", "2"], "steps", 2),
    (["--batch-size", "2"], "batch_size", 2),
    (["--min-confidence", "0"], "min_confidence", 0.0),
    (["--mpp", "0.25"], "patch_mpp", 0.25),
    (["--mpp", "0,25"], "patch_mpp", 0.25),
    (["--seed", "3"], "seed", 3),
    (["--crf"], "crf", PAPER),
    (["--no-crf"], "crf", None),
]
TOP: list[tuple[list[str], str, Any]] = [
    (["--prototype", "tumour 1"], "prototype", "tumour 1"),
    (["--count", "3"], "count", 3),
    (["--per-image", "2"], "per_image", 2),
    (["--tile", "128"], "tile", 128),
    (["--overlap", "32"], "overlap", 32),
    (["--mpp", "0.25"], "mpp", 0.25),
]


@pytest.fixture
def settled(call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The settings that a command makes of its options; it goes no further."""
    made: list[Any] = []
    real = _merged.merged

    def kept(*arguments: Any) -> Any:
        made.append(real(*arguments))
        raise typer.Exit(3)

    monkeypatch.setattr(_merged, "merged", kept)

    def run(*words: object) -> dict[str, Any]:
        done = call(*words)
        assert done.exit_code == 3, done.output
        return made[-1].model_dump()

    return run


def _at(fields: dict[str, Any], place: str) -> Any:
    for part in place.split("."):
        fields = fields[part]
    return fields


def _json(place: str, value: Any) -> str:
    for part in reversed(place.split(".")):
        value = {part: value}
    return json.dumps(value)


@pytest.mark.parametrize(
    ("command", "typed", "place", "wanted", "stored"),
    [
        (command, *row)
        for command in (["segment", "a.png"], ["batch", "a.png", "-o", "out"], ["evaluate", "a"])
        for row in (SEGMENT if command[0] == "evaluate" else [*SEGMENT, CLASSES])
    ],
)
def test_a_typed_option_beats_settings(
    settled: Call, command: list[str], typed: list[str], place: str, wanted: Any, stored: Any
) -> None:
    text = ["--settings", _json(place, stored)]
    assert _at(settled(*command, *typed, *text), place) == wanted
    assert _at(settled(*command, *text, *typed), place) == wanted
    expected = SegmentSettings.checked(**{place: stored}).model_dump()
    assert settled(*command, *text) == expected
    assert settled(*command) == SegmentSettings().model_dump()
    if place != "crf" or not isinstance(stored, dict):
        assert _at(settled(*command, *typed), place) == wanted


@pytest.mark.parametrize(("typed", "place", "wanted", "stored"), TRAIN)
def test_a_typed_option_of_training_beats_settings_and_file(
    settled: Call, tmp_path: Path, typed: list[str], place: str, wanted: Any, stored: Any
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(_json(place, stored), encoding="utf-8")
    command = ("train", tmp_path, "-o", tmp_path / "m")
    text = ("--settings", _json(place, stored))
    assert _at(settled(*command, *typed), place) == wanted
    assert _at(settled(*command, *typed, *text), place) == wanted
    assert _at(settled(*command, *typed, "--config", file), place) == wanted
    assert _at(settled(*command, *text), place) == stored
    assert _at(settled(*command, "--config", file), place) == stored
    assert settled(*command) == TrainingConfig().model_dump()


def test_json_goes_before_the_file_and_keeps_the_rest_of_a_part(settled: Call, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 2\nseed: 5\nweights: {distillation: 0.5, presence: 0.3}\n", encoding="utf-8")
    text = '{"epochs": 3, "weights": {"distillation": 0}, "model": {"fusion_width": 8}}'
    made = settled("train", tmp_path, "-o", "m", "--config", file, "--settings", text)
    assert (made["epochs"], made["seed"]) == (3, 5)
    assert (made["weights"]["distillation"], made["weights"]["presence"]) == (0, 0.3)
    assert (made["model"]["fusion_width"], made["model"]["encoder"]) == (8, "auto")


@pytest.mark.parametrize(("typed", "place", "wanted"), SECOND)
def test_options_of_the_second_stage(settled: Call, typed: list[str], place: str, wanted: Any) -> None:
    default = settled("second-stage", "m", "folder", "-o", "out")
    assert default == SecondStageConfig().model_dump()
    assert settled("second-stage", "m", "folder", "-o", "out", *typed) == default | {place: wanted}


@pytest.mark.parametrize(("typed", "place", "wanted"), TOP)
def test_options_of_prototypes(settled: Call, typed: list[str], place: str, wanted: Any) -> None:
    default = settled("prototypes", "top", "folder", "-o", "out")
    assert default == PrototypeSettings().model_dump()
    assert settled("prototypes", "top", "folder", "-o", "out", *typed) == default | {place: wanted}


def test_a_preset_is_below_json_and_options(settled: Call) -> None:
    command = ("evaluate", "folder", "--preset", "bcss")
    assert settled(*command)["mpp"] == 0.25
    assert settled(*command, "--settings", '{"mpp": 0.5}')["mpp"] == 0.5
    assert settled(*command, "--settings", '{"mpp": 0.5}', "--mpp", 1)["mpp"] == 1


@pytest.mark.parametrize("command", [["segment"], ["batch"]])
@pytest.mark.parametrize(
    ("words", "device"),
    [
        ([], "auto"),
        (["--settings", '{"device": "cpu"}'], "cpu"),  # it was a setting once
        (["--settings", '{"device": "cuda:7"}', "--device", "cpu"], "cpu"),
        (["--settings", '{"device": "cuda:7"}', "--device", "auto"], "auto"),
    ],
)
def test_the_device_goes_to_where_the_model_is_loaded(
    call: Call,
    image: Path,
    tmp_path: Path,
    monkeypatch: Any,
    command: list[str],
    words: list[str],
    device: str,
) -> None:
    asked: list[str] = []

    def load_model(model: str, *, device: str, **_: Any) -> None:
        asked.append(device)
        raise typer.Exit(3)

    monkeypatch.setattr("napari_construct.inference.loading.load_model", load_model)
    assert call(*command, image, "-m", "any", "-o", tmp_path / "out", *words).exit_code == 3
    assert asked == [device]


def test_settings_of_a_file_and_what_is_none(call: Call, image: Path, settled: Call, tmp_path: Path) -> None:
    file = tmp_path / "given.json"
    file.write_text('{"tile": 256, "crf": {"iterations": 2}}', encoding="utf-8")
    made = settled("segment", image, "--settings", file)
    assert (made["tile"], made["crf"]) == (256, PAPER | {"iterations": 2})
    for wrong, says in (("[1]", "expected a JSON object"), ("no-such.json", "expected JSON or a JSON file")):
        refused = call("segment", image, "--settings", wrong)
        assert refused.exit_code == 2
        assert says in refused.stderr
