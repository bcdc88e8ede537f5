"""What runs found, shown as long as it belongs to what is chosen: the masks of an image among the layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.jobs.predictors import ModelChoice
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers import (
    CLASS_MAP,
    MASK,
    PlaneOutcome,
    cell_map_layers,
    class_map_layers,
    data_point,
    distance_map_layers,
    is_untouched,
    kept_cells,
    origin_of,
    outcome_of,
)
from napari_construct.widgets.parts.class_list import ClassList
from napari_construct.widgets.parts.next_steps import MaskMade, MaskSteps


class Asked(NamedTuple):
    """The image that is chosen, and the model and settings on view; None where there are none."""

    image: Any
    model: ModelChoice | None
    settings: SegmentSettings | CellSettings | None


class ResultsOnView:
    """Shows what was found in the chosen image with the chosen model, as long as its mask is there.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers hold the masks.
    classes : ClassList
        Shows the plane on view.
    control : RunControl
        Says the result of the whole run; nothing is shown while a job runs.
    parent : QWidget
        The dock.

    Attributes
    ----------
    next : MaskSteps
        What may follow the mask.
    """

    def __init__(self, viewer: Any, classes: ClassList, control: RunControl, parent: QWidget) -> None:
        self._viewer, self._classes, self._control = viewer, classes, control
        self.next = MaskSteps(viewer, parent)

    def mask(self, asked: Asked) -> Any:
        """The mask that the model made of the image, or None."""
        if asked.image is None or asked.model is None:
            return None
        return mask_of(self._viewer.layers, asked.image, asked.model, self._viewer)

    def show(self, asked: Asked) -> None:
        """Show the result of the run, of the plane on view, and what may follow."""
        mask = self.show_found(asked)
        found = outcome_of(mask)
        if self._control.isRunning():
            return
        if found is None:
            self._control.forget()
        else:
            self._control.summarise(found.headline(), found.notices)
        self._offer_next(mask, asked.image)

    def select(self, asked: Asked) -> None:
        """Select a new mask: it is what the user goes on with."""
        mask = self.show_found(asked)
        if mask is not None:
            asked.image.visible = True
            self._viewer.layers.selection.active = mask
        self._offer_next(mask, asked.image)

    def maps(self, asked: Asked, table: ClassTable | None) -> list[Image]:
        """The class maps of the mask on view, in the colours of a table; of cells foreground and boundary."""
        mask = self.mask(asked)
        if mask is None:
            return []
        return class_map_layers(mask, table) if kept_cells(mask) is None else cell_map_layers(mask)

    def distance_map(self, asked: Asked) -> list[Image]:
        """The distances from the training images of the mask on view; none of a model without a guard."""
        mask = self.mask(asked)
        return [] if mask is None else distance_map_layers(mask)

    def remove_maps(self, image: Any, kind: str = CLASS_MAP) -> None:
        """Take away the maps of an image that nobody has touched."""
        for layer in [] if image is None else maps_of(self._viewer.layers, image, kind):
            self._viewer.layers.remove(layer)

    def _offer_next(self, mask: Any, image: Any) -> None:
        found = outcome_of(mask)
        if found is None:
            self.next.clear()
        else:
            self.next.offerMask(MaskMade(mask, image, *found.asked))

    def show_found(self, asked: Asked) -> Any:
        """Show presence and area of each class in the plane on view; returns its mask."""
        mask = None if self._control.isRunning() else self.mask(asked)
        found = outcome_of(mask)
        if found is None:
            self._classes.clearOutcome()
            return None
        plane = plane_of(mask, self._viewer) or found.planes[0]
        others = "" if found.asked == asked[1:] else "; the settings were others"
        self._classes.showOutcome(plane, of=f"{found.of(plane)}{others}", given=found.given)
        return mask


def mask_of(layers: Iterable[Layer], image: Any, model: ModelChoice, viewer: Any) -> Any:
    """The newest mask that a model made of an image, before others one of the plane on view; None without."""
    masks = []
    for layer in layers:
        origin, outcome = origin_of(layer), outcome_of(layer)
        if origin is None or outcome is None or origin.kind != MASK:
            continue
        if origin.image == image.unique_id and origin.model == model:
            masks.append((plane_of(layer, viewer) is not None, outcome.number, layer))
    return max(masks, key=lambda mask: mask[:2])[2] if masks else None


def plane_of(mask: Any, viewer: Any) -> PlaneOutcome | None:
    """The plane of a mask that is on view; None where none is."""
    outcome = outcome_of(mask)
    if outcome is None:
        return None
    here = np.rint(data_point(mask, viewer.dims.point, viewer.layers)[:-2]).astype(int)
    return outcome.plane(tuple(int(i) for i in here))


def maps_of(layers: Iterable[Layer], image: Any, kind: str) -> list[Layer]:
    """The maps of a kind of an image that nobody has touched."""
    found = []
    for layer in layers:
        origin = origin_of(layer)
        if origin is not None and origin.kind == kind and origin.image == image.unique_id:
            found.append(layer)
    return [layer for layer in found if is_untouched(layer)]
