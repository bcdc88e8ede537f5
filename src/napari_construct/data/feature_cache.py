"""Features of a frozen encoder on disk, computed once, in half precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from torch import Tensor

from napari_construct.data.tensor_cache import TensorCache, cache_folder

LARGEST_HALF: Final = 65504.0


class FeatureCache(TensorCache):
    """Features by key in a folder of bounded size, see :class:`TensorCache`."""

    KEPT: ClassVar[str] = "features"
    REMEDY: ClassVar[str] = "free some space, choose another cache_folder, or leave feature_cache out"

    def get(self, key: str) -> dict[str, Tensor] | None:
        """Features of a key in float32; None if they are absent or damaged."""
        found = super().get(key)
        return None if found is None else {name: value.float() for name, value in found.items()}

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Store features; returns them as :meth:`get` will give them, rounded to half precision.

        Values beyond the range of half precision keep their tensor in float32.

        Raises
        ------
        ConstructError
            If the system refuses to write.
        """
        stored = super().put(key, {name: _half(value) for name, value in tensors.items()})
        return {name: value.float() for name, value in stored.items()}


def default_folder() -> Path:
    """``napari-construct/features`` in the user's cache folder."""
    return cache_folder("features")


def _half(value: Tensor) -> Tensor:
    plain = value.detach().cpu()
    fits = not plain.numel() or bool(plain.abs().amax() <= LARGEST_HALF)
    return plain.half() if fits else plain.float()
