"""The images of a distillation, and the look at them before the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_construct.data.cells.arrays import ArrayCells, array_cells
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.hold_out import hold_out
from napari_construct.data.cells.open_cells import open_cells
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.distil.request import DRAWN, LAYER, FileImages, Images, TeacherChoice

if TYPE_CHECKING:
    from napari_construct.crossmodal.protocol import Teacher


@dataclass(frozen=True, slots=True)
class Look:
    """What the chosen images are.

    Attributes
    ----------
    count, held_out, drawn : int
        Images; those that are held out for scores; those with drawn cells.
    channels : tuple of str
        Names of the channels.
    mpp : float or None
        Micrometres per pixel of the first image.
    notices : tuple of str
        What was noticed.
    """

    count: int
    held_out: int
    drawn: int
    channels: tuple[str, ...]
    mpp: float | None
    notices: tuple[str, ...] = ()

    def in_words(self) -> str:
        """What was found, in a line."""
        images = "1 image" if self.count == 1 else f"{self.count} images"
        split = f" ({self.count - self.held_out} to train on, {self.held_out} held out)"
        drawn = f"; cells drawn in {self.drawn}" if self.drawn else ""
        size = "" if self.mpp is None else f"; {self.mpp:.4g} µm per pixel"
        return f"{images}{split if self.held_out else ', none held out'}{drawn}{size}"


def look_steps(images: Images, share: float) -> Steps[Look]:
    """Look at images, in a worker's thread.

    Raises
    ------
    ConstructError
        If they cannot be used.
    """
    yield Event("looking at the images", 0, 1)
    dataset = opened(images)
    yield Event("looking at the images", 0, 1)
    _, val = hold_out(dataset, share)
    return Look(
        len(dataset),
        0 if val is None else len(val),
        sum(dataset.has_truth),
        dataset.channels,
        dataset.load(0).image.mpp,
        dataset.notices,
    )


def opened(images: Images) -> CellDataset:
    """The dataset of images.

    Raises
    ------
    ConstructError
        If they cannot be used.
    """
    if isinstance(images, FileImages):
        return open_cells(images.path, mpp=images.mpp, channel_files=images.channel_files)
    return array_cells(images.channels, images.truth, name=images.name, mpp=images.mpp)


def teacher_of(choice: TeacherChoice | None, dataset: CellDataset, device: str) -> Teacher | None:
    """Load a teacher, in a worker's thread.

    Raises
    ------
    ConstructError
        If it cannot be loaded.
    """
    if choice is None or choice.kind == DRAWN:
        return None
    if choice.kind != LAYER:
        from napari_construct.crossmodal.teachers.catalogue import load_teacher

        more = {} if choice.foreground is None else {"foreground": choice.foreground}
        return load_teacher(choice.kind, choice.path or None, device, **more)
    from napari_construct.crossmodal.teachers.arrays import array_teacher

    if not isinstance(dataset, ArrayCells):
        raise ConfigurationError(
            "expected images of layers for a layer as the teacher's output, got files; choose a folder of "
            "outputs"
        )
    return array_teacher(choice.output, dataset, name=choice.name)
