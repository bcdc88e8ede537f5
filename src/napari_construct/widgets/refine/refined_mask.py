"""The layers with refined masks, and the state of their planes."""

from __future__ import annotations

import weakref
from collections.abc import Container, Mapping
from typing import Any

from napari.layers import Labels

from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.safeguard import RefinementReport
from napari_construct.widgets.layers import METADATA_KEY, Decided, evidence, evidences, joined_features
from napari_construct.widgets.refine.decided_pixels import At, DecidedPixels
from napari_construct.widgets.refine.job import PlaneDone, WindowDone


class RefinedMask:
    """The refined mask of one mask of Segment tissue, plane by plane; it keeps neither layer alive.

    Parameters
    ----------
    source : Labels
        The mask of Segment tissue.
    """

    def __init__(self, source: Labels) -> None:
        self.planes = evidences(source)
        self._layer: weakref.ref[Labels] | None = None
        self._features: dict[At, Mapping[str, Any]] = {d.at: d.features for d in self.planes}
        self._records: dict[At, Mapping[str, Any]] = {d.at: d.record for d in self.planes}
        self._settings: dict[At, SegmentSettings] = {d.at: d.settings for d in self.planes}
        self._reports: dict[At, RefinementReport | None] = {}
        self._pixels: DecidedPixels | None = None
        self._kept: dict[At, int] = {}

    def layer(self) -> Labels | None:
        """The layer, while it exists."""
        return None if self._layer is None else self._layer()

    def setLayer(self, layer: Labels) -> None:
        """Take a new layer, whose labels are those of the segmentation."""
        self._layer = weakref.ref(layer)
        self._pixels = DecidedPixels(layer, {d.at: d.labels for d in self.planes})
        self._kept = {}
        self._settings = {d.at: d.settings for d in self.planes}
        self._reports = {}

    def letGo(self, layers: Container[Any]) -> bool:
        """Forget the layer if it is not in the viewer any more; whether it was forgotten."""
        gone = self._layer is not None and self.layer() not in layers
        if gone:
            self._layer = self._pixels = None
        return gone

    def isUpToDate(self, decided: Decided, settings: SegmentSettings) -> bool:
        return self._settings[decided.at] == settings

    def stale(self, settings: SegmentSettings) -> int:
        """Number of planes with other settings."""
        return sum(value != settings for value in self._settings.values())

    def report(self, decided: Decided) -> RefinementReport | None:
        """The CRF's report of a plane; None before its refinement."""
        return self._reports.get(decided.at)

    def kept(self) -> int:
        """Number of painted pixels that were kept although Refine has another label."""
        return sum(self._kept.values())

    def status(self, settings: SegmentSettings) -> str:
        """Whether the planes agree with these settings, in a line."""
        n, kept = self.stale(settings), self.kept()
        painted = f"; {kept} painted pixel{'s' if kept > 1 else ''} kept" if kept else ""
        others = f"; {n} other plane{'s' if n > 1 else ''} not yet" if n else ""
        return f"Up to date{painted}{others}"

    def take(self, event: WindowDone | PlaneDone) -> None:
        """Write new labels into the layer, but keep painted pixels.

        A whole plane also updates the layer's table and record.
        """
        kept = 0 if self._pixels is None else self._pixels.write(event.change)
        if isinstance(event, PlaneDone):
            self._settle(event, kept)

    def _settle(self, event: PlaneDone, kept: int) -> None:
        at = event.decided.at
        self._kept[at] = kept
        self._features[at] = event.features
        self._records[at] = event.result.record
        self._settings[at] = event.settings
        self._reports[at] = event.result.refinement
        layer = self.layer()
        if layer is None:
            return
        several = len(self.planes) > 1
        tables, records = list(self._features.values()), [dict(r) for r in self._records.values()]
        layer.features = joined_features(tables) if several else tables[0]
        layer.metadata[METADATA_KEY]["record"] = {"planes": records} if several else records[0]


class RefinedMasks:
    """One :class:`RefinedMask` per mask of Segment tissue, while the mask exists."""

    def __init__(self) -> None:
        self._masks: weakref.WeakKeyDictionary[Labels, RefinedMask] = weakref.WeakKeyDictionary()

    def of(self, layer: Labels | None) -> RefinedMask | None:
        """The refined mask of a mask of Segment tissue; None without a mask."""
        if layer is None:
            return None
        if layer not in self._masks or self._masks[layer].planes is not evidences(layer):  # it was replaced
            self._masks[layer] = RefinedMask(layer)
        return self._masks[layer]

    def left_alone(self, layers: Container[Any]) -> list[Labels]:
        """The masks whose refined layer was deleted since the last call."""
        return [source for source, mask in self._masks.items() if mask.letGo(layers)]


def can_be_refined(layer: Any) -> bool:
    """Whether a layer is a mask of Segment tissue from this session."""
    return evidence(layer) is not None
