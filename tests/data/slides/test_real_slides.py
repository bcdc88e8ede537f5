"""The two slides beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.data.slides.slide import open_slide

NAMES = ("CMU-1-Small-Region.svs", "tcga-cr-7395-01a-01-ts1.svs")


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, root: Path) -> Path:
    """One of the slides."""
    file = root.parent / "shared" / "data" / "slides" / request.param
    if not file.is_file():
        pytest.skip("needs ../shared/data/slides")
    return file


def test_both_readers_give_the_same_pixels(path: Path) -> None:
    with open_slide(path) as own, open_slide(path, reader="openslide") as other:
        assert own.levels == other.levels
        assert own.associated == other.associated
        assert own.mpp == other.mpp == {"CMU": (0.499, 0.499), "tcg": None}[path.name[:3]]
        for level, found in enumerate(own.levels):
            # OpenSlide takes places in pixels of level 0, and interpolates where they lie between others
            y, x = (found.shape[0] // 3, found.shape[1] // 3) if level == 0 else (0, 0)
            part = own.read(level, y, x, 700, 600).astype(int)
            difference = np.abs(part - other.read(level, y, x, 700, 600))
            assert difference.max() <= 2
            assert difference.mean() < 0.1
        for name in own.associated:
            assert np.abs(own.associated_image(name).astype(int) - other.associated_image(name)).max() <= 2


def test_the_scan_is_read_and_not_its_thumbnail(path: Path) -> None:
    with open_slide(path) as slide:
        assert slide.format == "aperio"
        assert slide.shape == {"CMU": (2967, 2220), "tcg": (3567, 4443)}[path.name[:3]]
        thumbnail, small = slide.associated_image("thumbnail"), slide.thumbnail(200)
        assert max(small.shape) == 200
        # both show the whole slide
        assert np.abs(thumbnail.mean((0, 1)) - small.mean((0, 1))).max() < 5


def test_a_region_through_a_level_is_the_region_of_the_finest(path: Path) -> None:
    with open_slide(path, mpp=0.25) as slide:
        fine = slide.region(800, 600, 512, 512)
        halved = np.rint(fine.reshape(256, 2, 256, 2, 3).mean((1, 3)))
        found = slide.region(800, 600, 512, 512, at=0.5)
        difference = np.abs(found - halved).mean()
        assert difference < 6  # the scanner's own level, compressed once more
        for axis in (0, 1):  # and it lies nowhere else
            assert np.abs(np.roll(found, 1, axis) - halved)[1:, 1:].mean() >= difference
            assert np.abs(np.roll(found, -1, axis) - halved)[:-1, :-1].mean() >= difference
