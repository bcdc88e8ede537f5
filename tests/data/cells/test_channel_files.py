"""Sets in which each channel is a file, or a folder, of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.data.cells.made import NUMBERS, labels, write_png, write_tiff

from napari_construct.data.cells.open_cells import open_cells, stated_split
from napari_construct.data.channels.file_names import in_order, named_channel
from napari_construct.exceptions import ConfigurationError, DatasetError


def write_channel(path: Path, shape: tuple[int, int] = (40, 50), dtype: type = np.uint16) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = NUMBERS.integers(0, 250, shape).astype(dtype)
    tifffile.imwrite(path, pixels)
    return pixels


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{image}_{channel}.tif", ("membrane", "DAPI")),
        ("{channel}-{image}.ome.tif", ("E-cadherin", "Hoechst33342")),
        ("{channel}/{image}.tif", ("membrane", "DAPI")),
        ("{channel}/{image}_{channel}.tif", ("membrane", "DAPI")),
        ("plate_{image}_{channel}_20x.tif", ("w2FITC", "w1DAPI")),
        ("{image}_{channel}.tif", ("ch1", "ch0")),
        ("{channel}-{image}.tif", ("C2", "C1")),
    ],
)
def test_names_that_differ_by_a_channel_are_one_image(
    tmp_path: Path, pattern: str, words: tuple[str, ...]
) -> None:
    pixels = {
        (image, word): write_channel(tmp_path / pattern.format(image=image, channel=word))
        for image in ("s1", "s2", "s10")
        for word in words
    }
    dataset = open_cells(tmp_path)
    nuclear = (words[1], words[0])  # first, as networks expect it
    assert dataset.channels == nuclear
    plain = [name.removeprefix("plate_").removesuffix("_20x") for name in dataset.names]
    assert sorted(plain) == ["s1", "s10", "s2"]
    for i, image in enumerate(plain):
        np.testing.assert_array_equal(dataset.load(i).image.pixels, [pixels[image, w] for w in nuclear])
    assert any("3 image(s) are joined" in notice for notice in dataset.notices)
    picked = open_cells(tmp_path, channels=[words[0]])
    np.testing.assert_array_equal(picked.load(0).image.pixels[0], pixels[plain[0], words[0]])


@pytest.mark.parametrize("mask", ["s1_cells.tif", "s1_DAPI_mask.tif"])
def test_masks_beside_files_of_channels(tmp_path: Path, mask: str) -> None:
    for image in ("s1", "s2"):
        for word in ("DAPI", "membrane"):
            write_channel(tmp_path / f"{image}_{word}.tif")
    tifffile.imwrite(tmp_path / mask, labels())
    dataset = open_cells(tmp_path)
    assert dataset.names == ("s1", "s2")
    assert dataset.has_truth == (True, False)
    np.testing.assert_array_equal(dataset.load(0).truth, labels())
    before = dataset.fingerprint
    assert open_cells(tmp_path).fingerprint == before
    write_channel(tmp_path / "s2_membrane.tif")
    assert open_cells(tmp_path).fingerprint != before


@pytest.mark.parametrize("root", ["", "images"])
@pytest.mark.parametrize("ending", ["", "_DAPI", "_mask"])
def test_masks_in_a_folder_of_their_own(tmp_path: Path, root: str, ending: str) -> None:
    folders = not root or ending != "_DAPI"
    for image in ("s1", "s2"):
        for word in ("DAPI", "membrane"):
            name = f"{word}/{image}_{word}.tif" if folders else f"{image}_{word}.tif"
            write_channel(tmp_path / root / name)
    write_png(tmp_path / "labels" / f"s2{ending}.png", labels())
    write_png(tmp_path / "labels" / "other.png", labels())
    dataset = open_cells(tmp_path)
    assert dataset.names == ("s1", "s2")
    assert dataset.has_truth == (False, True)
    np.testing.assert_array_equal(dataset.load(1).truth, labels())
    assert any("1 mask(s) without an image" in notice for notice in dataset.notices)
    write_png(tmp_path / "labels" / "s2_membrane.png", labels())
    with pytest.raises(DatasetError, match="expected one mask for the image s2"):
        open_cells(tmp_path)


def test_train_and_val_of_channel_files(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for word in ("DAPI", "membrane"):
            write_channel(tmp_path / split / f"s1_{word}.tif")
    dataset = open_cells(tmp_path)
    assert dataset.names == ("train/s1", "val/s1")
    assert stated_split(dataset) == ((0,), (1,))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("s1_DAPI", "s1_membrane", "s2_DAPI", "s1_CD45", "s2_membrane"):
        write_channel(tmp_path / f"{name}.ome.tif")
    with pytest.raises(DatasetError, match=r"expected s2_CD45\.ome\.tif .* DAPI,membrane\)") as raised:
        open_cells(tmp_path)
    assert "--channel-files none" in str(raised.value)
    assert open_cells(tmp_path, channel_files=["membrane", "DAPI"]).channels == ("membrane", "DAPI")
    alone = open_cells(tmp_path, channel_files=())
    assert len(alone) == 5
    assert alone.channels == ("0",)


def test_a_missing_file_of_a_folder_is_named(tmp_path: Path) -> None:
    for name in ("DAPI/s1_DAPI", "membrane/s1_membrane", "DAPI/s2_DAPI"):
        write_channel(tmp_path / f"{name}.tif")
    with pytest.raises(DatasetError, match=r"expected membrane/s2_membrane\.tif .* s2_DAPI\.tif"):
        open_cells(tmp_path)


def test_two_files_for_a_channel_are_refused(tmp_path: Path) -> None:
    for name in ("s1_DAPI.tif", "s1_membrane.tif", "s1_dapi.tiff"):
        write_channel(tmp_path / name)
    with pytest.raises(DatasetError, match=r"one file for a channel .* s1_DAPI\.tif, s1_dapi\.tiff"):
        open_cells(tmp_path)


def test_channels_of_other_sizes_are_refused_by_name(tmp_path: Path) -> None:
    write_channel(tmp_path / "s1_DAPI.tif")
    write_channel(tmp_path / "s1_membrane.tif", (41, 50))
    with pytest.raises(DatasetError, match=r"s1_membrane\.tif: expected 40 x 50 pixels .* got 41 x 50"):
        open_cells(tmp_path)


def test_files_of_several_channels_are_no_channels(tmp_path: Path) -> None:
    for word in ("DAPI", "membrane"):
        write_tiff(tmp_path / f"s1_{word}.tif")
    assert len(open_cells(tmp_path)) == 2
    with pytest.raises(DatasetError, match=r"that is a channel, got 2 \(DAPI, CK\)"):
        open_cells(tmp_path, channel_files=["DAPI", "membrane"])


def test_types_may_differ_and_values_stay(tmp_path: Path) -> None:
    dapi = write_channel(tmp_path / "s1_DAPI.tif", dtype=np.uint8)
    membrane = write_channel(tmp_path / "s1_membrane.tif", dtype=np.float32)
    np.testing.assert_array_equal(open_cells(tmp_path).load(0).image.pixels, [dapi, membrane])


def test_channels_that_are_said(tmp_path: Path) -> None:
    """As CellProfiler's examples are called."""
    for place in ("01_POS002", "01_POS076"):
        for word in "DFR":
            write_channel(tmp_path / f"{place}_{word}.TIF")
    write_channel(tmp_path / "overview.tif")
    assert len(open_cells(tmp_path)) == 7  # no letter is known to be a channel
    dataset = open_cells(tmp_path, channel_files=["D", "R"])
    assert dataset.names == ("01_POS002", "01_POS076")
    assert dataset.channels == ("D", "R")
    assert any("3 file(s) of no channel are left out" in notice for notice in dataset.notices)
    with pytest.raises(DatasetError, match=r"found none of X"):
        open_cells(tmp_path, channel_files=["D", "X"])
    with pytest.raises(DatasetError, match=r"expected files with A, B in their names"):
        open_cells(tmp_path, channel_files=["A", "B"])
    for wrong in (["D"], ["D", "d"], ["D", " "], "D,R"):
        with pytest.raises(ConfigurationError, match="at least two channels, each once"):
            open_cells(tmp_path, channel_files=wrong)


