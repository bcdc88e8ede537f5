"""What was seen of tiles, kept in memory up to a bound."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Final

from torch import Tensor

from napari_construct.models.network.taught import Seen

LIMIT: Final = 512 * 2**20
"""Bytes of features that are kept; a tile of 512 pixels takes 3 MB with the bundled encoder."""


class SeenTiles:
    """Features of tiles by their pixels; those that were not asked for longest go first.

    Parameters
    ----------
    limit : int
        Most bytes that are kept.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.size = limit, 0
        self._kept: OrderedDict[bytes, Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, images: Tensor) -> Seen | None:
        """What was seen of these images; None if it is not known."""
        key = _key(images)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, images: Tensor, seen: Seen) -> None:
        """Keep it, unless it is larger than all that may be kept."""
        size = _bytes(seen)
        if size > self.limit:
            return
        key = _key(images)
        if key in self._kept:
            self.size -= _bytes(self._kept.pop(key))
        while self.size + size > self.limit:
            _, oldest = self._kept.popitem(last=False)
            self.size -= _bytes(oldest)
        self._kept[key] = seen
        self.size += size


def _key(images: Tensor) -> bytes:
    values: Any = images.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(values.data, key=str(tuple(images.shape)).encode()[:64]).digest()


def _bytes(seen: Seen) -> int:
    parts = (*seen.levels, *(() if seen.base is None else (seen.base,)))
    return sum(part.numel() * part.element_size() for part in parts)
