"""A label pyramid that is opened again, finished or not, ours or made to harm."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.reading.marks import HIDDEN
from napari_construct.results.read import load_result
from napari_construct.results.stored_pyramid import open_pyramid

HINT = "a run is writing them, or was stopped; run it again to go on"
CLASSES = ClassTable.from_names(("tumour", "lymphoid"), palette=("#112233", "#445566"))
BOMB = 2**28


@pytest.fixture
def pyramid(tmp_path: Path) -> LabelPyramid:
    made = LabelPyramid.create(
        tmp_path / "s.ome.zarr", (600, 500), CLASSES, mpp=(0.25, 0.5), downsample=2.0, shard=256, chunk=64
    )
    for top, left, h, w in made.left()[:4]:
        made.write(top, left, np.ones((h, w), np.uint8))
    return made


def finished(pyramid: LabelPyramid) -> Path:
    for top, left, h, w in pyramid.left():
        pyramid.write(top, left, np.full((h, w), 2, np.uint8))
    pyramid.finish()
    return pyramid.path


def test_finished_it_is_a_result_like_others(pyramid: LabelPyramid) -> None:
    found = load_result(finished(pyramid))
    assert found.classes == CLASSES
    assert found.notices == ()
    assert found.mpp == pytest.approx(2 * 0.125**0.5)  # a pixel is 0.5 by 1 micrometres
    assert np.bincount(found.labels.ravel()).tolist() == [0, 512 * 500, 88 * 500]
    assert open_pyramid(pyramid.path).offset == (0.125, 0.25)


def test_unfinished_it_is_opened_and_never_taken_for_the_whole(pyramid: LabelPyramid) -> None:
    partial = pyramid.path / "labels" / "tissue" / "0" / "c" / "0" / f"{HIDDEN}1a-1.part"
    partial.write_bytes(b"half")  # a process is writing
    found = open_pyramid(pyramid.path)
    assert (found.written, found.shards, found.complete) == (4, 6, False)
    assert found.notices == ("s.ome.zarr: 4 of 6 parts, the rest is empty: " + HINT,)
    assert found.labels[0][500:, 0].tolist() == [1] * 12 + [0] * 88
    with pytest.raises(InputError, match="expected finished labels, got 4 of 6 parts"):
        load_result(pyramid.path)


@pytest.mark.parametrize(
    "damage", ["inflates", "index", "pipe", "huge", "other shape", "no plan", "no level"]
)
def test_one_made_to_harm_is_refused_before_it_is_decoded(pyramid: LabelPyramid, damage: str) -> None:
    level = finished(pyramid) / "labels" / "tissue" / "0"
    shard, about, root = level / "c" / "0" / "0", level / "zarr.json", pyramid.path / "zarr.json"
    if damage == "inflates":
        bomb = imagecodecs.zstd_encode(bytes(BOMB))
        index = np.full((16, 2), 2**64 - 1, np.uint64)
        index[3] = 0, len(bomb)
        shard.write_bytes(bomb + index.astype("<u8").tobytes() + bytes(4))
    elif damage == "index":
        shard.write_bytes(np.full((16, 2), 2**40, "<u8").tobytes() + bytes(4))
    elif damage == "pipe":
        shard.unlink()
        os.mkfifo(shard)
    elif damage == "no level":
        about.unlink()
    else:
        text = json.loads((about if damage == "other shape" else root).read_text())
        if damage == "other shape":
            text["shape"] = [10**6, 10**6]
        else:
            own = text["attributes"]["napari-construct"]
            own["plan"] = {} if damage == "no plan" else own["plan"] | {"shape": [10**9, 10**9]}
        (about if damage == "other shape" else root).write_text(json.dumps(text))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="segment again"):
            open_pyramid(pyramid.path)
        assert tracemalloc.get_traced_memory()[1] < BOMB / 4
    finally:
        tracemalloc.stop()
