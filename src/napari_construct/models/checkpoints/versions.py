"""Versions of what decides a result, for checkpoints and records."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import torch

from napari_construct import __version__


def software_versions() -> dict[str, str]:
    """Versions of what decides a result: this package, Python, torch, and the encoders' libraries."""
    found = {"napari-construct": __version__, "python": platform.python_version(), "torch": torch.__version__}
    return {**found, **_libraries()}


@cache
def _libraries() -> Mapping[str, str]:
    """Read once: to find and read the metadata takes as long as a tile in the network."""
    found = {}
    for name in ("timm", "open_clip_torch", "segmentation-models-pytorch"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return MappingProxyType(found)
