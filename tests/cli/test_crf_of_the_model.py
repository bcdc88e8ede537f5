"""The CRF suits the model unless somebody decides, whatever else was set and in which way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.crf import CRFParameters
from napari_construct.data.images import read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import build_unet

PAPER = CRFParameters().model_dump()


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second-stage checkpoint, untrained."""
    config = ModelConfig(network="unet", encoder="tiny", teacher=None, fusion_width=8)
    made = checkpoint_of(build_unet(config, TinyEncoder(), 2), ClassTable.from_names(("tumour", "lymphoid")))
    return save_checkpoint(tmp_path_factory.mktemp("second") / "unet.construct", made)


@pytest.mark.parametrize("command", ["segment", "batch"])
@pytest.mark.parametrize(
    ("words", "crf"),
    [
        ([], None),
        (["--tile", "256"], None),
        (["--settings", '{"tile": 256}'], None),
        (["--settings", '{"tile": 256, "crf": "auto"}'], None),
        (["--crf"], PAPER),
        (["--settings", '{"crf": {"iterations": 1}}'], PAPER | {"iterations": 1}),
    ],
)
def test_a_second_stage_model_has_none_on_the_command_line(
    call: Callable[..., Any],
    image: Path,
    unet: Path,
    tmp_path: Path,
    command: str,
    words: list[str],
    crf: Any,
) -> None:
    done = call(command, image, "-m", unet, "-o", tmp_path / "out", *words)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "region.json").read_text(encoding="utf-8"))
    assert record["settings"]["crf"] == crf
    assert (record["refinement"] is None) is (crf is None)


@pytest.mark.parametrize("words", [[], ["--settings", '{"tile": 256}']])
def test_a_first_stage_model_has_it(
    call: Callable[..., Any], image: Path, model: Path, tmp_path: Path, words: list[str]
) -> None:
    assert call("segment", image, "-m", model, "-o", tmp_path, *words).exit_code == 0
    record = json.loads((tmp_path / "region.json").read_text(encoding="utf-8"))
    assert record["settings"]["crf"] == PAPER  # the record says what was done, not "auto"


def test_python_has_one_meaning(image: Path, unet: Path) -> None:
    pixels = read_image(image).pixels
    first = segment(pixels, unet, SegmentSettings(tile=256))
    second = segment(pixels, unet, tile=256)
    third = segment(pixels, load_model(unet))
    for result in (first, second, third):
        assert result.record["settings"]["crf"] is None
        np.testing.assert_array_equal(result.labels, first.labels)
    refined = segment(pixels, unet, SegmentSettings(tile=256), crf=CRFParameters(iterations=1))
    assert refined.record["settings"]["crf"]["iterations"] == 1
