from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.cells.made import labels, write_png, write_tiff

from napari_construct.data.cells.open_cells import open_cells, stated_split
from napari_construct.exceptions import ConfigurationError, DatasetError


@pytest.mark.parametrize("folders", [("images", "labels"), ("img", "masks"), ("1_images", "GT")])
def test_masks_in_a_folder_of_their_own(tmp_path: Path, folders: tuple[str, str]) -> None:
    pixels = [write_tiff(tmp_path / folders[0] / f"p{i}.ome.tif") for i in range(3)]
    for i in range(2):
        write_png(tmp_path / folders[1] / f"p{i}.png", labels(shift=i))
    write_png(tmp_path / folders[1] / "other.png", labels())
    dataset = open_cells(tmp_path)
    assert dataset.names == ("p0", "p1", "p2")
    assert dataset.has_truth == (True, True, False)
    assert dataset.channels == ("DAPI", "CK")
    for i in range(2):
        item = dataset.load(i)
        np.testing.assert_array_equal(item.image.pixels, pixels[i])
        np.testing.assert_array_equal(item.truth, labels(shift=i))
    assert dataset.load(2).truth is None
    assert dataset.notices == (
        "1 image(s) have no mask and no truth (p2.ome.tif)",
        "1 mask(s) without an image of the same name are left out (other.png)",
    )
    assert open_cells(tmp_path / folders[0]).has_truth == dataset.has_truth


@pytest.mark.parametrize("ending", ["_mask", "_cells", "_label", "_cp_masks"])
def test_masks_beside_images(tmp_path: Path, ending: str) -> None:
    for name in ("fov1", "fov2", "fov3"):
        write_tiff(tmp_path / f"{name}.tif")
    write_png(tmp_path / f"fov2{ending}.png", labels())
    dataset = open_cells(tmp_path)
    assert dataset.names == ("fov1", "fov2", "fov3")
    assert dataset.has_truth == (False, True, False)
    np.testing.assert_array_equal(dataset.load(1).truth, labels())


def test_masks_with_the_beginning_of_a_name(tmp_path: Path) -> None:
    write_tiff(tmp_path / "fov8_hh3_membrane.ome.tif")
    write_png(tmp_path / "fov8_cells.png", labels())
    assert open_cells(tmp_path).has_truth == (True,)
    write_tiff(tmp_path / "fov8_more.tif")
    with pytest.raises(DatasetError, match=r"expected one image for the mask fov8_cells\.png"):
        open_cells(tmp_path)


def test_no_masks(tmp_path: Path) -> None:
    write_tiff(tmp_path / "b_cells.tif")  # no image of which it is the mask
    write_tiff(tmp_path / "a.tif")
    dataset = open_cells(tmp_path)
    assert dataset.names == ("a", "b_cells")
    assert dataset.has_truth == (False, False)


