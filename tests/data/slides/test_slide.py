"""Any part at any resolution, from any thread and process."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_construct.data.slides.area import area_resampled
from napari_construct.data.slides.facts import downsample_of
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.data.slides.tiles import TileCache
from napari_construct.exceptions import InputError

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (360, 480, 3), dtype=np.uint8)


def plain_area(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The mean of each pixel's area, written down as it is defined: by repeating pixels to a common grid."""
    h, w = image.shape[:2]
    fine = image.repeat(shape[0], axis=0).repeat(shape[1], axis=1).astype(np.float64)
    means = fine.reshape(shape[0], h, shape[1], w, 3).mean((1, 3))
    return np.floor(means + 0.5).astype(np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A slide of one level, so that what is resampled is known."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(
        file,
        NOISE,
        photometric="rgb",
        tile=(64, 64),
        compression="deflate",
        metadata=None,
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )
    return file


@pytest.mark.parametrize("at", [0.5, 0.62, 0.75, 1.0, 1.5, 1.7, 2.0, 4.0])
def test_a_region_is_the_mean_of_areas(path: Path, at: float) -> None:
    with open_slide(path) as slide:
        found = slide.region(40, 60, 48, 60, at=at)
    shape = round(48 * 0.5 / at), round(60 * 0.5 / at)
    assert found.shape == (*shape, 3)
    expected = plain_area(NOISE[40:88, 60:120], shape)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_parts_fit_together(path: Path) -> None:
    """Neighbours whose pixels lie on one grid are the same as the whole: there are no seams."""
    with open_slide(path) as slide:
        whole = slide.region(0, 0, 300, 420, at=0.75)
        parts = [
            np.hstack([slide.region(y, x, 60, 60, at=0.75) for x in range(0, 420, 60)])
            for y in range(0, 300, 60)
        ]
    assert np.abs(np.vstack(parts).astype(int) - whole).max() <= 1


def test_outside_of_the_slide_is_white(path: Path) -> None:
    with open_slide(path) as slide:
        found = slide.region(-20, -40, 100, 100, at=1.0)
        assert (found[:10] == 255).all()
        assert (found[:, :20] == 255).all()
        assert np.abs(found[10:, 20:].astype(int) - plain_area(NOISE[:80, :60], (40, 30))).max() <= 1
        assert (slide.region(1000, 1000, 50, 50) == 255).all()
        assert (slide.read(0, -500, 0, 20, 20) == 255).all()


def test_enlarged_it_is_interpolated(path: Path) -> None:
    with open_slide(path) as slide:
        found = slide.region(100, 100, 20, 20, at=0.25).astype(float)
    assert found.shape == (40, 40, 3)
    # pixel 1 lies a quarter of a pixel behind the centre of pixel 0
    a, b = NOISE[100, 100].astype(float), NOISE[100, 101].astype(float)
    c, d = NOISE[101, 100].astype(float), NOISE[101, 101].astype(float)
    expected = (a * 0.75 + b * 0.25) * 0.75 + (c * 0.75 + d * 0.25) * 0.25
    assert np.abs(found[1, 1] - expected).max() <= 1


def test_the_coarsest_level_that_is_fine_enough_is_read(tmp_path: Path) -> None:
    """Levels have a colour each, so that the one that was read shows."""
    file = tmp_path / "a.tif"
    with tifffile.TiffWriter(file) as tif:
        for level, value in enumerate((10, 60, 110)):
            picture = np.full((801 >> level, 1003 >> level, 3), value, np.uint8)
            more = {"subfiletype": 1} if level else {}
            tif.write(picture, photometric="rgb", tile=(64, 64), metadata=None, **more)
    with open_slide(file, mpp=0.25) as slide:
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        for at, value in ((0.25, 10), (0.4, 10), (0.5, 60), (0.9, 60), (1.0, 110), (8.0, 110), (0.1, 10)):
            assert (slide.region(80, 80, 320, 320, at=at) == value).all(), at
        assert (slide.thumbnail(100) == 110).all()
        assert slide.thumbnail(100).shape == (80, 100, 3)
        assert slide.thumbnail(5000).shape == (801, 1003, 3)


