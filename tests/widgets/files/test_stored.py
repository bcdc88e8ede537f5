"""What is saved is what is opened again: classes, colours, pixel size, areas and record, through napari."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from PIL import Image as Picture
from tests.widgets.conftest import CLASSES, by_colour

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.overlay import overlay
from napari_construct.results.files import write_result
from napari_construct.results.read import load_result
from napari_construct.widgets.files import stored
from napari_construct.widgets.files.readers import get_reader, read
from napari_construct.widgets.files.writers import write_labels, write_overlay_png, write_zarr
from napari_construct.widgets.layers import METADATA_KEY, plane_on_view, result_layer

pytestmark = pytest.mark.gui

PLACE: dict[str, Any] = {"scale": (0.5, 0.5), "units": ("um", "um")}


@pytest.fixture
def shown(viewer, tissue) -> tuple[Image, Labels]:
    """An image and its mask in a viewer."""
    image = viewer.add_image(tissue, rgb=True, name="slide", **PLACE)
    mask = result_layer(by_colour(tissue, 0.5), plane_on_view(image, (0.0, 0.0)))
    return image, viewer.add_layer(mask)


def same(mask: Labels, other: Labels) -> None:
    np.testing.assert_array_equal(other.data, mask.data)
    np.testing.assert_allclose(other.scale, mask.scale)
    assert other.units == mask.units
    for value in (1, 2):
        np.testing.assert_allclose(other.get_color(value), mask.get_color(value), atol=1e-6)
    assert list(other.features["class"]) == list(CLASSES.names)
    assert other.metadata[METADATA_KEY]["record"]["model"] == "fake"


def test_mask_as_tiff(viewer, shown, tmp_path) -> None:
    _, mask = shown
    mask.data_setitem((np.array([0, 0]), np.array([0, 1])), 2)  # edited by hand
    written = mask.save(str(tmp_path / "slide_mask.tif"), plugin="napari-construct")
    assert {p.rsplit("/", 1)[-1] for p in written} == {"slide_mask.tif", "slide.json"}
    record = json.loads((tmp_path / "slide.json").read_text(encoding="utf-8"))
    assert [a["pixels"] for a in record["areas"]] == [int((mask.data == i).sum()) for i in (1, 2)]
    for name in ("slide_mask.tif", "slide.json"):
        (opened,) = viewer.open(str(tmp_path / name), plugin="napari-construct")
        same(mask, opened)


def test_shares_say_of_what(viewer, shown, tmp_path) -> None:
    """Of the tissue where it is known, whatever was painted since; else of what has a label."""
    _, mask = shown
    tissue = int((mask.data > 0).sum())
    mask.data = np.where(np.arange(mask.data.shape[1]) < 40, 0, mask.data)  # erased by hand
    for features, key, whole in (
        (mask.features, "percent_of_tissue", tissue),
        (mask.features[["index", "class"]], "percent_of_labelled", int((mask.data > 0).sum())),
    ):
        mask.features = features
        mask.save(str(tmp_path / f"{key}_mask.tif"), plugin="napari-construct")
        record = json.loads((tmp_path / f"{key}.json").read_text(encoding="utf-8"))
        for area in record["areas"]:
            assert area[key] == pytest.approx(100 * area["pixels"] / whole)


def test_a_record_of_before_opens_with_todays_names(viewer, shown, tmp_path) -> None:
    _, mask = shown
    mask.save(str(tmp_path / "slide_mask.tif"), plugin="napari-construct")
    record = json.loads((tmp_path / "slide.json").read_text(encoding="utf-8"))
    del record["tissue_pixels"]
    for area in record["areas"]:
        area["percent"] = area.pop("percent_of_tissue")
    (tmp_path / "slide.json").write_text(json.dumps(record), encoding="utf-8")
    (opened,) = viewer.open(str(tmp_path / "slide.json"), plugin="napari-construct")
    shares = [area["percent"] for area in record["areas"]]
    assert list(opened.features["percent_of_tissue"]) == pytest.approx(shares, rel=1e-6)
    assert "percent" not in opened.features


def test_image_with_mask_as_zarr(viewer, shown, tmp_path) -> None:
    image, mask = shown
    viewer.layers.selection.update([image, mask])
    assert viewer.layers.save(str(tmp_path / "slide.ome.zarr"), selected=True, plugin="napari-construct")
    opened, labels = viewer.open(str(tmp_path / "slide.ome.zarr"), plugin="napari-construct")
    np.testing.assert_array_equal(np.asarray(opened.data[0]), image.data)
    assert opened.rgb
    same(mask, labels)
    assert isinstance(labels.data, np.ndarray)  # it can be painted on


def test_overlay(viewer, shown, tmp_path) -> None:
    image, mask = shown
    viewer.layers.selection.update([image, mask])
    assert viewer.layers.save(str(tmp_path / "slide.png"), selected=True, plugin="napari-construct")
    picture = np.asarray(Picture.open(tmp_path / "slide.png"))
    np.testing.assert_array_equal(picture, overlay(image.data, mask.data, CLASSES, mask.opacity))


def test_result_of_a_batch(viewer, tissue, tmp_path) -> None:
    result = by_colour(tissue, 0.5)
    result.record["input"] = {"mpp": 0.5}
    result.record["presence"] = {name: {"score": 0.5} for name in CLASSES.names}
    write_result(tmp_path, "a", tissue, result, kinds=("mask", "cams", "zarr"))
    layers = viewer.open(str(tmp_path / "a.json"), plugin="napari-construct")
    assert [layer.name for layer in layers] == ["a tumour (class map)", "a lymphoid (class map)", "a mask"]
    for layer, cam in zip(layers, result.cams, strict=False):
        np.testing.assert_allclose(layer.data, cam)
    np.testing.assert_array_equal(layers[-1].data, result.labels)
    (mask,) = viewer.open(str(tmp_path / "a_mask.tif"), plugin="napari-construct")
    np.testing.assert_array_equal(mask.data, result.labels)


def test_planes_of_a_stack(tissue, tmp_path) -> None:
    labels = np.stack([by_colour(tissue, None).labels, np.zeros(tissue.shape[:2], np.uint8)])
    layer = Labels(labels, name="stack", scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    write_labels(str(tmp_path / "s_mask.tif"), *layer.as_layer_data_tuple()[:2])
    ((data, attributes, kind),) = read(str(tmp_path / "s_mask.tif"))
    assert kind == "labels"
    np.testing.assert_array_equal(data, labels)
    np.testing.assert_allclose(attributes["scale"], (1, 0.5, 0.5))


def test_instances_are_refused(tmp_path) -> None:
    layer = Labels(np.array([[0, 700]]), name="cells")
    with pytest.raises(InputError, match=r"cells.*0 to 700.*napari's own writer"):
        write_labels(str(tmp_path / "cells.tif"), *layer.as_layer_data_tuple()[:2])
    assert list(tmp_path.iterdir()) == []


TARGETS = pytest.mark.parametrize(
    "target", ["slide_mask.tif", "slide mask.tif", "slide.png", "slide.ome.zarr"]
)
THEIRS = '{"shapes": ["drawn by hand"]}'


@pytest.fixture
def save(tissue, tmp_path):
    """Saves a mask, or an image with it, as napari does; returns the names that were written."""
    image = Image(tissue, name="slide", rgb=True).as_layer_data_tuple()
    mask = Labels(by_colour(tissue, 0.5).labels, name="slide").as_layer_data_tuple()

    def write(target: str) -> list[str]:
        path = str(tmp_path / target)
        if target.endswith(".tif"):
            written = write_labels(path, *mask[:2])
        else:
            written = (write_overlay_png if target.endswith(".png") else write_zarr)(path, [image, mask])
        return [str(Path(one).relative_to(tmp_path)) for one in written]

    return write


@TARGETS
def test_saving_keeps_a_file_of_others(save, tmp_path, target) -> None:
    kept = tmp_path / target
    kept.write_text(THEIRS, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        save(target)
    assert str(kept) in str(caught.value)
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text(encoding="utf-8") == THEIRS
    kept.unlink()
    save(target)
    save(target)  # what lies there now is ours


@TARGETS
@pytest.mark.parametrize("kind", ["of others", "dangling", "folder", "of another result"])
def test_the_record_has_another_name_where_its_own_is_taken(save, tmp_path, target, kind, capsys) -> None:
    usual = tmp_path / "slide.json"
    if kind == "of others":
        usual.write_text(THEIRS, encoding="utf-8")
    elif kind == "dangling":
        usual.symlink_to(tmp_path / "unplugged")
    elif kind == "folder":
        usual.mkdir()
    else:
        save("slide_overlay.png")
    before = usual.read_text(encoding="utf-8") if usual.is_file() else ""
    for _ in range(2):  # the second time both are ours
        assert save(target) == [target, f"{target}.json"]
    assert "slide.json belongs to something else and was left as it is." in capsys.readouterr().out
    assert os.path.lexists(usual)
    assert (usual.read_text(encoding="utf-8") if usual.is_file() else "") == before
    if not target.endswith(".png"):
        assert load_result(tmp_path / target).record["saved_from"] == "slide"
        (*_, (_, attributes, _)) = read(str(tmp_path / f"{target}.json"))
        assert attributes["name"] == "slide mask"


def test_where_both_names_are_taken_it_is_said_before_anything_is_written(save, tmp_path) -> None:
    names = ["slide.json", "slide_mask.tif.json"]
    for name in names:
        (tmp_path / name).write_text(THEIRS, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"slide\.json.*another"):
        save("slide_mask.tif")
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_saved_mask_knows_the_pixel_size_of_its_run(tmp_path, tissue) -> None:
    """Also where its layer is in pixels, because the size was that of the file or was typed."""
    result = by_colour(tissue, 1.0)
    result.record["input"] = {"mpp": 1.0}
    layer = result_layer(result, plane_on_view(Image(tissue, rgb=True, name="slide"), (0.0, 0.0)))
    write_labels(str(tmp_path / "slide_mask.tif"), *layer.as_layer_data_tuple()[:2])
    assert load_result(tmp_path / "slide_mask.tif").mpp == 1.0


def test_what_is_not_ours_is_left_to_others(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "other_mask.tif", np.zeros((4, 4), np.uint8))
    (tmp_path / "other.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "other.ome.zarr").mkdir()
    for path in [*tmp_path.iterdir(), tmp_path / "absent_mask.tif"]:
        assert get_reader(str(path)) is None, path
    assert get_reader([]) is None


def test_a_mask_of_another_result_says_so_and_keeps_its_classes(
    viewer, tissue, tmp_path, monkeypatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(stored, "show_info", said.append)
    result = by_colour(tissue, 0.5)
    for kind in ("mask", "zarr"):
        ours = write_result(tmp_path / kind, "a", tissue, result, kinds=(kind,))
        names = tuple(reversed(CLASSES.names))
        other = dataclasses.replace(result, classes=ClassTable.from_names(names))
        theirs = write_result(tmp_path / f"other {kind}", "a", tissue, other, kinds=(kind,))
        ours[kind].rename(tmp_path / f"away {kind}")
        theirs[kind].rename(ours[kind])
        *_, labels = viewer.open(str(ours[kind]), plugin="napari-construct")
        assert list(labels.features["class"]) == list(names)
        assert said.pop().startswith(f"{ours[kind].name} is not as a.json describes it")
        assert not said
