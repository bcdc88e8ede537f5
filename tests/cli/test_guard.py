"""What the commands say of images unlike the training patches."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import tifffile
from PIL import Image
from tests.guarded import guarded

from napari_construct.models.checkpoints.checkpoint import save_checkpoint

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def watched(camelyon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    return save_checkpoint(folder / "watched.construct", guarded(camelyon, folder / "patches"))


@pytest.fixture
def images(camelyon: Path, tmp_path: Path) -> Path:
    """A patch that the model knows, and two that nobody would take for tissue."""
    folder = tmp_path / "images"
    folder.mkdir()
    known = next((camelyon / "train" / "tumour").glob("*.png"))
    (folder / "known.png").write_bytes(known.read_bytes())
    for name in ("astronaut", "chelsea"):
        Image.fromarray(getattr(skimage.data, name)()[:256, :256]).save(folder / f"{name}.png")
    return folder


def test_segment_says_it_once_and_writes_the_map(
    call: Call, images: Path, watched: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    astronaut = images / "astronaut.png"
    done = call("segment", astronaut, "-m", watched, "-o", out, "--no-crf", "--mpp", "0.5", "--ood-map")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("does not know this tissue") == 1
    assert "(out of distribution: do not rely on it)" in done.stdout
    record = json.loads((out / "astronaut.json").read_text(encoding="utf-8"))
    assert record["out_of_distribution"]["score"] > record["out_of_distribution"]["limit"]
    assert record["files"]["ood"] == "astronaut_ood.ome.tif"
    assert tifffile.imread(out / "astronaut_ood.ome.tif").shape == (256, 256)


@pytest.mark.parametrize("asked", [False, True])
def test_of_a_whole_slide_it_says_where_distances_are_to_be_seen(
    call: Call, watched: Path, tmp_path: Path, asked: bool
) -> None:
    slide, out = tmp_path / "astronaut.tif", tmp_path / "out"
    pixels = skimage.data.astronaut()
    tifffile.imwrite(slide, pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    words = ["--no-crf", "--mpp", "0.5", "--whole-slide", *(["--ood-map"] if asked else [])]
    done = call("segment", slide, "-m", watched, "-o", out, *words)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert said.count("does not know this tissue") == 1
    map_of_it = out / "astronaut_ood.ome.tif"
    assert map_of_it.is_file() == asked
    if asked:
        assert f"or look at the distance map ({map_of_it.name})" in said
    else:
        assert (
            "or look at the distance map: of the slide with --ood-map (output ood), in napari of the" in said
        )


def test_map_of_a_model_without_a_guard_is_refused(
    call: Call, images: Path, model: Path, tmp_path: Path
) -> None:
    done = call("segment", images / "known.png", "-m", model, "-o", tmp_path / "out", "--ood-map")
    assert done.exit_code != 0
    assert "expected a model with a guard" in done.stderr


def test_batch_counts_it_as_a_warning_and_names_it(
    call: Call, images: Path, watched: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = call(
        "batch", images, "-m", watched, "-o", out, "--no-crf", "--mpp", "0.5", "--outputs", "mask,ood",
        "--json", tmp_path / "report.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 with warnings" in done.stdout
    with (out / "batch.csv").open(encoding="utf-8") as stream:
        warnings = {row["item"]: row["warnings"] for row in csv.DictReader(stream)}
    assert {Path(name).name for name, text in warnings.items() if "out of distribution" in text} == {
        "astronaut.png",
        "chelsea.png",
    }
    assert (out / "known_ood.ome.tif").is_file()
    items = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["items"]
    assert sum("out of distribution" in " ".join(item["warnings"]) for item in items) == 2


def test_models_info_tells_whether_it_is_there(call: Call, watched: Path, model: Path) -> None:
    assert "of 12 patches of 3 slides" in call("models", "info", watched).stdout
    assert "nothing is said of images unlike" in call("models", "info", model).stdout
