"""Accuracy of a recipe on images of other patients, with nothing fitted to them; rows of docs/experiments.md.

    python benchmarks/accuracy.py ../shared/data/glas --mpp 0.62 --seeds 0 1 2 --settings '{"epochs": 8}'

Two classes. Trains on ``train``, scores the images in ``val`` without CRF, with one view and with four, and
appends a line of JSON per seed. "as trained" is the mean IoU with nothing fitted; "balanced" with the class
balance fitted on one half of the images and scored on the other (mean of 20 halves); "patients" with the
balance of all other patients; "best" with the balance of these images themselves, which only shows what the
maps hold. ``--patients`` names a JSON file {"image stem": "patient"}.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_construct.data.image_level import load_dataset
from napari_construct.data.images import read_image
from napari_construct.events import run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint, save_checkpoint
from napari_construct.training.calibration.validation import open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps

BALANCES: Final = np.arange(-80, 81) / 10
"""Added to the difference of the two classes' calibrated logits."""

AS_TRAINED: Final = len(BALANCES) // 2

Counts = NDArray[np.int64]
"""(images, balances, truth, prediction) pixels."""


def changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them changed, at any depth."""
    inside = {k: changed(fields[k], v) for k, v in changes.items() if isinstance(v, dict)}
    return fields | changes | inside


def margin(image: Path, predictor: Predictor, mpp: float, views: str) -> NDArray[np.float32]:
    """Difference of the calibrated logits of both classes at every pixel."""
    pixels = read_image(image).pixels
    settings = SegmentSettings.model_validate({"mpp": mpp, "views": views})
    found = run(cam_steps(pixels, predictor, settings, name=image.name))
    cells = (
        torch.from_numpy(found.logits[0] - found.logits[1])[None, None] / predictor.calibration.temperature
    )
    # the image ends within the last cells
    rows, columns = (
        (torch.arange(side) + 0.5) / side * extent / count * 2 - 1
        for side, extent, count in zip(found.shape, found.cells, cells.shape[-2:], strict=True)
    )
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)[None]
    shown: NDArray[np.float32] = F.grid_sample(
        cells.float(), grid.float(), align_corners=False, padding_mode="border"
    )[0, 0].numpy()
    return shown


def counts_of(checkpoint: Checkpoint, folder: Path, mpp: float, views: str) -> tuple[list[str], Counts]:
    """Confusion matrices of all images at all balances."""
    predictor = Predictor(checkpoint, "cpu")
    data = open_masked(folder, mpp).read_as(checkpoint.classes)
    names, rows = [], []
    for image, mask in data.pairs:
        truth, _ = data.truth(mask)
        known = truth < 2
        first, shown = truth[known] == 0, margin(image, predictor, mpp, views)[known]
        named = [shown + balance > 0 for balance in BALANCES]
        rows.append(
            [[[np.sum(t & p), np.sum(t & ~p)] for t in (first, ~first)] for p in named]  # first, second
        )
        names.append(image.stem)
    return names, np.array(rows)


def miou(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Mean IoU of (..., truth, prediction)."""
    a, b, c, d = (counts[..., i, j] for i in (0, 1) for j in (0, 1))
    found: NDArray[np.float64] = (a / np.maximum(a + b + c, 1) + d / np.maximum(d + b + c, 1)) / 2
    return found


def fitted(counts: Counts, parts: NDArray[Any]) -> float:
    """Mean IoU where each part has the balance of all others."""
    total = np.zeros((2, 2), dtype=np.int64)
    for part in np.unique(parts):
        best = int(miou(counts[parts != part].sum(0)).argmax())
        total += counts[parts == part][:, best].sum(0)
    return float(miou(total))


def scores(counts: Counts, patients: NDArray[Any] | None) -> dict[str, float]:
    halves = [
        fitted(counts, np.random.default_rng(draw).permutation(len(counts)) * 2 // len(counts))
        for draw in range(20)
    ]
    every = miou(counts.sum(0))
    found = {
        "as trained": float(every[AS_TRAINED]),
        "balanced": float(np.mean(halves)),
        "best": float(every.max()),
        "best balance": float(BALANCES[every.argmax()]),
    }
    if patients is not None:
        found["patients"] = fitted(counts, patients)
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train, val/img and val/mask")
    parser.add_argument(
        "--mpp", type=float, required=True, help="micrometres per pixel of patches and images"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", type=json.loads, default={}, help="changes of the defaults, JSON")
    parser.add_argument("--patients", type=Path, help="JSON: patient by stem of the image")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("accuracy.jsonl"))
    parser.add_argument("--models", type=Path, help="folder for the models")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    patients = None if options.patients is None else json.loads(options.patients.read_text())
    dataset = load_dataset(options.data / "train")
    base = TrainingConfig().model_dump() | {"patch_mpp": options.mpp}
    for seed in options.seeds:
        config = TrainingConfig.checked(**changed(base, options.settings) | {"seed": seed})
        started = time.perf_counter()
        checkpoint = run(train_steps(dataset, config))
        row: dict[str, Any] = {"seed": seed, "settings": options.settings}
        row["seconds"] = round(time.perf_counter() - started)
        if options.models is not None:
            options.models.mkdir(parents=True, exist_ok=True)
            save_checkpoint(options.models / f"{options.output.stem}_{seed}.construct", checkpoint)
        for views in ("one", "four"):
            names, counts = counts_of(checkpoint, options.data / "val", options.mpp, views)
            owners = None if patients is None else np.array([patients[name] for name in names])
            row[views] = scores(counts, owners)
        with options.output.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
