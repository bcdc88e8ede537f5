"""Tiles of slides a second: the package's readers, OpenSlide, and tifffile with zarr, beside each other.

    python benchmarks/slide_reading.py [SLIDE ...] [--workers 2] [--tile 512] [--rounds 5] [--json OUT.json]

Every way reads the same tiles, row by row, with two threads that share a slide and with two processes that
open it each for themselves. The ways take turns, so that a busy machine slows all of them; medians of the
rounds are printed. Without names, the two slides of ../shared are read, and larger ones that are written of
CC0 patches into a temporary folder: JPEG and JPEG 2000 in Aperio's form, 8,192 x 8,192 pixels.
``own`` is the reader that ``open_slide`` takes by default.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import tifffile
import zarr
from PIL import Image

from napari_construct.data.slides.slide import open_slide

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LEAST = {"JPEG": 150, "JPEG 2000": 60}
TILE = 240
Place = tuple[int, int]


def own(path: Path, size: int) -> Callable[[Place], Any]:
    slide = open_slide(path)
    return lambda place: slide.read(0, *place, size, size)


def by_openslide(path: Path, size: int) -> Callable[[Place], Any]:
    slide = openslide.OpenSlide(path)
    return lambda place: np.asarray(slide.read_region(place[::-1], 0, (size, size)).convert("RGB"))


def by_zarr(path: Path, size: int) -> Callable[[Place], Any]:
    array: Any = zarr.open(tifffile.TiffFile(path).series[0].aszarr(level=0), mode="r")
    return lambda place: array[place[0] : place[0] + size, place[1] : place[1] + size]


WAYS = {"own": own, "openslide": by_openslide, "tifffile+zarr": by_zarr}


def read_all(way: str, path: Path, size: int, places: list[Place]) -> int:
    read = WAYS[way](path, size)
    return sum(len(read(place)) for place in places)


def places_of(path: Path, size: int, most: int) -> list[Place]:
    height, width = open_slide(path).shape
    every = [(y, x) for y in range(0, height - size + 1, size) for x in range(0, width - size + 1, size)]
    return every[:most]


def rate(way: str, path: Path, size: int, places: list[Place], pool: Executor, workers: int) -> float:
    """Tiles a second; opening is part of it for processes, as it is for a batch."""
    start = time.perf_counter()
    if isinstance(pool, ProcessPoolExecutor):
        halves = [
            places[i * len(places) // workers : (i + 1) * len(places) // workers] for i in range(workers)
        ]
        list(
            pool.map(read_all, itertools.repeat(way), itertools.repeat(path), itertools.repeat(size), halves)
        )
    else:
        list(pool.map(WAYS[way](path, size), places))
    return len(places) / (time.perf_counter() - start)


def tissue() -> np.ndarray:
    files = sorted((DATA / "camelyon/train").glob("*/*.png"))[:36]
    rows = [
        np.hstack([np.asarray(Image.open(f).convert("RGB")) for f in files[i : i + 6]])
        for i in range(0, 36, 6)
    ]
    return np.vstack(rows)


def encoded(picture: np.ndarray, kind: str, side: int) -> Iterator[bytes]:
    """Tiles of a slide, compressed; those of a picture again and again."""
    made: dict[Place, bytes] = {}
    for y in range(0, side, TILE):
        for x in range(0, side, TILE):
            key = (y // TILE * TILE % (len(picture) - TILE), x // TILE * TILE % (len(picture) - TILE))
            if key not in made:
                tile = np.ascontiguousarray(picture[key[0] : key[0] + TILE, key[1] : key[1] + TILE])
                if kind == "JPEG":
                    made[key] = imagecodecs.jpeg8_encode(tile, level=80)
                else:
                    made[key] = imagecodecs.jpeg2k_encode(
                        tile, level=38, codecformat="j2k", reversible=False, mct=True
                    )
            yield made[key]


def write_slide(path: Path, kind: str, side: int) -> Path:
    compression = {"JPEG": 7, "JPEG 2000": 33005}[kind]
    said = f"Aperio Image Library v11.2.1 \r\n{side}x{side} ({TILE}x{TILE}) {kind}|AppMag = 40|MPP = 0.25"
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(
            encoded(tissue(), kind, side),
            shape=(side, side, 3),
            dtype=np.uint8,
            tile=(TILE, TILE),
            compression=compression,
            photometric="ycbcr" if kind == "JPEG" else "rgb",
            **({"subsampling": (2, 2)} if kind == "JPEG" else {}),
            description=said,
            metadata=None,
        )
    return path


def kind_of(path: Path) -> str:
    with tifffile.TiffFile(path) as tif:
        return (
            "JPEG 2000" if int(tif.series[0].keyframe.compression) in (33003, 33004, 33005, 34712) else "JPEG"
        )


def measure(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    places = places_of(path, args.tile, args.most)
    found: dict[str, dict[str, list[float]]] = {way: {"threads": [], "processes": []} for way in WAYS}
    with (
        ThreadPoolExecutor(args.workers) as threads,
        ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as processes,
    ):
        list(processes.map(read_all, *([v] * args.workers for v in ("own", path, args.tile, places[:1]))))
        for _, way in itertools.product(range(args.rounds), WAYS):
            found[way]["threads"].append(rate(way, path, args.tile, places, threads, args.workers))
            found[way]["processes"].append(rate(way, path, args.tile, places, processes, args.workers))
    return {
        "slide": path.name,
        "kind": kind_of(path),
        "tiles": len(places),
        "rates": {
            way: {how: round(statistics.median(r), 1) for how, r in kinds.items()}
            for way, kinds in found.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=576, help="tiles of a slide that are read")
    parser.add_argument("--side", type=int, default=8192, help="of the slides that are written")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slides = args.slides or [
            *sorted((DATA / "slides").glob("*.svs")),
            write_slide(Path(folder) / "jpeg.svs", "JPEG", args.side),
            write_slide(Path(folder) / "jpeg2000.svs", "JPEG 2000", args.side),
        ]
        results = []
        for path in slides:
            result = measure(path, args)
            results.append(result)
            print(f"{result['slide']} ({result['kind']}, {result['tiles']} tiles of {args.tile} px)")
            for way, rates in result["rates"].items():
                print(f"  {way:15} " + "  ".join(f"{how} {value:7.1f}/s" for how, value in rates.items()))
            print(f"  wanted: {LEAST[result['kind']]}/s")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
