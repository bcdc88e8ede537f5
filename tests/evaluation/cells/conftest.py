"""Students of a few steps on small phantoms, their teacher and their baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.crossmodal.distil import distil
from napari_construct.crossmodal.phantom import PhantomDataset
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.inference.cells.settings import CellSettings

CONFIG = DistilConfig(student="mobilenet_v3", steps=3, batch_size=2, patch=32, truth_images=2)

SETTINGS = CellSettings(channel=0, threshold=0.45, seed_threshold=0.0, min_area=0)
"""Some cells, also of students that have hardly learned."""


@dataclass(frozen=True)
class Trained:
    """Files of models."""

    teacher: Path
    seeds: tuple[Path, Path]
    baseline: Path
    shorter: Path


@pytest.fixture(scope="session")
def phantoms() -> PhantomDataset:
    """Six images that nothing was trained on."""
    return PhantomDataset(range(1000, 1006), (64, 64))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, images = tmp_path_factory.mktemp("students"), PhantomDataset(4, (64, 64))
    teacher = folder / "both.construct"
    distil(images, None, CONFIG.changed(channels=(0, 1), terms=NO_KD, truth_images=None), output=teacher)
    loaded = load_teacher(teacher)
    seeds = (folder / "kd-seed0.construct", folder / "kd-seed1.construct")
    for seed, path in enumerate(seeds):
        distil(images, loaded, CONFIG.changed(seed=seed), output=path)
    baseline, shorter = folder / "plain.construct", folder / "shorter.construct"
    distil(images, None, CONFIG.changed(terms=NO_KD), output=baseline)
    distil(images, None, CONFIG.changed(terms=NO_KD, steps=1), output=shorter)
    return Trained(teacher, seeds, baseline, shorter)
