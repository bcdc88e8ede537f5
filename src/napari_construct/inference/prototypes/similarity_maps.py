"""Similarity of every place of an image to each prototype, and the prototype that decides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_construct.classes import ClassTable
from napari_construct.data.inputs import ImageInput, as_image
from napari_construct.events import Progress, Steps, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import prepare_image
from napari_construct.inference.activation.resample import sample_maps
from napari_construct.inference.activation.stitched_maps import stitched_maps
from napari_construct.inference.decision.record import image_hash, model_record
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.prototypes.names import Prototype, find_prototype, prototypes_of
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.types import FloatArray, PathLike, RGBImage, ShortRepr

_BAND: Final = 256


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrototypeMaps(ShortRepr):
    """Similarities of an image on the network's own grid; any of them at the image's pixels.

    Attributes
    ----------
    similarity : ndarray
        (n, gh, gw) float32, cosines from -1 to 1.
    prototypes : tuple of Prototype
        The n of them.
    classes : ClassTable
        Of the model.
    gain : float
        Factor from a cosine to a calibrated logit.
    shift : ndarray
        (n,) float32 added to it: what calibration and placing say of each prototype.
    shape : tuple of int
        Rows and columns of the image.
    cells : tuple of float
        Extent of the image in cells of the grid.
    mpp : float or None
        Micrometres per pixel of the image.
    align_corners : bool
        How the grid lies on the pixels; the released code's way for models of its preset.
    notices : tuple of str
        What the user should know.
    record : mapping
        Model, settings, input.
    """

    similarity: FloatArray
    prototypes: tuple[Prototype, ...]
    classes: ClassTable
    gain: float
    shift: FloatArray
    shape: tuple[int, int]
    cells: tuple[float, float]
    mpp: float | None = None
    align_corners: bool = False
    notices: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> FloatArray:
        """(h, w) similarity to a prototype, by name; the first for an empty name."""
        index = find_prototype(self.prototypes, name).index
        only: FloatArray = self._sampled(slice(index, index + 1))[0]
        return only

    def everything(self) -> FloatArray:
        """(n, h, w) similarity to every prototype."""
        return self._sampled(slice(None))

    def limits(self) -> tuple[float, float]:
        """Lowest and highest similarity, the same for all maps so that they can be compared."""
        return float(self.similarity.min()), float(self.similarity.max())

    def at(self, row: int, column: int) -> tuple[Prototype, FloatArray]:
        """The prototype that decides a pixel, and the pixel's (n,) similarities."""
        window = (slice(row, row + 1), slice(column, column + 1))
        found: FloatArray = self._sampled(slice(None), window)[:, 0, 0]
        return self.prototypes[int(np.argmax(self.gain * found + self.shift))], found

    def deciding(self) -> npt.NDArray[np.uint8]:
        """(h, w) uint8: ``i + 1`` where prototype ``i`` decides, before presence, glass and CRF."""
        out = np.empty(self.shape, dtype=np.uint8)
        for start in range(0, self.shape[0], _BAND):
            rows = slice(start, min(start + _BAND, self.shape[0]))
            part = self._sampled(slice(None), (rows, slice(0, self.shape[1])))
            out[rows] = np.argmax(self.gain * part + self.shift[:, None, None], axis=0) + 1
        return out

    def _sampled(self, which: slice, window: tuple[slice, slice] | None = None) -> FloatArray:
        return sample_maps(
            self.similarity[which], self.shape, self.cells, align_corners=self.align_corners, window=window
        )


def prototype_maps(
    image: ImageInput,
    model: PathLike | Predictor,
    settings: PrototypeSettings | None = None,
    *,
    mpp: float | None = None,
    name: str | None = None,
    device: str | None = None,
    progress: Progress = None,
) -> PrototypeMaps:
    """Compare an image with every prototype of a model.

    Parameters
    ----------
    image : path or array
        As of :func:`~napari_construct.inference.segment.segment`.
    model : str, path or Predictor
        A model of the first stage.
    settings : PrototypeSettings, optional
        ``tile``, ``overlap`` and ``mpp`` are read.
    mpp, name, device, progress
        As of :func:`~napari_construct.inference.segment.segment`.

    Returns
    -------
    PrototypeMaps
        ``maps.of("tumour 1")`` is the similarity at every pixel.

    Raises
    ------
    InputError
        If the image cannot be used.
    ConfigurationError
        If the model has no prototypes.
    """
    settings = settings or PrototypeSettings()
    opened = as_image(image, name)
    steps = prototype_steps(
        opened.pixels,
        predictor_of(model, device),
        settings,
        mpp=opened.mpp if mpp is None else mpp,
        name=name or opened.path.name,
    )
    return run(steps, progress)


def prototype_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: PrototypeSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[PrototypeMaps]:
    """:func:`prototype_maps` of pixels as a job.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    predictor : Predictor
        A model of the first stage.
    settings : PrototypeSettings, optional
        ``tile``, ``overlap`` and ``mpp`` are read.
    mpp : float, optional
        Micrometres per pixel of the file or layer; ``settings.mpp`` overrides it.
    name : str
        What events and errors call the image.

    Yields
    ------
    Event
        Stage "tiles", one per batch of tiles; a ``Notice`` when the image is resampled.

    Raises
    ------
    InputError
        If the image cannot be used.
    ConfigurationError
        If the model has no prototypes.
    """
    settings = settings or PrototypeSettings()
    prototypes = prototypes_of(predictor.checkpoint)
    find_prototype(prototypes, settings.prototype)  # before the work, not after it
    seen = prepare_image(image, predictor, settings, mpp=mpp, name=name, maps=1)
    maps, stride = yield from stitched_maps(
        seen, predictor, look=lambda tiles: predictor.maps(tiles, lambda output: output.similarity)
    )
    gain, shift = calibrated(predictor, prototypes)
    return PrototypeMaps(
        similarity=maps[0],
        prototypes=prototypes,
        classes=predictor.classes,
        gain=gain,
        shift=shift,
        shape=(image.shape[0], image.shape[1]),
        cells=seen.cells(stride),
        mpp=seen.mpp,
        align_corners=predictor.published,
        notices=seen.notices,
        record={
            "model": model_record(predictor),
            "settings": settings.model_dump(mode="json"),
            "input": {"name": name, "sha256": image_hash(image), "shape": list(image.shape), "mpp": seen.mpp},
            "prototypes": {p.name: p.origin for p in prototypes},
        },
    )


def calibrated(predictor: Predictor, prototypes: Sequence[Prototype]) -> tuple[float, FloatArray]:
    """Gain and (n,) shift from a prototype's cosine to its class's calibrated logit."""
    head: Any = predictor.network.head
    calibration = predictor.calibration
    temperature = 1.0 if predictor.published else calibration.temperature
    scale = float(head.logit_scale.detach())
    shift = np.zeros(len(prototypes), dtype=np.float32)
    first_placed = len(prototypes) - len(predictor.checkpoint.config.placed)
    for p in prototypes:
        if p.index >= first_placed:
            shift[p.index] -= scale * float(head.placed.offsets[p.index - first_placed]) / temperature
        shift[p.index] += class_shift(predictor, p.owner)
    return scale / temperature, shift


def class_shift(predictor: Predictor, owner: int) -> float:
    """What bias and calibration add to every logit of a class."""
    head: Any = predictor.network.head
    calibration = predictor.calibration
    bias = 0.0 if head.class_bias is None else float(head.class_bias.detach()[owner])
    if predictor.published:
        return bias
    offset = calibration.class_offsets[owner] if calibration.class_offsets else 0.0
    return bias / calibration.temperature + offset
