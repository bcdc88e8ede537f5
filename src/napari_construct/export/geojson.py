"""GeoJSON as QuPath reads it, written object by object."""

from __future__ import annotations

import gzip
import json
import math
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from napari_construct.annotations import GRID, Feature, Place, only_polygons
from napari_construct.classes import palette_colour, rgb_of
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.geojson_mark import START
from napari_construct.export.own_files import refuse_others
from napari_construct.types import PathLike

ENDINGS: Final = (".geojson", ".geojson.gz", ".zip")
"""Of files that are written; the last two are packed."""

_AT_ONCE: Final = 512
_LEVEL: Final = 4  # of packing; 9 takes four times as long for a twentieth less
_DECIMALS: Final = round(-math.log10(GRID))
_NAMES: Final = uuid.UUID("0d6c0a52-5f0b-5d0e-9d64-0f4f6a6a6c9e")
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


class Written(NamedTuple):
    """What became of the objects.

    Attributes
    ----------
    features : int
        Objects in the file.
    left_out : int
        Objects of which nothing was left on the grid of 0.01 px.
    """

    features: int
    left_out: int


def write_geojson(
    path: PathLike,
    features: Iterable[Feature],
    *,
    origin: Place = (0, 0),
    overwrite: bool = False,
) -> Written:
    """Write polygons for QuPath and others, one after another; memory does not grow with their number.

    Coordinates are rounded to 0.01 px, as QuPath does, and every polygon is valid *after* that: where
    rounding makes an outline touch or cross itself, it is noded on the grid (``shapely.set_precision``) and
    may come apart into a MultiPolygon. What is smaller than the grid is left out and counted.

    QuPath's rules: ``id`` is a UUID (made from place and content where the feature has none, so that the same
    polygons give the same bytes); ``classification`` has a colour (one of the palette where the feature has
    none), without which QuPath refuses the file; ``isLocked`` only where true; NaN is the text "NaN".

    Parameters
    ----------
    path : str or path
        ``.geojson``, ``.geojson.gz`` or ``.zip``; replaced as a whole or not at all.
    features : iterable of Feature
        In pixels of the whole image.
    origin : (row, column)
        Row and column of the image that QuPath calls (0, 0). A slide needs none: it is what QuPath shows, the
        part that was scanned.
    overwrite : bool
        Also replace a file that napari-construct did not make.

    Returns
    -------
    Written
        Counts.

    Raises
    ------
    ConfigurationError
        If the ending is another, or a file of others would be replaced.
    InputError
        If a geometry is no Polygon or MultiPolygon, or has coordinates that are not finite.
    ConstructError
        If the file cannot be written.
    """
    path = Path(path)
    if not path.name.lower().endswith(ENDINGS):
        raise ConfigurationError(
            f"{path}: expected a file name that ends in {', '.join(ENDINGS)}, got another; add .geojson"
        )
    refuse_others([path], overwrite=overwrite)
    count = left_out = 0
    waiting = iter(features)
    with atomic(path) as temporary, _packed(temporary, path.name) as stream:
        stream.write(f"{START}\n".encode())
        while batch := list(islice(waiting, _AT_ONCE)):
            texts = []
            for feature, geometry in zip(batch, _geometry_texts(batch, origin), strict=True):
                if not geometry:
                    left_out += 1
                    continue
                texts.append(f"{',' if count else ''}{_text(feature, geometry, count)}\n")
                count += 1
            stream.write("".join(texts).encode())
        stream.write(b"]}\n")
    return Written(count, left_out)


@contextmanager
def _packed(path: Path, name: str) -> Iterator[IO[bytes]]:
    """A file to write to, packed as its name says; the same bytes at any time."""
    with ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("wb"))
        if name.lower().endswith(".gz"):
            stream = stack.enter_context(gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0))
        elif name.lower().endswith(".zip"):
            archive = stack.enter_context(zipfile.ZipFile(stream, "w", compresslevel=_LEVEL))
            inside = zipfile.ZipInfo(f"{name[:-4].removesuffix('.geojson')}.geojson", _LONG_AGO)
            inside.compress_type = zipfile.ZIP_DEFLATED
            stream = stack.enter_context(closing(archive.open(inside, "w", force_zip64=True)))
        yield stream


def on_grid(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons with coordinates of two decimals, each valid; None where nothing is left.

    Rounding alone is tried first, as it is ten times faster and spoils few polygons in a million.

    Parameters
    ----------
    geometries : ndarray
        (n,) of shapely Polygon or MultiPolygon.
    """
    rounded = _rounded(geometries)
    broken = ~shapely.is_valid(rounded)
    if broken.any():
        valid = shapely.make_valid(geometries[broken], method="structure", keep_collapsed=False)
        noded = _rounded(shapely.set_precision(valid, GRID))
        rounded[broken] = [only_polygons(one) for one in noded]
    # set_precision works on the same grid; what it gives is checked all the same
    rounded[~shapely.is_valid(rounded) | shapely.is_empty(rounded)] = None
    return rounded


def _rounded(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    found: NDArray[np.object_] = shapely.transform(geometries, lambda points: np.round(points, _DECIMALS))
    return found


def _geometry_texts(batch: list[Feature], origin: Place) -> list[str | None]:
    """The geometries as GeoJSON; None where nothing is left on the grid."""
    geometries = np.array([feature.geometry for feature in batch], dtype=object)
    kinds = shapely.get_type_id(geometries)
    polygons = np.isin(kinds, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    if not polygons.all():
        wrong = geometries[~polygons][0]
        raise InputError(
            f"expected polygons to write, got {getattr(wrong, 'geom_type', type(wrong).__name__)}; QuPath "
            "reads only these"
        )
    if not np.isfinite(shapely.get_coordinates(geometries)).all():
        raise InputError("expected polygons with finite coordinates, got NaN or infinity; leave them out")
    shift = np.array([origin[1], origin[0]], dtype=np.float64)
    placed = on_grid(shapely.transform(geometries, lambda points: points - shift))
    texts = shapely.to_geojson(placed).tolist()
    return [text and text.replace(".0,", ",").replace(".0]", "]") for text in texts]


def _text(feature: Feature, geometry: str, number: int) -> str:
    properties: dict[str, Any] = {"objectType": feature.object_type}
    if feature.name is not None:
        properties["name"] = feature.name
    if feature.class_name is not None:
        colour = feature.colour or palette_colour(zlib.crc32(feature.class_name.encode(errors="replace")))
        properties["classification"] = {"name": feature.class_name, "color": rgb_of(colour)}
    if feature.locked:
        properties["isLocked"] = True
    if feature.measurements:
        properties["measurements"] = _measurements(feature.measurements)
    written = json.dumps(properties, allow_nan=False, separators=(",", ":"))
    identity = _uuid(feature.id) or uuid.uuid5(_NAMES, f"{number} {written} {geometry}")
    return f'{{"type":"Feature","id":"{identity}","geometry":{geometry},"properties":{written}}}'


def _measurements(measured: Mapping[str, float]) -> dict[str, float | str]:
    """Numbers; what JSON has no sign for as the text that Java reads."""
    numbers = {str(name): float(value) for name, value in measured.items()}
    return {name: value if math.isfinite(value) else _word(value) for name, value in numbers.items()}


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return None if text is None else uuid.UUID(text)
    except ValueError:
        return None
