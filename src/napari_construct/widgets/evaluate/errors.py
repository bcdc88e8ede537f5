"""Errors of a prediction as a labels layer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_construct.classes import OKABE_ITO
from napari_construct.results.areas import class_pixels
from napari_construct.widgets.layers import METADATA_KEY

KINDS: Final = {
    1: ("correct", "#00000000"),
    2: ("wrong class", "#000000"),
    3: ("unlabelled", OKABE_ITO[4]),
}
"""Values of an error map with meaning and colour; 0 is left out of scores."""


def errors_of(truth: NDArray[Any], predicted: NDArray[Any], ignore: Collection[int]) -> NDArray[np.uint8]:
    """Error map of masks of one shape.

    Parameters
    ----------
    truth : ndarray
        Value ``i`` is class ``i``.
    predicted : ndarray
        0 unlabelled, ``i + 1`` class ``i``.
    ignore : collection of int
        Values of ``truth`` to leave out.

    Returns
    -------
    ndarray
        Keys of :data:`KINDS`, 0 for pixels that are left out.
    """
    errors = np.where(predicted == truth + 1, 1, 2)
    errors[predicted == 0] = 3
    errors[np.isin(truth, list(ignore))] = 0
    return errors.astype(np.uint8)


def errors_layer(errors: NDArray[np.uint8], source: str, **placement: Any) -> Labels:
    """An error map in colours for colour-blind users, with the pixels of each kind."""
    counts = class_pixels(errors, len(KINDS))
    scored = max(int(counts.sum()), 1)
    colours: dict[int | None, Any] = {None: "#00000000", 0: "#00000000"}
    return Labels(
        errors,
        name=f"{source} (errors)",
        metadata={METADATA_KEY: {"kind": "errors"}},
        features={
            "index": list(KINDS),
            "result": [words for words, _ in KINDS.values()],
            "pixels": counts.tolist(),
            "percent_of_scored": (100 * counts / scored).tolist(),
        },
        colormap=DirectLabelColormap(
            color_dict=colours | {value: colour for value, (_, colour) in KINDS.items()}, name="errors"
        ),
        opacity=0.7,
        **placement,
    )
