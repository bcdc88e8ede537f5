"""Make what the package bundles: the encoder ``mini`` and the model ``lymph-node``.

    python scripts/train_mini.py ../shared/data/camelyon

1. Encoder: a convolutional network sees mosaics of CC0 patches (CAMELYON16) under changes of stain,
   colour, focus and scale, and learns from image-level labels which class each part belongs to.
2. Model: on the frozen encoder, ``train`` of this package with the teacher ``structure``.
3. Scores on whole regions of slides that were not trained on, for every seed; the first seed is bundled.

Everything follows from the seeds; on another machine results differ by rounding.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.masks import pair_by_stem
from napari_construct.encoders.mini import MPP, MiniEncoder, load_mini
from napari_construct.encoders.structure import StructureTeacher
from napari_construct.evaluation.evaluate import evaluate_steps
from napari_construct.events import Event, run
from napari_construct.inference.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoint import build_from_checkpoint, save_checkpoint
from napari_construct.models.config import ModelConfig
from napari_construct.training.augmentation import augment, centre_view
from napari_construct.training.config import AugmentationConfig, TrainingConfig
from napari_construct.training.mosaic import paste
from napari_construct.training.patches import load_patches
from napari_construct.training.trainer import train

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
            for c in encoder.spec.channels[1:]
        )
        self.score = nn.Sequential(nn.ReLU(), nn.Dropout2d(0.1), nn.Conv2d(width, n_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        _, *levels = self.encoder(images)
        size = levels[0].shape[-2:]
        parts = [
            F.interpolate(lateral(level), size, mode="bilinear", align_corners=False)
            for lateral, level in zip(self.lateral, levels, strict=True)
        ]
        scores: Tensor = self.score(torch.stack(parts).sum(0))
        return scores


def balanced_draw(dataset: ImageLevelDataset) -> np.ndarray:
    """Probability of every patch: classes alike, and within a class its slides alike."""
    slides = [path.name.split("_")[1] for path in dataset.paths]
    groups = [(slide, *label) for slide, label in zip(slides, dataset.labels.tolist(), strict=True)]
    per_class = {g[1:]: len({h for h in groups if h[1:] == g[1:]}) for g in groups}
    share = np.array([1 / groups.count(g) / per_class[g[1:]] for g in groups])
    return share / share.sum()


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
    probability, losses = balanced_draw(dataset), []

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


def save_encoder(encoder: MiniEncoder, path: Path) -> None:
    """Half precision: exact enough for features, and half the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in encoder.state_dict().items()
    }
    save_file(state, path)


def training_config(seed: int, epochs: int) -> TrainingConfig:
    """The recipe of the bundled model."""
    model = ModelConfig(
        encoder="mini", teacher="structure", prototypes_per_class=3, prototype_width=64,
        projection_hidden=64, fusion_width=64, pooling="mean",
    )  # fmt: skip
    return TrainingConfig(
        model=model, epochs=epochs, seed=seed, patch_mpp=PATCH_MPP, mpp=MPP, learning_rate=5e-3,
        augmentation=LOOK, labels_speak_of="cells",
    )  # fmt: skip


def left_out_logits(dataset: ImageLevelDataset, slide: str, steps: int, epochs: int) -> tuple[Tensor, Tensor]:
    """Difference of the calibrated logits (n, h, w), and class (n,), of patches of a slide left out."""
    slides = np.array([path.name.split("_")[1] for path in dataset.paths])
    kept, out = (
        dataset.subset(np.flatnonzero(slides != slide)),
        dataset.subset(np.flatnonzero(slides == slide)),
    )
    encoder = train_encoder(kept, 0, steps)
    checkpoint = run(
        train(kept, training_config(0, epochs), classes=CLASSES, encoder=encoder, teacher=StructureTeacher())
    )
    model = build_from_checkpoint(checkpoint, encoder).eval()
    store = run(load_patches(out, training_config(0, epochs), encoder.spec))
    with torch.inference_mode():
        images = centre_view(store.batch(range(len(store))), window=store.view.window, size=store.view.size)
        cam = model(images).cam / checkpoint.calibration.temperature
    return cam[:, 0] - cam[:, 1], torch.from_numpy(out.labels.argmax(1))


def best_offset(dataset: ImageLevelDataset, steps: int, epochs: int) -> float:
    """Offset of tumour against lymphoid with the highest balanced pixel accuracy on slides left out."""
    folds = [left_out_logits(dataset, slide, steps, epochs) for slide in ("064", "073")]
    offsets = np.arange(-3, 3.01, 0.1)

    def accuracy(offset: float) -> float:
        rates = [
            ((z + offset > 0) == (label == 0)[:, None, None])[label == i].float().mean().item()
            for z, label in folds
            for i in range(len(CLASSES))
        ]
        return float(np.mean(rates))

    scores = [accuracy(offset) for offset in offsets]
    for offset, score in zip(offsets[::5], scores[::5], strict=True):
        print(f"  offset {offset:+.1f}: balanced accuracy on slides left out {score:.3f}", flush=True)
    return float(round(offsets[int(np.argmax(scores))], 1))


def show(event: Event) -> None:
    metrics = getattr(event, "metrics", None)
    if metrics and (event.done % 10 == 0 or event.done == event.total):
        print(f"  epoch {event.done}: " + ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/{tumour,lymphoid} and val/{img,mask}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400, help="of the encoder")
    parser.add_argument("--epochs", type=int, default=30, help="of the head")
    parser.add_argument("--json", type=Path, default=Path("mini_scores.json"))
    parser.add_argument("--dry", action="store_true", help="write nothing into the package")
    options = parser.parse_args()

    dataset = load_dataset(options.data / "train", class_names=CLASSES.names)
    pairs = pair_by_stem(options.data / "val" / "img", options.data / "val" / "mask")
    rows = []
    offset = best_offset(dataset, options.steps, options.epochs)
    print(f"offset {offset:+.1f}", flush=True)
    for seed in options.seeds:
        started = time.time()
        print(f"seed {seed}", flush=True)
        encoder = train_encoder(dataset, seed, options.steps)
        bundle = seed == options.seeds[0] and not options.dry
        weights = WEIGHTS if bundle else options.json.with_name(f"mini_{seed}.safetensors")
        save_encoder(encoder, weights)
        encoder = load_mini(weights)
        checkpoint = run(
            train(dataset, training_config(seed, options.epochs), classes=CLASSES, encoder=encoder,
                  teacher=StructureTeacher()),
            show,
        )  # fmt: skip
        calibration = checkpoint.calibration.model_copy(update={"class_offsets": (offset / 2, -offset / 2)})
        checkpoint = replace(checkpoint, calibration=calibration)
        row = {"seed": seed, "offset": offset, "seconds": time.time() - started}
        predictor = Predictor(checkpoint, "cpu", encoder=encoder)
        for name, settings in (
            ("crf", SegmentSettings(mpp=PATCH_MPP)),
            ("no_crf", SegmentSettings(mpp=PATCH_MPP, crf=None)),
        ):
            report = run(evaluate_steps(pairs, predictor, settings, ignore=(2,)))
            row[name] = json.loads(report.to_json())
            print(f"  {name}: {row[name]['predicted']}", flush=True)
        rows.append(row)
        path = BUNDLED if bundle else options.json.with_name(f"lymph-node_{seed}.construct")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, checkpoint)
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
