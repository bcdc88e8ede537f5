"""Names of the results of many images, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from napari_construct.reading.names import folded, result_stem


def distinct_stems(names: Sequence[str]) -> list[str]:
    """How the names of the images' results begin: different ones, also where the system ignores case.

    Names without suffix; equal ones keep their suffix, or get a number.
    """
    bare = [result_stem(name) for name in names]
    often = Counter(map(folded, bare))
    names_of = Distinct()
    for name, stem in zip(names, bare, strict=True):
        folder, slash, last = name.rpartition("/")
        whole = f"{folder}{slash}{last.replace('.', '_')}"
        names_of.add(result_stem(whole) if often[folded(stem)] > 1 else stem)
    return names_of.given


class Distinct:
    """Names that no two images share; the second of equal ones gets the number 2."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def add(self, wanted: str, parts: Callable[[str], Sequence[str]] = lambda name: (name,)) -> str:
        """``wanted`` if it is free with all its parts, else with the first free number."""
        key, name = folded(wanted), wanted
        while not self._taken.isdisjoint(map(folded, parts(name))):
            number = self._next.get(key, 2)
            self._next[key] = number + 1
            name = f"{wanted}_{number}"
        self._taken.update(map(folded, parts(name)))
        self.given.append(name)
        return name
