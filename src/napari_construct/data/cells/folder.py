"""Folders of images of channels, with masks in a folder beside them, beside each image, or without masks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_construct.data.cells.listed import left_out
from napari_construct.data.cells.sources import Entry, FileSource, Found
from napari_construct.data.channels.read import read_channel_header
from napari_construct.data.image_header import read_header
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.listing import Reason, list_folder
from napari_construct.data.masks import mask_folders, pair_by_stem
from napari_construct.data.stored import ChannelHeader
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import files_in, is_folder
from napari_construct.types import PathLike

_ENDINGS: Final = re.compile(
    r"[_-](?:cp_masks?|nuclei_masks?|masks?|labels?|cells?|instances|seg|gt)$", re.IGNORECASE
)
"""How the name of a mask that lies beside its image ends."""

_Pair = tuple[Path, Path | None]


def read_folder(root: Path, *, max_pixels: int) -> Found:
    """Images of a folder, and the masks that belong to them.

    Masks are looked for in this order: a folder of images and one of masks inside (``images`` and ``labels``,
    ``img`` and ``masks`` ...), a folder of masks beside a folder of images that was named, files
    ``NAME_mask``, ``NAME_cells`` or ``NAME_label`` beside the images.

    Raises
    ------
    DatasetError
        If there are no images, names of masks and images do not match, or sizes differ.
    """
    folders = mask_folders(root) or _beside(root)
    if folders is not None:
        return _paired(*folders, max_pixels)
    listing = list_folder(root)
    pairs = _with_masks_beside(root, listing.images)
    if not pairs:
        inside = [path.name for path in files_in(root) if is_folder(path)]
        other = f"; it holds the folders {named(inside)}" if inside else ""
        raise DatasetError(
            f"{root}: expected images of channels (TIFF, PNG, OME-Zarr), found none{other}; name the folder "
            "of images"
        )
    reasons = [reason for reason in Reason if reason not in (Reason.SYSTEM, Reason.FOLDER)]
    return _entries(root, pairs, max_pixels, listing.sentences(*reasons))


def _beside(root: Path) -> tuple[Path, Path] | None:
    """The folder itself, if it is one of images, and the one folder of masks beside it."""
    if kind_of(root.name) != "images":
        return None
    folders = mask_folders(root.absolute().parent)
    return folders if folders is not None and folders[0].name == root.absolute().name else None


def _paired(images: Path, masks: Path, max_pixels: int) -> Found:
    found = pair_by_stem(images, masks)
    notices = list(found.left_out)
    if found.images_alone:
        lone = [path.name for path in found.images_alone]
        notices.append(f"{len(lone)} image(s) have no mask and no truth ({named(lone)})")
    if found.masks_alone:
        lone = [path.name for path in found.masks_alone]
        notices.append(f"{len(lone)} mask(s) without an image of the same name are left out ({named(lone)})")
    pairs: list[_Pair] = [*found.pairs, *((path, None) for path in found.images_alone)]
    return _entries(images, sorted(pairs, key=lambda pair: pair[0].name), max_pixels, notices)


def _with_masks_beside(root: Path, paths: Sequence[Path]) -> list[_Pair]:
    """Images with the masks that their names give them."""
    stems = {path: stem_of(path) for path in paths}
    bases = {path: base for path, stem in stems.items() if (base := _base(stem)) is not None}
    images = [path for path in paths if path not in bases]
    masks: dict[Path, Path] = {}
    for mask, base in bases.items():
        own = [image for image in images if stems[image].casefold() == base.casefold()]
        own = own or [image for image in images if stems[image].casefold().startswith(f"{base.casefold()}_")]
        if not own:
            continue
        if len(own) > 1 or own[0] in masks:
            which = [path.name for path in (own if len(own) > 1 else (masks[own[0]], mask))]
            raise DatasetError(
                f"{root}: expected one image for the mask {mask.name} and one mask for an image, got "
                f"{named(which)}; put masks in a folder of their own (images and masks)"
            )
        masks[own[0]] = mask
    taken = set(masks.values())
    alone = [path for path in bases if path not in taken]  # without an image they are images themselves
    return [(path, masks.get(path)) for path in sorted([*images, *alone])]


def _base(stem: str) -> str | None:
    """Name of the image to which a mask's name belongs."""
    ending = _ENDINGS.search(stem)
    return stem[: ending.start()] if ending is not None and ending.start() else None


def stem_of(path: PathLike) -> str:
    """Name of an image without its suffix."""
    return normal(Path(path).stem.removesuffix(".ome"))


def _entries(folder: Path, pairs: Sequence[_Pair], max_pixels: int, notices: Sequence[str]) -> Found:
    entries: dict[str, Entry] = {}
    unreadable: list[str] = []
    for image, mask in pairs:
        name = stem_of(image)
        if name in entries:
            raise DatasetError(
                f"{folder}: expected one image per name, got {name} twice; rename or remove one of them"
            )
        try:
            header = read_channel_header(image, max_pixels=max_pixels)
        except InputError as error:
            unreadable.append(str(error))
            continue
        if mask is not None:
            _check_sizes(image, mask, header)
        source = FileSource(image, mask, max_pixels)
        entries[name] = Entry(name, source, header.names, header.mpp, mask is not None)
    if not entries:
        raise DatasetError(
            f"{folder}: expected images of channels, none of {len(pairs)} can be read; {unreadable[0]}"
        )
    more = [left_out(unreadable)] if unreadable else []
    return Found(tuple(entries.values()), (*notices, *more))


def _check_sizes(image: Path, mask: Path, header: ChannelHeader) -> None:
    """Refuse pairs of different size before anything is decoded."""
    stated = read_header(mask)
    if (stated.rows, stated.columns) != (header.rows, header.columns):
        raise DatasetError(
            f"{mask}: expected a mask of {header.rows} x {header.columns} pixels as its image {image.name} "
            f"has, got {stated.rows} x {stated.columns}; pair images and masks of one size"
        )
