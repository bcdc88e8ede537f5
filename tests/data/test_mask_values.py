from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.data.mask_description import mask_description
from napari_construct.data.mask_values import IGNORED, MaskReading, mask_reading
from napari_construct.data.masks import find_pairs, holds_masks, mask_folders, read_mask
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.export.tiff import write_mask

CLASSES = ClassTable.from_names(("tumour", "stroma", "fat"))
LABELS = np.tile(np.arange(4, dtype=np.uint8), (4, 4))


def written(path, values):
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


def with_palette(path, values, colours):
    image = Image.fromarray(np.asarray(values, np.uint8))
    image.putpalette([channel for colour in colours for channel in colour])
    image.save(path)
    return path


def test_own_masks_are_read_by_their_description(tmp_path):
    path = tmp_path / "a.tif"
    write_mask(path, LABELS, CLASSES)
    reading = mask_reading([path], CLASSES)
    assert (reading.first_class, reading.source) == (1, "record")
    expected = np.where(LABELS == 0, IGNORED, LABELS - 1)
    np.testing.assert_array_equal(reading.truth(path, read_mask(path), strict=True), expected)


def test_own_masks_of_another_order_of_classes(tmp_path):
    path = tmp_path / "a.tif"
    write_mask(path, LABELS, CLASSES)
    turned = ClassTable.from_names(("fat", "tumour", "stroma"))
    truth = mask_reading([path], turned).truth(path, read_mask(path), strict=True)
    np.testing.assert_array_equal(truth[0, :4], [IGNORED, 1, 2, 0])
    others = ClassTable.from_names(("a", "b", "c"))  # other words for the same classes
    truth = mask_reading([path], others).truth(path, read_mask(path), strict=True)
    np.testing.assert_array_equal(truth[0, :4], [IGNORED, 0, 1, 2])


def test_own_masks_with_a_class_that_the_model_lacks(tmp_path):
    path = tmp_path / "a.tif"
    write_mask(path, LABELS, CLASSES)
    few = ClassTable.from_names(("tumour", "stroma"))
    with pytest.raises(InputError, match=r"got fat \(value 3\), as the mask's own .* \(--ignore 3\)"):
        mask_reading([path], few).truth(path, read_mask(path), strict=True)
    truth = mask_reading([path], few, ignore=(3,)).truth(path, read_mask(path), strict=True)
    np.testing.assert_array_equal(truth[0, :4], [IGNORED, 0, 1, IGNORED])


def test_what_is_stated_wins_over_the_description(tmp_path):
    path = tmp_path / "a.tif"
    write_mask(path, LABELS, ClassTable.from_names(("fat", "x", "y")))
    reading = mask_reading([path], CLASSES, first_class=1)
    assert reading.source == "stated"
    np.testing.assert_array_equal(reading.truth(path, read_mask(path))[0, :4], [IGNORED, 0, 1, 2])


def test_corrected_masks_beside_own_ones_are_read_alike(tmp_path):
    write_mask(tmp_path / "a.tif", LABELS, CLASSES)
    tifffile.imwrite(tmp_path / "b.tif", LABELS)
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    reading = mask_reading(paths, CLASSES)
    first, second = (reading.truth(path, read_mask(path)) for path in paths)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("first", [0, 1])
def test_palettes_of_the_classes_colours(tmp_path, first):
    colours = [(0, 0, 0)] * first + [tissue.rgb for tissue in CLASSES]
    values = np.tile(np.arange(first, 3, dtype=np.uint8), (4, 4))
    png = with_palette(tmp_path / "a.png", values, colours)
    tif = tmp_path / "a.tif"
    table = np.zeros((3, 256), np.uint16)
    table[:, : len(colours)] = np.array(colours, np.uint16).T * 257
    tifffile.imwrite(tif, values, photometric="palette", colormap=table)
    for path in (png, tif):
        reading = mask_reading([path], CLASSES)
        assert (reading.first_class, reading.source) == (first, "palette")


def test_a_palette_of_other_colours_says_nothing(tmp_path):
    path = with_palette(tmp_path / "a.png", LABELS % 3, [(9, 9, 9), (1, 2, 3), (200, 0, 0)])
    assert mask_reading([path], CLASSES).source == "assumed"


