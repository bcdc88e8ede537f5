"""The plugin's page in napari's preferences (napari 0.9 and later)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from napari_construct.classes import PALETTES, ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.settings import SegmentSettings

_PLUGIN: Final = "napari-construct"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The values that widgets start with.

    Attributes
    ----------
    model : str
        Name or path; empty for the first model.
    device : str
        "auto", "cpu", "cuda" or "mps".
    tile, overlap : int
        Pixels.
    palette : str
        Colours of the classes: "Of the model", "Okabe-Ito" or "Paper (BCSS)".
    cache_gb : float
        Largest size of the feature cache of a training run, in gigabytes.
    """

    model: str = ""
    device: str = "auto"
    tile: int = SegmentSettings().tile
    overlap: int = SegmentSettings().overlap
    palette: str = "Of the model"
    cache_gb: float = 20.0

    def settings(self) -> SegmentSettings:
        """The default settings with tile and overlap of the preferences, if these fit together."""
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
    """The current preferences; the defaults if this napari has none for plugins."""
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
