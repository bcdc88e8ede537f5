"""Where to look next: score against the area that a simulated person annotates, by the queue and at random.

    python benchmarks/next_regions.py                   # GlaS and CAMELYON, five seeds; ten minutes on a core
    python benchmarks/next_regions.py --sets glas --seeds 1 --json curve.json

Images with masks (``../shared/data``: ``glas/val``, ``camelyon/val``, whose images are cut into quarters)
are divided by seed into a pool, whose regions may be annotated, and images that are scored. A region is
annotated by its mask. After each round a light head (multinomial logistic regression, L2, on features of
lite0) is fitted to what is annotated, and says how sure it is of the rest. Both orders begin with the same
random regions. Printed: area (share of the pool) at which the mean curve of the seeds reaches 98 % of the
score of the head that was fitted to the whole pool, for both orders, and its ratio. Bars: at most 5 % of
the area, and at most half of what random order needs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from napari_construct.data.images import read_image  # noqa: E402
from napari_construct.data.masks import find_pairs, read_mask  # noqa: E402
from napari_construct.encoders.catalogue.lookup import create_encoder  # noqa: E402
from napari_construct.events import run  # noqa: E402
from napari_construct.labelling.queue.candidates import candidate_steps  # noqa: E402
from napari_construct.labelling.queue.evidence import ImageEvidence  # noqa: E402
from napari_construct.labelling.queue.rank import greedy  # noqa: E402
from napari_construct.labelling.queue.settings import QueueSettings  # noqa: E402
from napari_construct.labelling.spread import looks, stain_of  # noqa: E402
from napari_construct.metrics.segmentation import scores_from_confusion  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {"glas": SHARED / "glas" / "val", "camelyon": SHARED / "camelyon" / "val"}
CLASSES = {"glas": ("gland", "stroma"), "camelyon": ("tumour", "lymphoid")}
"""Values 0 and 1 of the masks; what is white is neither annotated nor scored."""
FEW = 8
STRIDE = 8
"""Pixels of a cell that is classified."""


class Picture:
    """An image as cells: features (n, c), classes (h, w), and its regions."""

    def __init__(self, name: str, pixels: np.ndarray, mask: np.ndarray, encoder: Any, k: int) -> None:
        self.name, self.pixels = name, pixels
        h, w = (side // STRIDE * STRIDE for side in mask.shape)
        grid = (h // STRIDE, w // STRIDE)
        blocks = mask[:h, :w].reshape(grid[0], STRIDE, grid[1], STRIDE)
        votes = np.stack([(blocks == i).sum(axis=(1, 3)) for i in range(k)])
        self.truth = np.where(votes.sum(axis=0) > 0, votes.argmax(axis=0), 255).astype(np.uint8)
        self.features = features_of(encoder, pixels[:h, :w], grid)


@torch.inference_mode()
def features_of(encoder: Any, pixels: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    multiple = int(encoder.spec.multiple)
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255
    h, w = (-(-side // multiple) * multiple for side in image.shape[-2:])
    padded = F.pad(image, (0, w - image.shape[-1], 0, h - image.shape[-2]), mode="replicate")
    levels = []
    for level in encoder(padded):
        size = [round(side * level.shape[2 + i] / (h, w)[i]) for i, side in enumerate(pixels.shape[:2])]
        part = level[:, :, : max(size[0], 1), : max(size[1], 1)].float()
        levels.append(F.interpolate(part, grid, mode="bilinear", antialias=True))
    return torch.cat(levels, 1)[0].numpy()


def fit(
    features: np.ndarray, labels: np.ndarray, k: int, strength: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Class-balanced multinomial logistic regression, L2, by L-BFGS."""
    x, y = torch.from_numpy(features), torch.from_numpy(labels.astype(np.int64))
    counts = torch.bincount(y, minlength=k).float()
    weight = torch.where(counts > 0, counts.sum() / counts.clamp(min=1), torch.zeros(k))
    weight = weight / weight[counts > 0].mean()
    w, b = torch.zeros(x.shape[1], k, requires_grad=True), torch.zeros(k, requires_grad=True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(x @ w + b, y, weight=weight) + strength * (w**2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    return w.detach(), b.detach()


def probabilities(head: tuple[torch.Tensor, torch.Tensor], features: np.ndarray) -> np.ndarray:
    c, h, w = features.shape
    logits = torch.from_numpy(features.reshape(c, -1).T) @ head[0] + head[1]
    return logits.softmax(1).T.reshape(-1, h, w).numpy()


def score(head: tuple[torch.Tensor, torch.Tensor], pictures: list[Picture], k: int) -> float:
    matrix = np.zeros((k, k + 1), np.int64)
    for one in pictures:
        found = probabilities(head, one.features).argmax(axis=0)
        kept = one.truth < k
        counts = np.bincount(one.truth[kept] * k + found[kept], minlength=k * k).reshape(k, k)
        matrix[:, :k] += counts
    return float(scores_from_confusion(matrix)["miou"])


def annotated(
    pictures: list[Picture], places: list[tuple[int, int, int]], cells: int, k: int
) -> tuple[Any, Any]:
    xs, ys = [], []
    for image, row, column in places:
        one = pictures[image]
        part = np.s_[row // STRIDE : row // STRIDE + cells, column // STRIDE : column // STRIDE + cells]
        y = one.truth[part].ravel()
        x = one.features[(slice(None), *part)].reshape(len(one.features), -1).T
        xs.append(x[y < k])
        ys.append(y[y < k])
    return np.concatenate(xs), np.concatenate(ys)


def curve(
    pool: list[Picture],
    scored: list[Picture],
    k: int,
    settings: QueueSettings,
    rng: Any,
    rounds: int,
    order: str,
    strength: float,
) -> list[tuple[float, float]]:
    """(share of the area, score) after each round."""
    side, cells = settings.side_px, settings.side_px // STRIDE
    flat = [
        (i, region.row, region.column)
        for i, one in enumerate(pool)
        for region in run(candidate_steps(evidence(one, None, k), settings)).regions
        if region.row % STRIDE == 0 and region.column % STRIDE == 0
    ]
    area = sum(one.truth.size for one in pool)
    texture = np.stack([pooled(pool[i], row, column, cells) for i, row, column in flat])
    parts = [pool[i].pixels[row : row + side, column : column + side] for i, row, column in flat]
    stain = np.stack([stain_of(part) for part in parts])
    look = looks(texture, stain)
    start = rng.permutation(len(flat))[: settings.count].tolist()
    shuffled = [i for i in rng.permutation(len(flat)).tolist() if i not in start]
    done, found = list(start), []
    for _ in range(rounds):
        x, y = annotated(pool, [flat[i] for i in done], cells, k)
        head = fit(x, y, k, strength)
        found.append((len(done) * cells * cells / area, score(head, scored, k)))
        left = [i for i in range(len(flat)) if i not in set(done)]
        if not left:
            break
        if order == "random":
            done += [i for i in shuffled if i in set(left)][: settings.count]
            continue
        gains = {}
        for i, one in enumerate(pool):
            laid = run(candidate_steps(evidence(one, head, k), settings))
            gains |= {(i, region.row, region.column): region.gain for region in laid.regions}
        here = np.array([gains.get(flat[i], 0.0) for i in left])
        picked = greedy(here, look[left], look[done], settings)
        done += [left[i] for i, _, _ in picked]
    return found


def pooled(one: Picture, row: int, column: int, cells: int) -> np.ndarray:
    part = one.features[:, row // STRIDE : row // STRIDE + cells, column // STRIDE : column // STRIDE + cells]
    return part.mean(axis=(1, 2)).astype(np.float32)


def evidence(one: Picture, head: Any, k: int) -> ImageEvidence:
    h, w = one.truth.shape
    maps = np.full((k, h, w), 1 / k, np.float32) if head is None else probabilities(head, one.features)
    shape = h * STRIDE, w * STRIDE
    names = tuple(map(str, range(k)))
    return ImageEvidence(one.name, shape, names, ((maps, (float(STRIDE), float(STRIDE))),))


def quarters(name: str, pixels: np.ndarray, mask: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    rows, columns = mask.shape[0] // 2, mask.shape[1] // 2
    parts = [np.s_[a : a + rows, b : b + columns] for a in (0, rows) for b in (0, columns)]
    return [(f"{name} {i}", pixels[part], mask[part]) for i, part in enumerate(parts)]


def reached(points: list[tuple[float, float]], wanted: float) -> float | None:
    """Share of the area at which a curve first reaches a score, interpolated."""
    for (area, value), (next_area, next_value) in pairwise(points):
        if value >= wanted:
            return area
        if next_value >= wanted:
            return area + (next_area - area) * (wanted - value) / (next_value - value)
    return points[-1][0] if points and points[-1][1] >= wanted else None


def benchmark(
    name: str, seeds: int, settings: QueueSettings, rounds: int, most: int, strength: float
) -> dict[str, Any]:
    pairs, k = list(find_pairs(SETS[name]))[:most], len(CLASSES[name])
    encoder = create_encoder("lite0")
    groups = [[(i.name, read_image(i).pixels, read_mask(m)) for i, m in pairs]]
    if len(pairs) < FEW:  # quarters of an image, so that pool and scored ones hold the same tissues
        groups = [quarters(*one) for one in groups[0]]
    made = [[Picture(*one, encoder, k) for one in group] for group in groups]
    pictures = [one for group in made for one in group]
    every = np.concatenate([one.features.reshape(len(one.features), -1) for one in pictures], axis=1)
    mean, std = every.mean(axis=1)[:, None, None], every.std(axis=1)[:, None, None] + 1e-6
    for one in pictures:
        one.features = ((one.features - mean) / std).astype(np.float32)
    curves: dict[str, list[Any]] = {"queue": [], "random": []}
    full = []
    for seed in range(seeds):
        pool, scored = [], []
        for group in made:
            order, half = np.random.default_rng(seed).permutation(len(group)), len(group) // 2
            pool += [group[i] for i in order[:half]]
            scored += [group[i] for i in order[half:]]
        x = np.concatenate([one.features.reshape(len(one.features), -1).T for one in pool])
        y = np.concatenate([one.truth.ravel() for one in pool])
        full.append(score(fit(x[y < k], y[y < k], k, strength), scored, k))
        for way, found in curves.items():
            rng = np.random.default_rng(1000 + seed)
            found.append(curve(pool, scored, k, settings, rng, rounds, way, strength))
        print(f"  {name}, seed {seed}: full {full[-1]:.3f}", file=sys.stderr, flush=True)
    result: dict[str, Any] = {"images": len(pictures), "classes": k, "full": float(np.mean(full))}
    for way, found in curves.items():
        length = min(map(len, found))
        mean_curve = [
            (float(np.mean([c[i][0] for c in found])), float(np.mean([c[i][1] for c in found])))
            for i in range(length)
        ]
        result[way] = {"curve": mean_curve, "area_at_98": reached(mean_curve, 0.98 * result["full"])}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--side", type=int, default=64, help="pixels of a region, a multiple of 8")
    parser.add_argument("--count", type=int, default=2, help="regions a round")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--diversity", type=float, default=1.0)
    parser.add_argument("--doubt", choices=("entropy", "margin"), default="entropy")
    parser.add_argument("--images", type=int, default=1000, help="at most")
    parser.add_argument("--strength", type=float, default=0.03, help="L2 of the head")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    settings = QueueSettings(
        count=given.count,
        side_px=given.side,
        doubt=given.doubt,
        diversity=given.diversity,
        min_tissue=0.0,
    )
    found: dict[str, Any] = {}
    for name in given.sets:
        if not SETS[name].is_dir():
            print(f"{name}: {SETS[name]} is not here")
            continue
        clock = time.process_time()
        found[name] = benchmark(name, given.seeds, settings, given.rounds, given.images, given.strength)
        one = found[name]
        queue, random = one["queue"]["area_at_98"], one["random"]["area_at_98"]
        words = [
            f"{way} {'not reached' if a is None else f'{a:.1%}'}"
            for way, a in (("queue", queue), ("random", random))
        ]
        print(
            f"{name}: {one['images']} images, full annotation mIoU {one['full']:.3f}; area at 98 % of it: "
            f"{', '.join(words)}"
            + (f"; ratio {queue / random:.2f}" if queue and random else "")
            + f" ({time.process_time() - clock:.0f} s)"
        )
        for way in ("queue", "random"):
            shown = one[way]["curve"][:: max(1, len(one[way]["curve"]) // 8)]
            print(f"  {way:6}  " + "  ".join(f"{a:.1%} {s:.3f}" for a, s in shown))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
