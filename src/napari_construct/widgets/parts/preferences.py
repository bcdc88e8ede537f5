"""What napari's preferences say of this plugin, where napari has a page for plugins (from 0.9 on)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from napari_construct.classes import PALETTES, ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.settings import SegmentSettings

_PLUGIN: Final = "napari-construct"


@dataclass(frozen=True, slots=True)
class Preferences:
    """With what widgets start.

    Attributes
    ----------
    model : str
        Name or path; empty for the first that is there.
    device : str
        "auto", "cpu", "cuda" or "mps".
    tile, overlap : int
        Pixels.
    palette : str
        Whose colours classes get: "Of the model", "Okabe-Ito" or "Paper (BCSS)".
    cache_gb : float
        Largest size of the feature cache of a training, in gigabytes.
    """

    model: str = ""
    device: str = "auto"
    tile: int = SegmentSettings().tile
    overlap: int = SegmentSettings().overlap
    palette: str = "Of the model"
    cache_gb: float = 20.0

    def settings(self) -> SegmentSettings:
        """The defaults with tile and overlap of the preferences; without them where they contradict."""
        try:
            return SegmentSettings().changed(tile=self.tile, overlap=self.overlap)
        except ConfigurationError:
            return SegmentSettings()

    def coloured(self, table: ClassTable) -> ClassTable:
        """A model's classes in the colours of the palette."""
        colours = PALETTES.get(self.palette)
        return table if colours is None else table.coloured(colours)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def preferences() -> Preferences:
    """The preferences as they are now; the defaults where napari keeps none for plugins."""
    try:
        from napari.settings import get_plugin_settings

        kept = get_plugin_settings(_PLUGIN)
    except (ImportError, KeyError):
        return Preferences()
    found: dict[str, Any] = {}
    for page in ("segmentation", "training"):
        values = getattr(kept, page, None)
        found |= {
            field.name: getattr(values, field.name)
            for field in fields(Preferences)
            if hasattr(values, field.name)
        }
    return Preferences(**found)
