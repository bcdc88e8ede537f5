"""What a TIFF claims, checked before its pixels are decoded: sizes in bytes, segments, codecs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.data.limits import damaged, unsupported
from napari_construct.data.tiff.claimed import LERC, OLD_JPEG, claimed_size, claims_size
from napari_construct.data.tiff.layout import Layout
from napari_construct.exceptions import InputError

BYTES_PER_PIXEL: Final = 8
"""Bytes of decoded samples that a pixel may have where there are as many pixels as the limit allows: RGBA of
16 bits; fewer pixels may be deeper."""

_UNCOMPRESSED, _SEPARATE = 1, 2
_LERC_PARAMETERS: Final = 50674
_SLACK: Final = 4
"""How many times larger than its place in the image a segment may be: decoders pad."""


def check_bytes(
    path: Path, layout: Layout, height: int, width: int, dtype: np.dtype[Any], max_pixels: int
) -> None:
    """Refuse an image whose samples are too many bytes, before memory is taken for them."""
    claimed = height * width * layout.channels * dtype.itemsize
    if claimed > BYTES_PER_PIXEL * max_pixels:
        raise InputError(
            f"{path}: expected at most {BYTES_PER_PIXEL * max_pixels:,} bytes of pixels, got {height} x "
            f"{width} x {layout.channels} {dtype} = {claimed:,}; save it as 8-bit RGB, or segment a region "
            "of it (--region; in Python read_image with region)"
        )


def check_decodable(path: Path, page: Any) -> None:
    """Refuse a page that the libraries cannot decode although it is whole.

    Raises
    ------
    InputError
        If its compression, predictor or kind of numbers is not supported.
    """
    if page.dtype is None:
        raise unsupported(
            path,
            f"{page.bitspersample}-bit samples of the format {page.sampleformat}",
        )
    try:
        page.decode(None, 0)  # without data, the decoder says only whether there is one
    except (ValueError, NotImplementedError, ImportError) as error:  # a codec that imagecodecs lacks
        raise unsupported(path, error) from error


def check_segments(
    path: Path, page: Any, file_size: int, max_pixels: int, rows: slice, columns: slice
) -> tuple[str, ...]:
    """Refuse absurd segments, and files that end before their pixels do.

    Parameters
    ----------
    path : Path
        The file.
    page : tifffile.TiffPage or tifffile.TiffFrame
        Whose strips or tiles are checked.
    file_size, max_pixels : int
        Bytes of the file; pixels that one segment may have.
    rows, columns : slice
        Part of the page that will be decoded.

    Returns
    -------
    tuple of str
        A notice if segments are left out of the file.
    """
    keyframe = page.keyframe
    area = _check_area(path, keyframe, max_pixels)
    offsets, counts = page.dataoffsets, page.databytecounts
    expected = int(np.prod(keyframe.chunked, dtype=object))
    if min(len(offsets), len(counts)) < expected and not page.is_contiguous:
        raise damaged(path, f"{min(len(offsets), len(counts))} of {expected} strips or tiles")
    # tifffile fills what a truncated file lacks with zeros, which would look like tissue-free glass
    for offset, count in zip(offsets, counts, strict=False):
        if offset + count > file_size:
            raise damaged(path, f"image data end at byte {offset + count}, the file at byte {file_size}")
    wanted = [i for i in segments_inside(keyframe, rows, columns) if i < min(len(offsets), len(counts))]
    _check_headers(path, page, [i for i in wanted if counts[i]], area)
    empty = sum(not (counts[i] and offsets[i]) for i in wanted)
    if not empty:
        return ()
    return (
        f"{path.name}: {empty} of {len(wanted)} strips or tiles are left out of the file and read as zero",
    )


def _check_area(path: Path, page: Any, max_pixels: int) -> int:
    """Pixels of a strip or tile, which is decoded as a whole."""
    if not page.chunks or not page.chunked:
        raise damaged(path, "strips or tiles without size")
    height, width = sides_of(page)
    area = int(height) * int(width)
    if has_plain_rows(page):  # read by rows
        return area
    if page.is_tiled and area > max(max_pixels, 4 * page.imagewidth * page.imagelength):
        raise damaged(path, f"tiles of {area:,} pixels")
    samples = 1 if int(page.planarconfig) == _SEPARATE else page.samplesperpixel
    itemsize = 1 if page.dtype is None else page.dtype.itemsize
    if area > max_pixels or area * samples * itemsize > BYTES_PER_PIXEL * max_pixels:
        kind = "tile" if page.is_tiled else "strip"
        raise unsupported(path, f"one {kind} of {area:,} pixels", "save it in tiles of 512 x 512 pixels")
    return area


def has_plain_rows(page: Any) -> bool:
    """Whether the rows of a page follow each other in the file as they are, whatever its strips."""
    return bool(
        int(page.compression) == _UNCOMPRESSED
        and page.is_contiguous
        and not page.is_tiled
        and int(page.fillorder) == 1
        and int(page.predictor) == 1
        and page.bitspersample in (8, 16, 32, 64)
        and int(page.sampleformat) in (1, 2, 3)
    )


def sides_of(page: Any) -> tuple[int, int]:
    """Rows and columns of a strip or tile."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip, page.imagelength) or page.imagelength, page.imagewidth


def segments_inside(page: Any, rows: slice, columns: slice) -> Iterator[int]:
    """Indices of the segments that hold pixels of a part: planes, then rows, then columns of segments."""
    height, width = (max(1, side) for side in sides_of(page))
    down, across = -(-page.imagelength // height), -(-page.imagewidth // width)
    total = int(np.prod(page.chunked, dtype=object))
    for plane in range(max(1, total // max(1, down * across))):
        for row in range(rows.start // height, min(down, -(-rows.stop // height))):
            for column in range(columns.start // width, min(across, -(-columns.stop // width))):
                yield (plane * down + row) * across + column


def _check_headers(path: Path, page: Any, segments: Iterable[int], area: int) -> None:
    """Refuse compressed segments that claim to be larger than their place in the image."""
    if not has_claims(path, page.keyframe):
        return
    stream = page.parent.filehandle
    for index in segments:
        stream.seek(page.dataoffsets[index])
        data = stream.read(page.databytecounts[index])
        check_claim(path, int(page.keyframe.compression), data, area)


def has_claims(path: Path, page: Any) -> bool:
    """Whether the compressed segments of a page say themselves how large they are.

    Raises
    ------
    InputError
        If that cannot be known before they are decoded.
    """
    compression = int(page.compression)
    if not claims_size(compression) or page.jpegheader is not None:  # NDPI: tifffile's own header
        return False
    if compression == LERC and any((page.tags.valueof(_LERC_PARAMETERS) or (0, 0))[1:]):
        raise unsupported(path, "LERC that is compressed once more", "save it with another compression")
    return True


def check_claim(path: Path, compression: int, data: bytes, area: int) -> None:
    """Refuse a compressed segment that claims to be larger than its place of ``area`` pixels in the image.

    Raises
    ------
    InputError
        If it does, or has no size.
    """
    try:
        rows, columns = claimed_size(path, compression, data)
    except (InputError, ValueError, LookupError) as error:
        if compression == OLD_JPEG:  # its header may lie elsewhere
            return
        raise damaged(path, "a strip or tile without size in its header") from error
    if rows * columns > _SLACK * max(area, 64 * 64):
        raise damaged(path, f"a segment that claims {rows:,} x {columns:,} pixels")
