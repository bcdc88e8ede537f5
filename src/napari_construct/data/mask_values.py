"""Which value of mask files is which class.

Two conventions are common: value 0 is the first class (published datasets), or 0 is unlabelled and value 1 is
the first class (masks of this project, QuPath, ImageJ). Nothing in an array tells them apart, so the user may
say it; otherwise it is derived from what the files say about themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.images import NO_DATA
from napari_construct.data.mask_description import mask_description, mask_palette
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.reading.names import normal

FirstClass: TypeAlias = Literal["auto", 0, 1]
"""Value of the first class in masks: 0; 1 where 0 is unlabelled; or derived from the masks."""

IGNORED: Final = NO_DATA
"""Of :meth:`MaskReading.truth`: no class, not scored."""

MOST: Final = 200
"""Masks that are looked at, evenly spread."""

_STRANGE: Final = 254
_SOURCES: Final = {
    "stated": "as stated",
    "record": "as their own description says",
    "palette": "as their palette says",
    "values": "as their values say: 0 does not occur, and the last class would be missing",
    "scores": "as the scores say",
    "assumed": "assumed",
}


@dataclass(frozen=True, slots=True)
class MaskReading:
    """How the values of masks are read.

    Attributes
    ----------
    classes : ClassTable
        Of the model.
    first_class : {0, 1}
        Value of the first class.
    source : str
        Where this is known from: "stated", "record", "palette", "values", "scores" or "assumed".
    ignore : frozenset of int
        Values that are no class.
    order : tuple of str
        Classes of the values, from that of the first class; empty where they are in the model's order.
    """

    classes: ClassTable
    first_class: Literal[0, 1] = 0
    source: str = "assumed"
    ignore: frozenset[int] = field(default_factory=frozenset)
    order: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The reading as a sentence for the user."""
        zero = ", 0 is unlabelled" if self.first_class else ""
        if self.order:
            pairs = ", ".join(f"{self.first_class + i} is {name}" for i, name in enumerate(self.order))
            return f"in the masks, value {pairs}{zero} (as stated)"
        return f"in the masks, value {self.first_class} is the first class{zero} ({_SOURCES[self.source]})"

    @property
    def derived(self) -> bool:
        """Whether the masks themselves decided: the user should know."""
        return self.source not in ("stated", "assumed")

    def as_scores_say(self) -> MaskReading:
        """With 1 as the first class, for masks that say nothing about themselves and fit this far better."""
        return replace(self, first_class=1, source="scores")

    @property
    def ignored_classes(self) -> frozenset[int]:
        """Values of the classes that the table leaves out of scores."""
        order = self._indices
        return frozenset(i + self.first_class for i, c in enumerate(order) if self.classes[c].ignored)

    @property
    def _indices(self) -> tuple[int, ...]:
        """The class of each value, from that of the first class."""
        if not self.order:
            return tuple(range(len(self.classes)))
        return tuple(self.classes.index(name) for name in self.order)

    @property
    def record(self) -> dict[str, Any]:
        """The reading for reports."""
        order = {"order": list(self.order)} if self.order else {}
        return {"first_class": self.first_class, "source": self.source, **order}

    def truth(self, path: Path, mask: NDArray[np.uint8], *, strict: bool = False) -> NDArray[np.uint8]:
        """The classes of a mask.

        Parameters
        ----------
        path : Path
            The file; napari-construct's own masks are read by the names of their classes, unless the first
            class was stated.
        mask : ndarray
            (h, w) uint8, its values.
        strict : bool
            Whether values that are neither a class nor ignored are an error; they are ignored otherwise.

        Returns
        -------
        ndarray
            (h, w) uint8; value ``i`` is class ``i``, :data:`IGNORED` is none.

        Raises
        ------
        InputError
            If ``strict``, and there are such values.
        """
        table = np.full(256, _STRANGE, np.uint8)
        names = self._own_names(path)
        if names is None:
            values = range(self.first_class, self.first_class + len(self.classes))
            table[values.start : values.stop] = self._indices
        else:
            for value, name in names.items():
                if 0 < value < 256 and name in self.classes.names:
                    table[value] = self.classes.names.index(name)
        if names is not None or self.first_class:
            table[0] = IGNORED
        table[list(self.ignore)] = IGNORED
        left_out = [i for i, tissue in enumerate(self.classes) if tissue.ignored]
        table[np.isin(table, left_out)] = IGNORED
        found: NDArray[np.uint8] = table[mask]
        if strict and (found == _STRANGE).any():
            raise self._strange(path, np.unique(mask[found == _STRANGE]).tolist(), names)
        found[found == _STRANGE] = IGNORED
        return found

    def _own_names(self, path: Path) -> Mapping[int, str] | None:
        """Classes by value in one of our own masks; None of other masks, or where the user said otherwise."""
        if self.source != "record":
            return None
        described = mask_description(path)
        return None if described is None else _matched(described.names, self.classes)

    def _strange(self, path: Path, values: Sequence[int], names: Mapping[int, str] | None) -> InputError:
        k, first, listed = len(self.classes), self.first_class, ", ".join(map(str, values[:5]))
        leave_out = f"to leave these out, ignore them (--ignore {values[0]})"
        if names is not None:
            called = ", ".join(names.get(value, f"value {value}") for value in values[:5])
            return InputError(
                f"{path}: expected the classes {', '.join(self.classes.names)}, got {called} (value "
                f"{listed}), as the mask's own description says; {leave_out}"
            )
        other = "1 is, and 0 is unlabelled" if first == 0 else "0 is"
        region = "; a mask of 0 and 255 marks one region: save one value per class"
        return InputError(
            f"{path}: expected values from {first} to {first + k - 1} ({', '.join(self.classes.names)}), as "
            f"{first} is the first class, got {listed}; if {other}, set the first class to {1 - first} "
            f"(--first-class {1 - first}); {leave_out}{region if list(values) == [255] else ''}"
        )


