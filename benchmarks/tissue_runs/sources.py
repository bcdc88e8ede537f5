"""Real H&E at the resolution of a thumbnail, and outlines of real tissue."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ASSUMED_MPP = 0.5
"""Of the TCGA slide, which does not say it."""


def density(image: npt.NDArray[np.generic], white: float = 244.0) -> Array:
    """Optical density of (h, w, 3) pixels against white."""
    return np.maximum(-np.log((np.asarray(image, dtype=np.float32) + 1) / (white + 1)), 0)


def _reduced(image: Image.Image, mpp: float, target: float) -> npt.NDArray[np.uint8]:
    size = tuple(max(round(side * mpp / target), 1) for side in image.size)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))  # type: ignore[arg-type]


@cache
def textures(kind: str, mpp: float) -> tuple[Array, ...]:
    """Optical densities of real tissue at ``mpp``; "tune" and "report" share no slide."""
    import openslide

    if kind == "tune":
        slide = openslide.OpenSlide(SHARED / "slides" / "tcga-cr-7395-01a-01-ts1.svs")
        whole = _reduced(slide.read_region((0, 0), 0, slide.dimensions), ASSUMED_MPP, mpp)
        h, w = whole.shape[:2]
        inner = whole[int(0.33 * h) : int(0.8 * h), int(0.15 * w) : int(0.85 * w)]
        return density(inner), density(_mosaic(mpp))
    slide = openslide.OpenSlide(SHARED / "slides" / "CMU-1-Small-Region.svs")
    whole = _reduced(slide.read_region((0, 0), 0, slide.dimensions), 0.499, mpp)
    h, w = whole.shape[:2]
    found = [density(whole[int(0.76 * h) :, int(0.3 * w) : int(0.62 * w)])]
    regions = sorted((SHARED / "camelyon" / "val" / "img").iterdir())
    found += [density(_reduced(Image.open(path), 0.25, mpp)) for path in regions]
    found.append(density(_reduced(Image.open(SHARED / "polygons" / "hgsc_nest.jpg"), 0.25, mpp)[4:-4, 4:-4]))
    return tuple(found)


def _mosaic(mpp: float) -> npt.NDArray[np.uint8]:
    """The training patches beside each other, so that the tile seams are as fine as the tissue."""
    paths = sorted((SHARED / "camelyon" / "train").rglob("*.png"))[:64]
    rows = [
        np.concatenate([np.asarray(Image.open(p).convert("RGB")) for p in paths[i : i + 8]], axis=1)
        for i in range(0, 64, 8)
    ]
    return _reduced(Image.fromarray(np.concatenate(rows)), 0.25, mpp)


def quilt(source: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A large area of a small texture: random pieces, turned, with soft seams."""
    step = max(min(source.shape[0], source.shape[1], 40) * 3 // 4, 4)
    side = step * 4 // 3
    ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
    weight = np.minimum(np.outer(ramp, ramp), (side - step) ** 2)[..., None]
    h, w = shape
    total = np.zeros((h + side, w + side, 3), dtype=np.float32)
    weights = np.zeros((h + side, w + side, 1), dtype=np.float32)
    for top in range(0, h, step):
        for left in range(0, w, step):
            y = rng.integers(source.shape[0] - side + 1)
            x = rng.integers(source.shape[1] - side + 1)
            piece = np.rot90(source[y : y + side, x : x + side], rng.integers(4))
            total[top : top + side, left : left + side] += weight * piece
            weights[top : top + side, left : left + side] += weight
    return (total / np.maximum(weights, 1e-6))[:h, :w]


def smooth_noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Array:
    """A random field, mean 0, standard deviation 1, correlated over about ``scale`` pixels."""
    small = tuple(int(n / scale) + 4 for n in shape)
    zoomed = ndimage.zoom(rng.standard_normal(small), scale + 1e-9, order=3)[: shape[0], : shape[1]]
    if zoomed.shape != shape:
        zoomed = np.pad(zoomed, [(0, n - m) for n, m in zip(shape, zoomed.shape, strict=True)], mode="edge")
    return ((zoomed - zoomed.mean()) / zoomed.std()).astype(np.float32)


def blobs(shape: tuple[int, int], rng: np.random.Generator, pieces: int = 3) -> Mask:
    """Sections with ragged borders and holes."""
    h, w = shape
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    rough = 0.30 * smooth_noise(shape, h / 7, rng) + 0.12 * smooth_noise(shape, h / 28, rng)
    rough += 0.05 * smooth_noise(shape, h / 90, rng)
    found = np.zeros(shape, dtype=np.bool_)
    for i in range(pieces):
        cy, cx = h * rng.uniform(0.3, 0.7), w * (i + rng.uniform(0.35, 0.65)) / pieces
        ry, rx = h * rng.uniform(0.22, 0.34), w / pieces * rng.uniform(0.28, 0.4)
        found |= ((yy - cy) / ry) ** 2 + ((xx - cx) / rx) ** 2 < 1 + rough
    return found & ~(smooth_noise(shape, h / 25, rng) > 2.6)


def cores(shape: tuple[int, int], mpp: float, rng: np.random.Generator, *, needles: bool) -> Mask:
    """Needle biopsies (about 0.6 mm wide), or a tissue array (discs of 0.6 to 1 mm)."""
    picture = Image.new("L", (shape[1], shape[0]))
    draw = ImageDraw.Draw(picture)
    h, w = shape
    if needles:
        for i in range(4):
            x = np.linspace(0.12, 0.88, 30) * w
            y = h * (0.15 + 0.22 * i) + np.cumsum(rng.normal(0, h / 110, 30))
            draw.line(
                list(zip(x.tolist(), y.tolist(), strict=True)),
                fill=1,
                width=max(round(rng.uniform(450, 700) / mpp), 3),
                joint="curve",
            )
    else:
        for cy in np.arange(0.12, 0.95, 0.19) * h:
            for cx in np.arange(0.08, 0.97, 0.14) * w:
                if rng.uniform() < 0.85:
                    r = rng.uniform(300, 500) / mpp
                    draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=1)
    rough = np.asarray(picture) > 0
    distance = ndimage.distance_transform_edt(rough) - ndimage.distance_transform_edt(~rough)
    return distance + smooth_noise(shape, 60 / mpp + 1, rng) * 25 / mpp > 0


