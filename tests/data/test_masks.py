from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.listing import Reason
from napari_construct.data.masks import pair_by_stem, read_mask
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.export.overlay import write_overlay
from napari_construct.export.tiff import write_mask

INDICES = np.tile(np.arange(4, dtype=np.uint8), (6, 5))


def test_camelyon_mask(camelyon):
    ((image, mask),) = pair_by_stem(camelyon / "val" / "img", camelyon / "val" / "mask")
    labels = read_mask(mask)
    assert image.stem == mask.stem
    assert labels.shape == (256, 256)
    assert labels.dtype == np.uint8
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert 0.4 < (labels == 0).mean() < 0.6


def test_palette_indices_not_colours(tmp_path):
    image = Image.frombytes("P", INDICES.shape[::-1], INDICES.tobytes())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 153, 0, 255])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), INDICES)


def test_every_other_form_of_indices(tmp_path):
    Image.fromarray(INDICES).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([INDICES] * 3)).save(tmp_path / "grey_as_rgb.png")
    Image.fromarray(INDICES.astype(np.uint16)).save(tmp_path / "sixteen.png")
    tifffile.imwrite(tmp_path / "a.tif", INDICES.astype(np.int32))
    colours = np.full((3, 256), 65535, np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", INDICES, photometric="palette", colormap=colours, compression="zlib")
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_mask(path), INDICES)
    Image.fromarray(INDICES > 1).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "bilevel.png"), INDICES > 1)


def test_one_pixel_mask_is_a_mask(tmp_path):
    Image.fromarray(INDICES[:1, 1:2]).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").tolist() == [[1]]


def test_what_is_no_mask(tmp_path, camelyon):
    colours = next((camelyon / "val" / "img").iterdir())
    with pytest.raises(InputError, match=r"expected class indices .* got an RGB image of colours; save"):
        read_mask(colours)
    Image.open(colours).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: .*JPEG.*save masks as PNG"):
        read_mask(tmp_path / "a.jpg")
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="got 300 to 300"):
        read_mask(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", INDICES.astype(np.float32))
    with pytest.raises(InputError, match="got float32 values"):
        read_mask(tmp_path / "a.tif")
    (tmp_path / "b.png").write_bytes(colours.read_bytes()[:9000])
    with pytest.raises(InputError, match=r"b\.png: expected a complete image"):
        read_mask(tmp_path / "b.png")
    with pytest.raises(InputError, match="found nothing"):
        read_mask(tmp_path / "gone.png")
    with pytest.raises(InputError, match="at most 10 pixels"):
        read_mask(tmp_path / "a.tif", max_pixels=10)


def test_pairs_name_what_has_no_partner(tmp_path):
    for name in (
        "img/b.jpg",
        "img/a.ome.tif",
        "img/alone.png",
        "mask/a.png",
        "mask/b.png",
        "mask/lost.png",
        "mask/x.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs = pair_by_stem(tmp_path / "img", tmp_path / "mask")
    assert [(i.name, m.name) for i, m in pairs] == [("a.ome.tif", "a.png"), ("b.jpg", "b.png")]
    assert len(pairs) == 2
    assert pairs.notices == (
        "1 image(s) without a mask of the same name are left out: alone.png",
        "1 mask(s) without an image of the same name are left out: lost.png",
        f"{tmp_path / 'mask'}: 1 other file(s) are left out (.txt; x.txt)",
    )


def test_pairing_errors(tmp_path):
    (tmp_path / "img").mkdir()
    (tmp_path / "mask").mkdir()
    with pytest.raises(DatasetError, match="gone: expected a folder"):
        pair_by_stem(tmp_path / "gone", tmp_path / "mask")
    (tmp_path / "img" / "a.png").touch()
    with pytest.raises(DatasetError, match=r"got 1 image\(s\) and 0 mask\(s\) without one match"):
        pair_by_stem(tmp_path / "img", tmp_path / "mask")
    (tmp_path / "img" / "a.jpg").touch()
    with pytest.raises(DatasetError, match=r"one file per name, got a\.jpg and a\.png"):
        pair_by_stem(tmp_path / "img", tmp_path / "mask")


def test_names_that_look_equal_are_pairs(tmp_path):
    for folder, form in (("img", "NFD"), ("mask", "NFC")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{unicodedata.normalize(form, 'Präparat Öl')}.png").touch()
    pairs = pair_by_stem(tmp_path / "img", tmp_path / "mask")
    assert len(pairs) == 1
    assert pairs.notices == ()


def test_our_pictures_among_images_are_left_out_and_our_masks_are_masks(tmp_path):
    for folder in ("img", "mask"):
        (tmp_path / folder).mkdir()
    labels, classes = np.ones((20, 20), np.uint8), ClassTable.from_names(["x"])
    write_overlay(tmp_path / "img" / "b.png", np.zeros((20, 20, 3), np.uint8), labels, classes)
    (tmp_path / "img" / "a.png").touch()
    for name in "ab":
        write_mask(tmp_path / "mask" / f"{name}.tif", labels, classes)
    pairs = pair_by_stem(tmp_path / "img", tmp_path / "mask")
    assert [(image.name, mask.name) for image, mask in pairs] == [("a.png", "a.tif")]
    assert pairs.notices == (
        "1 mask(s) without an image of the same name are left out: b.tif",
        f"{tmp_path / 'img'}: 1 {Reason.RESULT} (b.png)",
    )
