"""napari's preferred readers: files that are named like our results open without a question.

napari chooses a reader by name alone and asks where several know a name; its own claims every TIFF and every
folder. So this plugin enters itself into napari's preferences (Preferences > Plugins) for the endings of its
own results, where the user has not chosen another, and passes files of other programs on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any, Final

from napari.settings import get_settings
from npe2 import PluginManager
from npe2 import read as read_with

from napari_construct.widgets.files.names import MASK_PATTERNS

PLUGIN: Final = "napari-construct"
ENDINGS: Final = (*MASK_PATTERNS, f"*.ome.zarr{os.sep}")
"""Patterns as napari matches them: folders end in a separator."""

_LABEL_BYTES: Final = 4
"""Bytes of a value from which napari saves labels, and hardly anybody a picture."""


def prefer_us(_context: object = None) -> None:
    """Enter this plugin for its own endings; npe2 calls it when the plugin is first used."""
    plugins = get_settings().plugins
    missing = {ending: PLUGIN for ending in ENDINGS if ending not in plugins.extension2reader}
    if missing:
        plugins.extension2reader = {**plugins.extension2reader, **missing}


def is_preferred(path: str) -> bool:
    """Whether napari gives us a file for its name alone."""
    named = f"{path}{os.sep}" if os.path.isdir(path) and not path.endswith(os.sep) else path  # noqa: PTH112
    chosen = get_settings().plugins.extension2reader
    return any(chosen.get(ending) == PLUGIN and fnmatch(named, ending) for ending in ENDINGS)


def read_as_others(path: str | Sequence[str]) -> list[Any]:
    """Layers of a file of another program, by the reader that napari would take without this plugin.

    What napari's own writer saved of a mask comes back as labels: whole numbers of 32 bit under such a name.
    """
    paths = [path] if isinstance(path, str) else list(path)
    readers = PluginManager.instance().iter_compatible_readers(paths)
    others = sorted({reader.plugin_name for reader in readers} - {PLUGIN}, key=lambda name: name == "napari")
    found = read_with(paths, stack=not isinstance(path, str), plugin_name=others[0])
    named = all(any(fnmatch(one, pattern) for pattern in MASK_PATTERNS) for one in paths)
    return [_as_labels(layer) if named else layer for layer in found]


def _as_labels(layer: Any) -> Any:
    data, *rest = layer
    kind = getattr(data, "dtype", None)
    is_mask = kind is not None and kind.kind in "iu" and kind.itemsize >= _LABEL_BYTES
    return (data, rest[0] if rest else {}, "labels") if is_mask else layer
