"""Mean and standard deviation over models of nested tables of numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def mean_of(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of every number; one that is undefined (None) in a table is left out of its mean."""

    def mean(known: list[Any]) -> Any:
        if known and known.count(known[0]) == len(known):
            return known[0]  # whole numbers stay whole, and nothing is rounded
        return statistics.fmean(known) if known else None

    return _over(tables, mean)


def std_of(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Standard deviation of every number with n - 1 in the denominator; None for fewer than two."""
    return _over(tables, lambda known: statistics.stdev(known) if len(known) > 1 else None)


def defined(value: float) -> float | None:
    """JSON has no nan."""
    return float(value) if math.isfinite(value) else None


def _over(tables: Sequence[Mapping[str, Any]], number: Callable[[list[Any]], float | None]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, first in tables[0].items():
        values = [table[key] for table in tables]
        if isinstance(first, Mapping):
            result[key] = _over(values, number)
        else:
            result[key] = number([v for v in values if v is not None])
    return result
