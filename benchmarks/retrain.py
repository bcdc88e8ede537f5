"""Correct and retrain: what strokes on five images give on the others; the user is simulated from masks.

    python benchmarks/retrain.py glas.construct ../shared/data/glas --seeds 0 1 2 3 4

A model from image-level labels is corrected on five images of ``val``, drawn by the seed: strokes that cover
``--share`` of their pixels, where the model's mask is wrong (``--anywhere``: in all of the tissue). It is
retrained with the old patches in ``train`` (``--alone``: without). One line of JSON a seed: mean IoU on the
other images before and after, as the window and the command segment by default but without CRF, and what the
model itself says of the strokes that it left out. The issue's bar: at least 0.05 better.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.image_level import load_dataset
from napari_construct.data.images import read_image
from napari_construct.events import run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from napari_construct.teaching.retrain import RetrainSettings, retrain
from napari_construct.teaching.strokes import Strokes
from napari_construct.training.calibration.validation import open_masked
from napari_construct.types import LabelImage
from teach_runs.strokes import strokes

IMAGES: Final = 5
"""That the user corrects."""

PLAIN: Final = SegmentSettings(crf=None)


class Scored:
    """The images with masks, and masks of models."""

    def __init__(self, folder: Path, checkpoint: Checkpoint, mpp: float | None) -> None:
        data = open_masked(folder).read_as(checkpoint.classes)
        self.names = [image.name for image, _ in data.pairs]
        self.images = [read_image(image).pixels for image, _ in data.pairs]
        self.truth = [data.truth(mask)[0] for _, mask in data.pairs]
        self.mpp, self.k = mpp, len(checkpoint.classes)

    def masks(self, checkpoint: Checkpoint, numbers: list[int]) -> dict[int, LabelImage]:
        predictor = Predictor(checkpoint, "cpu")
        found = {}
        for i in numbers:
            activation = run(cam_steps(self.images[i], predictor, PLAIN, mpp=self.mpp, name=self.names[i]))
            found[i] = finish(activation, predictor, PLAIN).labels
        return found

    def miou(self, masks: dict[int, LabelImage]) -> float:
        ignored = range(self.k, 256)
        counts = sum(confusion_matrix(self.truth[i], mask, self.k, ignored) for i, mask in masks.items())
        return scores_from_confusion(np.asarray(counts))["miou"]


def corrections(
    data: Scored, chosen: list[int], labels: dict[int, LabelImage] | None, share: float, seed: int
) -> list[Strokes]:
    """What the simulated user paints."""
    random = np.random.default_rng(seed)
    found = []
    for i in chosen:
        truth: NDArray[np.uint8] = np.where(data.truth[i] < data.k, data.truth[i], 255).astype(np.uint8)
        pixels = round(share * truth.size)
        painted = strokes(truth, pixels, random, labels=None if labels is None else labels[i])
        found.append(Strokes(data.names[i], data.images[i], painted, data.mpp))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path, help="with train and val inside")
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--share", type=float, default=0.001)
    parser.add_argument("--anywhere", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--settings", default="{}")
    asked = parser.parse_args()
    old = load_checkpoint(asked.model)
    data = Scored(asked.folder / "val", old, asked.mpp)
    replay = None
    if not asked.alone:
        replay = load_dataset(asked.folder / "train", class_names=old.classes.names)
    every = list(range(len(data.images)))
    masks = data.masks(old, every)
    for seed in asked.seeds:
        chosen = sorted(np.random.default_rng(seed).choice(every, IMAGES, replace=False).tolist())
        others = [i for i in every if i not in chosen]
        painted = corrections(data, chosen, None if asked.anywhere else masks, asked.share, seed)
        fields = {"seed": seed, "patch_mpp": asked.mpp, **json.loads(asked.settings)}
        started = time.perf_counter()
        result = retrain(old, painted, RetrainSettings.checked(**fields), replay=replay)
        seconds = time.perf_counter() - started
        before = data.miou({i: masks[i] for i in others})
        after = data.miou(data.masks(result.checkpoint, others))
        row = {
            "seed": seed,
            "before": round(before, 4),
            "after": round(after, 4),
            "gain": round(after - before, 4),
            "painted": round(float(np.mean([(s.painted > 0).mean() for s in painted])), 5),
            "strokes": result.checkpoint.training["corrections"]["learned_strokes"],
            "said": result.words,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
