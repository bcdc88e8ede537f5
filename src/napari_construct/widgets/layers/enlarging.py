"""What the model's resolution makes of an image, said before a run."""

from __future__ import annotations

from typing import Final, NamedTuple

from napari_construct.exceptions import InputError

LARGE: Final = 100_000_000
"""Pixels of an enlarged image that take long."""


class Enlarging(NamedTuple):
    """How an image is enlarged for a model, where the user should agree first."""

    factor: float = 1.0
    text: str = ""
    refused: str = ""
    """Why it cannot be: the two resolutions are too far apart."""

    @property
    def asks(self) -> bool:
        return bool(self.text)


def enlarging(
    name: str, shape: tuple[int, int], mpp: float | None, model_mpp: float | None, whole: bool = True
) -> Enlarging:
    """What is said of an image of ``shape`` and ``mpp`` before a model of ``model_mpp`` runs on it.

    Parameters
    ----------
    whole : bool
        Whether all of it is segmented, so that the size is known.
    """
    from napari_construct.inference.activation.resample import UNRELIABLE_FACTOR, model_shape  # loads torch

    if mpp is None or model_mpp is None:
        return Enlarging()
    try:
        rows, columns = model_shape(shape if whole else (16, 16), mpp, model_mpp, name)
    except InputError as error:
        return Enlarging(refused=str(error))
    factor, pixels = mpp / model_mpp, rows * columns
    if factor <= UNRELIABLE_FACTOR and not (whole and factor > 1.1 and pixels > LARGE):
        return Enlarging()
    size = f", to {columns} x {rows} pixels ({pixels / 1e6:.0f} megapixels)" if whole else ""
    warned = (
        "The result is unreliable: detail that the model looks for is missing."
        if factor > UNRELIABLE_FACTOR
        else "This takes long and much memory; a part of the image is faster."
    )
    return Enlarging(
        factor,
        f"{mpp:.4g} µm per pixel, but the model was trained at {model_mpp:.4g}: the image is enlarged "
        f"{factor:.3g} times{size}. {warned}",
    )
