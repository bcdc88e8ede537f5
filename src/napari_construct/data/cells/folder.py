"""Folders of images of channels, with masks in a folder beside them, beside each image, or without masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_construct.data.cells.channel_files import Joined, join_files, join_folders
from napari_construct.data.cells.listed import left_out
from napari_construct.data.cells.pictures import Picture, masked_name, picture_of, stem_of
from napari_construct.data.cells.sources import CellSource, Entry, FileSource, Found, JoinedSource
from napari_construct.data.channels.read import read_channel_header
from napari_construct.data.image_header import read_header
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.listing import Listing, Reason, list_folder
from napari_construct.data.masks import mask_folders, pair_by_stem
from napari_construct.data.stored import ChannelHeader
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import named
from napari_construct.reading.places import files_in, is_folder

_Pair = tuple[Picture, Path | None]


def read_folder(root: Path, *, max_pixels: int, channel_files: Sequence[str] | None = None) -> Found:
    """Images of a folder, and the masks that belong to them.

    Masks are looked for in this order: a folder of images and one of masks inside (``images`` and ``labels``,
    ``img`` and ``masks`` ...), a folder of masks beside a folder of images that was named, files
    ``NAME_mask``, ``NAME_cells`` or ``NAME_label`` beside the images.

    Parameters
    ----------
    root : Path
        The folder.
    max_pixels : int
        Larger images are refused.
    channel_files : sequence of str, optional
        What the channels are called where each is a file or a folder of its own
        (:mod:`~napari_construct.data.cells.channel_files`); found by default, and none if empty.

    Raises
    ------
    DatasetError
        If there are no images, names of masks and images do not match, channels are missing, or sizes differ.
    """
    folders = mask_folders(root) or _beside(root)
    images = root if folders is None else folders[0]
    listing = list_folder(images)
    joined = None
    if channel_files is None or channel_files:
        joined = (
            join_files(images, listing.images, channel_files, max_pixels=max_pixels)
            if listing.images
            else join_folders(images, channel_files)
        )
        if joined is None and channel_files:
            raise DatasetError(
                f"{images}: expected files with {named(channel_files, 8)} in their names, or folders of "
                "these names, found none; correct the names (--channel-files)"
            )
    if joined is not None:
        return _of_joined(images, joined, listing, None if folders is None else folders[1], max_pixels)
    if folders is not None:
        return _paired(*folders, max_pixels)
    if not listing.images:
        raise _nothing(root)
    files = [path for path in listing.images if masked_name(stem_of(path)) is None]
    masks = [path for path in listing.images if path not in files]
    pairs = _with_masks_beside(root, [picture_of(path) for path in files], masks)
    taken = {mask for _, mask in pairs}
    pairs += [(picture_of(path), None) for path in masks if path not in taken]  # images themselves
    return _entries(root, sorted(pairs, key=_by_file), max_pixels, _notices(listing))


def _beside(root: Path) -> tuple[Path, Path] | None:
    """The folder itself, if it is one of images, and the one folder of masks beside it."""
    if kind_of(root.name) != "images":
        return None
    folders = mask_folders(root.absolute().parent)
    return folders if folders is not None and folders[0].name == root.absolute().name else None


def _nothing(root: Path) -> DatasetError:
    inside = [path.name for path in files_in(root) if is_folder(path)]
    other = f"; it holds the folders {named(inside)}" if inside else ""
    remedy = ", or say which are channels (--channel-files)" if len(inside) > 1 else ""
    return DatasetError(
        f"{root}: expected images of channels (TIFF, PNG, OME-Zarr), found none{other}; name the folder of "
        f"images{remedy}"
    )


def _notices(listing: Listing) -> tuple[str, ...]:
    reasons = (reason for reason in Reason if reason not in (Reason.SYSTEM, Reason.FOLDER))
    return listing.sentences(*reasons)


def _of_joined(folder: Path, joined: Joined, listing: Listing, masks: Path | None, max_pixels: int) -> Found:
    """Images whose channels are files, with masks of the image's name, or of the name of one of its files."""
    pictures = joined.pictures
    masks = masks or _masks_inside(folder)
    if masks is not None:
        found = list_folder(masks, is_result=lambda _: False).images
        pairs = _with_masks_in(masks, pictures, found)
        if not any(mask for _, mask in pairs):
            raise DatasetError(
                f"{folder}: expected images with masks of the same name in {masks}, got {len(pairs)} "
                f"image(s) and {len(found)} mask(s) without one match; give both the same stem"
            )
    else:
        taken = {path for picture in pictures for path in picture.files}
        named_so = [path for path in listing.images if masked_name(stem_of(path)) is not None]
        found = tuple(path for path in named_so if path not in taken)
        pairs = _with_masks_beside(folder, pictures, found)
    notices = [*_notices(listing), *joined.notices]
    if found:
        used = {mask for _, mask in pairs}
        notices += _lone([one.name for one, mask in pairs if mask is None], set(found) - used)
    return _entries(folder, pairs, max_pixels, notices)


