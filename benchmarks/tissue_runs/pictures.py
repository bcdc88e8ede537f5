"""Low-resolution pictures of slides with known truth: real tissue on glass, and what goes wrong there."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from tissue_runs.sources import Array, Mask, blobs, cores, outlined, quilt, smooth_noise, textures

INKS = {
    "tune": {
        "black": ((1.3, 1.3, 1.2), (0.9, 0.85, 0.8)),
        "blue": ((1.5, 0.8, 0.2), (1.0, 0.75, 0.3)),
        "green": ((1.2, 0.35, 0.75), (1.6, 0.5, 0.6)),
        "red": ((0.1, 1.3, 1.1), (0.2, 1.6, 1.2)),
        "violet": ((0.6, 1.0, 0.35),),
    },
    "report": {
        "black": ((1.1, 1.05, 1.15), (1.7, 1.5, 1.3)),
        "blue": ((1.2, 0.4, 0.1), (1.3, 1.0, 0.4)),
        "green": ((0.9, 0.3, 1.0), (1.4, 0.6, 0.9)),
        "red": ((0.05, 1.0, 0.85), (0.15, 1.4, 1.3)),
        "violet": ((0.7, 0.9, 0.4),),
    },
}
"""Optical densities of red, green and blue light."""

SETS = ("tune", "report")
SHAPE, MPP, COUNT = (1200, 1600), 10.0, 3


@dataclass(frozen=True)
class Picture:
    """What a method sees, and what it should find."""

    image: np.ndarray  # (h, w, 3) uint8
    tissue: Mask
    scored: Mask  # False: either answer is right
    mpp: float


class Scene:
    """One picture in the making: optical density of what lies on the glass, and the light behind it."""

    def __init__(self, kind: str, seed: int, shape: tuple[int, int] = SHAPE, mpp: float = MPP) -> None:
        self.kind, self.shape, self.mpp, self.seed = kind, shape, mpp, seed
        self.rng = np.random.default_rng([seed, 7 * SETS.index(kind)])
        self.density = np.zeros((*shape, 3), dtype=np.float32)
        self.tissue = np.zeros(shape, dtype=np.bool_)
        self.scored = np.ones(shape, dtype=np.bool_)
        self.light = np.ones((*shape, 3), dtype=np.float32)
        base = self.rng.uniform(234, 248)
        self.glass = base + self.rng.uniform(-4, 2, size=3)

    def outline(self, pieces: int = 3) -> tuple[Mask, Mask]:
        """Where tissue lies, and which of it is fat."""
        if self.kind == "report":
            names = ("hgsc_tissue_wsi", "cervix_biopsy_tissue")
            found = outlined(names[self.seed % 2], self.shape, self.mpp) if self.seed % 3 < 2 else None
            if found is not None:
                return found > 0, found == 2
        return blobs(self.shape, self.rng, pieces), np.zeros(self.shape, dtype=np.bool_)

    def stain(self, where: Mask, *, strength: float = 1.0) -> None:
        sources = textures(self.kind, self.mpp)
        source = sources[int(self.rng.integers(len(sources)))]
        stained = quilt(source, self.shape, self.rng) * strength
        stained *= np.clip(1 + 0.2 * smooth_noise(self.shape, 50, self.rng), 0.4, 1.6)[..., None]
        edge = ndimage.gaussian_filter(where.astype(np.float32), 0.7)
        self.density += stained * edge[..., None]
        self.tissue |= where

    def immunostain(self, where: Mask) -> None:
        """Pale blue haematoxylin with brown DAB in places."""
        sources = textures(self.kind, self.mpp)
        amount = quilt(sources[int(self.rng.integers(len(sources)))], self.shape, self.rng).mean(axis=-1)
        brown = np.clip(smooth_noise(self.shape, 30, self.rng) - 0.7, 0, 1.2)
        stained = amount[..., None] * (
            0.45 * np.array([0.65, 0.70, 0.29]) + brown[..., None] * np.array([0.6, 1.2, 1.7])
        )
        self.density += (stained * ndimage.gaussian_filter(where.astype(np.float32), 0.7)[..., None]).astype(
            np.float32
        )
        self.tissue |= where

    def fat(self, where: Mask) -> None:
        """Membranes between fat cells of 70 to 110 um, a few um wide, drawn four times as fine."""
        fine, side = 4, 512
        spacing = self.rng.uniform(70, 110) / self.mpp * fine
        n = int(side / spacing) + 2
        grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
        centres = (grid + self.rng.uniform(-0.4, 0.4, grid.shape)) * spacing
        from scipy.spatial import cKDTree

        yy, xx = np.mgrid[:side, :side]
        near, _ = cKDTree(centres).query(np.stack([yy.ravel(), xx.ravel()], axis=1), k=2)
        wall = (near[:, 1] - near[:, 0]).reshape(side, side) < 4.0 / self.mpp * fine
        share = wall.reshape(side // fine, fine, side // fine, fine).mean(axis=(1, 3)).astype(np.float32)
        eosin = np.array([0.12, 0.62, 0.28], dtype=np.float32) * self.rng.uniform(0.7, 1.1)
        lace = quilt(share[..., None] * eosin, self.shape, self.rng)
        self.density += lace * where[..., None]
        self.tissue |= where

    def pens(self, colours: tuple[str, ...]) -> None:
        h, w = self.shape
        for colour in colours:
            inks = INKS[self.kind][colour]
            ink = inks[self.seed % len(inks)]
            picture = Image.new("L", (w, h))
            draw = ImageDraw.Draw(picture)
            wide = max(round(self.rng.uniform(500, 1100) / self.mpp), 3)
            cy, cx = self.rng.uniform(0.3, 0.7) * h, self.rng.uniform(0.2, 0.8) * w
            turn = np.linspace(0, self.rng.uniform(3, 6.5), 60)
            ry, rx = self.rng.uniform(0.15, 0.4) * h, self.rng.uniform(0.1, 0.25) * w
            wobble = 1 + 0.06 * np.sin(turn * 5)
            ring = list(
                zip(
                    (cx + rx * wobble * np.cos(turn)).tolist(),
                    (cy + ry * wobble * np.sin(turn)).tolist(),
                    strict=True,
                )
            )
            draw.line(ring, fill=1, width=wide, joint="curve")
            for _ in range(3):
                x, y = self.rng.uniform(0.05, 0.95) * w, self.rng.uniform(0.05, 0.95) * h
                draw.line(
                    (x, y, x + self.rng.uniform(-0.1, 0.1) * w, y + self.rng.uniform(-0.1, 0.1) * h),
                    fill=1,
                    width=wide,
                )
            stroke = np.asarray(picture).astype(np.float32)
            streaks = (
                1
                + 0.18 * smooth_noise(self.shape, 12, self.rng)
                + 0.05 * smooth_noise(self.shape, 2, self.rng)
            )
            amount = ndimage.gaussian_filter(stroke, 1.0) * np.clip(streaks, 0.4, 1.6)
            self.density += amount[..., None] * np.array(ink, dtype=np.float32)
            self.scored &= ~((ndimage.gaussian_filter(stroke, 1.5) > 0.02) & self.tissue)

    def dust(self) -> None:
        """Specks, fibres, an air bubble, the edge of the cover slip and a smear."""
        h, w = self.shape
        picture = Image.new("L", (2 * w, 2 * h))
        draw = ImageDraw.Draw(picture)
        for _ in range(150):
            x, y, r = self.rng.uniform(0, 2 * w), self.rng.uniform(0, 2 * h), self.rng.gamma(2, 18) / self.mpp
            draw.ellipse(
                (x - r, y - r, x + r * self.rng.uniform(0.5, 1.5), y + r), fill=int(self.rng.uniform(60, 255))
            )
        for _ in range(5):
            x, y, angle = self.rng.uniform(0, 2 * w), self.rng.uniform(0, 2 * h), self.rng.uniform(0, 6.3)
            bends = np.cumsum(self.rng.normal(0, 0.12, 60)) + angle
            path = np.stack([x + np.cumsum(np.cos(bends)) * 8, y + np.cumsum(np.sin(bends)) * 8], axis=1)
            draw.line([tuple(p) for p in path.tolist()], fill=150, width=max(round(25 / self.mpp * 2), 2))
        x, y, r = (
            self.rng.uniform(0.2, 1.8) * w,
            self.rng.uniform(0.2, 1.8) * h,
            self.rng.uniform(400, 1500) / self.mpp * 2,
        )
        draw.ellipse((x - r, y - r, x + r, y + r), outline=130, width=max(round(60 / self.mpp * 2), 2))
        y = self.rng.uniform(0.02, 0.1) * 2 * h
        draw.line(
            (0, y, 2 * w, y + self.rng.uniform(-0.03, 0.03) * h),
            fill=120,
            width=max(round(50 / self.mpp * 2), 2),
        )
        grey = np.asarray(picture.resize((w, h), Image.Resampling.BOX)).astype(np.float32) / 255
        self.density += ndimage.gaussian_filter(grey, 0.6)[..., None] * np.array(
            [0.75, 0.72, 0.7], dtype=np.float32
        )
        self.light[: int(y / 2)] *= 0.985
        yy, xx = np.mgrid[:h, :w]
        cy, cx = self.rng.uniform(0.2, 0.8) * h, self.rng.uniform(0.1, 0.9) * w
        smear = 0.035 * np.exp(-(((yy - cy) / (0.15 * h)) ** 2 + ((xx - cx) / (0.08 * w)) ** 2))
        self.density += smear[..., None].astype(np.float32)

    def uneven(self) -> None:
        h, w = self.shape
        yy, xx = np.mgrid[:h, :w]
        y, x = yy / h - self.rng.uniform(0.3, 0.7), xx / w - self.rng.uniform(0.3, 0.7)
        light = 1 - 0.22 * (y * y + x * x) + 0.06 * x
        stripe = max(int(1000 / self.mpp), 4)
        light *= 1 - 0.015 * ((xx // stripe) % 2) * (1 - (xx % stripe) / stripe)
        tint = (
            self.rng.uniform(-0.02, 0.02, 3) * x[..., None] + self.rng.uniform(-0.02, 0.02, 3) * y[..., None]
        )
        self.light *= (light[..., None] * (1 + tint)).astype(np.float32)

    def picture(self, *, outside: str = "") -> Picture:
        noise = (
            1
            + 0.006 * self.rng.standard_normal((*self.shape, 1))
            + 0.006 * self.rng.standard_normal((*self.shape, 3))
        )
        image = self.glass * self.light * np.exp(-self.density)
        for channel, shift in ((0, 0.3), (2, -0.3)):  # colour fringes of the lens
            image[..., channel] = ndimage.shift(image[..., channel], (shift, shift), order=1, mode="nearest")
        image *= noise
        tissue, scored = self.tissue.copy(), self.scored
        if outside:
            gone = self._outside()
            image[gone] = {"black": 2.0, "white": 255.0}[outside]
            tissue &= ~gone
        return Picture(_jpeg(image), tissue, scored, self.mpp)

    def _outside(self) -> Mask:
        """What a scanner leaves out: a staircase of tiles, and a frame."""
        h, w = self.shape
        tile = h // 12
        gone = np.zeros(self.shape, dtype=np.bool_)
        for i, top in enumerate(range(0, h, tile)):
            depth = abs(i - 5.5) / 5.5
            gone[top : top + tile, : int(w * 0.12 * depth * self.rng.uniform(0.5, 1.3))] = True
            gone[top : top + tile, w - int(w * 0.16 * depth * self.rng.uniform(0.5, 1.3)) :] = True
        gone[: int(h * 0.06)] = True
        return gone


def _jpeg(image: Array) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream))


def make(case: str, kind: str, seed: int) -> Picture:
    """The picture of a case; the same for the same seed."""
    scene = Scene(kind, 100 * sorted(CASES).index(case) + seed)
    scene.seed = seed
    return CASES[case](scene)


def _plain(scene: Scene) -> Scene:
    tissue, fat = scene.outline()
    scene.stain(tissue & ~fat)
    scene.fat(fat)
    return scene


def _pale(scene: Scene) -> Picture:
    tissue, fat = scene.outline()
    scene.stain(tissue & ~fat, strength=(0.15, 0.22, 0.3)[scene.seed % 3])
    scene.fat(fat)
    return scene.picture()


def _fatty(scene: Scene) -> Picture:
    tissue, fat = scene.outline()
    more = fat | (smooth_noise(scene.shape, 150, scene.rng) > -0.6)
    scene.stain(tissue & ~more)
    scene.fat(tissue & more)
    return scene.picture()


def _pen(colours: tuple[str, ...], strength: float = 1.0):
    def drawn(scene: Scene) -> Picture:
        tissue, fat = scene.outline()
        scene.stain(tissue & ~fat, strength=strength)
        scene.fat(fat)
        scene.pens(colours)
        return scene.picture()

    return drawn


def _dusty(scene: Scene) -> Picture:
    _plain(scene).dust()
    return scene.picture()


def _uneven(scene: Scene) -> Picture:
    _plain(scene).uneven()
    return scene.picture()


def _uneven_pale(scene: Scene) -> Picture:
    tissue, fat = scene.outline()
    scene.stain(tissue & ~fat, strength=0.3)
    scene.fat(fat)
    scene.uneven()
    scene.dust()
    return scene.picture()


def _empty(scene: Scene) -> Picture:
    if scene.seed % 3:
        scene.dust()
    if scene.seed % 3 == 2:
        scene.uneven()
    return scene.picture()


def _full(scene: Scene) -> Picture:
    everywhere = np.ones(scene.shape, dtype=np.bool_)
    scene.stain(everywhere, strength=(1.0, 0.7, 0.4)[scene.seed % 3])
    return scene.picture()


def _small(scene: Scene) -> Picture:
    scene.stain(cores(scene.shape, scene.mpp, scene.rng, needles=scene.seed % 2 == 0))
    return scene.picture()


def _brown(scene: Scene) -> Picture:
    scene.immunostain(scene.outline()[0])
    return scene.picture()


def _all(scene: Scene) -> Picture:
    tissue, fat = scene.outline()
    scene.stain(tissue & ~fat, strength=0.5)
    scene.fat(fat)
    scene.pens(("black", "blue"))
    scene.dust()
    scene.uneven()
    return scene.picture(outside=("black", "white")[scene.seed % 2])


CASES = {
    "plain": lambda scene: _plain(scene).picture(),
    "pale": _pale,
    "fatty": _fatty,
    "pen black": _pen(("black",)),
    "pen blue": _pen(("blue",)),
    "pen green": _pen(("green",)),
    "pen red": _pen(("red",)),
    "pen violet": _pen(("violet",)),
    "pens, pale": _pen(("black", "blue", "green", "red"), 0.3),
    "dust": _dusty,
    "black border": lambda scene: _plain(scene).picture(outside="black"),
    "white border": lambda scene: _plain(scene).picture(outside="white"),
    "uneven light": _uneven,
    "uneven, pale, dust": _uneven_pale,
    "no tissue": _empty,
    "all tissue": _full,
    "small pieces": _small,
    "brown and blue": _brown,
    "everything": _all,
}
