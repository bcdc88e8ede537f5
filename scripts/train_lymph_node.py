"""Make the bundled model ``lymph-node``.

    python scripts/train_lymph_node.py ../shared/data/camelyon
    python scripts/train_lymph_node.py ../shared/data/camelyon --guard    # its guard alone

1. ``train`` of this package on CC0 patches (CAMELYON16) with one label each; the bundled encoder ``lite0`` is
   trained along. The same once for every slide, without the patches of that slide.
2. The temperature is what the slides left out ask for.
3. Scores on whole regions of other slides, for every seed. Nothing is fitted to these regions, and nothing is
   chosen by them: the first seed is bundled.

Everything follows from the seeds; on another machine results differ by rounding.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import expit, softmax

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.crf import CRFParameters
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.evaluation.evaluate import evaluate_steps
from napari_construct.events import Event, Notice, StepDone, Steps, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.reliability import reliability
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from napari_construct.models.network.calibration import Calibration, ViewsName
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.calibration.fit_calibration import macro_f1
from napari_construct.training.calibration.guard import add_guard
from napari_construct.training.calibration.labelled_logits import LabelledLogits
from napari_construct.training.calibration.recalibrate import with_calibration
from napari_construct.training.calibration.validation import MaskedImages, open_masked
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.loop.preparation import patch_groups
from napari_construct.training.loop.train import train_steps
from napari_construct.training.tools.left_out import left_out_logits_steps

BUNDLED: Final = (
    Path(__file__).resolve().parents[1] / "src/napari_construct/models/bundled/lymph-node.construct"
)

CLASSES: Final = ClassTable(
    classes=(
        TissueClass(
            name="tumour",
            prompt="Metastatic carcinoma: large cells with pale vesicular nuclei and much cytoplasm.",
            colour="#D55E00",
        ),
        TissueClass(
            name="lymphoid",
            prompt="Lymphoid tissue: small lymphocytes with dark round nuclei, vessels and stroma.",
            colour="#0072B2",
        ),
    )
)
PATCH_MPP: Final = 0.25

SLIDE: Final = "tumor_([0-9]+)_"
"""The slide in a patch's file name."""

OFFSETS: Final = np.arange(-160, 161) / 20
"""Offsets that are tried, in logits."""

TEMPERATURES: Final = np.geomspace(0.25, 8, 61)


def recipe(seed: int) -> TrainingConfig:
    """The recipe of the bundled model; what it does not name has its default."""
    return TrainingConfig(
        model=ModelConfig(encoder="lite0", prototypes_per_class=4, cam_stride=4),
        patch_mpp=PATCH_MPP,
        mpp=0.5,
        image_size=128,
        encoder_learning_rate=3e-4,
        epochs=60,
        group_pattern=SLIDE,
        augmentation=AugmentationConfig(
            grey=1.0, stain_gain=0.6, stain_offset=0.15, brightness=0.25, contrast=0.3
        ),
        seed=seed,
    )


def left_out_steps(dataset: ImageLevelDataset, config: TrainingConfig) -> Steps[LabelledLogits]:
    """What slides that a model has not seen look like to it; every fold starts with the bundled encoder."""

    def fold(part: ImageLevelDataset) -> Steps[tuple[Checkpoint, None]]:
        return (yield from train_steps(part, config, classes=CLASSES)), None

    return left_out_logits_steps(dataset, config, SLIDE, fold)


