"""Images of cells found in files, as one dataset: channels chosen, groups named, notices counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.cells.sources import CellSource, Entry, Found
from napari_construct.data.channels.assemble import picked
from napari_construct.data.channels.choose import channel_indices
from napari_construct.data.splits import group_names
from napari_construct.events import Doubt, Notice, Notices
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.reading.names import named
from napari_construct.types import ShortRepr

LOOKED_AT: Final = 24
"""Images that are loaded while a dataset is opened, evenly spread, for what only their pixels say."""

_SAME_MPP: Final = 0.02


@dataclass(frozen=True, repr=False)
class ListedCells(ShortRepr):
    """Images of cells whose files were looked through; a :class:`~.dataset.CellDataset`.

    Attributes
    ----------
    names, groups, channels, has_truth, notices
        As of the protocol.
    sources : tuple of CellSource
        Where each image lies.
    stored : tuple of tuple of str
        Names of all channels of each image.
    picks : tuple of tuple of int
        Positions of the chosen channels in each image.
    mpp : float or None
        Micrometres per pixel that replaces what the files say.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    channels: tuple[str, ...]
    has_truth: tuple[bool, ...]
    notices: tuple[str, ...]
    sources: tuple[CellSource, ...]
    stored: tuple[tuple[str, ...], ...]
    picks: tuple[tuple[int, ...], ...]
    mpp: float | None = None

    def __len__(self) -> int:
        return len(self.names)

    def load(self, index: int) -> CellItem:
        """One image with the chosen channels, and its truth.

        Raises
        ------
        InputError
            If its file is damaged, or has other channels than when the dataset was opened.
        DatasetError
            If its truth has another size.
        """
        item = self.sources[index].load()
        if item.image.names != self.stored[index]:
            raise InputError(
                f"{item.image.path}: expected the channels {named(self.stored[index])}, got "
                f"{named(item.image.names)}; the file has changed, open the dataset again"
            )
        return replace(item, image=picked(item.image, self.picks[index], self.mpp))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, chosen channels and contents of all images. All files are read for it, once."""
        digest = hashlib.sha256("\0".join(self.channels).encode("utf-8", "surrogateescape"))
        for name, source, picks in zip(self.names, self.sources, self.picks, strict=True):
            line = f"\n{name}\0{','.join(map(str, picks))}\0{source.digest()}"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def listed(
    found: Found,
    where: str,
    *,
    channels: Sequence[int | str] | None,
    mpp: float | None,
    group_pattern: str | None,
    look: bool = True,
) -> ListedCells:
    """A dataset of the images that were found.

    Images with other channels than most are left out, with a notice; so are those that cannot be read.

    Parameters
    ----------
    found : Found
        At least one image.
    where : str
        What errors call the dataset.
    channels : sequence of int or str, optional
        Which channels, in which order; all by default.
    mpp : float, optional
        Micrometres per pixel that replaces what the files say.
    group_pattern : str, optional
        As of :func:`~napari_construct.data.splits.group_names`.
    look : bool
        Whether some images are loaded for what only their pixels say.

    Raises
    ------
    DatasetError
        If no image is left.
    ConfigurationError
        If no image has the channels.
    """
    if mpp is not None and not 0 < mpp < float("inf"):
        raise ConfigurationError(f"expected micrometres per pixel above 0, got {mpp}; 0.5 is usual")
    entries, notices = list(found.entries), list(found.notices)
    if not entries:
        raise DatasetError(f"{where}: expected images of cells, got none; name a folder with images")
    picks, lacking = _picks(entries, channels)
    chosen = Counter(_chosen(entries[i], pick) for i, pick in picks.items())
    most = chosen.most_common(1)[0][0]
    kept = [i for i, pick in picks.items() if _chosen(entries[i], pick) == most]
    others = sorted({*lacking, *picks} - set(kept))
    if others:
        text = (
            f"{len(others)} of {len(entries)} image(s) have other channels than {named(most, 8)} and are "
            f"left out ({named([entries[i].name for i in others])})"
        )
        notices.append(Doubt(text))
    if look:
        damaged, more = _looked_at(entries, kept)
        kept = [i for i in kept if i not in damaged]
        notices += more
        if not kept:
            raise DatasetError(f"{where}: {next(iter(damaged.values()))}")
    if mpp is None:
        notices += _sizes([entries[i].mpp for i in kept])
    names = tuple(entries[i].name for i in kept)
    groups = tuple(entries[i].group or entries[i].name for i in kept)
    if group_pattern is not None:
        groups = group_names(names, group_pattern)
    return ListedCells(
        names,
        groups,
        tuple(entries[kept[0]].channels[i] for i in picks[kept[0]]),
        tuple(entries[i].has_truth for i in kept),
        tuple(dict.fromkeys(notices)),
        tuple(entries[i].source for i in kept),
        tuple(entries[i].channels for i in kept),
        tuple(picks[i] for i in kept),
        mpp,
    )


def _picks(
    entries: Sequence[Entry], channels: Sequence[int | str] | None
) -> tuple[dict[int, tuple[int, ...]], list[int]]:
    """Positions of the chosen channels in each image that has them, and the images that lack them."""
    picks: dict[int, tuple[int, ...]] = {}
    lacking: list[int] = []
    first: ConfigurationError | None = None
    for i, entry in enumerate(entries):
        try:
            picks[i] = (
                tuple(range(len(entry.channels)))
                if channels is None
                else channel_indices(entry.channels, channels, "channels")
            )
        except ConfigurationError as error:
            lacking.append(i)
            first = first or error
    if first is not None and not picks:
        raise first
    return picks, lacking


def _chosen(entry: Entry, pick: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(entry.channels[i].casefold() for i in pick)


def _looked_at(entries: Sequence[Entry], kept: Sequence[int]) -> tuple[dict[int, str], list[str]]:
    """Images that cannot be loaded, with the reason, and what there is to say of those that can."""
    places = np.unique(np.linspace(0, len(kept) - 1, min(LOOKED_AT, len(kept))).round().astype(int))
    damaged: dict[int, str] = {}
    said = Notices()
    for i in (kept[place] for place in places.tolist()):
        try:
            notices = entries[i].source.load().image.notices
        except InputError as error:
            damaged[i] = str(error)
            continue
        for notice in notices:
            said.add(Notice("cells", 0, 0, notice, image=entries[i].name))
    texts = said.texts()
    if len(places) < len(kept):
        texts = [_sampled(text, len(places)) for text in texts]
    if damaged:
        texts.append(left_out(list(damaged.values())))
    return damaged, texts


def _sampled(text: str, count: int) -> str:
    return type(text)(f"{text} (of {count} images looked at)")


def left_out(reasons: Sequence[str]) -> str:
    """A notice on images that cannot be read, with the first reason."""
    return Doubt(f"{len(reasons)} image(s) cannot be used and are left out; the first: {reasons[0]}")


def _sizes(sizes: Sequence[float | None]) -> list[str]:
    """A notice where images differ in pixel size."""
    known = [size for size in sizes if size is not None]
    if not known:
        return []
    if len(known) < len(sizes):
        lacking = f"{len(sizes) - len(known)} of {len(sizes)} image(s)"
        remedy = "give it for all (--mpp; in Python mpp) if it is one"
        return [f"{lacking} do not state their pixel size, the others do; {remedy}"]
    if max(known) > (1 + _SAME_MPP) * min(known):
        return [f"the pixel sizes of the images differ: {min(known):.4g} to {max(known):.4g} um per pixel"]
    return []
