"""Make what the package bundles: the encoder ``mini`` and the model ``lymph-node``.

    python scripts/train_mini.py ../shared/data/camelyon

1. Encoder: a convolutional network sees mosaics of CC0 patches (CAMELYON16) under changes of stain,
   colour, focus and scale, and learns from image-level labels which class each part belongs to.
2. Model: on the frozen encoder, ``train`` of this package with the teacher ``structure``.
3. Both again with one slide left out after the other. Temperature, class offsets and presence
   thresholds are what slides that a model has not seen ask for: those left out, and the validation regions.
4. Scores on whole regions of slides that were not trained on, for every seed. The seed with the highest
   balanced accuracy in step 3 is bundled.

Everything follows from the seeds; on another machine results differ by rounding.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.crf import CRFParameters
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.splits import group_names
from napari_construct.encoders.networks.mini import MPP, MiniEncoder, load_mini
from napari_construct.encoders.networks.structure import StructureTeacher
from napari_construct.evaluation.evaluate import evaluate_steps
from napari_construct.events import Event, Notice, Steps, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint, save_checkpoint
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.calibration.fit_calibration import fit_calibration
from napari_construct.training.calibration.labelled_logits import LabelledLogits, join
from napari_construct.training.calibration.recalibrate import masked_logits_steps, with_calibration
from napari_construct.training.calibration.validation import open_masked
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.tools.left_out import left_out_logits_steps
from napari_construct.training.views.augmentation import augment
from napari_construct.training.views.mosaic import paste
from napari_construct.training.views.patches import load_patches
from napari_construct.training.views.sampling import balanced_probabilities

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "napari_construct"
WEIGHTS = PACKAGE / "encoders" / "weights" / "mini.safetensors"
BUNDLED = PACKAGE / "models" / "bundled" / "lymph-node.construct"

CLASSES = ClassTable(
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
PATCH_MPP = 0.25
LOOK = AugmentationConfig(
    crop_area=(0.36, 1.0), aspect=1.1, brightness=0.15, contrast=0.2, stain_gain=0.35, stain_offset=0.06
)


SLIDE = "tumor_([0-9]+)_"
"""The slide in a patch's file name."""

AVERAGE_FROM = 0.3
"""Share of the steps after which weights are averaged over all steps: averages generalise to other
slides better than any single step (Cha et al. 2021, SWAD)."""


