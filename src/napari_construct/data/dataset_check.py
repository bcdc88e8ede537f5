"""Decode every file of a dataset before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_construct.data.images import read_image
from napari_construct.events import Event, Steps
from napari_construct.exceptions import InputError

if TYPE_CHECKING:
    from napari_construct.data.image_level import ImageLevelDataset


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Statistics of a dataset.

    Attributes
    ----------
    count : int
        Number of patches, readable or not.
    positives : mapping of str to int
        Per class, patches in which it occurs.
    label_histogram : mapping of str to int
        Patches per combination of labels (``"1010"``), most frequent first.
    sizes : mapping of (int, int) to int
        Readable patches per height and width in pixels, most frequent first.
    unreadable : tuple of (str, str)
        Name and reason of every file that cannot be decoded.
    odd_sized : tuple of str
        Names of the patches whose size is not the most frequent one.
    notices : tuple of str
        Sentences on the dataset as a whole and on single files.
    """

    count: int
    positives: Mapping[str, int]
    label_histogram: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    unreadable: tuple[tuple[str, str], ...]
    odd_sized: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every file can be read; odd sizes and notices are allowed."""
        return not self.unreadable

    def __str__(self) -> str:
        lines = [f"{self.count} patches"]
        lines += [f"  {name}: {count} positive" for name, count in self.positives.items()]
        lines += [f"  labels [{bits}]: {count}" for bits, count in self.label_histogram.items()]
        lines += [f"  {h} x {w} pixels: {count}" for (h, w), count in self.sizes.items()]
        lines += [f"unreadable: {name}: {reason}" for name, reason in self.unreadable]
        lines += [f"odd size: {name}" for name in self.odd_sized]
        lines += [f"note: {sentence}" for sentence in self.notices]
        return "\n".join(lines)


def check_steps(dataset: ImageLevelDataset) -> Steps[DatasetReport]:
    """Decode every file of a dataset once; yields an event per file, returns the report."""
    sizes: dict[str, tuple[int, int]] = {}
    unreadable: list[tuple[str, str]] = []
    notices = list(dataset.notices)
    for done, (name, path) in enumerate(zip(dataset.names, dataset.paths, strict=True), start=1):
        try:
            image = read_image(path)
        except InputError as error:
            unreadable.append((name, str(error)))
        else:
            sizes[name] = (image.pixels.shape[0], image.pixels.shape[1])
            notices.extend(image.notices)
        yield Event("check", done, len(dataset), name)
    by_size = Counter(sizes.values()).most_common()
    usual = by_size[0][0] if by_size else None
    bits = ("".join(map(str, row)) for row in dataset.labels.tolist())
    return DatasetReport(
        count=len(dataset),
        positives=dict(zip(dataset.class_names, dataset.labels.sum(axis=0, dtype=int).tolist(), strict=True)),
        label_histogram=dict(Counter(bits).most_common()),
        sizes=dict(by_size),
        unreadable=tuple(unreadable),
        odd_sized=tuple(name for name, size in sizes.items() if size != usual),
        notices=tuple(notices),
    )
