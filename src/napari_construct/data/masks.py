"""Masks of class indices, and pairs of images and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.formats import LOSSY, image_format
from napari_construct.data.images import MAX_PIXELS
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.listing import is_zarr, list_folder
from napari_construct.data.pictures.read import read_indices
from napari_construct.data.tiff.read import read_tiff
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.marks import has_mark
from napari_construct.reading.names import normal, shown
from napari_construct.reading.places import files_in, is_folder
from napari_construct.reading.regular import open_regular
from napari_construct.types import PathLike

_NAMES: Final = {"jpeg": "JPEG", "jpeg2000": "JPEG 2000", "webp": "WebP"}


def read_mask(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Class indices of a palette PNG, greyscale PNG or TIFF, exactly as stored.

    Parameters
    ----------
    path : str or path
        The file. Of a palette image the indices are read, never the colours.
    max_pixels : int
        Refuse larger masks before decoding them.

    Returns
    -------
    ndarray
        (h, w) uint8. On disk class ``i`` of the literature's masks is value ``i``; the caller defines the
        other values (background, ignored).

    Raises
    ------
    InputError
        If the file is no mask: missing, damaged, a JPEG (whose values are not exact), in colours
        instead of indices, or with values that do not fit 0 to 255.
    """
    path = Path(path)
    return _indices(read_values(path, max_pixels=max_pixels), path)