@cache
def outlines(name: str, mpp: float) -> npt.NDArray[np.uint8] | None:
    """A model's outlines of a real section at ``mpp``: 0 glass, 1 tissue, 2 fat; None without pyarrow."""
    try:
        import pyarrow.parquet
    except ImportError:
        return None
    import shapely

    table = pyarrow.parquet.read_table(SHARED / "polygons" / f"{name}.parquet")
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    left, top, right, bottom = shapely.total_bounds(shapes)
    scale = 0.5 / mpp  # the sections were read at 0.5
    picture = Image.new("L", (int((right - left) * scale) + 1, int((bottom - top) * scale) + 1))
    draw = ImageDraw.Draw(picture)
    for geometry, label in zip(shapes, table["class_name"].to_pylist(), strict=True):
        for part in shapely.get_parts(geometry):
            corners = (part.exterior.coords - np.array([left, top])) * scale
            draw.polygon(
                [tuple(corner) for corner in corners.tolist()], fill=2 if label == "omental_fat" else 1
            )
    return np.asarray(picture)


def outlined(name: str, shape: tuple[int, int], mpp: float) -> npt.NDArray[np.uint8] | None:
    """The outlines in the middle of a picture, as large as they are or smaller."""
    found = outlines(name, mpp)
    if found is None:
        return None
    scale = min(0.9 * shape[0] / found.shape[0], 0.9 * shape[1] / found.shape[1])
    size = (max(int(found.shape[1] * scale), 1), max(int(found.shape[0] * scale), 1))
    small = np.asarray(Image.fromarray(found).resize(size, Image.Resampling.NEAREST))
    placed = np.zeros(shape, dtype=np.uint8)
    top, left = (shape[0] - small.shape[0]) // 2, (shape[1] - small.shape[1]) // 2
    placed[top : top + small.shape[0], left : left + small.shape[1]] = small
    return placed
