"""Commands of napari's menus for whole slides: open one of any name, show the tissue on it."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, Final

import napari.viewer
from napari.layers import Image, Labels
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_construct.data.slides.overview import overview_of, tissue_on
from napari_construct.data.slides.slide import Slide
from napari_construct.events import Event, Steps
from napari_construct.types import BoolMask
from napari_construct.widgets.files.slides import slide_layer
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.layers import METADATA_KEY, Origin, mark, show, slide_of, twin_placement
from napari_construct.widgets.layers.pixel_size import pixel_size
from napari_construct.widgets.layers.place import TISSUE, coarser

_COLOUR: Final = (0.13, 0.55, 0.13, 1.0)


def open_slide_of_any_name(viewer: napari.viewer.Viewer) -> None:
    """Ask for a file and open it as a whole slide: also TIFF, whose names napari's own reader has."""
    path, _ = QFileDialog.getOpenFileName(None, "Open a whole slide", "", "All files (*)")
    if path:
        open_slide_layer(viewer, Path(path))


def open_slide_layer(viewer: Any, path: Path) -> None:
    """Add the layer of a slide to a viewer.

    Raises
    ------
    InputError
        If it is no slide, or damaged.
    """
    data, options, _ = slide_layer(path)
    viewer.add_image(data, **options)


def show_tissue(viewer: napari.viewer.Viewer) -> Job | None:
    """Find the tissue on the slide of the selected layer, or of the only one, and show it as a layer."""
    active = viewer.layers.selection.active
    slides = [layer for layer in viewer.layers if isinstance(layer, Image) and slide_of(layer) is not None]
    layer = active if active in slides else slides[0] if len(slides) == 1 else None
    slide = None if layer is None else slide_of(layer)
    if layer is None or slide is None:
        show_info("Select the layer of a whole slide first: its tissue is shown then.")
        return None
    mpp, shown = pixel_size(layer).mpp, weakref.ref(viewer)
    # it belongs to no widget; garbage may be collected in any thread, where no QObject must end
    job = Job("Find tissue", lambda: tissue_steps(slide, mpp), QApplication.instance())

    def add(found: BoolMask) -> None:
        where = shown()
        if where is not None and layer in where.layers:
            show(where, tissue_layer(layer, slide, found))

    job.returned.connect(add)
    job.finished.connect(job.deleteLater)
    job.start()
    return job


def tissue_steps(slide: Slide, mpp: float | None) -> Steps[BoolMask]:
    """Find the tissue on a small picture of a slide; ``mpp`` is of level 0.

    Raises
    ------
    InputError
        If the slide cannot be read.
    """
    yield Event("reading the slide", 0, 2)
    picture = overview_of(slide)
    yield Event("finding tissue", 1, 2)
    return tissue_on(picture, slide, mpp)


def tissue_layer(layer: Any, slide: Slide, found: BoolMask) -> Labels:
    """The tissue as a layer of labels over the layer of its slide; the same again replaces it."""
    steps = slide.shape[0] / found.shape[0], slide.shape[1] / found.shape[1]
    made = Labels(
        found.astype("uint8"),
        name=f"{layer.name} tissue ({found.mean():.0%})",
        metadata={METADATA_KEY: {"kind": TISSUE, "record": {}}},
        colormap={0: (0.0, 0.0, 0.0, 0.0), 1: _COLOUR, None: (0.0, 0.0, 0.0, 0.0)},
        opacity=0.4,
        **coarser(twin_placement(layer), steps),
    )
    mark(made, Origin(TISSUE, layer.unique_id))
    return made