def mask_reading(
    masks: Sequence[Path],
    classes: ClassTable,
    *,
    first_class: FirstClass = "auto",
    ignore: Collection[int] = (),
    order: Sequence[str] | None = None,
) -> MaskReading:
    """How masks are to be read, from what is stated or what up to :data:`MOST` of them say.

    In this order: napari-construct's own description in one of them; a palette of the classes' colours;
    values from 1 to the number of classes without any 0; else 0 is the first class.

    Parameters
    ----------
    masks : sequence of Path
        The files; unreadable ones are passed over.
    classes : ClassTable
        Of the model.
    first_class : {"auto", 0, 1}
        Value of the first class.
    ignore : collection of int
        Values of the files that are no class.
    order : sequence of str, optional
        All classes in the order of the values; by default the model's order. Masks of this project are read
        by their own names all the same.

    Raises
    ------
    ConfigurationError
        If ``order`` holds other classes than the model.
    """
    reading = _reading(masks, classes, first_class, ignore)
    if order is None or reading.source == "record" or tuple(order) == classes.names:
        return reading
    if sorted(order) != sorted(classes.names):
        raise ConfigurationError(
            f"expected the classes {', '.join(classes.names)} in the order of the mask values, got "
            f"{', '.join(order) or 'none'}; name each class once (--mask-order)"
        )
    return replace(reading, order=tuple(order))


def _reading(
    masks: Sequence[Path], classes: ClassTable, first_class: FirstClass, ignore: Collection[int]
) -> MaskReading:
    """How masks are to be read, in the model's order."""
    left_out = frozenset(ignore)
    if first_class != "auto":
        return MaskReading(classes, first_class, "stated", left_out)
    spread = np.unique(np.linspace(0, len(masks) - 1, min(MOST, len(masks))).round().astype(int))
    looked_at = [masks[i] for i in spread.tolist()]
    if any(mask_description(path) is not None for path in looked_at):
        return MaskReading(classes, 1, "record", left_out)
    values: set[int] = set()
    for path in looked_at:
        try:
            here = set(np.unique(read_mask(path)).tolist()) - left_out
        except InputError:
            continue
        first = _first_by_palette(mask_palette(path), here, classes)
        if first is not None:
            return MaskReading(classes, first, "palette", left_out)
        values |= here
    if values and min(values) >= 1 and max(values) == len(classes):
        return MaskReading(classes, 1, "values", left_out)
    return MaskReading(classes, 0, "assumed", left_out)


def _matched(names: Mapping[int, str], classes: ClassTable) -> Mapping[int, str]:
    """Names of a mask by value; those of the model in order, where all of them are other words."""
    own = {value: normal(name) for value, name in names.items()}
    if set(own.values()).isdisjoint(classes.names) and len(own) == len(classes):
        return dict(zip(own, classes.names, strict=True))
    return own


def _first_by_palette(
    palette: Sequence[str], values: Collection[int], classes: ClassTable
) -> Literal[0, 1] | None:
    """The first class by the colours of the values that occur; None where they do not tell."""

    def fits(first: int) -> bool:
        there = [i for i in range(len(classes)) if i + first in values and i + first < len(palette)]
        return bool(there) and all(palette[i + first] == classes[i].colour.upper() for i in there)

    zero, one = fits(0), fits(1)
    if zero == one:
        return None
    return 0 if zero else 1
