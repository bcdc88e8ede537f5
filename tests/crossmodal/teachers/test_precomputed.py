"""Stored outputs of other tools: found by name, read with exact values, refused where they are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.crossmodal.teachers.map_kinds import kind_of
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError


def seen(shape: tuple[int, ...], name: str) -> TeacherView:
    return TeacherView(np.zeros((1, *shape), np.float32), ("nuclear",), None, name)


def write(path: Path, values: NDArray[Any]) -> None:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        tifffile.imwrite(path, values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".png"])
def test_instances_come_back_with_foreground_and_boundary(
    tmp_path: Path, cells: NDArray[np.int32], suffix: str, dtype: type
) -> None:
    if suffix == ".png" and dtype not in (np.uint8, np.uint16):
        pytest.skip("PNG holds 8 and 16 bits")
    write(tmp_path / f"a_cp_masks{suffix}", (3 * cells).astype(dtype))
    found = load_teacher(tmp_path).predict(seen(cells.shape, "a.tif"))
    np.testing.assert_array_equal(found.instances, cells)
    np.testing.assert_array_equal(found.foreground, (cells > 0).astype(np.float32))
    inside = np.zeros_like(cells, bool)  # four neighbours of the same cell
    middle = cells[1:-1, 1:-1]
    inside[1:-1, 1:-1] = np.logical_and.reduce(
        [middle == part for part in (cells[:-2, 1:-1], cells[2:, 1:-1], cells[1:-1, :-2], cells[1:-1, 2:])]
    )
    np.testing.assert_array_equal(found.boundary, ((cells > 0) & ~inside).astype(np.float32))


def test_cells_that_touch_are_told_apart_by_their_boundary(tmp_path: Path) -> None:
    labels = np.repeat([1, 2], 10)[None].repeat(20, 0).astype(np.int32)
    np.save(tmp_path / "a.npy", labels)
    found = load_teacher(tmp_path).predict(seen((20, 20), "a"))
    assert found.boundary is not None
    assert np.flatnonzero(found.boundary[10]).tolist() == [9, 10]


@pytest.mark.parametrize(
    ("dtype", "full"), [(np.float32, 1), (np.float64, 1), (np.uint8, 255), (np.uint16, 65535)]
)
def test_probabilities_keep_their_values(
    tmp_path: Path, cells: NDArray[np.int32], dtype: type, full: int
) -> None:
    wanted = gaussian_filter((cells > 0).astype(np.float64), 2)
    stored = (wanted * full).astype(dtype)
    write(tmp_path / "a_Probabilities.tiff", stored)
    found = load_teacher(tmp_path).predict(seen(cells.shape, "folder/a.ome.tif"))
    np.testing.assert_allclose(found.foreground, stored / full, atol=1e-6)
    assert found.foreground.dtype == np.float32
    assert found.boundary is None
    assert found.instances is None


def test_one_smooth_blob_of_bytes_is_no_set_of_cells() -> None:
    rows, columns = np.indices((200, 200)) - 100
    blob = (255 * np.exp(-(rows**2 + columns**2) / 900)).astype(np.uint8)
    assert kind_of(blob) == "probability"
    assert kind_of((blob > 99).astype(np.uint8)) == "mask"
    assert (
        kind_of(np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((9, 9), np.uint8))) == "labels"
    )


@pytest.mark.parametrize("value", [1, 7, 255])
def test_a_mask_of_two_values_is_foreground_without_cells(tmp_path: Path, value: int) -> None:
    values = np.zeros((20, 30), np.uint8)
    values[5:9, 5:9] = value
    write(tmp_path / "a_mask.png", values)
    found = load_teacher(tmp_path).predict(seen((20, 30), "a"))
    assert found.foreground.sum() == 16
    assert found.foreground.max() == 1
    assert found.instances is None


def test_what_one_file_leaves_open_the_others_decide(tmp_path: Path, cells: NDArray[np.int32]) -> None:
    np.save(tmp_path / "a.npy", (cells == 1).astype(np.uint16))
    np.save(tmp_path / "b.npy", cells.astype(np.uint16))
    found = load_teacher(tmp_path).predict(seen(cells.shape, "a"))
    assert found.instances is not None
    assert found.instances.max() == 1


@pytest.mark.parametrize("first", [True, False])
def test_channels_are_chosen_and_added(tmp_path: Path, first: bool) -> None:
    maps = np.random.default_rng(0).dirichlet(np.ones(3), (20, 30)).astype(np.float32)
    np.save(tmp_path / "a.npy", np.moveaxis(maps, -1, 0) if first else maps)
    view = seen((20, 30), "a")
    with pytest.raises(InputError, match=r"a\.npy: expected to know which of 3 channels are foreground"):
        load_teacher(tmp_path).predict(view)
    np.testing.assert_allclose(load_teacher(tmp_path, foreground=1).predict(view).foreground, maps[..., 1])
    found = load_teacher(tmp_path, foreground=(0, 1), boundary=2).predict(view)
    np.testing.assert_allclose(found.foreground, maps[..., :2].sum(-1), atol=1e-6)
    np.testing.assert_allclose(found.boundary, maps[..., 2])
    with pytest.raises(InputError, match="expected channels from 0 to 2, got 3"):
        load_teacher(tmp_path, foreground=3).predict(view)


def test_maps_of_a_whole_multiple_are_brought_down(tmp_path: Path, cells: NDArray[np.int32]) -> None:
    np.save(tmp_path / "a_cells.npy", np.kron(cells, np.ones((3, 3), np.int32)))
    np.testing.assert_array_equal(load_teacher(tmp_path).predict(seen(cells.shape, "a")).instances, cells)
    chances = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    np.save(tmp_path / "a_cells.npy", chances)
    found = load_teacher(tmp_path).predict(seen((20, 30), "a")).foreground
    np.testing.assert_allclose(found[0, 0], chances[:2, :2].mean(), rtol=1e-6)
    with pytest.raises(
        InputError, match="expected 20 x 31 pixels as a has, or a whole multiple, got 40 x 60"
    ):
        load_teacher(tmp_path).predict(seen((20, 31), "a"))


def test_files_are_found_by_name_and_by_nothing_else(tmp_path: Path) -> None:
    for number, name in enumerate(("x.1_prob", "x.2_prob", "y_prob")):
        np.save(tmp_path / f"{name}.npy", np.full((8, 8), number / 4, np.float32))
    teacher = load_teacher(tmp_path)
    assert teacher.predict(seen((8, 8), "x.2")).foreground[0, 0] == 0.25
    assert teacher.predict(seen((8, 8), "img/y.tif")).foreground[0, 0] == 0.5
    with pytest.raises(InputError, match="z: expected a file of the same name"):
        teacher.predict(seen((8, 8), "z"))
    with pytest.raises(InputError, match=r"got img/y\.tif and other/y\.tif"):
        teacher.predict(seen((8, 8), "other/y.tif"))


def test_two_kinds_of_files_are_told_apart_by_their_suffix(tmp_path: Path, cells: NDArray[np.int32]) -> None:
    np.save(tmp_path / "a_prob.npy", np.full(cells.shape, 0.25, np.float32))
    np.save(tmp_path / "a_cells.npy", cells)
    with pytest.raises(DatasetError, match=r"got a_cells\.npy and a_prob\.npy; choose those of one kind"):
        load_teacher(tmp_path)
    assert load_teacher(tmp_path, suffix="_prob").predict(seen(cells.shape, "a")).instances is None
    assert load_teacher(tmp_path, suffix="_cells").predict(seen(cells.shape, "a")).instances is not None
    with pytest.raises(DatasetError, match="name ends with _x, found none"):
        load_teacher(tmp_path, suffix="_x")


@pytest.mark.parametrize(
    ("values", "content", "message"),
    [
        (np.full((8, 8), 37.0), "auto", "expected probabilities from 0 to 1, got 37 to 37"),
        (np.full((8, 8), np.nan), "auto", "got nan to nan"),
        (np.full((8, 8), 0.5), "labels", "expected whole numbers of cells"),
        (np.full((8, 8), -1), "labels", "got -1; give background"),
        (np.arange(64).reshape(8, 8), "probability", "expected probabilities as float, uint8 or uint16"),
        (np.zeros((8, 8, 3)) + np.arange(3), "labels", "expected one number a pixel"),
        (np.arange(64).reshape(8, 8) % 2 + 1, "mask", "expected 0 for background, got 1 and 2"),
        (np.zeros(8), "probability", "expected rows and columns"),
        (np.array([{}], object), "labels", "got Python objects"),
    ],
)
def test_values_of_another_kind_are_refused(
    tmp_path: Path, values: NDArray[Any], content: str, message: str
) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=rf"a\.npy: .*{message}"):
        load_teacher(tmp_path, content=content).predict(seen((8, 8), "a"))


@pytest.mark.parametrize("damage", ["empty", "short", "claims", "text"])
def test_damaged_files_are_refused_before_they_take_memory(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((8, 8)))
    data = path.read_bytes()
    claims = data.replace(b"(8, 8), }".ljust(20), b"(9000, 9000), }".ljust(20))
    path.write_bytes({"empty": b"", "short": data[:-9], "claims": claims, "text": b"cells" * 99}[damage])
    assert damage != "claims" or claims != data
    with pytest.raises(InputError, match=r"a\.npy: .*damaged"):
        load_teacher(tmp_path, content="probability").predict(seen((8, 8), "a"))


def test_identity_follows_files_and_settings(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.float32))
    first = load_teacher(tmp_path).identity
    assert len(first) == 64
    assert load_teacher(tmp_path).identity == first
    assert load_teacher(tmp_path, content="probability").identity != first
    np.save(tmp_path / "a.npy", np.ones((8, 8), np.float32))
    assert load_teacher(tmp_path).identity != first


def test_folders_without_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected TIFF, PNG or \.npy files, found none"):
        load_teacher(tmp_path)
    with pytest.raises(DatasetError, match="expected a folder of stored outputs"):
        load_teacher("precomputed", tmp_path / "none")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff" * 9)
    with pytest.raises(InputError, match="exact values"):
        load_teacher(tmp_path)


def test_choices_of_channels_need_channels(tmp_path: Path, cells: NDArray[np.int32]) -> None:
    np.save(tmp_path / "a.npy", cells)
    with pytest.raises(ConfigurationError, match="expected maps of several channels"):
        load_teacher(tmp_path, foreground=0)


@pytest.fixture
def pairs(shared_data: Path) -> Path:
    if not (shared_data / "pairs").is_dir():
        pytest.skip("needs the real pairs of shared/data/pairs")
    return shared_data / "pairs"


def test_the_stored_output_of_cellsam_is_a_teacher(pairs: Path) -> None:
    teacher = load_teacher(pairs / "cellsam_tissuenet", suffix="_pred")
    found = teacher.predict(seen((512, 512), "tissuenet.png"))
    assert found.instances is not None
    assert found.boundary is not None
    assert found.instances.max() == 620
    assert len(np.unique(found.instances)) == 621
    stored = np.load(pairs / "cellsam_tissuenet" / "tissuenet_pred.npy")
    np.testing.assert_array_equal(found.foreground, (stored > 0).astype(np.float32))
    assert 0.05 < found.boundary.mean() < found.foreground.mean()


def test_maps_of_ilastik_agree_with_the_cells_made_from_them(pairs: Path) -> None:
    """Nucleus, cytoplasm, background, at twice the size of the images."""
    imc = pairs / "imc_15rois"
    maps = load_teacher(imc / "ilastik_probabilities", foreground=(0, 1))
    masks = load_teacher(imc / "masks")
    both, either = 0.0, 0.0
    for path in sorted((imc / "img").iterdir()):
        view = seen(tifffile.imread(path).shape[1:], path.name)
        cells, chance = masks.predict(view), maps.predict(view)
        assert cells.instances is not None
        assert chance.foreground.shape == cells.foreground.shape
        both += 2 * float(((chance.foreground > 0.5) & (cells.foreground > 0)).sum())
        either += float((chance.foreground > 0.5).sum() + (cells.foreground > 0).sum())
    assert both / either > 0.9
    with pytest.raises(InputError, match="3 channels"):
        load_teacher(imc / "ilastik_probabilities").predict(replace(view, name=path.name))


def _of_pages(path: Path, maps: NDArray[Any], **more: Any) -> None:
    with tifffile.TiffWriter(path) as file:
        for page in maps:
            file.write(page, contiguous=False, **more)


@pytest.mark.parametrize("count", [2, 5, 20])
@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npy", lambda path, maps: np.save(path, np.moveaxis(maps, 0, -1))),
        ("a.npy", np.save),
        ("a_Probabilities.tif", lambda path, maps: tifffile.imwrite(path, maps, metadata=None)),
        ("a.tif", lambda path, maps: tifffile.imwrite(path, np.moveaxis(maps, 0, -1))),
        ("a.tif", lambda path, maps: tifffile.imwrite(
            path, np.moveaxis(maps, 0, -1), photometric="minisblack", planarconfig="contig")),
        ("a.tif", lambda path, maps: tifffile.imwrite(
            path, maps, photometric="minisblack", planarconfig="separate")),
        ("a.ome.tif", lambda path, maps: tifffile.imwrite(path, maps, metadata={"axes": "CYX"})),
        ("a.tif", lambda path, maps: tifffile.imwrite(path, maps, imagej=True, metadata={"axes": "CYX"})),
        ("a.tif", lambda path, maps: tifffile.imwrite(
            path, maps[None, None], metadata={"axes": "TZCYX"}, ome=True)),
        ("a.tif", _of_pages),
        ("a.tif", lambda path, maps: _of_pages(path, maps, metadata=None)),
    ],
)  # fmt: skip
def test_maps_of_any_number_of_classes(tmp_path: Path, count: int, name: str, save: Any) -> None:
    """As ilastik exports them: npy, multi-page TIFF, and TIFF whose description names the axes."""
    rng = np.random.default_rng(0)
    maps = np.moveaxis(rng.dirichlet(np.ones(count), (40, 50)), -1, 0).astype(np.float32)
    save(tmp_path / name, maps)
    with pytest.raises(InputError, match=rf"which of {count} channels are foreground.*--teacher-foreground"):
        load_teacher(tmp_path)
    chosen = (0, count - 1)
    found = load_teacher(tmp_path, foreground=chosen).predict(seen((40, 50), "a.tif"))
    np.testing.assert_allclose(found.foreground, maps[list(chosen)].sum(0), atol=1e-6)
    found = load_teacher(tmp_path, foreground=0, boundary=count - 1).predict(seen((40, 50), "a"))
    np.testing.assert_allclose(found.boundary, maps[-1])


def test_bytes_of_many_classes_keep_their_values(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).integers(0, 50, (5, 40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(maps, 0, -1), photometric="rgb", extrasamples=[0, 0])
    found = load_teacher(tmp_path, foreground=(1, 4)).predict(seen((40, 50), "a"))
    np.testing.assert_allclose(found.foreground, (maps[1] / 255 + maps[4] / 255), atol=1e-6)


def test_stacks_and_too_many_channels_are_no_maps(tmp_path: Path) -> None:
    stack = np.zeros((5, 40, 50), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match="expected one plane of channels"):
        load_teacher(tmp_path, foreground=0)
    (tmp_path / "a.tif").unlink()
    np.save(tmp_path / "a.npy", np.zeros((300, 300, 300), np.uint8))
    with pytest.raises(InputError, match="256 channels"):
        load_teacher(tmp_path, foreground=0)


def test_two_masks_of_one_file_are_not_two_channels(tmp_path: Path, cells: NDArray[np.int32]) -> None:
    _of_pages(tmp_path / "a.tif", np.stack([cells, 0 * cells]))
    np.testing.assert_array_equal(load_teacher(tmp_path).predict(seen(cells.shape, "a")).instances, cells)
