"""Open an image with a stored result: ``python -m napari_construct.widgets.files.view_result RECORD IMAGE``.

The command line must not import napari; it starts this module as a separate program.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from napari.layers import Image, Layer

from napari_construct.data.images import read_image
from napari_construct.exceptions import ConstructError
from napari_construct.results.read import read_from_record
from napari_construct.widgets.files.stored import placement, stored_layers


def result_layers(record_path: Path, image_path: Path) -> list[Layer]:
    """Layers of a result of ``napari-construct segment`` or ``demo``: image, CAMs, labels.

    Parameters
    ----------
    record_path : Path
        The JSON record; mask and CAMs lie beside it under the names in the record.
    image_path : Path
        The segmented image.

    Raises
    ------
    InputError
        If a file is missing or does not match the record.
    """
    stored = read_from_record(record_path)
    image = Image(read_image(image_path).pixels, name=image_path.stem, rgb=True, **placement(stored.mpp))
    return [image, *stored_layers(stored, image_path.stem)]


def main(arguments: Sequence[str]) -> int:
    """Open the viewer and wait until it closes."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m napari_construct.widgets.files.view_result RECORD IMAGE\n")
        return 2
    import torch  # noqa: F401 - on Windows torch must be loaded before Qt

    try:
        layers = result_layers(Path(arguments[0]), Path(arguments[1]))
    except ConstructError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    import napari

    viewer = napari.Viewer()
    for layer in layers:
        viewer.add_layer(layer)
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
