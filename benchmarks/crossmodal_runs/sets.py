"""The sets of benchmarks/crossmodal.py: which images train, which are scored, what they are compared with."""

from __future__ import annotations

import hashlib
import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from crossmodal_runs.blocks import Blocks, quadrants
from numpy.typing import NDArray

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.crossmodal.distil import distil
from napari_construct.crossmodal.phantom import PhantomDataset
from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.open_cells import open_cells
from napari_construct.data.cells.split import split_groups
from napari_construct.data.cells.subset import subset
from napari_construct.data.channels.read import read_channels
from napari_construct.training.loop.identity import state_path

TEACHER_SEEDS, TEST_SEEDS = 100_000, 1_000_000
"""First seeds of the phantoms that train the teacher and of those that are scored; students have 0, 1, ..."""


@dataclass(frozen=True)
class Fold:
    """Images that train, and images that are scored."""

    name: str
    train: CellDataset
    test: CellDataset


@dataclass(frozen=True)
class CellSet:
    """One set with its teacher.

    ``reference`` says what scores compare with, ``taught_by`` what the teacher is and which labels it saw;
    ``setup`` holds all numbers that define the set.
    """

    name: str
    folds: tuple[Fold, ...]
    reference: str
    taught_by: str
    teacher: Callable[[Fold], Teacher]
    setup: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    teacher_channels: tuple[int, ...] = ()


def phantom_set(options: Namespace) -> CellSet:
    """Phantoms: the teacher sees both channels and is trained on phantoms of its own."""
    shape = (options.size, options.size)
    train = PhantomDataset(options.images, shape)
    test = PhantomDataset(range(TEST_SEEDS, TEST_SEEDS + options.test_images), shape)
    own = PhantomDataset(range(TEACHER_SEEDS, TEACHER_SEEDS + options.teacher_images), shape)
    config = _teacher_config(options, channels=(0, 1))
    return CellSet(
        "phantom",
        (Fold("all", train, test),),
        "cells of the formula",
        f"our U-Net ({config.student}) on both channels, trained on the cells of {len(own)} other phantoms",
        lambda _: _own_teacher(own, config, options.work),
        {"images": options.images, "test_images": options.test_images, "size": options.size}
        | {"teacher_images": options.teacher_images, "teacher": config.model_dump(mode="json")},
        {"channels": (0,)},
        {"channel": 0},
    )


def nuclei_set(options: Namespace) -> CellSet:
    """Nuclei of BBBC038: one channel, split by image; the teacher is trained on the same images."""
    whole = open_cells(options.path)
    train, test = split_groups(whole, options.test_share, 0)
    fold = Fold("split", subset(whole, train), subset(whole, test))
    config = _teacher_config(options, channels=(0,))
    return CellSet(
        "nuclei",
        (fold,),
        "drawn nuclei",
        f"our U-Net ({config.student}) on the same channel, on drawn nuclei of the same {len(train)} images",
        lambda fold: _own_teacher(fold.train, config, options.work),
        {
            "data": whole.fingerprint,
            "test_share": options.test_share,
            "teacher": config.model_dump(mode="json"),
        },
        {"channels": (0,)},
        {"channel": 0},
    )


def cellsam_set(options: Namespace) -> CellSet:
    """One picture of TissueNet's channels; everything is compared with the stored output of CellSAM."""
    image = read_channels(options.path / "tissuenet.png")
    cells = np.load(options.path / "tissuenet_pred.npy", allow_pickle=False).astype(np.int32)
    return _blocks("cellsam", image.pixels[1:], ("nuclear", "membrane"), cells, options, 0.5, "CellSAM", 0)


def multiplex_set(options: Namespace) -> CellSet:
    """One MIBI field; everything is compared with the cells that come with it, a model's output."""
    image = read_channels(next(iter(sorted(options.path.glob("fov8_*.ome.tif")))))
    cells = tifffile.imread(options.path / "fov8_cells.tif").astype(np.int32)
    by = "the model that made fov8_cells.tif"
    return _blocks("multiplex", image.pixels, image.names, cells, options, image.mpp, by, 0)


def imc_set(options: Namespace) -> CellSet:
    """15 regions of mass cytometry: ilastik's probabilities teach, the pipeline's masks are the reference."""
    whole = open_cells(options.path, mpp=1.0, group_pattern=r".*_(mockData\d+)_")
    groups = np.array(whole.groups)
    folds = tuple(
        Fold(name, subset(whole, groups != name), subset(whole, groups == name))
        for name in sorted(set(groups))
    )
    maps = options.path / "ilastik_probabilities"
    return CellSet(
        "imc",
        folds,
        "masks of the pipeline that used the same probabilities",
        "ilastik's stored probabilities, nucleus + cytoplasm",
        lambda _: load_teacher(maps, foreground=(0, 1)),
        {"data": whole.fingerprint},
        {"channels": (4,)},
        {"channel": 4, "min_area": 5},
    )


def _blocks(
    name: str,
    channels: NDArray[Any],
    names: tuple[str, ...],
    cells: NDArray[np.int32],
    options: Namespace,
    mpp: float | None,
    by: str,
    student: int,
) -> CellSet:
    """Blocks of one picture; a quadrant is left out at a time, with a gap around it."""
    whole = Blocks(channels, names, cells, options.grid, options.gap, mpp)
    quarter = quadrants(options.grid)
    folds = tuple(
        Fold(f"quadrant {q}", subset(whole, quarter != q), subset(whole, quarter == q)) for q in range(4)
    )
    key = hashlib.sha256(f"{name} {whole.fingerprint}".encode()).hexdigest()[:12]
    folder = options.work / f"outputs-{name}-{key}"
    return CellSet(
        name,
        folds,
        f"the stored output of {by}, which is also the teacher: nobody drew these cells",
        f"the stored output of {by}",
        lambda _: load_teacher(_stored(whole, folder), content="labels"),
        {"data": whole.fingerprint, "grid": options.grid, "gap": options.gap},
        {"channels": (student,)},
        {"channel": student},
    )


def _stored(whole: Blocks, folder: Path) -> Path:
    """The outputs of all blocks as files, as a user would have them."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(whole.names):
        path = folder / f"{name}.npy"
        if not path.exists():
            np.save(path, whole.load(i).truth)
    return folder


def _teacher_config(options: Namespace, channels: tuple[int, ...]) -> DistilConfig:
    return DistilConfig(
        student=options.teacher_student,
        channels=channels,
        terms=NO_KD,
        steps=options.teacher_steps,
        patch=options.patch,
        batch_size=options.batch_size,
    )


def _own_teacher(dataset: CellDataset, config: DistilConfig, work: Path) -> Teacher:
    """Our teacher, trained once for a set and its settings."""
    key = hashlib.sha256(f"{dataset.fingerprint} {config.model_dump_json()}".encode()).hexdigest()[:12]
    path = work / f"teacher-{re.sub(r'[^a-z0-9]', '', config.student)}-{key}.construct"
    work.mkdir(parents=True, exist_ok=True)
    distil(dataset, None, config, output=path, resume=path.exists() or state_path(path).exists())
    return load_teacher(path)
