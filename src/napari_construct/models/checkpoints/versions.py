"""Versions of what decides a result, for checkpoints and records."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from napari_construct import __version__


def software_versions() -> dict[str, str]:
    """Versions of what decides a result: this package, Python, torch, and the encoders' libraries."""
    found = {"napari-construct": __version__, "python": platform.python_version(), "torch": torch.__version__}
    for name in ("timm", "open_clip_torch", "segmentation-models-pytorch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
