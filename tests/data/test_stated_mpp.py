"""Pixel size of patches: files first, then the table, then a description beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.stated_mpp import stated_mpp


def patch(path, mpp=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    dots = {} if mpp is None else {"resolution_unit": 3, "x_resolution": 1e4 / mpp, "y_resolution": 1e4 / mpp}
    Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(path, **dots)
    return path


def test_files_that_agree(tmp_path):
    paths = [patch(tmp_path / "a" / f"{i}.tif", 0.5) for i in range(3)]
    assert stated_mpp(paths, tmp_path).mpp == pytest.approx(0.5)
    assert stated_mpp([*paths, patch(tmp_path / "b.tif", 0.25)], tmp_path) is None
    assert stated_mpp([*paths, patch(tmp_path / "b.png")], tmp_path) is None


def test_a_table_with_its_column(tmp_path):
    table = tmp_path / "labels.csv"
    paths = [patch(tmp_path / "a.png"), patch(tmp_path / "b.png")]
    table.write_text("path;gland;mpp\na.png;1;0,25\nb.png;0;0,25\n")
    assert stated_mpp(paths, table) == (0.25, "the table labels.csv")
    table.write_text("path,gland,mpp\na.png,1,0.25\nb.png,0,0.5\n")
    assert stated_mpp(paths, table) is None


def test_a_description_beside_them(tmp_path):
    paths = [patch(tmp_path / "train" / "a.png")]
    for unreadable in ("[", '{"mpp": 300}', '{"mpp": "x"}', "[1]"):
        (tmp_path / "dataset.json").write_text(unreadable)
        assert stated_mpp(paths, tmp_path / "train") is None
    (tmp_path / "dataset.json").write_text(json.dumps({"mpp": 0.5}))
    assert stated_mpp(paths, tmp_path / "train") == (0.5, "dataset.json")
