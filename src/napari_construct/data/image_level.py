"""Datasets with image-level labels: the classes that occur in each patch, without their place.

Three forms are read: one folder per class, labels in the file names (:mod:`~napari_construct.data.bcss`), and
a table (:mod:`~napari_construct.data.label_table`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_construct.data.bcss import labels_from_names, named
from napari_construct.data.images import read_image
from napari_construct.data.label_table import read_table
from napari_construct.data.listing import list_images
from napari_construct.events import Event, Steps, run
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.types import PathLike, ShortRepr

Format: TypeAlias = Literal["auto", "folders", "names", "table"]
"""How labels are written: sub-folders, file names in BCSS's way, or a CSV; ``auto`` looks."""

_SPLIT_FOLDERS: Final = frozenset({"train", "training", "val", "valid", "validation", "test", "img", "mask"})


@dataclass(frozen=True, repr=False)
class ImageLevelDataset(ShortRepr):
    """Patches and the classes that occur in them.

    Attributes
    ----------
    paths : tuple of Path
        One file per patch, sorted by name.
    labels : ndarray
        (n, k) uint8, 1 where the class occurs; read-only.
    class_names : tuple of str
        The k classes.
    names : tuple of str
        Each patch relative to the dataset, with ``/``; the same on every machine.
    notices : tuple of str
        Notices for the user, for example on a class without positives.
    groups : tuple of str
        Patient or slide of each patch, if the table has a column ``group``; else empty.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    notices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = np.array(self.labels, dtype=np.uint8)
        expected = (len(self.paths), len(self.class_names))
        if labels.shape != expected or len(self.names) != len(self.paths):
            raise DatasetError(f"expected labels of shape {expected} (patches, classes), got {labels.shape}")
        if len(self.groups) not in (0, len(self.paths)):
            raise DatasetError(
                f"expected a group for each of {len(self.paths)} patches, got {len(self.groups)}"
            )
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over class names, and name, labels and size in bytes of every patch.

        Equal for a copy of the dataset elsewhere; different after a file or a label was changed,
        added or removed. Files are not read, so an edit that keeps the size is not detected.
        """
        digest = hashlib.sha256("\0".join(self.class_names).encode())
        for name, path, row in zip(self.names, self.paths, self.labels, strict=True):
            bits = "".join(map(str, row.tolist()))
            digest.update(f"\n{name}\0{bits}\0{path.stat().st_size}".encode())
        digest.update("".join(f"\0{group}" for group in self.groups).encode())
        return digest.hexdigest()

    def subset(self, indices: ArrayLike) -> ImageLevelDataset:
        """The patches at ``indices`` (integers, or a mask of n booleans), in that order, with all classes."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        return ImageLevelDataset(
            tuple(self.paths[i] for i in chosen),
            self.labels[chosen],
            self.class_names,
            tuple(self.names[i] for i in chosen),
            self.notices,
            tuple(self.groups[i] for i in chosen) if self.groups else (),
        )

    def check(self) -> DatasetReport:
        """Decode every file once and report counts, label histogram, unreadable and odd-sized files.

        :func:`~napari_construct.data.image_level.check_steps` does the same with progress.
        """
        return run(check_steps(self))


def load_dataset(
    path: PathLike, *, labels_in: Format = "auto", class_names: Sequence[str] | None = None
) -> ImageLevelDataset:
    """Read a dataset with image-level labels.

    Parameters
    ----------
    path : str or path
        A folder with one sub-folder of patches per class; a folder of patches with labels in their
        names (``...[1010].png``); or a CSV with the column ``path``, one 0/1 column per class and optionally
        the patient or slide of every patch in the column ``group``.
    labels_in : {"auto", "folders", "names", "table"}
        Source of the labels; ``auto`` derives it from ``path``.
    class_names : sequence of str, optional
        Names for labels in file names (default ``class_1`` ...); otherwise the classes to use, in order.

    Returns
    -------
    ImageLevelDataset
        All patches, with notices on classes without positive or without negative patches.

    Raises
    ------
    DatasetError
        If there are no patches, labels are missing or contradictory, or no class has a positive patch.
    """
    root = Path(path)
    chosen = detect_format(root) if labels_in == "auto" else labels_in
    wanted = tuple(class_names) if class_names is not None else None
    if wanted is not None and (len(set(wanted)) != len(wanted) or not all(wanted)):
        raise ConfigurationError(
            f"expected different class names, got {', '.join(wanted)}; name each class once"
        )
    if chosen == "folders":
        paths, labels, names = _from_folders(root, wanted)
    elif chosen == "names":
        paths, labels, names = _from_names(root, wanted)
    elif chosen == "table":
        found, rows, columns, written, groups = read_table(root, wanted)
        return replace(_checked(root, found, rows, columns, written), groups=groups)
    else:
        raise ConfigurationError(
            f"expected labels in auto, folders, names or table, got {chosen!r}; choose one"
        )
    return _checked(root, paths, labels, names, tuple(p.relative_to(root).as_posix() for p in paths))


def detect_format(root: Path) -> Literal["folders", "names", "table"]:
    """Form of the dataset at ``root``."""
    if root.is_file():
        if root.suffix.lower() == ".csv":
            return "table"
        raise DatasetError(
            f"{root}: expected a folder of patches or a CSV table, got another file; give one of these"
        )
    if not root.is_dir():
        raise DatasetError(
            f"{root}: expected a folder of patches or a CSV table, found nothing; check the path"
        )
    here, below = bool(list_images(root)), _class_folders(root)
    filled = {folder.name for folder in below if list_images(folder, recursive=True)}
    if here and filled:
        raise DatasetError(
            f"{root}: expected patches either in the folder or in one sub-folder per class, got both "
            f"({named(sorted(filled))}); move them apart or say where the labels are (labels_in)"
        )
    splits = sorted(name for name in filled if name.lower() in _SPLIT_FOLDERS)
    if splits:
        raise DatasetError(
            f"{root}: expected one sub-folder per class, got {named(splits)}; give the folder of one split, "
            f"for example {root / min(splits, key=lambda name: not name.lower().startswith('train'))}"
        )
    if not here and not filled:
        raise DatasetError(
            f"{root}: expected patches (PNG, JPEG, BMP, TIFF), the folder holds none; check the path"
        )
    return "names" if here else "folders"


def _class_folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _from_folders(
    root: Path, wanted: tuple[str, ...] | None
) -> tuple[tuple[Path, ...], NDArray[np.uint8], tuple[str, ...]]:
    if not root.is_dir():
        raise DatasetError(
            f"{root}: expected a folder with one sub-folder per class, found none; check the path"
        )
    present = tuple(folder.name for folder in _class_folders(root))
    names = wanted or present
    absent = [name for name in names if name not in present]
    if absent:
        raise DatasetError(
            f"{root}: expected a sub-folder for every class, got none for {named(absent)} "
            f"(there are: {named(present) or 'none'}); check the names"
        )
    found = [(path, i) for i, name in enumerate(names) for path in list_images(root / name, recursive=True)]
    found.sort(key=lambda item: item[0].relative_to(root).as_posix())
    labels = np.zeros((len(found), len(names)), dtype=np.uint8)
    for row, (_, i) in enumerate(found):
        labels[row, i] = 1
    return tuple(path for path, _ in found), labels, names


def _from_names(
    root: Path, wanted: tuple[str, ...] | None
) -> tuple[tuple[Path, ...], NDArray[np.uint8], tuple[str, ...]]:
    paths = list_images(root) if root.is_dir() else ()
    if not paths:
        raise DatasetError(
            f"{root}: expected a folder of patches with labels in their names, found none there"
        )
    labels = labels_from_names(paths)
    names = wanted or tuple(f"class_{i + 1}" for i in range(labels.shape[1]))
    if len(names) != labels.shape[1]:
        raise DatasetError(
            f"{root}: expected {len(names)} labels in every name, one for each of {', '.join(names)}, got "
            f"{labels.shape[1]} in {paths[0].name}; give as many class names as labels"
        )
    return paths, labels, names


def _checked(
    root: Path,
    paths: tuple[Path, ...],
    labels: NDArray[np.uint8],
    class_names: tuple[str, ...],
    names: tuple[str, ...],
) -> ImageLevelDataset:
    if not paths:
        raise DatasetError(f"{root}: expected at least one patch, got none; check the path")
    positives = labels.sum(axis=0, dtype=np.int64)
    if not positives.any():
        raise DatasetError(
            f"{root}: expected at least one patch with a class in it, got {len(paths)} patch(es) that are "
            f"all negative for {', '.join(class_names)}; check the labels"
        )
    notices = []
    for name, count in zip(class_names, positives, strict=True):
        if count == 0:
            notices.append(
                f"class {name} has no positive patch and cannot be learned; add some or leave it out"
            )
        elif count == len(paths):
            notices.append(
                f"class {name} is positive in all {count} patches; add a patch without it, so that it can "
                "be learned"
            )
    return ImageLevelDataset(paths, labels, class_names, names, tuple(notices))


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
