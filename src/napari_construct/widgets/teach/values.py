"""Which painted value is which class, for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError

MOST: Final = 255
"""Of the values of a layer of strokes."""


class PaintedValues:
    """The value of each class in layers of strokes, by its name.

    A class keeps its value whatever becomes of the others: also when it is renamed, and one that was removed
    gets it back under its name. No value is given twice.
    """

    def __init__(self, table: ClassTable) -> None:
        self._values: dict[str, int] = {}
        self._table = table
        self.follow(table)

    def follow(self, table: ClassTable) -> None:
        """Take another table over.

        Raises
        ------
        ConfigurationError
            If there were more classes than values, over the whole session.
        """
        before, after = self._table.names, table.names
        renamed = [i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]
        if len(before) == len(after) and len(renamed) == 1 and after[renamed[0]] not in self._values:
            self._values[after[renamed[0]]] = self._values.pop(before[renamed[0]])
        for name in after:
            if name not in self._values:
                self._values[name] = self._free()
        self._table = table

    def put(self, values: Mapping[str, int]) -> None:
        """Take over values that were given elsewhere, for classes that are not known yet."""
        for name, value in values.items():
            if name not in self._values and value not in self._values.values():
                self._values[name] = value

    def of(self, table: ClassTable) -> dict[str, int]:
        """The values of a table's classes."""
        return {name: self._values[name] for name in table.names}

    def _free(self) -> int:
        value = max(self._values.values(), default=0) + 1
        if value > MOST:
            raise ConfigurationError(
                f"expected at most {MOST} classes, got more; save the model, then begin anew"
            )
        return value


def in_order(values: Mapping[str, int], names: tuple[str, ...]) -> NDArray[np.uint8]:
    """(256,) uint8: for each painted value 0, or ``i + 1`` for class ``i`` of ``names``."""
    table = np.zeros(MOST + 1, np.uint8)
    for i, name in enumerate(names, start=1):
        table[values[name]] = i
    return table
