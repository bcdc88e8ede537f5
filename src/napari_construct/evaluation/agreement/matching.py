"""Which class of one annotation is which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.annotations import is_ignored
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import folded, named


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The classes of two annotations as one list.

    Attributes
    ----------
    names : tuple of str
        First those that both have, under the first one's name, then those of one side alone.
    both : int
        How many both have.
    first, second : ndarray
        (k,) int: for each class of that side its number in ``names``; -1 for what counts nowhere.
    only_first, only_second : tuple of str
        Classes without a partner.
    """

    names: tuple[str, ...]
    both: int
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def alike(name: str) -> str:
    """A name as names are compared: composed letters, no case, single spaces."""
    return " ".join(folded(name).split())


def match_classes(
    first: Sequence[str],
    second: Sequence[str],
    match: Sequence[tuple[str, str]] = (),
    leave_out: Sequence[str] = (),
) -> Matched:
    """Pair classes by what is stated, then by their names, in any case and with any spaces.

    Raises
    ------
    ConfigurationError
        If a stated name is none of its side's, or a name to leave out is of neither.
    """
    nowhere = {alike(name) for name in leave_out}
    known = {alike(name) for name in (*first, *second)}
    if unknown := [name for name in leave_out if alike(name) not in known]:
        raise ConfigurationError(
            f"expected classes to leave out from {named([*first, *second], 20)}, got {named(unknown)}; check "
            "the spelling"
        )
    groups = _groups(first, second, match)
    counted = [group for group in groups if not any(is_ignored(n) or alike(n) in nowhere for _, n in group)]
    shared = [group for group in counted if {side for side, _ in group} == {0, 1}]
    ordered = [*shared, *(group for group in counted if group not in shared)]
    place = {end: i for i, group in enumerate(ordered) for end in group}
    numbers_first, numbers_second = (
        np.array([place.get((side, name), -1) for name in names], dtype=np.intp)
        for side, names in enumerate((first, second))
    )
    only_first, only_second = (
        tuple(n for n, i in zip(names, numbers.tolist(), strict=True) if i >= len(shared))
        for names, numbers in ((first, numbers_first), (second, numbers_second))
    )
    return Matched(_shown(ordered), len(shared), numbers_first, numbers_second, only_first, only_second)


def _groups(
    first: Sequence[str], second: Sequence[str], match: Sequence[tuple[str, str]]
) -> list[list[tuple[int, str]]]:
    """Classes that are one: (side, name) each, those of the first annotation before."""
    groups = [[(side, name)] for side, names in enumerate((first, second)) for name in names]
    pairs = [((0, _found(a, first, "first")), (1, _found(b, second, "second"))) for a, b in match]
    stated = {end for pair in pairs for end in pair}
    free: dict[str, list[tuple[int, str]]] = {}
    for name in second:
        if (1, name) not in stated:
            free.setdefault(alike(name), []).append((1, name))
    pairs += [
        ((0, name), other) for name in first if (0, name) not in stated for other in free.get(alike(name), ())
    ]
    for one, other in pairs:
        whole = [group for group in groups if one in group or other in group]
        if len(whole) == 2:
            groups.remove(whole[1])
            whole[0].extend(whole[1])
    return groups


def _shown(groups: Sequence[Sequence[tuple[int, str]]]) -> tuple[str, ...]:
    """A name for each, no two of them alike."""
    names = [group[0][1] for group in groups]
    seen = [alike(name) for name in names]
    return tuple(
        f"{name} ({'first' if group[0][0] == 0 else 'second'})" if seen.count(alike(name)) > 1 else name
        for name, group in zip(names, groups, strict=True)
    )


def _found(name: str, names: Sequence[str], which: str) -> str:
    exact = next((one for one in names if alike(one) == alike(name)), None)
    if exact is None:
        raise ConfigurationError(
            f"expected a class of the {which} annotation to match, one of {named(names, 20) or 'none'}, got "
            f"{named([name])}; check the spelling"
        )
    return exact
