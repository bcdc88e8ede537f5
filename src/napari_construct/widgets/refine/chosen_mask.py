"""The mask that Refine works on: what it was decided from, its refined layer, and what is on view of both."""

from __future__ import annotations

from typing import Any, Final

from napari.layers import Labels

from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.safeguard import ErasedRegion
from napari_construct.widgets.layers import (
    Decided,
    evidence,
    evidences,
    is_source,
    look_at,
    slice_point,
    window_on_view,
)
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.next_steps import MaskMade
from napari_construct.widgets.refine.job import Window
from napari_construct.widgets.refine.painted import PaintedOutline
from napari_construct.widgets.refine.refined_mask import RefinedMask, RefinedMasks, why_not_refined

_REGION_SHOWN: Final = 150.0
"""Length on the canvas, in its pixels, of a region that was chosen from the list."""


class ChosenMask:
    """The mask that a chooser shows, in its viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    chooser : LayerChooser
        Chooses the mask.
    masks : RefinedMasks
        The refined masks of the viewer's masks.
    adder : LayerAdder
        Adds refined masks to the viewer.
    """

    def __init__(self, viewer: Any, chooser: LayerChooser, masks: RefinedMasks, adder: LayerAdder) -> None:
        self._viewer, self._chooser, self._masks, self._adder = viewer, chooser, masks, adder
        self._outline = PaintedOutline(viewer)

    @property
    def source(self) -> Any:
        """The mask as segmented, or None."""
        return self._chooser.layer()

    @property
    def refined(self) -> RefinedMask | None:
        """The state of its refinement; None without a mask."""
        return self._masks.of(self.source)

    @property
    def target(self) -> Labels | None:
        """The layer with the refined mask, while it is in the viewer."""
        mask = self.refined
        target = None if mask is None else mask.layer()
        there = target is not None and (self._adder.isActive() or target in self._viewer.layers)
        return target if there else None

    @property
    def decided(self) -> Decided | None:
        """What the plane on view was decided from."""
        layer = self.source
        return None if layer is None else evidence(layer, slice_point(layer, self._viewer))

    def planes(self) -> int:
        """Number of planes that were segmented."""
        return 0 if self.source is None else len(evidences(self.source))

    def why_none(self) -> str:
        """What to do where no mask can be refined."""
        active = self._viewer.layers.selection.active
        masks = [one for one in (active, *reversed(self._viewer.layers)) if isinstance(one, Labels)]
        reasons = [f"{layer.name}: {why_not_refined(layer)}" for layer in masks]
        return "\n".join(["Run Segment first: its masks can be refined here.", *reasons[:1]])

    def window(self) -> Window | None:
        """The part on view; None where that is (nearly) all."""
        target = self.target
        return window_on_view(target if target is not None and target.visible else self.source, self._viewer)

    def show(self, *, before: bool) -> None:
        """Show the mask as segmented, or as refined."""
        source, target = self.source, self.target
        if source is None or target is None:
            return
        for layer, visible in ((source, before), (target, not before)):
            if layer.visible != visible:  # else napari draws it anew
                layer.visible = visible

    def outline(self, *, shown: bool) -> None:
        """Outline what was painted, or take the outline away."""
        mask, target = self.refined, self.target
        painted = None if mask is None else mask.painted()
        if shown and target is not None and painted is not None:
            self._outline.show(target, painted)
        else:
            self._outline.hide()

    def look_at(self, region: ErasedRegion) -> None:
        """Bring a region to the middle of the canvas."""
        if self.source is not None:
            row, column = (float(c) for c in region.centre)
            side = float(max(region.box[2] - region.box[0], region.box[3] - region.box[1], 32))
            look_at(self._viewer, self.source, (row, column), side, _REGION_SHOWN)

    def made(self, settings: SegmentSettings) -> MaskMade | None:
        """What the steps after a refinement go on with."""
        decided = self.decided
        if decided is None:
            return None
        name = decided.plane.name
        image = next((one for one in self._viewer.layers if one.name == name and is_source(one)), None)
        return MaskMade(self.target, image, decided.model, settings)
