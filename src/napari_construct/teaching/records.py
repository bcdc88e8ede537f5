"""What a model was taught from, for its checkpoint: plain JSON values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from napari_construct.inference.decision.record import image_hash
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes


def teaching_record(
    strokes: Sequence[Strokes], settings: TeachSettings, start: Mapping[str, Any]
) -> dict[str, Any]:
    """Images, strokes and pixels with their hashes, start and settings.

    Parameters
    ----------
    strokes : sequence of Strokes
        All that were there, also those that were switched off.
    settings : TeachSettings
        Of the teaching.
    start : mapping
        What it started from.
    """
    names = settings.classes.names
    return {
        "settings": settings.model_dump(mode="json"),
        "start": dict(start),
        "images": [_image(one, names) for one in strokes],
    }


def _image(strokes: Strokes, names: Sequence[str]) -> dict[str, Any]:
    pixels = strokes.counts(len(names))
    return {
        "name": strokes.name,
        "source": strokes.source,
        "place": list(strokes.place),
        "shape": list(strokes.painted.shape),
        "mpp": strokes.mpp,
        "used": strokes.used,
        "sha256": image_hash(strokes.image),
        "painted_sha256": hashlib.sha256(np.ascontiguousarray(strokes.painted).data).hexdigest(),
        "classes": {
            name: {"strokes": _parts(strokes, i + 1), "pixels": pixels[i]}
            for i, name in enumerate(names)
            if pixels[i]
        },
    }


def _parts(strokes: Strokes, value: int) -> int:
    return int(ndimage.label(strokes.painted == value, structure=np.ones((3, 3)))[1])
