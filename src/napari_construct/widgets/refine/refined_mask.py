"""The layers with refined masks, and the state of their planes."""

from __future__ import annotations

import weakref
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.safeguard import RefinementReport
from napari_construct.widgets.files.stored_pyramid import PYRAMID
from napari_construct.widgets.layers import (
    CELLS,
    METADATA_KEY,
    Decided,
    evidence,
    evidences,
    joined_features,
    keep_painted,
    newest_of,
)
from napari_construct.widgets.refine.decided_pixels import At, DecidedPixels
from napari_construct.widgets.refine.job import PlaneDone, WindowDone

_REASONS: Final[Mapping[str | None, str]] = {
    CELLS: "It holds numbered cells, which follow the thresholds in Segment.",
    "refined": "It is a refined mask: choose the mask that it was made from.",
    "labels": "It was opened from a file without its class maps: run Segment on the image again.",
}
"""Why a layer of a kind cannot be refined."""

_OF_WHOLE_SLIDE: Final = (
    "It is the mask of a whole slide, of which no class maps are in memory. In Segment, choose Visible part "
    "and refine its mask; Batch... below it then segments the whole slide with the settings found."
)


@dataclass(frozen=True, slots=True, eq=False)
class PlaneState:
    """What belongs to the labels of a plane: settings, table, record, and the CRF's report."""

    settings: SegmentSettings
    features: Mapping[str, Any]
    record: Mapping[str, Any]
    report: RefinementReport | None = None


