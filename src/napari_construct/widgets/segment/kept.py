"""What Segment remembers until the next session: model, options, and what is done with planes and maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from napari_construct.exceptions import ConstructError
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.preferences import Preferences
from napari_construct.widgets.segment.cell_job import CellRequest
from napari_construct.widgets.segment.job import SegmentRequest
from napari_construct.widgets.segment.slide_job import SlideRequest

_OF_IMAGE: Final = {"classes", "mpp", "channel"}
"""What is true of one image only and is not remembered."""


class Kept:
    """The values of the last run; what the user changed in the preferences since goes before them.

    Parameters
    ----------
    chosen : Preferences
        The preferences of this session.
    """

    def __init__(self, chosen: Preferences) -> None:
        self._memory = Memory("segment tissue")
        self._chosen = chosen
        self.values: dict[str, Any] = self._memory.load()
        before, now = self.values.get("preferences", chosen.as_dict()), chosen.as_dict()
        self._changed = {key for key, value in before.items() if now.get(key) != value}

    def keeps_finished(self) -> bool:
        """Whether the planes that are finished stay after Cancel."""
        return self.values.get("keep_finished") is True

    def class_maps(self) -> bool:
        """Whether class maps are shown."""
        return self.values.get("class_maps") is True

    def distance_map(self) -> bool:
        """Whether the map of distances from the training images is shown."""
        return self.values.get("distance_map") is True

    def device(self) -> str:
        device = self.values.get("device", self._settings().get("device"))  # one of the settings once
        return self._chosen.device if "device" in self._changed or not device else str(device)

    def settings(self) -> SegmentSettings | None:
        """The settings to start with; None where those that were kept are of another version."""
        kept = {
            key: value for key, value in self._settings().items() if key not in {*self._changed, "device"}
        }
        try:
            return self._chosen.settings().changed(**kept)
        except (ConstructError, TypeError):
            return None

    def model(self) -> str:
        """Name or path of the model; empty for the first one."""
        model = self.values.get("model", "")
        return (
            model if "model" not in self._changed and isinstance(model, str) and model else self._chosen.model
        )

    def cells(self) -> CellSettings | None:
        """The thresholds of the last run with a student; None without one."""
        try:
            return CellSettings.checked(**self.values["cells"]) if "cells" in self.values else None
        except (ConstructError, TypeError):
            return None

    def cell_maps(self) -> bool:
        """Whether foreground and boundary are shown."""
        return self.values.get("cell_maps") is True

    def slide_folder(self) -> str:
        """The folder that the user chose for results of slides; empty for one beside each slide."""
        folder = self.values.get("slide_folder", "")
        return folder if isinstance(folder, str) else ""

    def keep(
        self,
        request: SegmentRequest | CellRequest | SlideRequest,
        model: Mapping[str, Any],
        *,
        keep_finished: bool,
        slide_folder: str = "",
    ) -> None:
        """Remember a run; ``model`` is what the model's part wants to be kept."""
        settings = request.settings.model_dump(mode="json", exclude=_OF_IMAGE)
        of_kind: dict[str, Any]
        if isinstance(request, CellRequest):
            of_kind = {"cells": settings, "cell_maps": request.maps}
        elif isinstance(request, SlideRequest):
            of_kind = {"settings": settings, "slide_folder": slide_folder}
        else:
            of_kind = {
                "settings": settings,
                "class_maps": request.class_maps,
                "distance_map": request.distance_map,
            }
        self.values = self.values | {
            **model,
            **of_kind,
            "device": request.device,
            "preferences": self._chosen.as_dict(),
            "keep_finished": keep_finished,
        }
        self._memory.keep(self.values)

    def _settings(self) -> dict[str, Any]:
        found = self.values.get("settings", {})
        return found if isinstance(found, dict) else {}
