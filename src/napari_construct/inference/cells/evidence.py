"""What the cells of an image are decided from, of a run or of files; other thresholds need no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from napari_construct.exceptions import InputError
from napari_construct.inference.cells.decide import decided_result
from napari_construct.inference.cells.maps import CellMaps
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.cells import CellResult
from napari_construct.results.segmentation import Segmentation
from napari_construct.types import ShortRepr

_MADE_BY = ("software", "model", "device")


@dataclass(frozen=True, slots=True, repr=False)
class CellEvidence(ShortRepr):
    """What the cells of an image are decided from.

    Attributes
    ----------
    maps : CellMaps
        Foreground and boundary.
    source : mapping
        Hash, shape and channel of the image, for the record.
    made_by : mapping
        Software, model and device that made the maps, for the record.
    notices : tuple of str
        Of the image.
    """

    maps: CellMaps
    source: Mapping[str, Any]
    made_by: Mapping[str, Any]
    notices: tuple[str, ...] = ()

    def cells(self, settings: CellSettings) -> CellResult:
        """Decide with the thresholds of the settings."""
        return decided_result(self.maps, self.made_by, settings, source=self.source, notices=self.notices)


def stored_evidence(result: Segmentation) -> CellEvidence | None:
    """The evidence of a result that was read from its files; None where its maps were not written.

    Parameters
    ----------
    result : Segmentation
        Of one image, with ``cams`` (the foreground) and ``boundary``.
    """
    foreground, boundary, record = result.cams, result.boundary, result.record
    if result.instances is None or foreground is None or boundary is None or boundary.ndim != 2:
        return None
    source, times = _mapping(record, "input"), _mapping(record, "times")
    shape = source.get("shape_at_model_resolution")
    maps = CellMaps(
        foreground[0],
        boundary,
        result.mpp,
        str(source.get("name") or result.name),
        (),
        {
            "started": times.get("started"),
            "seconds": times.get("network_seconds"),
            "tiles": record.get("tiles"),
            "shape_at_model_resolution": shape,
        },
    )
    notices = tuple(str(text) for text in record.get("notices", ()))
    return CellEvidence(maps, source, {part: record.get(part) for part in _MADE_BY}, notices)


def stored_settings(result: Segmentation) -> CellSettings:
    """The settings that a result of cells was decided with, as its record says.

    Raises
    ------
    InputError
        If it says nothing, or something else.
    """
    try:
        return CellSettings.model_validate(result.record.get("settings"))
    except (ValidationError, ValueError, TypeError) as error:
        raise InputError(
            f"{result.name}: expected the settings of a segmentation of cells in the record, got none or "
            "others; segment the image again"
        ) from error


def decide_again(result: Segmentation, settings: CellSettings | None = None, **changes: Any) -> CellResult:
    """Decide the cells of a result anew, with other thresholds; runs no network.

    Parameters
    ----------
    result : StoredResult or CellResult
        Of :func:`~napari_construct.load_result`, saved with the kinds "cells", "cams" and "boundary".
    settings : CellSettings, optional
        Those of the record otherwise. Only those that need no network (``DECIDING``) have an effect.
    **changes
        Fields of :class:`~napari_construct.inference.cells.settings.CellSettings`, for example
        ``threshold=0.6``.

    Returns
    -------
    CellResult
        With the settings of the record and no change, the same cells.

    Raises
    ------
    InputError
        If the foreground or boundary was not written, or the record holds no settings.

    Examples
    --------
    >>> from napari_construct import decide_again, load_result
    >>> stored = load_result("results", "nuclei")  # doctest: +SKIP
    >>> decide_again(stored, threshold=0.6).instances.max()  # doctest: +SKIP
    """
    evidence = stored_evidence(result)
    if evidence is None:
        raise InputError(
            f"{result.name}: expected a result of cells with the maps of foreground and boundary, got one "
            'without; segment the image again and save the kinds "cams" and "boundary" too'
        )
    return evidence.cells((settings or stored_settings(result)).changed(**changes))


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}
