"""Patches ready for a step: decoded once where they fit into memory, read again where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.resample import resample_image
from napari_construct.training.config.config import TrainingConfig
from napari_construct.types import RGBImage


@dataclass(frozen=True, slots=True)
class PatchView:
    """How a patch is shown to the network.

    Attributes
    ----------
    side : tuple of int
        Rows and columns of a patch after shrinking; others are fitted to it.
    shrink : float
        Factor at which patches are resampled when they are read, at most 1. Enlarging is left to the
        augmentation, so that memory holds no interpolated pixels.
    window : float
        Side of the square that a view shows, in pixels of the shrunk patch.
    size : int
        Side of the network's input in pixels.
    mpp : float or None
        Micrometres per pixel of the network's input, where known.
    keeps_scale : bool
        Whether patches of another size are cut or padded (resolution known) or resized (unknown).
    """

    side: tuple[int, int]
    shrink: float
    window: float
    size: int
    mpp: float | None
    keeps_scale: bool

    @property
    def scale(self) -> float:
        """Pixels of the network's input for one of the patch on disk."""
        return self.size / (self.window / self.shrink)

    @property
    def enlarged(self) -> float:
        """Pixels of the network's input for one of the shrunk patch, at least about 1."""
        return self.size / self.window

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know: a magnification that no later image can be given."""
        if self.mpp is not None or abs(self.scale - 1) < 0.05:
            return ()
        text = (
            f"patches are rescaled by {self.scale:.2g}, and images to segment will be, too; give their "
            "pixel size (--mpp) if their resolution differs from that of the patches"
        )
        return (text,)


def plan_view(config: TrainingConfig, spec: EncoderSpec, patch: tuple[int, int]) -> PatchView:
    """Decide what the network sees of patches of ``patch`` rows and columns.

    Raises
    ------
    ConfigurationError
        If no multiple of what the encoder needs fits.
    """
    mpp = config.mpp
    if mpp is None and config.image_size is None and config.patch_mpp is not None:
        mpp = spec.mpp
    if mpp is not None and config.patch_mpp is None:
        raise ConfigurationError(
            f"expected patch_mpp (micrometres per pixel of the patches) beside mpp {mpp:g}, got none; "
            "give both"
        )
    least = min(patch)
    if mpp is None or config.patch_mpp is None:
        size = config.image_size or _down(least, spec.multiple)
        _check_size(size, spec, least)
        mpp = None if config.patch_mpp is None else config.patch_mpp * least / size
        scale, shown = size / least, float(least)
    else:
        scale = config.patch_mpp / mpp
        size = min(config.image_size or 4096, _down(round(least * scale), spec.multiple))
        _check_size(size, spec, round(least * scale))
        shown = min(size / scale, float(least))
    shrink = min(scale, 1.0)
    side = (max(round(patch[0] * shrink), 1), max(round(patch[1] * shrink), 1))
    return PatchView(
        side, shrink, min(shown * shrink, float(min(side))), size, mpp, config.patch_mpp is not None
    )


def _check_size(size: int, spec: EncoderSpec, pixels: int) -> None:
    if size < spec.multiple or size % spec.multiple:
        raise ConfigurationError(
            f"expected an input size that is a multiple of {spec.multiple} pixels for the encoder {spec.id}, "
            f"got {size} for patches of {pixels}; set image_size, or use larger patches"
        )


def _down(length: int, multiple: int) -> int:
    return length // multiple * multiple


class PatchStore:
    """Patches by index, as raw RGB of one size.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    view : PatchView
        What is shown of them.
    kept : sequence of ndarray or None
        All patches, shrunk; None reads files when they are asked for.
    workers : int
        Threads that read.
    """

    def __init__(
        self, paths: Sequence[Path], view: PatchView, kept: Sequence[RGBImage] | None = None, workers: int = 0
    ) -> None:
        self.paths, self.view, self._kept = tuple(paths), view, kept
        self._workers = max(workers, 1)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def in_memory(self) -> bool:
        return self._kept is not None

    def batch(
        self, indices: Sequence[int], generator: torch.Generator | None = None
    ) -> UInt8[Tensor, "b h w 3"]:
        """Patches at ``indices``; larger ones are cut at random, or in the centre without a generator."""
        if self._kept is not None:
            images = [self._kept[i] for i in indices]
        elif self._workers == 1:
            images = [read_patch(self.paths[i], self.view) for i in indices]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                images = list(pool.map(lambda i: read_patch(self.paths[i], self.view), indices))
        place = None if generator is None else torch.rand((len(indices), 2), generator=generator).tolist()
        cut = [
            cut_to(image, self.view.side, (0.5, 0.5) if place is None else (place[n][0], place[n][1]))
            for n, image in enumerate(images)
        ]
        return torch.from_numpy(np.stack(cut))


def load_patches(
    dataset: ImageLevelDataset, config: TrainingConfig, spec: EncoderSpec, view: PatchView | None = None
) -> Steps[PatchStore]:
    """Plan the view and read the patches, if they fit into ``config.memory_limit_mb``; yields as it reads.

    ``view`` is given for validation patches, which are shown as the training patches are.

    Raises
    ------
    InputError
        Naming the first file that cannot be read.
    """
    view = view or plan_view(config, spec, usual_size(dataset.paths))
    if len(dataset) * view.side[0] * view.side[1] * 3 > config.memory_limit_mb * 1e6:
        yield Event("read", len(dataset), len(dataset), "patches are read from disk in every epoch")
        return PatchStore(dataset.paths, view, workers=config.num_workers)
    kept: list[RGBImage] = []
    for path in dataset.paths:
        kept.append(read_patch(path, view))
        if len(kept) % 50 == 0 or len(kept) == len(dataset):
            yield Event("read", len(kept), len(dataset), path.name)
    return PatchStore(dataset.paths, view, kept)


def usual_size(paths: Sequence[Path], look_at: int = 25) -> tuple[int, int]:
    """Most frequent rows and columns among some patches spread over all of them."""
    step = max(1, len(paths) // look_at)
    shapes = (read_image(path).pixels.shape for path in paths[::step])
    return Counter((shape[0], shape[1]) for shape in shapes).most_common(1)[0][0]


def read_patch(path: Path, view: PatchView) -> RGBImage:
    """A patch shrunk to the network's resolution, at least as large as ``view.side``."""
    pixels = read_image(path).pixels
    if not view.keeps_scale:
        return resample_image(pixels, view.side)
    shape = (max(round(pixels.shape[0] * view.shrink), 1), max(round(pixels.shape[1] * view.shrink), 1))
    return pad_to(resample_image(pixels, shape), view.side)


def pad_to(image: RGBImage, side: tuple[int, int]) -> RGBImage:
    """Mirror an image at its lower and right border until it has at least ``side`` rows and columns."""
    below, right = max(side[0] - image.shape[0], 0), max(side[1] - image.shape[1], 0)
    if not below and not right:
        return image
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="symmetric")


def cut_to(image: RGBImage, side: tuple[int, int], place: tuple[float, float]) -> RGBImage:
    """Rows and columns ``side`` of an image; ``place`` from 0 (upper left) to 1 (lower right)."""
    top = min(int((image.shape[0] - side[0] + 1) * place[0]), image.shape[0] - side[0])
    left = min(int((image.shape[1] - side[1] + 1) * place[1]), image.shape[1] - side[1])
    return image[top : top + side[0], left : left + side[1]]
