"""The arrays of a label pyramid: their metadata, and the file of one shard.

The shards of all levels belong to each other: a shard of ``side`` pixels of level 0 has one of ``side / 2``
in level 1, and so on. Whoever writes a block of labels thus has all that the coarser levels need for it; no
file has a second writer, and an overview shows what is there from the first block on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from napari_construct.export.ome_metadata import CREATOR, LABELS, VERSION, display, image_label, multiscales
from napari_construct.export.ome_zarr import halved
from napari_construct.export.pyramid_plan import PyramidPlan
from napari_construct.reading.marks import SOFTWARE

LABELS_GROUP: Final = f"labels/{LABELS}"


def create_groups(
    folder: Path, plan: PyramidPlan, name: str, source: str | None, own: dict[str, Any]
) -> None:
    """Make a folder with all metadata and no pixel.

    Parameters
    ----------
    folder : Path
        It must not be there yet.
    plan : PyramidPlan
        What it is to hold.
    name : str
        Of the result, for viewers.
    source : str, optional
        Address of the image that the labels lie on.
    own : mapping
        Attributes of the root under this package's name.
    """
    root: Any = zarr.open_group(folder, mode="w-", zarr_format=3)
    root.attrs.update({"ome": {"version": VERSION, **CREATOR}, SOFTWARE: own})
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": VERSION, "labels": [LABELS]}
    factors = [plan.downsample * 2**level for level in range(plan.levels)]
    mask = group.create_group(LABELS)
    about = multiscales(LABELS, "yx", factors, plan.mpp)
    mask.attrs["ome"] = {**about, "image-label": image_label(plan.classes, source)}
    groups = [(mask, "yx")]
    shown = display({tissue.name: tissue.colour[1:].upper() for tissue in plan.classes})
    for kind in plan.maps:
        maps = root.create_group(kind)
        maps.attrs["ome"] = {**multiscales(f"{name} {kind}", "cyx", factors, plan.mpp), "omero": shown}
        groups.append((maps, "cyx"))
    for parent, axes in groups:
        before = (len(plan.classes),) if axes == "cyx" else ()
        for level in range(plan.levels):
            shape = (*before, *(side >> level for side in plan.shape))
            _create_array(parent.store_path.store, f"{parent.path}/{level}", shape, plan, level)


def _create_array(store: Any, path: str, shape: tuple[int, ...], plan: PyramidPlan, level: int) -> Any:
    side = plan.shard >> level
    inner = min(plan.chunk, side)
    before = shape[:-2]
    return zarr.create_array(
        store,
        name=path,
        shape=shape,
        dtype=np.uint8,
        shards=(*before, side, side),
        chunks=(*(1 for _ in before), inner, inner),
        compressors=ZstdCodec(level=0),
        fill_value=0,
        dimension_names=list("cyx"[-len(shape) :]),
        zarr_format=3,
    )


def shard_files(
    plan: PyramidPlan, row: int, column: int, block: NDArray[np.uint8], *, averaged: bool
) -> Iterator[tuple[str, bytes]]:
    """The files of one shard in all levels: their places below the group, and their bytes.

    The bytes are empty where all pixels are 0: there is to be no file.

    Parameters
    ----------
    plan : PyramidPlan
        Of the pyramid.
    row, column : int
        Of the shard in the grid.
    block : ndarray
        (h, w) labels or (k, h, w) maps of the classes, uint8.
    averaged : bool
        Whether a coarser pixel is the mean of 2 x 2, or the first of them.
    """
    before = ("0",) if block.ndim == 3 else ()
    for level in range(plan.levels):
        if 0 in block.shape:  # the last row or column, of less pixels than the level has steps
            return
        place = "/".join((str(level), "c", *before, str(row), str(column)))
        found = bool(block.any())
        yield place, _encoded(plan, level, block) if found else b""
        # of nothing but 0 only the shape matters
        block = halved(block, averaged=averaged and found)


def _encoded(plan: PyramidPlan, level: int, block: NDArray[np.uint8]) -> bytes:
    """The file of a shard, made by the library in memory."""
    height, width = block.shape[-2:]
    side, before = plan.shard >> level, block.shape[:-2]
    made: dict[str, Any] = {}
    array = _create_array(MemoryStore(made), "shard", (*before, side, side), plan, level)
    if (height, width) != (side, side):  # what lies outside of the image is 0
        whole = np.zeros((*before, side, side), np.uint8)
        whole[..., :height, :width] = block
        block = whole
    array[:] = block
    (found,) = (value for key, value in made.items() if not key.endswith("zarr.json"))
    encoded: bytes = found.to_bytes()
    return encoded
