"""CAMs of a few images during a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.data.masks import find_pairs
from napari_construct.events import Event, Steps, as_part
from napari_construct.types import RGBImage
from napari_construct.widgets.runs.pictures import COUNT, Preview, PreviewsDone, middle, spread

if TYPE_CHECKING:  # loads torch
    from napari_construct.encoders.protocol import Encoder

_STRENGTH: Final = 0.7


def preview_files(
    dataset: ImageLevelDataset, val: ImageLevelDataset | Path | None, count: int = COUNT
) -> tuple[Path, ...]:
    """A few files of the validation data, or of the training patches if there are none."""
    if isinstance(val, Path):
        return spread([image for image, _ in find_pairs(val, inside=("",))], count)
    patches = dataset if val is None else val
    per_class = [spread([p for p, on in zip(patches.paths, column, strict=True) if on], count)
                 for column in np.asarray(patches.labels).T]  # fmt: skip
    turns = [files[i] for i in range(count) for files in per_class if i < len(files)]
    return tuple(dict.fromkeys(turns))[:count]


def preview_steps(
    files: Sequence[Path],
    checkpoint: Path,
    device: str,
    mpp: float | None,
    epoch: int,
    encoder: Encoder | None = None,
) -> Steps[PreviewsDone]:
    """CAMs of files with a checkpoint on disk; one event per file.

    Parameters
    ----------
    files : sequence of Path
        The images.
    checkpoint : Path
        The model.
    device : str
        The device of the model.
    mpp : float or None
        Micrometres per pixel of images without a pixel size.
    epoch : int
        The epoch of the checkpoint.
    encoder : Encoder, optional
        The frozen encoder of the run, so that it is in memory only once.
    """
    from napari_construct.inference.activation.cams import cam_steps
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.decision.decider import finish
    from napari_construct.inference.settings import SegmentSettings
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint

    predictor = Predictor(load_checkpoint(checkpoint), device, encoder=encoder)
    previews = []
    for done, path in enumerate(files):
        yield Event("previews", done, len(files), path.name)
        image = read_image(path)
        pixels = np.ascontiguousarray(image.pixels[middle(image.pixels.shape)])
        settings = SegmentSettings(crf=None, mpp=image.mpp or mpp)
        looked = cam_steps(pixels, predictor, settings, name=path.name)
        # without notices: the run has shown them
        activation = yield from as_part(looked, Event("previews", done, len(files)))
        cams = finish(activation, predictor, settings).cams
        previews.append(Preview(path.name, pixels, drawn_over(pixels, cams, predictor.classes)))
    return PreviewsDone("previews", len(files), len(files), epoch=epoch, previews=tuple(previews))


def drawn_over(image: RGBImage, cams: NDArray[np.float32], classes: ClassTable) -> RGBImage:
    """CAMs (k, h, w) in [0, 1] over an image: the strongest class colours a pixel, as strongly as its CAM."""
    colours = np.array([tissue.rgb for tissue in classes], dtype=np.float32)
    strongest, height = cams.argmax(0), _STRENGTH * cams.max(0)[..., None]
    mixed: RGBImage = (image * (1 - height) + colours[strongest] * height).round().astype(np.uint8)
    return mixed
