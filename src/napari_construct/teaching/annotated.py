"""Annotations as painted pixels: what both readers of annotations do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_construct.annotations import Feature
from napari_construct.data.polygons import draw_polygons


def painted_annotations(
    features: Sequence[Feature],
    nowhere: Sequence[Feature],
    shape: tuple[int, int],
    values: Mapping[str, int],
    place: tuple[int, int] = (0, 0),
) -> NDArray[np.uint8]:
    """Draw annotations in their order; what is ignored counts nowhere, wherever it stands.

    Parameters
    ----------
    features, nowhere : sequence of Feature
        Those with a class; those of QuPath's ``Ignore*``.
    shape : (int, int)
        Rows and columns.
    values : mapping of str to int
        Painted value of each class.
    place : (int, int)
        Row and column of the image where the part begins.

    Returns
    -------
    ndarray
        (h, w) uint8; 0 is unpainted.
    """
    painted: NDArray[np.uint8] = draw_polygons(features, shape, values=values, offset=place).astype(np.uint8)
    if nowhere:
        painted[draw_polygons(nowhere, shape, offset=place) > 0] = 0
    return painted