def test_unknown_channels_beside_known_ones_are_told(tmp_path: Path) -> None:
    for word in ("DAPI", "membrane", "marker"):
        write_channel(tmp_path / f"s1_{word}.tif")
        write_channel(tmp_path / "folders" / word / "s1.tif")
    for root in (tmp_path, tmp_path / "folders"):
        dataset = open_cells(root)
        assert dataset.channels == ("DAPI", "membrane")
        assert any("marker" in notice and "--channel-files" in notice for notice in dataset.notices)
        assert open_cells(root, channel_files=["marker", "dapi"]).channels == ("marker", "dapi")


def test_folders_that_are_no_channels_are_told(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write_channel(tmp_path / place / "s1.tif")
    with pytest.raises(DatasetError, match=r"it holds the folders a, b.*--channel-files"):
        open_cells(tmp_path)
    assert open_cells(tmp_path, channel_files=["b", "a"]).channels == ("b", "a")


@pytest.mark.parametrize(
    "names",
    [
        ("s1_DAPI", "s2_DAPI"),  # one channel
        ("tile_r1_c1", "tile_r1_c2"),  # columns
        ("patient_c1", "patient_c2"),  # cases
        ("well_H3", "well_H4"),
        ("s1_t0", "s1_t1"),
        ("decadapis", "decadherins"),
    ],
)
def test_other_names_are_images(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_channel(tmp_path / f"{name}.tif")
    assert open_cells(tmp_path).names == names


def test_a_folder_of_one_image_names_it(tmp_path: Path) -> None:
    for word in ("DAPI", "membrane"):
        write_channel(tmp_path / "sample7" / f"{word}.tif")
    assert open_cells(tmp_path / "sample7").names == ("sample7",)


def test_names_of_channels() -> None:
    found = named_channel("AS_09125_D03f00d1", ("d0", "d1"))
    assert found is not None
    assert (found.word, found.image) == ("d1", "AS_09125_D03f00")
    assert named_channel("r01c01-ch10sk1", ("ch1",)) is None
    last = named_channel("s1_DAPI_CD8")
    assert last is not None
    assert (last.word, last.image) == ("CD8", "s1_DAPI")
    assert in_order(["CD3", "WGA", "ch2", "Hoechst"]) == ("Hoechst", "WGA", "CD3", "ch2")
    assert in_order(["ch10", "ch3"]) == ("ch3", "ch10")
