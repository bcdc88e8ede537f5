"""What the job behind Label patches is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_construct.classes import ClassTable
from napari_construct.data.images import ImageFile
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.labelling.settings import CutSettings
from napari_construct.widgets.layers import Plane, is_source, plane_on_view, slice_point
from napari_construct.widgets.layers.slides import is_large


@dataclass(frozen=True, slots=True, eq=False)
class CutRequest:
    """Patches to cut.

    Attributes
    ----------
    sources : tuple of Path or Plane
        Files and folders, or planes of layers.
    output : Path
        Folder to write, or one with patches to open.
    classes : ClassTable
        The classes to label.
    settings : CutSettings
        Which patches.
    model : str
        Name or path of the model of the guesses; empty without.
    device : str
        Of the networks.
    opens : bool
        Whether the folder holds patches, which are only to be opened.
    """

    sources: tuple[Path | Plane, ...]
    output: Path
    classes: ClassTable
    settings: CutSettings
    model: str = ""
    device: str = "auto"
    opens: bool = False


def planes_of_layers(viewer: Any) -> tuple[Plane, ...]:
    """The plane on view of every image layer; of the selected ones, where some are."""
    layers = [layer for layer in viewer.layers if is_source(layer)]
    chosen = [layer for layer in layers if layer in viewer.layers.selection]
    several = chosen if len(chosen) > 1 else layers
    return tuple(plane_on_view(layer, slice_point(layer, viewer)) for layer in several)


def open_plane(plane: Plane) -> ImageFile | Slide:
    """The pixels of a plane, or the slide that it shows. Slow for lazy arrays.

    Raises
    ------
    InputError
        If it is no image, or the file is damaged.
    """
    if plane.slide is not None and is_large(plane.slide):
        return open_slide(plane.slide.path, image=plane.slide.image, mpp=plane.other_size(None))
    shown = plane.rgb()
    return ImageFile(shown.rgb, plane.mpp, shown.notices, Path(plane.path or plane.name), shown.valid)