def _with_masks_in(masks: Path, pictures: Sequence[Picture], found: Sequence[Path]) -> list[_Pair]:
    """Images with the masks of a folder, also of those called ``NAME_mask``."""
    stems: dict[str, set[Path]] = {}
    for path in found:
        for stem in {stem_of(path), masked_name(stem_of(path)) or stem_of(path)}:
            stems.setdefault(stem, set()).add(path)
    pairs: list[_Pair] = []
    for picture in pictures:
        own = sorted({path for stem in picture.stems for path in stems.get(stem, ())})
        if len(own) > 1:
            raise DatasetError(
                f"{masks}: expected one mask for the image {picture.name}, got "
                f"{named([path.name for path in own])}; remove all but one"
            )
        pairs.append((picture, own[0] if own else None))
    return pairs


def _lone(images: Sequence[str], masks: Iterable[Path]) -> list[str]:
    """Notices on images without masks and the other way round."""
    notices, lone = [], sorted(path.name for path in masks)
    if images:
        notices.append(f"{len(images)} image(s) have no mask and no truth ({named(images)})")
    if lone:
        notices.append(f"{len(lone)} mask(s) without an image of the same name are left out ({named(lone)})")
    return notices


def _masks_inside(folder: Path) -> Path | None:
    """The folder of masks beside folders of channels."""
    found = [
        path
        for path in files_in(folder)
        if is_folder(path)
        and kind_of(path.name) == "masks"
        and list_folder(path, is_result=lambda _: False).images
    ]
    if len(found) > 1:
        raise DatasetError(
            f"{folder}: expected one folder of masks beside the channels, got "
            f"{named([path.name for path in found])}; move the others elsewhere"
        )
    return found[0] if found else None


def _paired(images: Path, masks: Path, max_pixels: int) -> Found:
    found = pair_by_stem(images, masks)
    notices = [*found.left_out, *_lone([path.name for path in found.images_alone], found.masks_alone)]
    pairs: list[_Pair] = [(picture_of(image), mask) for image, mask in found.pairs]
    pairs += [(picture_of(path), None) for path in found.images_alone]
    return _entries(images, sorted(pairs, key=_by_file), max_pixels, notices)


def _by_file(pair: _Pair) -> str:
    return pair[0].files[0].name


def _with_masks_beside(root: Path, pictures: Iterable[Picture], beside: Iterable[Path]) -> list[_Pair]:
    """Images with the masks that their names give them."""
    pictures = tuple(pictures)
    masks: dict[str, Path] = {}
    for mask in beside:
        base = (masked_name(stem_of(mask)) or "").casefold()
        own = [one for one in pictures if base in map(str.casefold, one.stems)]
        own = own or [one for one in pictures if one.name.casefold().startswith(f"{base}_")]
        if not own:
            continue
        name = own[0].name
        if len(own) > 1 or name in masks:
            which = [one.files[0].name for one in own] if len(own) > 1 else [masks[name].name, mask.name]
            raise DatasetError(
                f"{root}: expected one image for the mask {mask.name} and one mask for an image, got "
                f"{named(which)}; put masks in a folder of their own (images and masks)"
            )
        masks[name] = mask
    return [(one, masks.get(one.name)) for one in pictures]


def _entries(folder: Path, pairs: Sequence[_Pair], max_pixels: int, notices: Sequence[str]) -> Found:
    entries: dict[str, Entry] = {}
    unreadable: list[str] = []
    for picture, mask in pairs:
        if picture.name in entries:
            raise DatasetError(
                f"{folder}: expected one image per name, got {picture.name} twice; rename or "
                "remove one of them"
            )
        try:
            headers = [read_channel_header(path, max_pixels=max_pixels) for path in picture.files]
        except InputError as error:
            unreadable.append(str(error))
            continue
        if picture.channels:
            _check_channels(picture, headers)
        if mask is not None:
            _check_sizes(picture.files[0], mask, headers[0])
        source: CellSource = FileSource(picture.files[0], mask, max_pixels)
        if picture.channels:
            source = JoinedSource(picture.files, picture.channels, mask, max_pixels)
        names = picture.channels or headers[0].names
        mpp = next((header.mpp for header in headers if header.mpp), None)
        entries[picture.name] = Entry(picture.name, source, names, mpp, mask is not None)
    if not entries:
        raise DatasetError(
            f"{folder}: expected images of channels, none of {len(pairs)} can be read; {unreadable[0]}"
        )
    more = [left_out(unreadable)] if unreadable else []
    return Found(tuple(entries.values()), (*notices, *more))


def _check_channels(picture: Picture, headers: Sequence[ChannelHeader]) -> None:
    """Refuse channels of different size, and files that hold several, before anything is decoded."""
    first = headers[0]
    for path, header in zip(picture.files, headers, strict=True):
        if header.channels != 1:
            raise DatasetError(
                f"{path}: expected one channel in a file that is a channel, got {header.channels} "
                f"({named(header.names, 8)}); save one channel a file, or name other files (--channel-files)"
            )
        if (header.rows, header.columns) != (first.rows, first.columns):
            raise DatasetError(
                f"{path}: expected {first.rows} x {first.columns} pixels as the other channel "
                f"{picture.files[0].name} has, got {header.rows} x {header.columns}; save the channels of an "
                "image at one size"
            )


def _check_sizes(image: Path, mask: Path, header: ChannelHeader) -> None:
    """Refuse pairs of different size before anything is decoded."""
    stated = read_header(mask)
    if (stated.rows, stated.columns) != (header.rows, header.columns):
        raise DatasetError(
            f"{mask}: expected a mask of {header.rows} x {header.columns} pixels as its image {image.name} "
            f"has, got {stated.rows} x {stated.columns}; pair images and masks of one size"
        )