@pytest.mark.parametrize(
    ("values", "ignore", "first", "source"),
    [
        ([1, 2, 3], (), 1, "values"),
        ([1, 3], (), 1, "values"),
        ([0, 1, 2], (), 0, "assumed"),
        ([1, 2], (), 0, "assumed"),
        ([0, 1, 2, 3], (), 0, "assumed"),
        ([1, 2, 3], (3,), 0, "assumed"),
        ([1, 2, 3, 255], (255,), 1, "values"),
        ([], (), 0, "assumed"),
    ],
)
def test_values_decide_only_where_the_other_reading_is_impossible(tmp_path, values, ignore, first, source):
    paths = [written(tmp_path / "a.png", [values])] if values else []
    reading = mask_reading(paths, CLASSES, ignore=ignore)
    assert (reading.first_class, reading.source) == (first, source)
    assert f"value {first} is the first class" in reading.words


def test_unreadable_masks_are_passed_over(tmp_path):
    (tmp_path / "b.png").write_bytes(b"no image")
    paths = [tmp_path / "b.png", tmp_path / "gone.png", written(tmp_path / "a.png", [[1, 2, 3]])]
    assert mask_reading(paths, CLASSES).first_class == 1


@pytest.mark.parametrize(
    ("first", "values", "message"),
    [
        (0, [0, 3], r"from 0 to 2 .*got 3; if 1 is, and 0 is unlabelled, .*--first-class 1\); .*--ignore 3"),
        (
            1,
            [1, 9],
            r"from 1 to 3 .*got 9; if 0 is, set the first class to 0 \(--first-class 0\); .*--ignore 9",
        ),
        (0, [0, 255], r"got 255; .*a mask of 0 and 255 marks one region"),
    ],
)
def test_errors_name_both_readings(first, values, message):
    reading = MaskReading(CLASSES, first, "stated")
    mask = np.array([values], np.uint8)
    with pytest.raises(InputError, match=message):
        reading.truth(Path("a.png"), mask, strict=True)
    assert reading.truth(Path("a.png"), mask)[0, 1] == IGNORED


@given(
    k=st.integers(1, 254),
    first=st.sampled_from([0, 1]),
    ignore=st.frozensets(st.integers(0, 255), max_size=5),
    left_out=st.booleans(),
)
def test_every_value_is_one_class_or_none(k, first, ignore, left_out):
    table = ClassTable(classes=tuple(TissueClass(name=str(i), ignored=left_out and not i) for i in range(k)))
    mask = np.arange(256, dtype=np.uint8)[None]
    truth = MaskReading(table, first, "stated", ignore).truth(Path("a.png"), mask)[0]
    for value in range(256):
        is_class = 0 <= value - first < k and value not in ignore and not (left_out and value == first)
        assert truth[value] == (value - first if is_class else IGNORED)


def test_descriptions_that_are_none(tmp_path):
    for i, text in enumerate(['{"classes": 3}', "[" * 5000, '{"classes": {"x": "y"}}', "hello", "{}"]):
        tifffile.imwrite(tmp_path / f"{i}.tif", LABELS, description=text, metadata=None)
        assert mask_description(tmp_path / f"{i}.tif") is None
    assert mask_description(tmp_path / "gone.tif") is None


@pytest.mark.parametrize(
    ("images", "masks"),
    [("img", "mask"), ("images", "labels"), ("1_Imgs", "2_GT"), ("tiles", "Ground truth")],
)
def test_folders_of_images_and_masks(tmp_path, images, masks):
    for folder in (images, masks):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "a.png", LABELS)
    assert mask_folders(tmp_path) == (tmp_path / images, tmp_path / masks)
    assert holds_masks(tmp_path)
    assert len(find_pairs(tmp_path)) == 1
    if images != "img":
        (tmp_path / "annotations").mkdir()
        written(tmp_path / "annotations" / "a.png", LABELS)
        assert mask_folders(tmp_path) is None  # two folders of masks
        with pytest.raises(DatasetError, match="name a folder of images and a folder of masks"):
            find_pairs(tmp_path)
