"""Patches cut from arrays, folders and slides: only tissue, at the resolution asked for, nothing replaced."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.labelling.conftest import SIDE, sheet, tile
from tests.large_slides import TILE, write_large_slide

from napari_construct.classes import ClassTable
from napari_construct.data.images import ImageFile, read_image
from napari_construct.events import Notice
from napari_construct.exceptions import ConfigurationError
from napari_construct.labelling import cut as cutting
from napari_construct.labelling.cut import cut_patches, cut_steps, forget_unfinished
from napari_construct.labelling.session import LabelSession
from napari_construct.labelling.settings import CutSettings

CLASSES = ("tumour", "stroma")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_patches_table_and_description(folder: Path, image: Path):
    rows = rows_of(folder)
    assert len(rows) == 12
    assert list(rows[0]) == ["path", "tumour", "stroma", "group", "source", "row", "column", "mpp"]
    assert {row["group"] for row in rows} == {"tissue.png"}
    assert {row["source"] for row in rows} == {str(image)}
    assert {row["tumour"] + row["stroma"] for row in rows} == {""}
    whole = read_image(image).pixels
    for row in rows:
        pixels = read_image(folder / row["path"]).pixels
        top, left = int(row["row"]), int(row["column"])
        np.testing.assert_array_equal(pixels, whole[top : top + SIDE, left : left + SIDE])
    assert json.loads((folder / "labelling.json").read_text("utf-8"))["complete"] is True


def test_only_tissue_of_an_image(tmp_path: Path):
    kinds = [["even", "glass", "glass"], ["glass", "glass", "dotted"], ["glass", "glass", "glass"]]
    array = sheet(kinds)
    made = cut_patches(array, tmp_path / "p", CLASSES, count=9, side=SIDE, choice="random")
    assert {(int(r["row"]), int(r["column"])) for r in rows_of(made)} == {(0, 0), (SIDE, 2 * SIDE)}
    assert rows_of(made)[0]["group"] == "image 1"


def test_only_tissue_of_a_slide_at_the_wanted_resolution(tmp_path: Path):
    slide = write_large_slide(tmp_path / "slide.tif", tile("dotted", 1, 128), at=(2, 3), mpp=0.25)
    made = cut_patches(slide, tmp_path / "p", CLASSES, count=6, side=128, mpp=0.5, choice="random")
    rows = rows_of(made)
    assert len(rows) == 6
    for row in rows:
        top, left = int(row["row"]), int(row["column"])
        overlap = [
            max(0, min(at + 256, (first + 2) * TILE) - max(at, first * TILE))
            for at, first in ((top, 2), (left, 3))
        ]
        assert overlap[0] * overlap[1] >= 0.4 * 256**2, row
        patch = read_image(made / row["path"])
        assert patch.pixels.shape == (128, 128, 3)
        assert patch.mpp == pytest.approx(0.5, rel=1e-3)
        assert float(row["mpp"]) == 0.5
    with LabelSession(made) as session:
        assert session.around(0).shape == (384, 384, 3)


def test_side_in_micrometres(tmp_path: Path):
    image = ImageFile(np.tile(tile("dotted", 3, 128), (4, 4, 1)), 0.25, (), Path("layer"))
    made = cut_patches(image, tmp_path / "p", CLASSES, count=2, side_um=64.0, mpp=0.5, choice="random")
    assert read_image(made / rows_of(made)[0]["path"]).pixels.shape == (128, 128, 3)
    with pytest.raises(ConfigurationError, match="side_um: expected images of known pixel size"):
        cut_patches(image.pixels, tmp_path / "q", CLASSES, side_um=64.0)
    assert not (tmp_path / "q").exists()


def test_images_as_they_are(tmp_path: Path):
    images = tmp_path / "images"
    for name in ("a/x.png", "b/x.png"):
        (images / name).parent.mkdir(parents=True)
        Image.fromarray(tile("dotted", len(name))).save(images / name)
    made = cut_patches(images, tmp_path / "p", CLASSES, whole=True, encoder="mini")
    assert sorted(row["group"] for row in rows_of(made)) == ["a/x.png", "b/x.png"]
    assert read_image(made / rows_of(made)[0]["path"]).pixels.shape == (SIDE, SIDE, 3)


def test_what_cannot_be_read_stops_nothing(tmp_path: Path, image: Path):
    (image.parent / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    Image.fromarray(tile("even", 0, 32)).save(image.parent / "small.png")
    events = []
    cut_patches(
        image.parent, tmp_path / "p", CLASSES, count=3, side=SIDE, choice="random", progress=events.append
    )
    said = " ".join(event.message for event in events if isinstance(event, Notice))
    assert "tissue.png: states no pixel size; patches are cut in its pixels" in said
    assert "broken.png" in said
    assert "small.png: has 32 x 32 pixels, a patch needs 64 x 64" in said
    assert len(rows_of(tmp_path / "p")) == 3


def test_nothing_to_cut_is_said(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="at least one patch with tissue"):
        cut_patches(np.full((256, 256, 3), 245, np.uint8), tmp_path / "p", CLASSES, side=64)
    with pytest.raises(ConfigurationError, match="at least one image"):
        cut_patches([], tmp_path / "p", CLASSES)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["notes.txt", "labels.csv", "patches"])
def test_no_file_of_others_is_replaced(tmp_path: Path, image: Path, name: str):
    output = tmp_path / "mine"
    output.mkdir()
    (output / name).write_text("mine")
    with pytest.raises(ConfigurationError, match="new or an empty folder"):
        cut_patches(image, output, CLASSES, side=SIDE)
    assert (output / name).read_text() == "mine"
    assert [path.name for path in output.iterdir()] == [name]


def test_a_folder_with_patches_is_not_cut_again(folder: Path, image: Path):
    before = (folder / "labels.csv").read_bytes()
    with pytest.raises(ConfigurationError, match="12 patches were cut into"):
        cut_patches(image, folder, CLASSES, side=SIDE)
    assert (folder / "labels.csv").read_bytes() == before


def test_a_cut_that_stopped_is_repeated(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch):
    output, saved = tmp_path / "p", []
    save = cutting._save

    def stopping(path: Path, pixels: np.ndarray, mpp: float | None) -> None:
        save(path, pixels, mpp)
        saved.append(path)
        if len(saved) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(cutting, "_save", stopping)
    with pytest.raises(KeyboardInterrupt):
        cut_patches(image, output, CLASSES, count=8, side=SIDE, choice="random")
    with pytest.raises(ConfigurationError, match="cutting was not finished"):
        LabelSession(output)
    monkeypatch.setattr(cutting, "_save", save)
    cut_patches(image, output, CLASSES, count=8, side=SIDE, choice="random")
    assert len(rows_of(output)) == 8


def test_a_cancelled_cut_leaves_nothing(tmp_path: Path, image: Path):
    output = tmp_path / "p"
    steps = cut_steps([image], output, CLASSES, CutSettings(count=8, side=SIDE, choice="random"))
    for event in steps:
        if event.stage == "cutting patches" and event.done == 3:
            break
    steps.close()
    assert (output / "labelling.json").is_file()
    forget_unfinished(output)
    assert not output.exists()


@pytest.mark.parametrize("names", [("tumour", "row"), ("group",), ("path", "x"), ("Tumour", "tumour")])
def test_classes_that_a_table_cannot_hold(tmp_path: Path, image: Path, names: tuple[str, ...]):
    with pytest.raises(ConfigurationError, match="classes: expected names"):
        cut_patches(image, tmp_path / "p", ClassTable.from_names(names), side=SIDE)
