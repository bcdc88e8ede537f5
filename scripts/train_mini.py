"""Make the bundled encoder ``mini``, which models of earlier versions need.

    python scripts/train_mini.py ../shared/data/camelyon

A convolutional network sees mosaics of CC0 patches (CAMELYON16) under changes of stain, colour, focus and
scale, and learns from image-level labels which class each part belongs to. The bundled weights are those of
seed 1. Everything follows from the seed; on another machine results differ by rounding.

Models refer to the encoder by the hash of its weights: other weights need another name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.splits import group_names
from napari_construct.encoders.networks.mini import MiniEncoder
from napari_construct.events import run
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.views.augmentation import augment
from napari_construct.training.views.mosaic import paste
from napari_construct.training.views.patches import load_patches
from napari_construct.training.views.sampling import balanced_probabilities

CLASSES = ("tumour", "lymphoid")
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


def save_encoder(encoder: MiniEncoder, path: Path) -> None:
    """Half precision: exact enough for features, and half the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = encoder.state_dict()
    save_file({n: v.half() if v.is_floating_point() else v for n, v in state.items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/{tumour,lymphoid}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--output", type=Path, default=Path("mini.safetensors"), help="file of the weights")
    options = parser.parse_args()
    dataset = load_dataset(options.data / "train", class_names=CLASSES)
    save_encoder(train_encoder(dataset, options.seed, options.steps), options.output)


if __name__ == "__main__":
    main()