class RefinedMask(QObject):
    """The refined mask of one mask of Segment, plane by plane; it keeps neither layer alive.

    Parameters
    ----------
    source : Labels
        The mask of Segment.
    parent : QObject, optional
        Owner.
    """

    followed = Signal(object)
    """An undo or redo of napari reached a change by Refine: the plane, whose settings are other ones now."""
    drawn = Signal()
    """The user painted, or took a stroke back."""

    def __init__(self, source: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.planes = evidences(source)
        self._layer: weakref.ref[Labels] | None = None
        self._pixels: DecidedPixels | None = None
        self._states = self._segmented()

    def layer(self) -> Labels | None:
        """The layer, while it exists."""
        return None if self._layer is None else self._layer()

    def setLayer(self, layer: Labels) -> None:
        """Take a new layer, whose labels are those of the segmentation."""
        self._layer = weakref.ref(layer)
        self._pixels = DecidedPixels(layer, {d.at: d.labels for d in self.planes})
        self._pixels.followed.connect(self._on_followed)
        self._pixels.drawn.connect(self.drawn)
        keep_painted(layer, self.planes, self._pixels.painted)
        self._states = self._segmented()

    def letGo(self, layers: Container[Any]) -> bool:
        """Forget the layer if it is not in the viewer any more; whether it was forgotten."""
        gone = self._layer is not None and self.layer() not in layers
        if gone:
            self._layer = self._pixels = None
            self._states = self._segmented()
        return gone

    def settings(self, decided: Decided) -> SegmentSettings:
        """The settings that belong to the labels of a plane."""
        return self._states[decided.at].settings

    def isUpToDate(self, decided: Decided, settings: SegmentSettings) -> bool:
        return self.settings(decided) == settings

    def stale(self, settings: SegmentSettings) -> int:
        """Number of planes with other settings."""
        return sum(state.settings != settings for state in self._states.values())

    def report(self, decided: Decided) -> RefinementReport | None:
        """The CRF's report of a plane; None before its refinement."""
        return self._states[decided.at].report

    def painted(self) -> NDArray[np.bool_] | None:
        """The pixels that the user painted, of the shape of the layer; None without a layer."""
        layer = self.layer()
        if layer is None or self._pixels is None:
            return None
        every = np.zeros(layer.data.shape, np.bool_)
        for decided in self.planes:
            every[decided.at] = self._pixels.painted(decided.at)
        return every

    def kept(self) -> int:
        """Number of pixels that the user painted; Refine leaves them."""
        if self._pixels is None:
            return 0
        return sum(int(np.count_nonzero(self._pixels.painted(decided.at))) for decided in self.planes)

    def status(self, settings: SegmentSettings) -> str:
        """Whether the planes agree with these settings, in a line."""
        n, kept = self.stale(settings), self.kept()
        painted = f"; {kept:,} painted pixel{'s' if kept > 1 else ''} kept" if kept else ""
        others = f"; {n} other plane{'s' if n > 1 else ''} not yet" if n else ""
        return f"Up to date{painted}{others}"

    def dropPreview(self) -> None:
        """Take back what was shown of a refinement that did not end."""
        if self._pixels is not None:
            self._pixels.dropPreview()

    def take(self, event: WindowDone | PlaneDone) -> None:
        """Write new labels into the layer, but keep painted pixels.

        The part on view is a preview; a whole plane also updates the layer's table and record.
        """
        if isinstance(event, WindowDone):
            if self._pixels is not None:
                self._pixels.preview(event.change)
            return
        at = event.decided.at
        state = PlaneState(event.settings, event.features, event.result.record, event.result.refinement)
        if self._pixels is not None:
            self._pixels.write(event.change, self._states[at], state)
        self._settle(at, state)

    def _segmented(self) -> dict[At, PlaneState]:
        return {d.at: PlaneState(d.settings, d.features, d.record) for d in self.planes}

    def _on_followed(self, at: At, state: PlaneState) -> None:
        self._settle(at, state)
        self.followed.emit(at)

    def _settle(self, at: At, state: PlaneState) -> None:
        """Note what belongs to a plane now, in the layer's table and record too."""
        self._states[at] = state
        layer = self.layer()
        if layer is None:
            return
        several = len(self.planes) > 1
        states = self._states.values()
        tables, records = [s.features for s in states], [dict(s.record) for s in states]
        layer.features = joined_features(tables) if several else tables[0]
        layer.metadata[METADATA_KEY]["record"] = {"planes": records} if several else records[0]


class RefinedMasks(QObject):
    """One :class:`RefinedMask` per mask of Segment, while the mask exists."""

    followed = Signal(object, object)
    """As of a mask, with the mask first."""
    drawn = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._masks: weakref.WeakKeyDictionary[Labels, RefinedMask] = weakref.WeakKeyDictionary()

    def of(self, layer: Labels | None) -> RefinedMask | None:
        """The refined mask of a mask of Segment; None without a mask."""
        if layer is None:
            return None
        if layer not in self._masks or self._masks[layer].planes is not evidences(layer):  # it was replaced
            self._masks[layer] = mask = RefinedMask(layer)
            mask.followed.connect(self._on_followed)
            mask.drawn.connect(self.drawn)
        return self._masks[layer]

    def every(self) -> list[RefinedMask]:
        """All that there are."""
        return list(self._masks.values())

    def meant(self, active: Any, masks: Sequence[Labels]) -> Labels | None:
        """The mask that the active layer leads to: itself, that of a refined mask, the image's last one."""
        refined = [source for source, mask in self._masks.items() if mask.layer() == active]
        return newest_of(refined[0] if refined else active, masks)

    def left_alone(self, layers: Container[Any]) -> list[Labels]:
        """The masks whose refined layer was deleted since the last call."""
        return [source for source, mask in self._masks.items() if mask.letGo(layers)]

    def _on_followed(self, at: At) -> None:
        self.followed.emit(self.sender(), at)


def is_of_whole_slide(layer: Any) -> bool:
    """Whether a mask is that of a whole slide, of this session or opened from its files."""
    known = layer.metadata.get(METADATA_KEY, {})
    record = known.get("record")
    given = record.get("input") if isinstance(record, Mapping) else None
    return PYRAMID in known or (isinstance(given, Mapping) and "mpp_of_rows_and_columns" in given)


def why_not_refined(layer: Any) -> str:
    """Why a layer cannot be refined, for a person; empty if it can."""
    if evidence(layer) is not None:
        return ""
    if not isinstance(layer, Labels):
        return "It is not a mask."
    kind = layer.metadata.get(METADATA_KEY, {}).get("kind")
    if kind == "labels" and is_of_whole_slide(layer):
        return _OF_WHOLE_SLIDE
    return _REASONS.get(kind, "It was not made by Segment: run Segment on the image.")


def can_be_refined(layer: Any) -> bool:
    """Whether a layer is a mask of Segment with what it was decided from."""
    return not why_not_refined(layer)
