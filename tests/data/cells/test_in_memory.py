"""Arrays as datasets of cells, and as what a teacher says of them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.crossmodal.teacher_view import teacher_view
from napari_construct.crossmodal.teachers.arrays import array_teacher
from napari_construct.crossmodal.teachers.entries import entry_of
from napari_construct.crossmodal.views.prepared import network_view, prepare
from napari_construct.data.cells.arrays import array_cells, part_cells
from napari_construct.data.cells.dataset import CellDataset, CellItem
from napari_construct.data.cells.hold_out import hold_out
from napari_construct.data.channels.assemble import picked
from napari_construct.data.channels.normalise import normalised_channel, percentile_normalised
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


def _uneven(shape: tuple[int, ...]) -> np.ndarray:
    """Bright on the right only, so that the percentiles of parts differ from those of the whole."""
    image = RANDOM.integers(0, 300, shape).astype(np.uint16)
    image[..., 2 * shape[-1] // 3 :] += 3000
    return image


@pytest.mark.parametrize("shape", [(300, 420), (3, 150, 260)])
def test_parts_are_seen_as_in_their_whole(shape: tuple[int, ...]) -> None:
    channels = {"nuclear": _uneven(shape), "membrane": 5 * _uneven(shape)[..., ::-1]}
    parts, whole = array_cells(channels, name="x"), array_cells(channels, name="x", parts=0)
    config = DistilConfig(channels=("membrane",), low=5.0, high=95.0)
    spec = entry_of("cellsam").spec
    assert len(parts) > len(whole)
    for i, (plane, rows, columns) in enumerate(parts.places):
        part, entire = parts.load(i).image, whole.load(sum(plane)).image
        assert entire.limits is None  # and so all that is kept of whole images stays valid
        student, all_of_it = (network_view(image, config, "x") for image in (part, entire))
        np.testing.assert_array_equal(student, all_of_it[:, rows, columns])
        shown, all_shown = (teacher_view(image, spec, (), "x").channels for image in (part, entire))
        np.testing.assert_array_equal(shown, all_shown[:, rows, columns])
        prepared = prepare(CellItem(part, np.ones(part.pixels.shape[1:], np.int32)), None, config, "x")
        np.testing.assert_allclose(prepared.image, all_of_it[:, rows, columns], atol=1e-3)
    # the same channel chosen from a part keeps its own limits
    alone = picked(parts.load(0).image, [1])
    np.testing.assert_array_equal(normalised_channel(alone, 0), normalised_channel(parts.load(0).image, 1))


def test_a_plane_is_read_once_for_its_limits() -> None:
    class Counted:
        """An array that counts who reads a whole plane."""

        def __init__(self, array: np.ndarray) -> None:
            self.array, self.shape, self.dtype, self.reads = array, array.shape, array.dtype, 0

        def __getitem__(self, key: tuple[object, ...]) -> np.ndarray:
            self.reads += len(key) < 2
            return self.array[key]

    array = Counted(_uneven((300, 420)))
    cells = array_cells({"nuclear": array})
    for i in range(len(cells)):
        network_view(cells.load(i).image, DistilConfig(), "x")
    assert array.reads == 1


def test_a_region_is_seen_as_in_its_plane() -> None:
    stack = _uneven((2, 200, 300))
    region = part_cells({"nuclear": stack}, ((1,), slice(20, 90), slice(0, 80)), name="x").load(0).image
    np.testing.assert_array_equal(normalised_channel(region, 0), percentile_normalised(stack[1])[20:90, :80])


def test_fingerprints_of_whole_images_are_those_of_before() -> None:
    ramp = np.arange(70 * 70, dtype=np.uint16).reshape(70, 70)
    known = array_cells({"a": ramp}, name="x", mpp=0.5).fingerprint
    head = hashlib.sha256(b"a\0x\0000.5")
    head.update(b"\nuint16(70, 70)" + ramp.tobytes())
    assert known == head.hexdigest()
