"""Arrays as datasets of cells, and as what a teacher says of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.crossmodal.teachers.arrays import array_teacher
from napari_construct.data.cells.arrays import array_cells
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.hold_out import hold_out
from napari_construct.exceptions import DatasetError, InputError

RANDOM = np.random.default_rng(0)


def test_one_image_becomes_parts_that_cover_it_once() -> None:
    image = RANDOM.random((300, 500), np.float32)
    labels = RANDOM.integers(0, 9, (300, 500))
    cells = array_cells({"nuclear": image, "membrane": 1 - image}, labels, name="slide", mpp=0.5)
    assert isinstance(cells, CellDataset)
    assert len(cells) >= 8
    assert len(set(cells.names)) == len(cells)
    back, cover = np.zeros_like(labels), np.zeros(image.shape, int)
    for i in range(len(cells)):
        item = cells.load(i)
        _, rows, columns = cells.places[i]
        assert item.truth is not None
        back[rows, columns] = item.truth
        cover[rows, columns] += 1
        np.testing.assert_array_equal(item.image.pixels[0], image[rows, columns])
        assert item.image.names == ("nuclear", "membrane")
        assert item.image.mpp == 0.5
        assert min(item.image.pixels.shape[1:]) >= 64
    np.testing.assert_array_equal(back, labels)
    assert (cover == 1).all()
    train, val = hold_out(cells, 0.15)
    assert val is not None
    assert len(train) + len(val) == len(cells)
    assert not set(train.names) & set(val.names)
    assert "cut into" in cells.notices[0]


def test_many_planes_stay_whole_and_small_ones_are_not_cut() -> None:
    stack = RANDOM.random((9, 64, 70))
    cells = array_cells({"nuclear": stack}, name="stack")
    assert len(cells) == 9
    assert cells.notices == ()
    assert cells.names[3] == "stack 3"
    np.testing.assert_array_equal(cells.load(3).image.pixels[0], stack[3])
    assert len(array_cells({"nuclear": stack[0]})) == 1


def test_fingerprint_follows_values_and_names() -> None:
    image = RANDOM.random((70, 70))
    first = array_cells({"a": image}).fingerprint
    assert array_cells({"a": image.copy()}).fingerprint == first
    assert array_cells({"b": image}).fingerprint != first
    changed = image.copy()
    changed[40, 40] += 1
    assert array_cells({"a": changed}).fingerprint != first
    assert array_cells({"a": image}, np.zeros((70, 70), int)).fingerprint != first


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"membrane: expected the shape of nuclear \(70, 70\)"):
        array_cells({"nuclear": np.zeros((70, 70)), "membrane": np.zeros((70, 71))})
    with pytest.raises(DatasetError, match="at least one channel"):
        array_cells({})
    cells = array_cells({"nuclear": np.zeros((70, 70))})
    with pytest.raises(InputError, match="expected the shape of the images"):
        array_teacher(np.zeros((35, 35), int), cells)


@pytest.mark.parametrize("content", ["labels", "probability", "mask"])
def test_a_layer_as_the_teacher(content: str) -> None:
    labels = np.zeros((200, 200), np.int32)
    for i in range(9):
        labels[10 + 60 * (i // 3) : 50 + 60 * (i // 3), 10 + 60 * (i % 3) : 50 + 60 * (i % 3)] = i + 1
    output = {
        "labels": labels,
        "probability": labels.astype(np.float32) / 9,
        "mask": (labels > 0).astype(np.uint8),
    }[content]
    cells = array_cells({"nuclear": labels.astype(float)}, name="x")
    teacher = array_teacher(output, cells)
    assert teacher.content == content
    for i, name in enumerate(cells.names):
        part = cells.part(output, i)
        said = teacher.predict(TeacherView(np.zeros((1, *part.shape), np.float32), ("0",), None, name))
        expected = part if content == "probability" else part > 0
        np.testing.assert_allclose(said.foreground, expected)
        assert (said.instances is not None) == (content == "labels")
    with pytest.raises(InputError, match="found nothing"):
        teacher.predict(TeacherView(np.zeros((1, 8, 8), np.float32), ("0",), None, "other"))
    assert array_teacher(output, cells).identity == teacher.identity
    other = output.copy()
    other[11, 11] = 0
    assert array_teacher(other, cells).identity != teacher.identity