def read_masks(paths: Iterable[Path | None], shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    """Masks of one shape, one after another; where there is none, an empty one."""
    for path in paths:
        yield np.zeros(shape, np.uint8) if path is None else read_mask(path)


def read_values(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Values of a mask exactly as stored, of any type: class indices, or numbers of cells.

    Parameters
    ----------
    path : str or path
        The file. Of a palette image the indices are read, never the colours.
    max_pixels : int
        Refuse larger masks before decoding them.

    Returns
    -------
    ndarray
        (h, w).

    Raises
    ------
    InputError
        If the file is no mask: missing, damaged, a JPEG (whose values are not exact), or in colours instead
        of indices.
    """
    path = Path(path)
    if is_zarr(path):
        raise InputError(f"{path}: expected a mask, got an OME-Zarr folder; save the mask as PNG or TIFF")
    kind = image_format(path)
    if kind in LOSSY:
        raise InputError(
            f"{path}: expected a mask with exact values, got a {_NAMES[kind]}, which blurs them; "
            "save masks as PNG or TIFF"
        )
    if kind == "tiff":
        array = read_tiff(path, max_pixels=max_pixels, colours=False, min_side=1).array
    else:
        with open_regular(path, "a mask") as stream:
            array = read_indices(path, stream, max_pixels)
    if array.ndim == 3:
        grey = array[..., : 3 if array.shape[2] >= 3 else 1]
        if (grey != grey[..., :1]).any():
            raise InputError(
                f"{path}: expected class indices (palette or greyscale), got an RGB image of colours; "
                "save the mask with one value per class"
            )
        array = grey[..., 0]
    return array


def _indices(array: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    if array.dtype in (np.bool_, np.uint8):
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype.kind not in "iu":
        raise InputError(
            f"{path}: expected whole class indices, got {array.dtype} values; save the mask as uint8"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"{path}: expected class indices from 0 to 255, got {low} to {high}; "
            "instance labels are no class mask, save one value per class"
        )
    return array.astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images with their masks, sorted by name, and files without a partner.

    Attributes
    ----------
    pairs : tuple of (Path, Path)
        Image and mask.
    images_alone, masks_alone : tuple of Path
        Files without a partner.
    left_out : tuple of str
        A sentence for each kind of file that is neither.
    """

    pairs: tuple[tuple[Path, Path], ...]
    images_alone: tuple[Path, ...] = ()
    masks_alone: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[Path, Path]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence for each kind of file without a partner, naming all of them, and for other files."""
        sentences = []
        for paths, what, lacks in (
            (self.images_alone, "image", "a mask"),
            (self.masks_alone, "mask", "an image"),
        ):
            if paths:
                names = ", ".join(shown(p.name) for p in paths)
                sentences.append(
                    f"{len(paths)} {what}(s) without {lacks} of the same name are left out: {names}"
                )
        return (*sentences, *self.left_out)


def pair_by_stem(images_dir: PathLike, masks_dir: PathLike) -> Pairs:
    """Match the files of two folders by their names without suffix, composed or decomposed letters alike.

    Raises
    ------
    DatasetError
        If a folder is missing, two files of one folder share a stem, or nothing matches.
    """
    images, beside_images = _by_stem(Path(images_dir), is_result=has_mark)
    masks, beside_masks = _by_stem(Path(masks_dir), is_result=_not_ours)
    both = [stem for stem in images if stem in masks]
    if not both:
        raise DatasetError(
            f"{images_dir}: expected images with masks of the same name in {masks_dir}, got {len(images)} "
            f"image(s) and {len(masks)} mask(s) without one match; give both the same stem"
        )
    return Pairs(
        tuple((images[stem], masks[stem]) for stem in both),
        tuple(path for stem, path in images.items() if stem not in masks),
        tuple(path for stem, path in masks.items() if stem not in images),
        beside_images + beside_masks,
    )


def mask_folders(root: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks in a folder: ``img`` and ``mask``, or the only ones called alike.

    ``images`` and ``labels``, ``1_imgs`` and ``GT`` ... None if there are none, or several of a kind.
    """
    pair = root / "img", root / "mask"
    if is_folder(pair[0]) and is_folder(pair[1]):
        return pair
    if not is_folder(root):
        return None
    folders = [path for path in files_in(root) if is_folder(path)]
    images, masks = ([path for path in folders if kind_of(path.name) == kind] for kind in ("images", "masks"))
    masks = [path for path in masks if list_folder(path, is_result=_not_ours).images]
    return (images[0], masks[0]) if len(images) == len(masks) == 1 else None


def holds_masks(folder: Path) -> bool:
    """Whether a folder holds images with masks, rather than patches with labels."""
    return is_folder(folder / "img") or mask_folders(folder) is not None


def find_pairs(
    images: PathLike, masks: PathLike | None = None, *, inside: Sequence[str] = ("", "test")
) -> Pairs:
    """Images and masks of two folders; of one folder alone, those in ``img`` and ``mask`` inside.

    Other spellings are known too (:func:`mask_folders`).

    Parameters
    ----------
    images : path
        Folder of images, or the one folder.
    masks : path, optional
        Folder of masks with the same names.
    inside : sequence of str
        Folders that may hold ``img`` and ``mask``: the one folder, or its folder ``test``.

    Raises
    ------
    DatasetError
        If there are none.
    """
    if masks is not None:
        return pair_by_stem(images, masks)
    for root in (Path(images) / name for name in inside):
        found = mask_folders(root)
        if found is not None:
            return pair_by_stem(*found)
    raise DatasetError(
        f"{images}: expected the folders img and mask inside, found none; name a folder of images and a "
        "folder of masks"
    )


def _not_ours(_: Path) -> bool:
    """Our own masks can be scored too."""
    return False


def _by_stem(folder: Path, is_result: Callable[[Path], bool]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Images by name, and sentences on what is left out."""
    if not is_folder(folder):
        raise DatasetError(f"{folder}: expected a folder of images, found none; check the path")
    found: dict[str, Path] = {}
    listing = list_folder(folder, is_result=is_result)
    for path in listing.images:
        stem = normal(path.stem.removesuffix(".ome"))
        if stem in found:
            raise DatasetError(
                f"{folder}: expected one file per name, got {found[stem].name} and {path.name}; "
                "remove one of them"
            )
        found[stem] = path
    return found, listing.notices
