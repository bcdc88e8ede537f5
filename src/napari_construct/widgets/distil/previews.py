"""What a student sees in a few images during its training: its contours beside those of truth or teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.events import Event, Steps, as_part
from napari_construct.types import FloatArray, RGBImage
from napari_construct.widgets.runs.pictures import Preview, PreviewsDone, middle, spread

if TYPE_CHECKING:  # loads torch
    from napari_construct.crossmodal.teachers.cached import Taught

COUNT: Final = 2
_TRUTH: Final = (230, 159, 0)
_STUDENT: Final = (86, 180, 233)


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A few images of a run.

    Attributes
    ----------
    dataset : CellDataset
        Where they are from: held-out images, else those that are trained on.
    indices : tuple of int
        Which of them.
    taught : Taught or None
        What the teacher says of the dataset, where nobody drew cells.
    """

    dataset: CellDataset
    indices: tuple[int, ...]
    taught: Taught | None

    @classmethod
    def of(cls, dataset: CellDataset, taught: Taught | None) -> Watched:
        """A few images of a dataset."""
        return cls(dataset, spread(range(len(dataset)), COUNT), taught)


def preview_steps(
    watched: Watched, checkpoint: Path, config: DistilConfig, device: str, number: int
) -> Steps[PreviewsDone]:
    """Pictures of a few images with a student on disk; one event per image."""
    from napari_construct.crossmodal.loop.validation import teacher_cells
    from napari_construct.crossmodal.views.prepared import network_view
    from napari_construct.inference.cells.decide import cells_of
    from napari_construct.inference.cells.loading import load_cell_model
    from napari_construct.inference.cells.maps import cell_map_steps
    from napari_construct.inference.cells.settings import CellSettings

    predictor, settings, found = load_cell_model(checkpoint, device=device), CellSettings(), []
    for done, index in enumerate(watched.indices):
        at, name = Event("previews", done, len(watched.indices)), watched.dataset.names[index]
        yield at
        item = watched.dataset.load(index)
        seen = network_view(item.image, config, name)
        # without notices: the run has shown them
        maps = yield from as_part(
            cell_map_steps(seen, predictor, settings, mpp=item.image.mpp, name=name), at
        )
        cells, truth = cells_of(maps, settings), item.truth
        if truth is None and watched.taught is not None:
            truth = teacher_cells(watched.taught[index], settings)
        window = middle(cells.shape)
        left = None if truth is None else truth[window]
        grey = seen[0][window]
        found.append(Preview(name, drawn(grey, left, _TRUTH), drawn(grey, cells[window], _STUDENT)))
    total = len(watched.indices)
    return PreviewsDone("previews", total, total, epoch=number, previews=tuple(found))


def drawn(grey: FloatArray, cells: NDArray[np.int32] | None, colour: tuple[int, int, int]) -> RGBImage:
    """A channel (h, w) in [0, 1] as (h, w, 3) uint8, with the contours of cells in a colour."""
    picture = np.repeat((np.sqrt(grey) * 255).round().astype(np.uint8)[..., None], 3, axis=2)
    if cells is not None:
        picture[find_boundaries(cells, mode="thick")] = colour  # type: ignore[no-untyped-call]
    return picture
