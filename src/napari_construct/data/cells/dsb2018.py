"""The layout of the Data Science Bowl 2018 (BBBC038): a folder per image, one mask file per nucleus.

``stage1_train/ID/images/ID.png`` and ``stage1_train/ID/masks/*.png``. Source: Caicedo et al. 2019,
bbbc.broadinstitute.org/BBBC038 (CC0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.data.cells.listed import left_out
from napari_construct.data.cells.sources import Entry, Found, MergedSource
from napari_construct.data.channels.read import read_channel_header
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.listing import list_images
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import files_in, is_folder

_IMAGES, _MASKS = "images", "masks"
_MOST_MASKS: Final = 20_000


def is_dsb2018(root: Path) -> bool:
    """Whether a folder holds a folder for each image."""
    return not is_folder(root / _IMAGES) and bool(_folders(root))


def read_dsb2018(root: Path, *, max_pixels: int) -> Found:
    """Images of such a folder with their masks; those without masks have no truth.

    Raises
    ------
    DatasetError
        If no image can be used.
    """
    entries: list[Entry] = []
    odd: list[str] = []
    unreadable: list[str] = []
    folders = _folders(root)
    for folder in folders:
        images = list_images(folder / _IMAGES)
        masks = list_images(folder / _MASKS)
        if len(images) != 1 or len(masks) > _MOST_MASKS:
            odd.append(folder.name)
            continue
        try:
            header = read_channel_header(images[0], max_pixels=max_pixels)
        except InputError as error:
            unreadable.append(str(error))
            continue
        source = MergedSource(images[0], masks, max_pixels)
        entries.append(Entry(normal(folder.name), source, header.names, header.mpp, bool(masks)))
    notices = []
    if odd:
        notices.append(
            f"{len(odd)} folder(s) without exactly one image in {_IMAGES} are left out ({named(odd)})"
        )
    if unreadable:
        notices.append(left_out(unreadable))
    if not entries:
        reason = (
            unreadable[0] if unreadable else f"none of {len(folders)} folders holds one image in {_IMAGES}"
        )
        raise DatasetError(f"{root}: expected a folder per image, none can be used; {reason}")
    return Found(tuple(entries), tuple(notices))


def _folders(root: Path) -> list[Path]:
    return [
        path
        for path in files_in(root)
        if is_folder(path) and kind_of(path.name) != "system" and is_folder(path / _IMAGES)
    ]
