"""napari's preferred readers: files that are named like our results, and slides, open without a question.

napari chooses a reader by name alone and asks where several know a name; its own claims every TIFF and every
folder. So this plugin enters itself into napari's preferences (Preferences > Plugins) for the endings of its
own results and of scanners, and passes files of other programs on to the reader that they would have
without it.

Only a layer of ours is saved as "NAME mask.tif". Others write NAME_mask.tif and OME-Zarr, and read slides,
too: these are taken only where no other plugin reads them, and the user has chosen no reader that fits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from napari.settings import get_settings
from napari.utils.notifications import show_info
from npe2 import PluginManager
from npe2 import read as read_with

from napari_construct.widgets.files.names import MASK_PATTERNS, SCANNED_SUFFIXES

PLUGIN: Final = "napari-construct"
ENDINGS: Final = (*MASK_PATTERNS, f"*.ome.zarr{os.sep}", *(f"*{suffix}" for suffix in SCANNED_SUFFIXES))
"""Patterns as napari matches them: folders end in a separator."""
OF_LAYERS: Final = tuple(pattern for pattern in MASK_PATTERNS if pattern.startswith("* "))
"""Those that begin as a layer of this plugin is named: "NAME mask" and "NAME (refined)"."""

_NAPARI: Final = "napari"
_LABEL_BYTES: Final = 4
"""Bytes of a value from which napari saves labels, and hardly anybody a picture."""


def prefer_us(_context: object = None) -> None:
    """Enter this plugin for its own endings; npe2 calls it when the plugin is first used."""
    plugins = get_settings().plugins
    chosen = plugins.extension2reader
    missing = {ending: PLUGIN for ending in ENDINGS if _is_free(ending, chosen)}
    if missing:
        plugins.extension2reader = {**chosen, **missing}


def _is_free(ending: str, chosen: Mapping[str, str]) -> bool:
    """Whether nobody else has a claim on an ending."""
    if ending in chosen:
        return False
    if ending in OF_LAYERS:
        return True
    example = ending.replace("*", "name")
    foreign = any(fnmatch(example, pattern) for pattern, name in chosen.items() if name != PLUGIN)
    return not foreign and _readers_of([example]) <= {PLUGIN, _NAPARI}


def is_preferred(path: str) -> bool:
    """Whether napari gives us a file for its name alone."""
    chosen = get_settings().plugins.extension2reader
    return any(chosen.get(ending) == PLUGIN and fnmatch(_as_matched(path), ending) for ending in ENDINGS)


def read_as_others(path: str | Sequence[str]) -> list[Any]:
    """Layers of a file of another program, by the reader that napari would take without this plugin.

    That is the one that the user prefers for it; else the first of other plugins, else napari's own. What
    napari's own writer saved of a mask comes back as labels: whole numbers of 32 bit under a name of ours.
    """
    paths = [path] if isinstance(path, str) else list(path)
    others = others_of(paths)
    chosen = {
        pattern: name
        for pattern, name in get_settings().plugins.extension2reader.items()
        if name in others and fnmatch(_as_matched(paths[0]), pattern)
    }
    if chosen:
        reader = chosen[max(chosen, key=_narrowness)]
    else:
        reader = min(others, key=lambda name: (name == _NAPARI, name), default=_NAPARI)
    found = read_with(paths, stack=not isinstance(path, str), plugin_name=reader)
    named = all(any(fnmatch(one, pattern) for pattern in OF_LAYERS) for one in paths)
    if not named or not all(map(_is_mask, found)):
        return list(found)
    show_info(
        f"{Path(paths[0]).name} was saved in napari's own format: numbers without classes, colours and pixel "
        "size. To keep them, save with Save... below a result, or choose the format napari-construct Mask."
    )
    return [(data, rest[0] if rest else {}, "labels") for data, *rest in found]


def others_of(paths: Sequence[str]) -> set[str]:
    """Names of the other plugins that claim to read files, napari's own among them."""
    return _readers_of(paths) - {PLUGIN}


def _narrowness(pattern: str) -> tuple[int, int]:
    """Folders and letters that a pattern asks for: napari, too, takes the narrowest one that fits."""
    return pattern.rstrip(os.sep).count(os.sep), sum(letter not in "*?" for letter in pattern)


def _as_matched(path: str) -> str:
    """A path as napari compares it with patterns."""
    return f"{path}{os.sep}" if os.path.isdir(path) and not path.endswith(os.sep) else path  # noqa: PTH112


def _readers_of(paths: Sequence[str]) -> set[str]:
    """Names of the plugins that claim to read files."""
    return {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers(list(paths))}


def _is_mask(layer: Any) -> bool:
    """Whether the data of a layer are numbers as napari saves labels."""
    kind = getattr(layer[0], "dtype", None)
    return kind is not None and kind.kind in "iu" and kind.itemsize >= _LABEL_BYTES