def test_train_and_val(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for i in range(count):
            write_tiff(tmp_path / split / "images" / f"s{i}_x.tif")
            write_png(tmp_path / split / "masks" / f"s{i}_x.png", labels())
    dataset = open_cells(tmp_path, group_pattern=r"(s\d+)_")
    assert dataset.names == ("train/s0_x", "train/s1_x", "train/s2_x", "val/s0_x", "val/s1_x")
    assert dataset.groups == ("s0", "s1", "s2", "s0", "s1")
    assert stated_split(dataset) == ((0, 1, 2), (3, 4))
    assert any("test is left out" in notice for notice in dataset.notices)
    assert len(open_cells(tmp_path / "test")) == 1
    with pytest.raises(DatasetError, match="expected a name whose start matches"):
        open_cells(tmp_path, group_pattern=r"p\d+")
    with pytest.raises(ConfigurationError, match="expected a regular expression"):
        open_cells(tmp_path, group_pattern="(")


def test_masks_without_numbers(tmp_path: Path) -> None:
    for i in range(30):
        write_tiff(tmp_path / "images" / f"{i:02d}.tif")
        write_png(tmp_path / "masks" / f"{i:02d}.png", (labels() > 0).astype(np.uint8) * 255)
    dataset = open_cells(tmp_path)
    truth = dataset.load(7).truth
    assert truth is not None
    assert truth.max() == 2
    (notice,) = dataset.notices
    assert notice == (
        "00.png: connected parts of a mask without numbers are taken for cells; cells that touch are one "
        "(and 23 more images) (of 24 images looked at)"
    )


def test_channels_by_name_in_files_of_other_order(tmp_path: Path) -> None:
    first = write_tiff(tmp_path / "a.tif", ("DAPI", "CK", "CD8"))
    second = write_tiff(tmp_path / "b.tif", ("CK", "DAPI"))
    write_tiff(tmp_path / "c.tif", ("CK", "Other"))
    dataset = open_cells(tmp_path, channels=["dapi", "ck"])
    assert dataset.names == ("a", "b")
    assert dataset.channels == ("DAPI", "CK")
    np.testing.assert_array_equal(dataset.load(0).image.pixels, first[:2])
    np.testing.assert_array_equal(dataset.load(1).image.pixels, second[[1, 0]])
    assert any("1 of 3 image(s) have other channels than dapi, ck" in notice for notice in dataset.notices)
    with pytest.raises(ConfigurationError, match="expected one of the channels 0 DAPI, 1 CK, 2 CD8, got 'x'"):
        open_cells(tmp_path, channels=["x"])


def test_resolution(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", mpp=0.5)
    write_tiff(tmp_path / "b.tif", mpp=0.25)
    dataset = open_cells(tmp_path)
    assert [dataset.load(i).image.mpp for i in range(2)] == [0.5, 0.25]
    assert dataset.notices == ("the pixel sizes of the images differ: 0.25 to 0.5 um per pixel",)
    write_tiff(tmp_path / "c.tif")
    assert "1 of 3 image(s) do not state their pixel size" in open_cells(tmp_path).notices[0]
    given = open_cells(tmp_path, mpp=0.3)
    assert given.notices == ()
    assert given.load(2).image.mpp == 0.3
    with pytest.raises(ConfigurationError, match="expected micrometres per pixel above 0"):
        open_cells(tmp_path, mpp=0.0)


def test_fingerprint_is_of_contents(tmp_path: Path) -> None:
    write_tiff(tmp_path / "images" / "a.tif")
    write_png(tmp_path / "masks" / "a.png", labels())
    first = open_cells(tmp_path).fingerprint
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("images", "masks"):
        (tmp_path / name).rename(moved / name)
    assert open_cells(moved).fingerprint == first
    write_png(moved / "masks" / "a.png", labels(shift=1))
    assert open_cells(moved).fingerprint != first


def test_names_and_sizes_that_do_not_fit(tmp_path: Path) -> None:
    write_tiff(tmp_path / "images" / "a.tif")
    write_png(tmp_path / "masks" / "b.png", labels())
    with pytest.raises(DatasetError, match=r"masks of the same name .*give both the same stem"):
        open_cells(tmp_path)
    write_png(tmp_path / "masks" / "a.png", labels(50, 50))
    error = r"a.png: expected a mask of 40 x 50 pixels as its image a.tif has, got 50 x 50; pair"
    with pytest.raises(DatasetError, match=error):
        open_cells(tmp_path)


def test_files_that_change(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif")
    dataset = open_cells(tmp_path)
    write_tiff(tmp_path / "a.tif", ("CK", "DAPI"))
    with pytest.raises(ValueError, match="channels DAPI, CK, got CK, DAPI; the file has changed"):
        dataset.load(0)


def test_damaged_files_are_left_out_and_told(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif")
    write_tiff(tmp_path / "b.tif")
    data = (tmp_path / "b.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(data[:100])
    dataset = open_cells(tmp_path)
    assert dataset.names == ("a",)
    assert "1 image(s) cannot be used and are left out; the first:" in dataset.notices[0]
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    with pytest.raises(DatasetError, match="none of 2 can be read"):
        open_cells(tmp_path)


def test_what_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found nothing; check the path"):
        open_cells(tmp_path / "none")
    with pytest.raises(DatasetError, match="found none; name the folder of images"):
        open_cells(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(DatasetError, match="it holds the folders a"):
        open_cells(tmp_path)
    write_tiff(tmp_path / "x.tif")
    with pytest.raises(DatasetError, match="got another file; name the folder it is in"):
        open_cells(tmp_path / "x.tif")
    write_tiff(tmp_path / "x.ome.tif")
    with pytest.raises(DatasetError, match="expected one image per name, got x twice"):
        open_cells(tmp_path)
