from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_construct.crossmodal.phantom import PhantomDataset, PhantomSettings, phantom
from napari_construct.crossmodal.phantom.bodies import largest_parts, paint
from napari_construct.crossmodal.phantom.camera import OFFSET, photograph
from napari_construct.crossmodal.phantom.fields import smooth_field
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.exceptions import ConfigurationError, InputError

CLEAN = PhantomSettings(out_of_plane=0.0, debris=0.0, shading=0.0)


def test_shapes_names_and_numbers() -> None:
    made = phantom(0, (96, 128))
    assert made.names == ("nuclear", "membrane")
    assert made.channels.shape == (2, 96, 128)
    assert made.channels.dtype == np.float32
    assert made.instances.dtype == made.nuclei.dtype == np.int32
    assert made.mpp == 0.5
    assert set(np.unique(made.instances)) == set(range(made.instances.max() + 1))
    assert made.channels.min() >= 0


def test_an_image_is_a_function_of_its_seed() -> None:
    first, again, other = phantom(3, (64, 64)), phantom(3, (64, 64)), phantom(4, (64, 64))
    for name in ("channels", "instances", "nuclei"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert (getattr(first, name) != getattr(other, name)).any()


def test_nuclei_lie_in_their_own_cells_and_cells_are_whole() -> None:
    for seed in range(4):
        made = phantom(seed)
        inside = made.nuclei > 0
        assert (made.nuclei[inside] == made.instances[inside]).all()
        for number, box in enumerate(ndimage.find_objects(made.instances), 1):
            assert ndimage.label(made.instances[box] == number)[1] == 1


def test_cells_reach_beyond_their_nuclei() -> None:
    covered = nuclear = 0
    for seed in range(6):
        made = phantom(seed)
        covered, nuclear = covered + (made.instances > 0).sum(), nuclear + (made.nuclei > 0).sum()
    assert 0.3 < covered / (6 * 256**2) < 0.7
    assert nuclear / covered < 0.45


def test_cells_without_nucleus_and_nuclei_without_cell() -> None:
    def seen(settings: PhantomSettings) -> tuple[float, float]:
        """Share of cells with a nucleus; nuclear light where no cell is near."""
        made = phantom(1, (256, 256), settings)
        cells = set(np.unique(made.instances)) - {0}
        far = ~ndimage.binary_dilation(made.instances > 0, iterations=4)
        return len(cells & set(np.unique(made.nuclei))) / len(cells), float(made.channels[0][far].max())

    share, light = seen(CLEAN)
    assert share > 0.9  # at the edge of the image a nucleus may lie outside
    assert seen(CLEAN.changed(out_of_plane=0.5))[0] < 0.75
    assert seen(CLEAN.changed(debris=1.0))[1] > 1.3 * light


def test_channels_show_what_they_are_named_after() -> None:
    made = phantom(2, (256, 256), CLEAN)
    nuclear, membrane = made.channels
    assert nuclear[made.nuclei > 0].mean() > 1.3 * nuclear[made.nuclei == 0].mean()
    border = find_boundaries(made.instances, mode="inner")
    inner = (made.instances > 0) & ~ndimage.binary_dilation(border, iterations=2)
    outer = ~ndimage.binary_dilation(made.instances > 0, iterations=2)
    assert membrane[border].mean() > membrane[inner].mean() + 5
    assert membrane[inner].mean() > membrane[outer].mean() - 5


def test_hidden_reach_does_not_show_in_the_nuclei() -> None:
    """With another spread the same nuclei have other bodies: the nuclear channel cannot tell."""
    small, large = (phantom(5, (256, 256), CLEAN.changed(hidden_spread=s)) for s in (0.0, 0.8))
    same = (small.nuclei > 0) == (large.nuclei > 0)
    assert same.mean() > 0.99
    assert ((small.instances > 0) != (large.instances > 0)).mean() > 0.05


def test_camera_noise_is_of_photons_and_reading() -> None:
    flat = PhantomSettings(shading=0.0, photons=50.0, read_noise=3.0)
    image = photograph(np.random.default_rng(0), np.ones((400, 400), np.float32), flat)
    photons = image.mean() - OFFSET
    assert photons == pytest.approx(50 * 1.06, rel=0.01)
    assert image.var() == pytest.approx(photons + 9, rel=0.03)


def test_uneven_light() -> None:
    image = photograph(
        np.random.default_rng(0),
        np.ones((256, 256), np.float32),
        PhantomSettings(shading=0.6, photons=1000.0),
    )
    assert np.ptp(ndimage.gaussian_filter(image - OFFSET, 20)) > 200


def test_smooth_field_has_unit_variance_and_is_smooth() -> None:
    rng = np.random.default_rng(0)
    field = smooth_field(rng, (600, 500), 8.0)
    assert field.shape == (600, 500)
    assert abs(field.mean()) < 0.1
    assert field.std() == pytest.approx(1, abs=0.08)
    assert np.abs(np.diff(field, axis=0)).max() < 0.8
    assert smooth_field(rng, (64, 64), 0.2).shape == (64, 64)  # not finer than a pixel


def test_one_ellipse_has_its_area_and_two_share_by_distance() -> None:
    still = np.zeros((60, 80), np.float32)
    middles, axes = np.array([[30.0, 20.0]]), np.array([[20.0, 8.0]])
    labels, depth = paint((60, 80), middles, axes, np.zeros(1), (still, still))
    assert (labels == 1).sum() == pytest.approx(np.pi * 20 * 8, rel=0.02)
    assert labels[49, 20] == 1 and labels[30, 29] == 0  # long along the rows  # noqa: PT018
    assert depth[30, 20] == 0
    assert depth[40, 20] == pytest.approx(0.5)
    two, _ = paint(
        (60, 80), np.array([[30.0, 30.0], [30.0, 42.0]]), np.full((2, 2), 10.0), np.zeros(2), (still, still)
    )
    assert two[30, 35] == 1
    assert two[30, 37] == 2


def test_only_the_largest_part_of_a_cell_stays() -> None:
    labels = np.array([[1, 1, 0, 1], [0, 2, 2, 2], [3, 0, 0, 2]], np.int32)
    assert largest_parts(labels).tolist() == [[1, 1, 0, 0], [0, 2, 2, 2], [3, 0, 0, 2]]
    assert largest_parts(np.zeros((3, 3), np.int32)).max() == 0


def test_fast_enough_to_be_made_while_training() -> None:
    phantom(0)
    start = time.process_time()
    phantom(1)
    assert time.process_time() - start < 1  # 0.07 s


def test_other_resolutions_show_the_same_tissue() -> None:
    coarse = phantom(0, (128, 128), PhantomSettings(mpp=1.0))
    fine = phantom(0, (256, 256), PhantomSettings(mpp=0.5))
    assert coarse.mpp == 1.0
    assert coarse.instances.max() == pytest.approx(fine.instances.max(), rel=0.5)


@pytest.mark.parametrize("shape", [(8, 64), (10_000, 10_000)])
def test_impossible_shapes_are_named(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 16 x 16"):
        phantom(0, shape)


def test_dataset_is_one_of_cells() -> None:
    data = PhantomDataset(3, (64, 64))
    assert isinstance(data, CellDataset)
    assert len(data) == 3
    assert data.names == data.groups == ("phantom-0", "phantom-1", "phantom-2")
    assert data.channels == ("nuclear", "membrane")
    assert data.has_truth == (True, True, True)
    item = data.load(2)
    made = phantom(2, (64, 64))
    np.testing.assert_array_equal(item.image.pixels, made.channels)
    np.testing.assert_array_equal(item.truth, made.instances)
    assert (item.image.mpp, item.image.names) == (0.5, made.names)


def test_fingerprint_and_groups() -> None:
    data = PhantomDataset((4, 7), (64, 64), groups=("a", "a"))
    assert data.groups == ("a", "a")
    assert data.fingerprint == PhantomDataset((4, 7), (64, 64)).fingerprint
    others = [
        PhantomDataset((4, 8), (64, 64)),
        PhantomDataset((4, 7), (64, 65)),
        PhantomDataset((4, 7), (64, 64), PhantomSettings(photons=9.0)),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 4
    with pytest.raises(ConfigurationError, match="seeds that differ"):
        PhantomDataset((1, 1))
    with pytest.raises(ConfigurationError, match="1 groups"):
        PhantomDataset(2, groups=("a",))
    with pytest.raises(IndexError):
        data.load(2)
