"""Readers claim what they can read, and say what is wrong with the rest; nothing waits for ever."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from tests.odd_places import put
from tests.widgets.conftest import by_colour

from napari_construct.exceptions import InputError
from napari_construct.results.files import write_result
from napari_construct.widgets.files.readers import get_reader, read

pytestmark = pytest.mark.gui

NAMES = ["a_mask.tif", "a.json", "a.ome.zarr"]


@pytest.fixture
def ours(tissue, tmp_path) -> Path:
    """A folder with a result in all forms."""
    write_result(tmp_path / "ours", "a", tissue, by_colour(tissue, 0.5), kinds=("mask", "cams", "zarr"))
    return tmp_path / "ours"


@pytest.mark.parametrize("name", NAMES)
def test_ours_is_claimed_and_read(ours, name) -> None:
    reader = get_reader(str(ours / name))
    assert reader is not None
    assert reader(str(ours / name))[-1][2] == "labels"


def other_zarr(path: Path, image_label: object) -> None:
    """An OME-Zarr of another tool whose labels are called as ours."""
    root = zarr.open_group(path, mode="w", zarr_format=3)
    for group, data in (
        (root, np.zeros((3, 32, 32), np.uint8)),
        (root.create_group("labels/tissue"), np.ones((32, 32), np.int32)),
    ):
        array = group.create_array("0", shape=data.shape, dtype=data.dtype)
        array[:] = data
        scale = [{"type": "scale", "scale": [1.0] * data.ndim}]
        axes = [{"name": n, "type": "space"} for n in "cyx"[-data.ndim :]]
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        about = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
        group.attrs["ome"] = {**about, **({"image-label": image_label} if data.ndim == 2 else {})}


@pytest.mark.parametrize(
    "image_label",
    [
        {"version": "0.5"},
        {"properties": []},
        {"properties": [{"label-value": 1}], "colors": []},
        {"properties": None, "colors": None},
        {"properties": {"class": "a"}},
        {"properties": [1, 2], "colors": []},
        "tissue",
        None,
        [],
    ],
)
def test_zarr_of_another_tool(tmp_path, image_label) -> None:
    other_zarr(tmp_path / "a.ome.zarr", image_label)
    assert get_reader(str(tmp_path / "a.ome.zarr")) is None


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        '"classes"',
        "1e999",
        '{"classes": {"1": "a"}}',
        '{"classes": ["a"]}',
        '{"classes": {"x": 1}}',
        '{"files": {"mask": "m.tif"}, "colours": {"a": "#112233"}}',
        '{"files": [], "colours": {}, "areas": []}',
        '{"files": {"overlay": "a.png"}, "colours": {"a": "#112233"}, "areas": []}',
        "not json",
    ],
)
def test_json_of_others(tmp_path, text) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert get_reader(str(tmp_path / "a.json")) is None
    shape = (32, 32, 3) if "classes" in text else (32, 32)
    tifffile.imwrite(tmp_path / "a_mask.tif", np.zeros(shape, np.uint8), description=text, metadata=None)
    assert get_reader(str(tmp_path / "a_mask.tif")) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "dangling", "empty", "device", "loop"])
def test_what_is_no_file_is_left_to_others_at_once(tmp_path, name, kind) -> None:
    path = put(tmp_path / name, kind)
    assert get_reader(str(path)) is None


@pytest.mark.parametrize("name", ["a\0_mask.tif", "x" * 300 + ".json", "\udcff.json", "a\n.json", "", "."])
def test_impossible_names(name) -> None:
    assert get_reader(name) is None


@pytest.mark.parametrize("name", NAMES)
def test_without_permission(ours, name, monkeypatch) -> None:
    """Root may read everything: the system's refusal is put in its place."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert get_reader(str(ours / name)) is None


PARTS = [
    "zarr.json",
    "0/zarr.json",
    "labels/zarr.json",
    "labels/tissue/zarr.json",
    "labels/tissue/0/zarr.json",
]
TREES = ["{", "[]", "{}", "[" * 5000, '{"zarr_format": 3, "node_type": "group", "attributes": {"ome": 3}}']


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", [*TREES, "absent", "pipe", "folder"], ids=lambda text: text[:8])
def test_damaged_zarr(ours, part, damage) -> None:
    path = ours / "a.ome.zarr" / part
    path.unlink()
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    elif damage != "absent":
        path.write_text(damage, encoding="utf-8")
    whole = str(ours / "a.ome.zarr")
    if get_reader(whole) is None:
        return
    with contextlib.suppress(InputError):  # zarr reads some of these
        read(whole)


def test_damaged_pixels_of_a_zarr(ours) -> None:
    for chunk in (ours / "a.ome.zarr" / "labels" / "tissue").rglob("c/*/*"):
        if chunk.is_file():
            chunk.write_bytes(b"no pixels")
    with pytest.raises(InputError, match="damaged"):
        read(str(ours / "a.ome.zarr"))


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"mpp": "wide"}},
        {"input": {"mpp": -1}},
        {"input": 7},
        {"presence": {"tumour": 3}},
        {"presence": {"tumour": {"score": "high", "present": 1}, "lymphoid": {"score": None}}},
        {"areas": "none"},
        {"areas": [{"class": 3}]},
        {"colours": {"tumour": "red", "lymphoid": 3}},
        {"files": {"mask": ["a"]}},
        {"files": {"mask": "../../etc/passwd"}},
        {"tissue_pixels": "many"},
    ],
    ids=str,
)
def test_an_edited_record_gives_layers_or_our_error(ours, change) -> None:
    record = json.loads((ours / "a.json").read_text(encoding="utf-8"))
    (ours / "a.json").write_text(json.dumps({**record, **change}), encoding="utf-8")
    shutil.rmtree(ours / "a.ome.zarr")
    for name in ("a.json", "a_mask.tif"):
        with contextlib.suppress(InputError):
            assert read(str(ours / name))
