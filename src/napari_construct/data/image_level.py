"""Datasets with image-level labels: the classes that occur in each patch, without their place.

Three forms are read: one folder per class (:mod:`~napari_construct.data.labels.class_folders`), labels in
the names of files (:mod:`~napari_construct.data.labels.file_names`), and a table
(:mod:`~napari_construct.data.label_table`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_construct.data.dataset_check import DatasetReport, check_steps
from napari_construct.data.format_names import IMAGE_FORMATS
from napari_construct.data.label_table import TABLE_SUFFIXES, is_table, read_table
from napari_construct.data.labels.class_folders import (
    Contents,
    contents_of,
    filled_folders,
    read_class_folders,
)
from napari_construct.data.labels.file_names import labels_from_names, parse_labels
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.labels.labelled_folder import labelled_table
from napari_construct.data.labels.wording import readable
from napari_construct.data.listing import list_folder, list_images
from napari_construct.events import Doubt, run
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import files_in, is_file, is_folder
from napari_construct.types import PathLike, ShortRepr

Format: TypeAlias = Literal["auto", "folders", "names", "table"]
"""How labels are written: sub-folders, file names in BCSS's way, or a CSV; ``auto`` looks."""


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
        digest = hashlib.sha256("\0".join(self.class_names).encode("utf-8", "surrogateescape"))
        for name, path, row in zip(self.names, self.paths, self.labels, strict=True):
            bits = "".join(map(str, row.tolist()))
            digest.update(f"\n{name}\0{bits}\0{path.stat().st_size}".encode("utf-8", "surrogateescape"))
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

        :func:`~napari_construct.data.dataset_check.check_steps` does the same with progress.
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
        the patient or slide of every patch in the column ``group``. Folders and columns that are no classes
        (splits, images and masks, a system's, an index) are refused or left out with a notice. Of a folder
        that patches were cut into to be labelled (:func:`~napari_construct.cut_patches`), the table is read.
    labels_in : {"auto", "folders", "names", "table"}
        Source of the labels; ``auto`` derives it from ``path``.
    class_names : sequence of str, optional
        Names for labels in file names (default ``class_1`` ...); otherwise the classes to use, in order:
        folders or columns that are named are classes, whatever they look like.

    Returns
    -------
    ImageLevelDataset
        All patches, with notices on classes without positive or without negative patches.

    Raises
    ------
    DatasetError
        If there are no patches, labels are missing or contradictory, or no class has a positive patch.
    UnsureClassesError
        If folders look like patients, slides, dates ...: name the classes to confirm them.
    """
    root = labelled_table(Path(path))
    chosen, contents = _recognised(root) if labels_in == "auto" else (labels_in, None)
    wanted = tuple(map(normal, class_names)) if class_names is not None else None
    if wanted is not None and (len(set(wanted)) != len(wanted) or not all(wanted)):
        raise ConfigurationError(
            f"expected different class names, got {', '.join(wanted)}; name each class once"
        )
    if chosen == "folders":
        paths, labels, names, notices = read_class_folders(root, wanted, contents)
    elif chosen == "names":
        paths, labels, names, notices = _from_names(root, wanted)
    elif chosen == "table":
        table = read_table(root, wanted)
        made = _checked(root, table.paths, table.labels, table.class_names, table.names, table.notices)
        return replace(made, groups=table.groups)
    else:
        raise ConfigurationError(
            f"expected labels in auto, folders, names or table, got {chosen!r}; choose one"
        )
    written = tuple(readable(path.relative_to(root).as_posix()) for path in paths)
    return _checked(root, paths, labels, names, written, notices)


def detect_format(root: Path) -> Literal["folders", "names", "table"]:
    """Form of the dataset at ``root``.

    Raises
    ------
    DatasetError
        If it has none, or two.
    """
    return _recognised(labelled_table(root))[0]


def _recognised(root: Path) -> tuple[Literal["folders", "names", "table"], Contents | None]:
    """Form of the dataset, and what its folders hold if they were looked through for it."""
    if is_file(root):
        if is_table(root):
            return "table", None
        raise DatasetError(
            f"{root}: expected a folder of patches or a table of text (.csv, .tsv, .txt), got another file; "
            "give one of these"
        )
    if not is_folder(root):
        raise DatasetError(
            f"{root}: expected a folder of patches or a CSV table, found nothing; check the path"
        )
    contents = contents_of(root)
    here, below = list_images(root), filled_folders(contents)
    both = [folder.name for folder in below if kind_of(folder.name) not in ("masks", "images")]
    if here and both:
        raise DatasetError(
            f"{root}: expected patches either in the folder or in one sub-folder per class, got both "
            f"({named(both)}); move them apart or say where the labels are (labels_in)"
        )
    if not here and not below:
        raise DatasetError(
            f"{root}: expected patches ({IMAGE_FORMATS}), the folder holds none; check the path"
        )
    if here:
        return "names", contents
    labelled = all(parse_labels(path.name) for files in below.values() for path in files)
    named_so = labelled and not any(kind_of(folder.name) == "split" for folder in below)
    return "names" if named_so else "folders", contents


def _from_names(
    root: Path, wanted: tuple[str, ...] | None
) -> tuple[tuple[Path, ...], NDArray[np.uint8], tuple[str, ...], tuple[str, ...]]:
    listing = list_folder(root)
    if not listing.images:
        listing = list_folder(root, recursive=True)
    paths = listing.images
    if not paths:
        raise DatasetError(
            f"{root}: expected a folder of patches with labels in their names, found none there"
        )
    try:
        labels = labels_from_names(paths)
    except DatasetError as error:
        tables = sorted(path for path in files_in(root) if path.suffix.lower() in TABLE_SUFFIXES)
        if not tables:
            raise
        raise DatasetError(f"{error}; or give the table that lies there: {tables[0]}") from error
    names = wanted or tuple(f"class_{i + 1}" for i in range(labels.shape[1]))
    if len(names) != labels.shape[1]:
        raise DatasetError(
            f"{root}: expected {len(names)} labels in every name, one for each of {', '.join(names)}, got "
            f"{labels.shape[1]} in {paths[0].name}; give as many class names as labels (--classes a,b,c)"
        )
    return paths, labels, names, listing.notices


def _checked(
    root: Path,
    paths: tuple[Path, ...],
    labels: NDArray[np.uint8],
    class_names: tuple[str, ...],
    names: tuple[str, ...],
    found: tuple[str, ...] = (),
) -> ImageLevelDataset:
    if not paths:
        raise DatasetError(f"{root}: expected at least one patch, got none; check the path")
    positives = labels.sum(axis=0, dtype=np.int64)
    if not positives.any():
        raise DatasetError(
            f"{root}: expected at least one patch with a class in it, got {len(paths)} patch(es) that are "
            f"all negative for {', '.join(class_names)}; check the labels"
        )
    notices = list(found)
    for name, count in zip(class_names, positives, strict=True):
        if count == 0:
            said = f"class {name} has no positive patch and cannot be learned; add some or leave it out"
            notices.append(Doubt(said))
        elif count == len(paths):
            said = (
                f"class {name} is positive in all {count} patches; add a patch without it, so that it can "
                "be learned"
            )
            notices.append(Doubt(said))
    return ImageLevelDataset(paths, labels, class_names, names, tuple(notices))
