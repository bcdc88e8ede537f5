"""Tissue on small pictures of slides: real H&E at 16 um per pixel, on glass with what goes wrong there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_construct.data.slides.tissue import TissueSettings, find_tissue
from napari_construct.exceptions import ConfigurationError

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "camelyon"
SHAPE, MPP = (240, 320), 16.0
GLASS = np.array([243.0, 241.0, 244.0], dtype=np.float32)
INKS = {"black": (1.2, 1.15, 1.1), "blue": (1.4, 0.7, 0.2), "green": (1.3, 0.4, 0.8), "red": (0.1, 1.3, 1.1)}
YY, XX = np.mgrid[: SHAPE[0], : SHAPE[1]]
SECTION = ((YY - 120) / 70) ** 2 + ((XX - 110) / 80) ** 2 < 1


@pytest.fixture(scope="module")
def stain() -> np.ndarray:
    """(h, w, 3) optical density of real tissue, its pixels shuffled in blocks of four."""
    rng = np.random.default_rng(0)
    paths = [*sorted((ASSETS / "train").rglob("*.png")), *sorted((ASSETS / "val" / "img").iterdir())]
    blocks = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        small = np.asarray(image.resize((image.width // 32, image.height // 32), Image.Resampling.BOX))
        blocks += [
            small[y : y + 4, x : x + 4] for y in range(0, len(small), 4) for x in range(0, len(small), 4)
        ]
    chosen = rng.integers(len(blocks), size=(SHAPE[0] // 4, SHAPE[1] // 4))
    placed = np.concatenate([np.concatenate([blocks[i] for i in row], axis=1) for row in chosen])
    return np.maximum(-np.log((placed.astype(np.float32) + 1) / 245), 0)


def slide(density: np.ndarray, light: np.ndarray | float = 1.0) -> np.ndarray:
    """What a scanner sees, with its noise."""
    noise = np.random.default_rng(1).normal(1, 0.006, (*SHAPE, 3))
    seen = GLASS * np.exp(-density) * noise * np.asarray(light)[..., None]
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def laid(density: np.ndarray, where: np.ndarray) -> np.ndarray:
    return density * ndimage.gaussian_filter(where.astype(np.float32), 0.6)[..., None]


def stroke(ink: str, *corners: tuple[int, int]) -> np.ndarray:
    picture = Image.new("L", SHAPE[::-1])
    ImageDraw.Draw(picture).line(corners, fill=1, width=40, joint="curve")
    return laid(np.array(INKS[ink], dtype=np.float32), np.asarray(picture) > 0)


def found(image: np.ndarray, **settings: object) -> np.ndarray:
    return find_tissue(image, mpp=MPP, settings=TissueSettings().changed(**settings))


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def test_section_on_glass(stain):
    mask = found(slide(laid(stain, SECTION)))
    assert mask.dtype == np.bool_
    assert mask.shape == SHAPE
    assert iou(mask, SECTION) > 0.95


def test_pale_section(stain):
    assert iou(found(slide(laid(0.15 * stain, SECTION))), SECTION) > 0.95


def test_dark_section_is_no_ink(stain):
    assert iou(found(slide(laid(2.0 * stain, SECTION))), SECTION) > 0.95


@pytest.mark.parametrize("ink", INKS)
def test_pens_are_left_out(stain, ink):
    density = laid(stain, SECTION) + stroke(ink, (220, 20), (300, 80), (240, 220))
    assert iou(found(slide(density)), SECTION) > 0.94
    assert iou(found(slide(density), ink=False), SECTION) < 0.8  # the rule did it


def test_only_pens(stain):
    density = sum(stroke(ink, (40, 30 + 60 * i), (280, 30 + 60 * i)) for i, ink in enumerate(INKS))
    assert found(slide(density)).mean() < 0.01


def test_blood_in_tissue_stays(stain):
    pool = ((YY - 120) ** 2 + (XX - 110) ** 2) < 20**2
    density = np.where(pool[..., None], np.array([0.12, 1.2, 1.05]), laid(stain, SECTION))
    assert found(slide(density))[pool].mean() > 0.95


def test_thin_dye_at_the_margin_stays(stain):
    inner = ndimage.binary_erosion(SECTION, iterations=3)
    density = np.where((SECTION & ~inner)[..., None], np.array(INKS["green"]), laid(stain, SECTION))
    assert found(slide(density))[SECTION].mean() > 0.95


def test_dust_and_fibres(stain):
    rng = np.random.default_rng(2)
    grey = np.zeros(SHAPE, dtype=np.float32)
    for y, x in zip(rng.integers(4, 236, 40), rng.integers(200, 316, 40), strict=True):
        grey[y : y + 3, x : x + 3] = rng.uniform(0.3, 1)
    grey[:, 260:262] = 0.5  # the edge of the cover slip
    density = laid(stain, SECTION) + grey[..., None] * np.array([1.0, 0.96, 0.94])
    assert iou(found(slide(density)), SECTION) > 0.95


def test_fat_is_tissue(stain):
    """Only the walls of fat cells absorb: a net of two per five pixels, pale."""
    net = ((YY % 5 == 0) | (XX % 5 == 0)).astype(np.float32)
    fat = (net * 0.22)[..., None] * np.array([0.15, 0.9, 0.4], dtype=np.float32)
    assert iou(found(slide(laid(fat, SECTION))), SECTION) > 0.93
    assert (
        iou(found(slide(laid(net[..., None] * np.float32(0.1), SECTION))), SECTION) > 0.9
    )  # grey: by texture


@pytest.mark.parametrize("value", [0, 255])
def test_padding(stain, value):
    image = slide(laid(stain, SECTION))
    truth = SECTION.copy()
    for box in (np.s_[:25], np.s_[:, 270:], np.s_[200:, :60]):
        image[box] = value
        truth[box] = False
    assert iou(found(image), truth) > 0.94


def test_uneven_light(stain):
    light = 1 - 0.25 * ((YY / 240 - 0.5) ** 2 + (XX / 320 - 0.4) ** 2) - 0.1 * XX / 320
    assert iou(found(slide(laid(0.3 * stain, SECTION), light)), SECTION) > 0.95
    assert found(slide(np.zeros((*SHAPE, 3)), light)).sum() == 0


@pytest.mark.parametrize("tint", [(255, 255, 255), (243, 241, 244), (236, 231, 214), (205, 205, 205)])
def test_no_tissue(tint):
    image = np.random.default_rng(3).normal(tint, 1.2, (*SHAPE, 3))
    assert not found(np.clip(np.rint(image), 0, 255).astype(np.uint8)).any()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_colour(value):
    assert not found(np.full((*SHAPE, 3), value, dtype=np.uint8)).any()


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_tissue_everywhere(stain, strength):
    assert found(slide(strength * stain)).all()


def test_immunostain(stain):
    amount = stain.mean(axis=-1, keepdims=True)
    brown = ((YY // 30 + XX // 30) % 3 == 0)[..., None]
    density = amount * np.where(brown, np.array([0.55, 1.1, 1.5]), 0.4 * np.array([0.65, 0.7, 0.29]))
    assert iou(found(slide(laid(density, SECTION))), SECTION) > 0.95


def test_areas_and_margin_are_physical(stain):
    """0.2 mm2 are 781 pixels of 16 um, and 3125 of 8 um."""
    piece = (YY - 120) ** 2 + (XX - 260) ** 2 < 14**2  # 615 pixels, 0.157 mm2
    hole = (YY - 120) ** 2 + (XX - 110) ** 2 < 14**2
    coarse = slide(laid(stain, (SECTION | piece) & ~hole))
    for image, mpp in ((coarse, MPP), (coarse.repeat(2, 0).repeat(2, 1), MPP / 2)):
        step = round(MPP / mpp)
        mask = find_tissue(image, mpp=mpp, settings=TissueSettings(min_area=0.2, max_hole=0.2))[
            ::step, ::step
        ]
        assert not mask[piece].any()
        assert mask[hole].all()
        mask = find_tissue(image, mpp=mpp, settings=TissueSettings(min_area=0.1, max_hole=0.1))[
            ::step, ::step
        ]
        assert mask[piece].mean() > 0.9
        assert mask[hole].mean() < 0.1
        wide = find_tissue(image, mpp=mpp, settings=TissueSettings(margin=160.0))[::step, ::step]
        assert wide[ndimage.binary_dilation(SECTION & ~hole, iterations=6)].mean() > 0.98
        assert wide.sum() > mask.sum()


def test_a_second_is_enough_for_many():
    """0.2 s of a processor at most; ten times as much here, where others work beside."""
    image = np.full((1500, 2000, 3), 240, dtype=np.uint8)
    image[300:1200, 300:1500] = np.random.default_rng(0).integers(90, 230, (900, 1200, 3), dtype=np.uint8)
    start = time.process_time()
    assert find_tissue(image, mpp=12.0).mean() == pytest.approx(0.36, abs=0.01)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("shape", [(8, 8), (9, 2000), (241, 317)])
def test_any_shape(shape):
    for mpp in (0.25, 8.0, 500.0):
        assert find_tissue(np.full((*shape, 3), 240, np.uint8), mpp=mpp).shape == shape


@pytest.mark.parametrize(
    ("image", "mpp", "said"),
    [
        (np.zeros((20, 20), np.uint8), 16.0, "uint8 RGB"),
        (np.zeros((20, 20, 4), np.uint8), 16.0, "uint8 RGB"),
        (np.zeros((4, 20, 3), np.uint8), 16.0, "thumbnail"),
        (np.broadcast_to(np.zeros((), np.uint8), (9000, 9000, 3)), 16.0, "megapixels"),
        (np.zeros((20, 20, 3), np.uint8), 0.0, "mpp"),
        (np.zeros((20, 20, 3), np.uint8), float("nan"), "mpp"),
    ],
)
def test_impossible_pictures(image, mpp, said):
    with pytest.raises(ValueError, match=said):
        find_tissue(image, mpp=mpp)


def test_impossible_settings():
    with pytest.raises(ConfigurationError, match="colour"):
        TissueSettings.checked(colour=0)
    with pytest.raises(ConfigurationError, match="known name"):
        TissueSettings.checked(color=0.1)
