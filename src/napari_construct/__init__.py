"""napari-construct: weakly supervised tissue segmentation.

Importing the package loads neither torch nor napari nor Qt; names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ClassTable": "classes",
    "TissueClass": "classes",
    "ConstructError": "exceptions",
}

__all__ = ["ClassTable", "ConstructError", "TissueClass", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
