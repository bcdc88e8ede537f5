"""What a slide's run writes beside its labels: which files, and the tables and maps among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from napari_construct.exceptions import ConfigurationError
from napari_construct.export.tiff import write_cams
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.models.checkpoints.checkpoint import check_has_guard
from napari_construct.refinement.views import View
from napari_construct.results.files import OOD

OUTPUTS: Final = ("overlay", "areas", "mask", "probabilities", "cams", "ood")
"""What may be asked for; the label pyramid and the record are always written."""

USUAL: Final = ("overlay", "areas")

_ENDINGS: Final = {
    "overlay": "_overlay.png",
    "areas": "_areas.csv",
    "mask": "_mask.ome.tif",
    "ood": "_ood.ome.tif",
}


def slide_paths(folder: Path, name: str, outputs: Collection[str]) -> dict[str, Path]:
    """Files of a slide's result by kind; probabilities and CAMs lie in the pyramid."""
    found = {"zarr": folder / f"{name}_mask.ome.zarr"}
    found |= {kind: folder / f"{name}{end}" for kind, end in _ENDINGS.items() if kind in outputs}
    return found | {"record": folder / f"{name}.json"}


def distances_of(paths: Mapping[str, Path]) -> str:
    """How to see where a slide is unlike the training patches: in the map, if that is written."""
    if "ood" in paths:
        return f"look at the distance map ({paths['ood'].name})"
    return "look at the distance map: of the slide with --ood-map (output ood), in napari of the visible part"


def checked_outputs(
    outputs: Collection[str] | None, predictor: Predictor, views: tuple[View, ...]
) -> frozenset[str]:
    """The outputs that were asked for, :data:`USUAL` where none were.

    Raises
    ------
    ConfigurationError
        If one is unknown, or the model or its views give no such map.
    """
    found = frozenset(USUAL if outputs is None else outputs)
    if unknown := sorted(found - set(OUTPUTS)):
        raise ConfigurationError(
            f"expected outputs of a slide among {', '.join(OUTPUTS)}, got {', '.join(unknown)}; the labels "
            "(OME-Zarr) and the record are always written"
        )
    if "ood" in found:
        check_has_guard(predictor.checkpoint)
        if View() not in views:
            raise ConfigurationError(
                "expected views with the unchanged image for an out-of-distribution map, got views without "
                "it; choose views one or four, or leave out ood"
            )
    return found


def write_distances(
    path: Path, seen: NetworkPass, store: NetworkStore, mpp: tuple[float, float] | None
) -> None:
    """Distances from the training patches on the grid where they were found; NaN where nothing was seen.

    Parameters
    ----------
    path : Path
        OME-TIFF of float32, a pixel for each cell of the network's coarsest grid.
    seen, store
        Of the run.
    mpp : (float, float) or None
        Micrometres per pixel of the labels.
    """
    distances = np.array(store.map("distances"), dtype=np.float32)
    distances[distances == 0] = np.nan
    write_cams(path, distances, OOD, None if mpp is None else seen.coarse * float(np.sqrt(mpp[0] * mpp[1])))
