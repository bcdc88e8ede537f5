"""The patches of many images that are most like one prototype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from napari_construct.data.images import ImageFile
from napari_construct.events import Doubt, Event, Notice, Steps, as_part
from napari_construct.exceptions import ConstructError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.prototypes.names import Prototype, find_prototype, prototypes_of
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps, prototype_steps
from napari_construct.types import FloatArray, RGBImage, ShortRepr


@runtime_checkable
class PatchSource(Protocol):
    """One image to look through, such as a :class:`~napari_construct.batch.sources.Source`."""

    @property
    def key(self) -> str:
        """What it is called; unique among its like."""
        ...

    def read(self) -> ImageFile:
        """Its pixels."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Patch(ShortRepr):
    """A square of an image.

    Attributes
    ----------
    key : str
        Of its image.
    row, column : int
        Its first pixel.
    similarity : float
        Highest cosine inside, -1 to 1.
    pixels : ndarray
        (s, s, 3) uint8 RGB; smaller where the image is.
    """

    key: str
    row: int
    column: int
    similarity: float
    pixels: RGBImage

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold: where it lies and how like the prototype it is."""
        height, width = self.pixels.shape[:2]
        return {
            "image": self.key,
            "row": self.row,
            "column": self.column,
            "height": height,
            "width": width,
            "similarity": self.similarity,
        }


@dataclass(frozen=True, slots=True, eq=False)
class TopPatches:
    """The most similar patches, the best first, and images that could not be read with the reason."""

    prototype: Prototype
    patches: tuple[Patch, ...]
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PatchesFound(Event):
    """An image was looked through; ``top`` is the gallery so far."""

    top: TopPatches | None = None


def top_patches_steps(
    sources: Sequence[PatchSource], predictor: Predictor, settings: PrototypeSettings | None = None
) -> Steps[TopPatches]:
    """Look through images for what is most like a prototype; a broken image does not stop the others.

    Parameters
    ----------
    sources : sequence of PatchSource
        Read one after the other.
    predictor : Predictor
        A model of the first stage.
    settings : PrototypeSettings, optional
        Which prototype, how many patches in all and of one image.

    Yields
    ------
    Event
        Stage "images"; ``PatchesFound`` after each, and a ``Notice`` for each that failed.
    """
    settings = settings or PrototypeSettings()
    prototype = find_prototype(prototypes_of(predictor.checkpoint), settings.prototype)
    top = TopPatches(prototype, ())
    for i, source in enumerate(sources):
        yield Event("images", i, len(sources), source.key)
        try:
            found = yield from _of_image(source, predictor, settings, prototype, (i, len(sources)))
        except (ConstructError, OSError) as error:
            why = str(error).removeprefix(f"{source.key}: ")
            top = TopPatches(prototype, top.patches, (*top.failed, (source.key, why)))
            yield Notice("images", i + 1, len(sources), Doubt(f"{source.key}: {why}"))
            continue
        best = sorted((*top.patches, *found), key=lambda patch: (-patch.similarity, patch.key, patch.row))
        top = TopPatches(prototype, tuple(best[: settings.count]), top.failed)
        yield PatchesFound("images", i + 1, len(sources), source.key, top)
    return top


def _of_image(
    source: PatchSource,
    predictor: Predictor,
    settings: PrototypeSettings,
    prototype: Prototype,
    place: tuple[int, int],
) -> Steps[list[Patch]]:
    image = source.read()
    steps = prototype_steps(image.pixels, predictor, settings, mpp=image.mpp, name=source.key)
    maps = yield from as_part(steps, Event("images", *place, source.key))
    side = _side(predictor, maps)
    return [
        Patch(
            source.key, row, column, similarity, np.ascontiguousarray(_cut(image.pixels, row, column, side))
        )
        for row, column, similarity in peaks(
            maps.similarity[prototype.index], maps.shape, maps.cells, side, settings.per_image
        )
    ]


def peaks(
    similarity: FloatArray, shape: tuple[int, int], cells: tuple[float, float], side: int, count: int
) -> list[tuple[int, int, float]]:
    """First row, first column and height of the highest peaks, whose patches overlap by half at most.

    Parameters
    ----------
    similarity : ndarray
        (gh, gw) float32.
    shape, cells
        Of the image, in pixels and in cells of the grid.
    side : int
        Of a patch in pixels.
    count : int
        How many at most.
    """
    left = similarity.copy()
    scale = (shape[0] / cells[0], shape[1] / cells[1])  # pixels of a cell
    reach = [max(round(side / 2 / s), 1) for s in scale]
    found: list[tuple[int, int, float]] = []
    while len(found) < count and np.isfinite(left).any():
        i, j = np.unravel_index(int(np.argmax(left)), left.shape)
        centre = ((int(i) + 0.5) * scale[0], (int(j) + 0.5) * scale[1])
        row, column = (
            int(min(max(round(c - side / 2), 0), max(n - side, 0)))
            for c, n in zip(centre, shape, strict=True)
        )
        found.append((row, column, float(similarity[i, j])))
        rows = slice(max(int(i) - reach[0], 0), int(i) + reach[0] + 1)
        left[rows, max(int(j) - reach[1], 0) : int(j) + reach[1] + 1] = -np.inf
    return found


def _side(predictor: Predictor, maps: PrototypeMaps) -> int:
    """Side in pixels of the image of a patch as the model saw them in training."""
    if maps.mpp is not None and predictor.mpp is not None:
        return max(round(predictor.patch * predictor.mpp / maps.mpp), 8)
    return max(round(predictor.patch / predictor.scale), 8)


def _cut(image: RGBImage, row: int, column: int, side: int) -> RGBImage:
    return image[row : row + side, column : column + side]


def gallery(patches: Sequence[Patch], side: int = 128, columns: int = 6, gap: int = 4) -> RGBImage:
    """Patches in rows on white, the best first: (h, w, 3) uint8."""
    from PIL import Image

    columns = max(min(columns, len(patches)), 1)
    rows = max(-(-len(patches) // columns), 1)
    page = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 255, dtype=np.uint8)
    for i, patch in enumerate(patches):
        y, x = (gap + n * (side + gap) for n in divmod(i, columns))
        page[y : y + side, x : x + side] = np.asarray(Image.fromarray(patch.pixels).resize((side, side)))
    return page