class DenseClassifier(nn.Module):
    """Sum of 1x1 projections of all levels at stride 8, then one score per class; thrown away later."""

    def __init__(self, encoder: MiniEncoder, n_classes: int, width: int = 64) -> None:
        super().__init__()
        self.encoder = encoder
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width))
            for c in encoder.spec.channels
        )
        self.score = nn.Sequential(nn.ReLU(), nn.Dropout2d(0.1), nn.Conv2d(width, n_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        finest, *levels = self.encoder(images)
        size = levels[0].shape[-2:]
        parts = [
            F.interpolate(lateral(level), size, mode="bilinear", align_corners=False)
            for lateral, level in zip(
                self.lateral, (F.adaptive_avg_pool2d(finest, size), *levels), strict=True
            )
        ]
        scores: Tensor = self.score(torch.stack(parts).sum(0))
        return scores


def train_encoder(dataset: ImageLevelDataset, seed: int, steps: int, size: int = 96) -> MiniEncoder:
    """Image-level labels, mosaics, and every look a slide could have."""
    torch.manual_seed(seed)
    network = DenseClassifier(MiniEncoder(), len(CLASSES)).to(memory_format=torch.channels_last)
    spec = network.encoder.spec
    patches = run(load_patches(dataset, TrainingConfig(patch_mpp=PATCH_MPP), spec))
    labels = torch.from_numpy(dataset.labels.argmax(1))
    average = AveragedModel(network, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 0.1, total_iters=steps // 10)
    generator, draw = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    probability, losses = balanced_probabilities(dataset.labels, group_names(dataset.names, SLIDE)), []

    def batch() -> tuple[Tensor, Tensor]:
        indices = draw.choice(len(dataset), 16, p=probability)
        images = augment(
            patches.batch(indices.tolist()), LOOK, window=size * 1.25, size=size, generator=generator
        )
        images, pasted, partner = paste(images, LOOK.mosaic, generator)
        own = labels[indices]
        truth = torch.where(pasted, own[partner][:, None, None], own[:, None, None])[:, 4::8, 4::8]
        return images.contiguous(memory_format=torch.channels_last), truth

    network.train()
    for step in range(steps):
        images, truth = batch()
        scores = network(images)
        cells = F.cross_entropy(scores, truth, reduction="none")
        loss = torch.stack([cells[truth == i].mean() for i in truth.unique()]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= steps * AVERAGE_FROM:
            average.update_parameters(network)
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"  encoder step {step + 1}/{steps}: loss {np.mean(losses[-50:]):.3f}", flush=True)
    update_bn((batch()[0] for _ in range(30)), average)
    encoder: MiniEncoder = average.module.encoder
    return encoder.to(memory_format=torch.contiguous_format).eval()


def recipe(seed: int, epochs: int) -> TrainingConfig:
    """The recipe of the bundled model."""
    model = ModelConfig(
        encoder="mini", teacher="structure", prototypes_per_class=3, prototype_width=64,
        projection_hidden=64, fusion_width=64, pooling="strongest",
    )  # fmt: skip
    return TrainingConfig(
        model=model, epochs=epochs, seed=seed, patch_mpp=PATCH_MPP, mpp=MPP, image_size=96,
        learning_rate=5e-3, encoder_learning_rate=None, weight_decay=0.02, schedule="constant", warm_up=0.1,
        average_from=0.3,
        augmentation=LOOK, label_target="cells", sampling="label_sets", group_pattern=SLIDE,
        validate_every=epochs,
    )  # fmt: skip


def fit(dataset: ImageLevelDataset, encoder: MiniEncoder, config: TrainingConfig) -> Steps[Checkpoint]:
    """Train the head on the frozen encoder."""
    return train_steps(dataset, config, classes=CLASSES, encoder=encoder, teacher=StructureTeacher())


def left_out(dataset: ImageLevelDataset, steps: int, epochs: int) -> LabelledLogits:
    """What slides that neither encoder nor head have seen look like to them."""
    config = recipe(0, epochs)

    def fold(part: ImageLevelDataset) -> Steps[tuple[Checkpoint, MiniEncoder]]:
        encoder = train_encoder(part, 0, steps)
        return (yield from fit(part, encoder, config)), encoder

    return run(left_out_logits_steps(dataset, config, SLIDE, fold), show)


def calibrate(data: LabelledLogits) -> tuple[Calibration, float]:
    """Temperature and presence thresholds by likelihood; the offset by balanced accuracy, which is returned.

    Few cells that are wrong with confidence decide the likelihood of an offset; what counts here is how
    many cells fall on the right side. Classes have the same say, within a class its slides.
    """
    found = fit_calibration(data)
    margin = (data.cells[:, 0] - data.cells[:, 1]) / found.temperature
    slides, classes = data.owners[data.cell_owners], data.cell_classes
    offsets = np.arange(-3, 3.01, 0.1)

    def accuracy(offset: float) -> float:
        right = (margin + offset > 0) == (classes == 0)
        rates = [
            np.mean([right[(classes == c) & (slides == s)].mean() for s in np.unique(slides[classes == c])])
            for c in range(len(CLASSES))
        ]
        return float(np.mean(rates))

    scores = np.array([accuracy(offset) for offset in offsets])
    best = float(offsets[scores >= scores.max() - 1e-3].mean())
    for offset, score in zip(offsets[::5], scores[::5], strict=True):
        print(f"  offset {offset:+.1f}: balanced accuracy {score:.3f}", flush=True)
    return found.model_copy(update={"class_offsets": (best / 2, -best / 2)}), float(scores.max())


def save_encoder(encoder: MiniEncoder, path: Path) -> None:
    """Half precision: exact enough for features, and half the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = encoder.state_dict()
    save_file({n: v.half() if v.is_floating_point() else v for n, v in state.items()}, path)


def show(event: Event) -> None:
    if isinstance(event, Notice):
        print(f"  {event.message}", flush=True)
    losses = getattr(event, "losses", None)
    if losses and (event.done % 100 == 0 or event.done == event.total):
        shown = ", ".join(f"{k} {v:.3f}" for k, v in losses.items())
        print(f"  step {event.done}/{event.total}: {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/{tumour,lymphoid} and val/{img,mask}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400, help="of the encoder")
    parser.add_argument("--epochs", type=int, default=30, help="of the head")
    parser.add_argument("--output", type=Path, default=Path("mini"), help="folder for all seeds")
    parser.add_argument("--dry", action="store_true", help="write nothing into the package")
    options = parser.parse_args()

    dataset = load_dataset(options.data / "train", class_names=CLASSES.names)
    masked = open_masked(options.data / "val", PATCH_MPP)
    slides = left_out(dataset, options.steps, options.epochs)
    folder, rows = options.output, []
    folder.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        started = time.time()
        print(f"seed {seed}", flush=True)
        weights = folder / f"mini_{seed}.safetensors"
        save_encoder(train_encoder(dataset, seed, options.steps), weights)
        encoder = load_mini(weights)
        checkpoint = run(fit(dataset, encoder, recipe(seed, options.epochs)), show)
        regions = run(masked_logits_steps(masked, Predictor(checkpoint, "cpu", encoder=encoder)))
        calibration, accuracy = calibrate(join([slides, regions]))
        print(f"  {calibration}", flush=True)
        checkpoint = with_calibration(checkpoint, calibration, left_out=SLIDE, regions=len(masked.pairs))
        save_checkpoint(folder / f"lymph-node_{seed}.construct", checkpoint)
        row = {"seed": seed, "balanced_accuracy": accuracy, "seconds": time.time() - started}
        predictor = Predictor(checkpoint, "cpu", encoder=encoder)
        for name, settings in (
            ("crf", SegmentSettings(mpp=PATCH_MPP, crf=CRFParameters())),
            ("no_crf", SegmentSettings(mpp=PATCH_MPP, crf=None)),
        ):
            report = run(evaluate_steps(masked.pairs, predictor, settings, ignore=(2,)))
            row[name] = json.loads(report.to_json())
            for column in ("predicted", "oracle"):
                print(f"  {name} {column}: {row[name][column]}", flush=True)
        rows.append(row)
        (folder / "scores.json").write_text(json.dumps(rows, indent=1))
    chosen = max(rows, key=lambda row: row["balanced_accuracy"])["seed"]
    print(f"bundled: seed {chosen}" if not options.dry else f"best: seed {chosen}", flush=True)
    if not options.dry:
        for source, target in (
            (f"mini_{chosen}.safetensors", WEIGHTS),
            (f"lymph-node_{chosen}.construct", BUNDLED),
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / source, target)


if __name__ == "__main__":
    main()
