from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from napari_construct.data.images import read_image
from napari_construct.events import run
from napari_construct.inference.loading import load_model
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import prototype_steps
from napari_construct.models.checkpoints.checkpoint import load_checkpoint

Call = Callable[..., Any]


def test_list_names_them_by_class(call: Call, model: Path) -> None:
    done = call("prototypes", "list", model)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == ["tumour", "1", "trained", "lymphoid", "1", "trained"]
    assert (
        len(json.loads(call("prototypes", "list", "--json", "-").stdout)["prototypes"]) >= 2
    )  # the bundled one


def test_map_writes_what_python_gives(call: Call, model: Path, image: Path, tmp_path: Path) -> None:
    done = call(
        "prototypes", "map", image, "-m", model, "--mpp", 0.5, "--region", "0,200,32,256", "-o", tmp_path
    )
    assert done.exit_code == 0, done.stderr
    pixels = np.ascontiguousarray(read_image(image).pixels[0:200, 32:256])
    maps = run(prototype_steps(pixels, load_model(model), PrototypeSettings(mpp=0.5)))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "region_similarity.ome.tif"), maps.everything())
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "region_deciding.tif"), maps.deciding())
    record = json.loads((tmp_path / "region_prototypes.json").read_text())
    assert record["decides"].keys() == {"tumour 1", "lymphoid 1"}
    assert sum(record["decides"].values()) == 1
    assert "tumour 1: nearest prototype in" in done.stdout


def test_top_collects_patches_and_names_broken_files(
    call: Call, model: Path, image: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    image.rename(folder / "a.png")
    (folder / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    done = call("prototypes", "top", folder, "-m", model, "-p", "lymphoid 1", "--count", 2, "-o", out)
    assert done.exit_code == 1
    found = json.loads((out / "top.json").read_text())
    assert [row["image"].endswith("a.png") for row in found["patches"]] == [True, True]
    assert len(found["failed"]) == 1
    assert sorted(p.name for p in out.iterdir()) == ["top.json", "top.png", "top_01.png", "top_02.png"]
    assert "got 'x 9'" in call("prototypes", "top", folder, "-m", model, "-p", "x 9", "-o", out).stderr


def test_add_from_a_region_changes_what_is_decided(
    call: Call, model: Path, image: Path, tmp_path: Path
) -> None:
    mask = np.zeros((256, 256), np.uint8)
    mask[32:192, 32:192] = 7
    Image.fromarray(mask).save(tmp_path / "painted.png")
    new = tmp_path / "more.construct"
    marked = ("--image", image, "--mask", tmp_path / "painted.png")
    done = call("prototypes", "add", "-m", model, "--class", "tumour", *marked, "--value", 7, "-o", new)
    assert done.exit_code == 0, done.stderr
    assert "fitted without the new prototype" in done.stderr.replace("\n", " ")
    assert load_checkpoint(new).config.placed == (0,)
    assert "tumour 2    region of region.png" in call("prototypes", "list", new).stdout
    assert call("segment", image, "-m", new, "--no-crf", "-o", tmp_path).exit_code == 0
    wordless = call(
        "prototypes", "add", "-m", model, "--class", "tumour", "--text", "glands", "-o", tmp_path / "b"
    )
    assert wordless.exit_code == 2
    assert "or give example regions" in wordless.stderr
    assert "give one" in call("prototypes", "add", "-m", model, "--class", "tumour", "-o", new).stderr