def calibrate(data: LabelledLogits) -> Calibration:
    """Temperature by the calibration error of cells, at the offset that has the best balanced accuracy.

    The offset itself is not kept: the balance of the classes is that of the network on images, and single
    patches, which is all that slides left out have, ask for another one (docs/experiments.md). Classes have
    the same say in it, within a class its slides.
    """
    margin = data.cells[:, 0] - data.cells[:, 1]
    slides, classes = data.owners[data.cell_owners], data.cell_classes

    def accuracy(offset: float) -> float:
        right = (margin + offset > 0) == (classes == 0)
        rates = [
            np.mean([right[(classes == c) & (slides == s)].mean() for s in np.unique(slides[classes == c])])
            for c in range(len(CLASSES))
        ]
        return float(np.mean(rates))

    balanced = np.array([accuracy(offset) for offset in OFFSETS])
    offset = float(OFFSETS[balanced >= balanced.max() - 1e-3].mean())

    def error(temperature: float) -> float:
        logits = (data.cells + np.array([offset / 2, -offset / 2])) / temperature
        found = reliability(softmax(logits, axis=1).T[:, None], data.cell_classes[None])
        return float(found.errors[0])

    made = Calibration(temperature=float(min(TEMPERATURES, key=error)))
    presence = macro_f1(expit(data.pooled), data.labels, (0.5,) * len(CLASSES))
    print(
        f"  left out: balanced accuracy {accuracy(0):.3f}, at {offset:+.2f} {balanced.max():.3f}; "
        f"temperature {made.temperature:.2f}, error {error(made.temperature):.3f}; presence {presence:.3f}",
        flush=True,
    )
    return made


def scores(checkpoint: Checkpoint, masked: MaskedImages) -> dict[str, Any]:
    """Scores on regions, white ignored, by number of views; each with and without dense CRF."""
    predictor = Predictor(checkpoint, "cpu")
    found: dict[str, Any] = {}
    views: tuple[ViewsName, ...] = ("one", "four")
    for name in views:
        settings = SegmentSettings(mpp=PATCH_MPP, crf=CRFParameters(), views=name)
        report = json.loads(run(evaluate_steps(masked.pairs, predictor, settings, ignore=(2,))).to_json())
        found[name] = {
            key: report[key] for key in ("predicted", "oracle", "before_crf", "presence", "calibration")
        }
        for crf, part in (("no CRF", report["before_crf"]["predicted"]), ("CRF", report["predicted"])):
            print(f"  {name}, {crf}: mIoU {part['miou']:.3f}, tumour {part['iou']['tumour']:.3f}", flush=True)
        error = report["calibration"]["predicted"]["ece"]
        print(f"  {name}: calibration error {error:.3f}, presence {report['presence']}", flush=True)
    return found


def renew_guard(dataset: ImageLevelDataset) -> None:
    """Make the guard of the bundled model again, from its patches; nothing is trained."""
    groups = patch_groups(dataset, recipe(0))
    save_checkpoint(BUNDLED, add_guard(load_checkpoint(BUNDLED), dataset, groups=groups, mpp=PATCH_MPP))


def show(event: Event) -> None:
    if isinstance(event, Notice):
        print(f"  {event.message}", flush=True)
    elif isinstance(event, StepDone) and event.done % 100 == 0:
        shown = ", ".join(f"{k} {v:.3f}" for k, v in event.losses.items())
        print(f"  step {event.done}/{event.total}: {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/{tumour,lymphoid} and val/{img,mask}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the first one is bundled")
    parser.add_argument("--output", type=Path, default=Path("lymph-node"), help="folder for all seeds")
    parser.add_argument("--dry", action="store_true", help="write nothing into the package")
    parser.add_argument("--guard", action="store_true", help="only renew the guard of the bundled model")
    options = parser.parse_args()

    dataset = load_dataset(options.data / "train", class_names=CLASSES.names)
    if options.guard:
        renew_guard(dataset)
        return
    masked = open_masked(options.data / "val", PATCH_MPP)
    calibration = calibrate(run(left_out_steps(dataset, recipe(0)), show))
    folder, rows = options.output, []
    folder.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        print(f"seed {seed}", flush=True)
        started = time.time()
        checkpoint = run(train_steps(dataset, recipe(seed), classes=CLASSES), show)
        seconds = time.time() - started
        checkpoint = with_calibration(checkpoint, calibration, left_out=SLIDE)
        save_checkpoint(folder / f"lymph-node_{seed}.construct", checkpoint)
        rows.append({"seed": seed, "seconds": seconds, **scores(checkpoint, masked)})
        (folder / "scores.json").write_text(json.dumps(rows, indent=1))
    if not options.dry:
        shutil.copyfile(folder / f"lymph-node_{options.seeds[0]}.construct", BUNDLED)


if __name__ == "__main__":
    main()
