"""From foreground and boundary to cells; runs no network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.inference.cells.maps import CellMaps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.refinement.instances import instances
from napari_construct.results.cells import CELL, CellResult
from napari_construct.types import FloatArray


def cells_of(maps: CellMaps, settings: CellSettings) -> NDArray[np.int32]:
    """Numbers (h, w) int32 of the cells, 0 is background."""
    return split_cells(maps.foreground, maps.boundary, settings)


def split_cells(
    foreground: FloatArray, boundary: FloatArray | None, settings: CellSettings
) -> NDArray[np.int32]:
    """:func:`cells_of` maps (h, w) of any origin, such as a teacher's."""
    return instances(
        foreground,
        boundary,
        threshold=settings.threshold,
        seed_threshold=settings.seed_threshold,
        split_tolerance=settings.split_tolerance,
        min_area=settings.min_area,
    )


def decide_cells(
    maps: CellMaps,
    predictor: CellPredictor,
    settings: CellSettings,
    *,
    source: Mapping[str, Any] | None = None,
    notices: tuple[str, ...] = (),
) -> CellResult:
    """The result of an image.

    Parameters
    ----------
    maps : CellMaps
        Of :func:`~napari_construct.inference.cells.maps.cell_map_steps`.
    predictor : CellPredictor
        The model; its network is not used.
    settings : CellSettings
        Thresholds and the smallest cell.
    source : mapping, optional
        What the record says of the image: its hash, shape, channel.
    notices : tuple of str
        Of the reader.
    """
    return decided_result(maps, made_by(predictor), settings, source=source or {}, notices=notices)


def made_by(predictor: CellPredictor) -> dict[str, Any]:
    """What makes the maps of a run, for its record: software, model and device."""
    checkpoint = predictor.checkpoint
    return {
        "software": software_versions() | {"numpy": np.__version__},
        "model": {
            "name": predictor.name,
            "sha256": predictor.sha256,
            "network": checkpoint.config.network,
            "encoder": checkpoint.config.encoder,
            "channels": list(predictor.channels),
            "mpp": predictor.mpp,
            "data_fingerprint": checkpoint.data_fingerprint,
        },
        "device": str(predictor.device),
    }


def decided_result(
    maps: CellMaps,
    made: Mapping[str, Any],
    settings: CellSettings,
    *,
    source: Mapping[str, Any],
    notices: tuple[str, ...] = (),
) -> CellResult:
    """:func:`decide_cells` of maps whose model is only known by its record, that of :func:`made_by`."""
    started = time.perf_counter()
    found = cells_of(maps, settings)
    labels = (found > 0).astype(np.uint8)
    foreground = maps.foreground[None]
    confidence = np.where(labels > 0, maps.foreground, 1 - maps.foreground)
    score = (
        float(maps.foreground[found > 0].mean()) if labels.any() else float(maps.foreground.max(initial=0))
    )
    present = bool(labels.any())
    return CellResult(
        labels=labels,
        probabilities=foreground,
        cams=foreground,
        confidence=confidence,
        background=labels == 0,
        presence=(present,),
        presence_scores=(score,),
        classes=CELL,
        mpp=maps.mpp,
        record={
            **made,
            "settings": settings.model_dump(mode="json"),
            "input": {
                "name": maps.name,
                **source,
                "mpp": maps.mpp,
                "shape_at_model_resolution": maps.record.get("shape_at_model_resolution"),
            },
            "tiles": maps.record.get("tiles"),
            "presence": {"cell": {"present": present, "score": score}},
            "cells": int(found.max(initial=0)),
            "notices": [*notices, *maps.notices],
            "times": {
                "started": maps.record.get("started"),
                "network_seconds": maps.record.get("seconds"),
                "finish_seconds": time.perf_counter() - started,
            },
        },
        instances=found,
        boundary=maps.boundary,
    )