def test_a_thumbnail_is_read_in_bands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_slide(path) as slide:
        whole = slide.thumbnail(100)
        monkeypatch.setattr("napari_construct.data.slides.sampling._BAND", 2000)
        largest = []
        read = slide.read
        monkeypatch.setattr(
            Slide, "read", lambda self, *part: (largest.append(part[3] * part[4]), read(*part))[1]
        )
        banded = slide.thumbnail(100)
    assert len(largest) > 20
    assert max(largest) < 6000
    assert np.abs(banded.astype(int) - whole).max() <= 1


def test_sizes_are_bounded_before_memory_is_taken(path: Path) -> None:
    with open_slide(path) as slide:
        with pytest.raises(InputError, match="100,000,000 pixels"):
            slide.region(0, 0, 100_000, 100_000)
        with pytest.raises(InputError, match="100,000,000 pixels"):
            slide.region(0, 0, 300, 400, at=0.001)
        with pytest.raises(InputError, match="expected a part"):
            slide.region(0, 0, 0, 10, at=1.0)
        with pytest.raises(InputError, match="above 0"):
            slide.region(0, 0, 10, 10, at=-1.0)
        with pytest.raises(InputError, match="level from 0 to 0"):
            slide.read(1, 0, 0, 5, 5)


def mean_of(slide: Slide) -> float:
    return float(slide.read(0, 5, 7, 300, 400).mean())


def test_a_pickled_slide_opens_the_file_again(path: Path) -> None:
    with open_slide(path, mpp=0.3) as slide:
        expected = mean_of(slide)
        again = pickle.loads(pickle.dumps(slide))
        assert again.mpp == (0.3, 0.3)
        assert mean_of(again) == expected
        again.close()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(mean_of, [slide]) == [expected]


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_processes_have_handles_of_their_own(path: Path) -> None:
    """A position in the file that two processes shared would give them each other's tiles."""
    with open_slide(path) as slide:
        context = multiprocessing.get_context("fork")
        results = context.Queue()

        def work(seed: int) -> None:
            places = np.random.default_rng(seed).integers(0, 200, (150, 2))
            fresh = all(
                np.array_equal(slide.read(0, y, x, 100, 100), NOISE[y : y + 100, x : x + 100])
                for y, x in places.tolist()
            )
            results.put(fresh)

        children = [context.Process(target=work, args=(seed,)) for seed in range(2)]
        for child in children:
            child.start()
        assert [results.get(timeout=60) for _ in children] == [True, True]
        for child in children:
            child.join(60)


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_threads_share_a_slide(path: Path, reader: str) -> None:
    places = RNG.integers(-20, 300, (200, 2)).tolist()
    with open_slide(path, reader=reader) as slide:  # type: ignore[arg-type]
        alone = [slide.read(0, y, x, 90, 110) for y, x in places]
        slide.close()
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda place: slide.read(0, *place, 90, 110), places))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_the_store_of_tiles_is_bounded() -> None:
    cache = TileCache(most=1000)
    made = []

    def tile(i: int) -> np.ndarray:
        made.append(i)
        return np.full((10, 10, 3), i, np.uint8)

    for i in (0, 1, 2, 0, 3, 0, 1):
        assert cache.get(i, lambda i=i: tile(i))[0, 0, 0] == i
    assert made == [0, 1, 2, 3, 1]  # 0 was used again and stayed, 1 was not
    assert cache.nbytes == 900
    assert cache.get("large", lambda: np.zeros((20, 20, 3), np.uint8)).size == 1200
    assert cache.nbytes == 900


def test_downsamples_are_whole_where_sides_were_rounded() -> None:
    assert downsample_of((3567, 4443), (1783, 2221)) == 2
    assert downsample_of((3567, 4443), (1784, 2222)) == 2
    assert downsample_of((1000, 1000), (667, 667)) == pytest.approx(1.4993, abs=1e-3)
    assert downsample_of((1000, 1000), (500, 300)) is None


def test_area_means_of_a_whole_image_keep_its_mean() -> None:
    found = area_resampled(NOISE, (0.0, 360.0), (0.0, 480.0), (77, 91))
    assert abs(found.mean() - NOISE.mean()) < 0.1
