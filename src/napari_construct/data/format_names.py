"""The formats of images that are read, for messages and help; imports nothing, so that help is fast."""

from __future__ import annotations

from typing import Final

IMAGE_FORMATS: Final = "PNG, JPEG, BMP, JPEG 2000, WebP, TIFF, SVS"
"""What :func:`~napari_construct.data.formats.image_format` tells apart; SVS stands for scanners' TIFFs."""

INPUT_FORMATS: Final = f"{IMAGE_FORMATS}, OME-Zarr"
"""The same, and the folders that are images."""
