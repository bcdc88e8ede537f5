"""A whole slide on this machine: time, memory, and the loop a user would write beside it.

    python benchmarks/slide.py [--side 40000] [--tissue 0.25] [--model lymph-node] [--plain 2] [--no-half]
        [--work DIR]

Writes a pyramidal slide (JPEG tiles, 0.25 um per pixel) of CC0 patches with glass around them, segments it
with ``segment_slide`` in a process of its own, and prints mm2 per minute, peak memory, and the share of the
time in the network and in the decisions (mostly the CRF). First comes a slide of half the area, for how time
and memory grow. Beside it, on ``--plain`` of a hundred of the tiles, the plain loop: OpenSlide's tiles of 512
pixels, ``segment()`` for each, pasted into an array; its time for all tiles is counted from these.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile
from PIL import Image

import napari_construct as nc
from napari_construct.events import Event

SAMPLES = Path(nc.__file__).parent / "data" / "samples"
TILE = 512


def write_slide(path: Path, side: int, share: float) -> None:
    """A square of tissue, mirrored pieces of the sample, in the middle of glass."""
    sample = np.asarray(Image.open(SAMPLES / "lymph_node_tumour.png").convert("RGB"))
    tissue = np.concatenate([sample, sample[:, ::-1]], 1)
    tissue = np.concatenate([tissue, tissue[::-1]], 0)
    first = round(side * (1 - share**0.5) / 2)
    last = side - first
    glass = np.random.default_rng(0).integers(242, 249, (TILE, TILE, 3)).astype(np.uint8)

    def tiles(level: int) -> Any:
        step, period = 2**level, tissue.shape[0]
        for top in range(0, side // step, TILE):
            for left in range(0, side // step, TILE):
                rows, columns = ((np.arange(at, at + TILE) * step) for at in (top, left))
                inside = np.ix_((rows >= first) & (rows < last), (columns >= first) & (columns < last))
                tile = glass.copy()
                if all(len(axis) for axis in inside):
                    tile[inside] = tissue[np.ix_(rows % period, columns % period)][inside]
                yield tile

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(4):
            length = side // 2**level
            file.write(
                tiles(level),
                shape=(length, length, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                subfiletype=min(level, 1),
                resolution=(40000 / 2**level, 40000 / 2**level),
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def whole(path: str, folder: str, model: str, found: Any) -> None:
    """In a process of its own, whose memory is measured."""
    loaded = nc.load_model(model)
    stages: dict[str, float] = {}
    clock, before = time.perf_counter(), processor_seconds()
    last = clock

    def count(event: Event) -> None:
        nonlocal last
        now = time.perf_counter()
        stages[event.stage] = stages.get(event.stage, 0.0) + now - last
        last = now

    result = nc.segment_slide(path, loaded, folder=folder, progress=count)
    seconds = time.perf_counter() - clock
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found.put(
        {
            "seconds": seconds,
            "processor_seconds": processor_seconds() - before,
            "stages": stages,
            "memory_gb": memory,
            "tiles": result.record["tiles"],
        }
    )


def processor_seconds() -> float:
    """Of this process so far, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(folder: Path, side: int, share: float, model: str) -> tuple[Path, dict[str, Any]]:
    """The slide, made if it is missing, and what its segmentation took, which is printed."""
    path = folder / f"slide_{side}_{share:g}.tif"
    if not path.exists():
        write_slide(path, side, share)
    found: Any = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory() as output:
        process = multiprocessing.get_context("spawn").Process(
            target=whole, args=(str(path), output, model, found)
        )
        process.start()
        row: dict[str, Any] = found.get()
        process.join()
    area = share * (side * 0.25e-3) ** 2
    row |= {"side": side, "mm2_of_tissue": area, "mm2_per_minute": 60 * area / row["seconds"]}
    network, decisions, crf = (row["stages"].get(stage, 0.0) for stage in ("tiles", "refine", "dense CRF"))
    percent = 100 * (network + decisions + crf) / row["seconds"]
    print(
        f"{side} px, {path.stat().st_size / 1e6:.0f} MB, {area:.1f} mm2 of tissue: {row['seconds']:.0f} s "
        f"({row['processor_seconds']:.0f} s of processors), {row['mm2_per_minute']:.1f} mm2 a minute, "
        f"{row['tiles']} tiles, peak {row['memory_gb']:.2f} GB; network {network:.0f} s, "
        f"dense CRF {crf:.0f} s, rest of the decisions {decisions:.0f} s, together {percent:.0f} %",
        flush=True,
    )
    return path, row


def plain(path: Path, model: str, percent: float) -> float:
    """Seconds of the plain loop over all tiles, counted from a part of them."""
    slide, loaded = openslide.OpenSlide(path), nc.load_model(model)
    width, height = slide.dimensions
    places = [(x, y) for y in range(0, height, TILE) for x in range(0, width, TILE)]
    chosen = places[:: max(round(100 / percent), 1)]
    labels = np.zeros((height, width), np.uint8)
    started = time.perf_counter()
    for x, y in chosen:
        tile = np.asarray(slide.read_region((x, y), 0, (TILE, TILE)).convert("RGB"))
        part = nc.segment(tile, loaded, mpp=0.25).labels[: height - y, : width - x]
        labels[y : y + TILE, x : x + TILE] = part
    return (time.perf_counter() - started) * len(places) / len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=40_000, help="pixels")
    parser.add_argument("--tissue", type=float, default=0.25, help="share of the slide")
    parser.add_argument("--model", default="lymph-node")
    parser.add_argument(
        "--plain", type=float, default=2.0, help="percent of the tiles; 0 leaves the loop out"
    )
    parser.add_argument("--half", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--work", type=Path, help="folder to keep the slide in")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        half = None
        if options.half:
            half = measured(folder, round(options.side / 2**0.5), options.tissue, options.model)[1]
        path, row = measured(folder, options.side, options.tissue, options.model)
        if half is not None:
            row["half"] = half
            times, processor, memory = (
                row[key] / half[key] for key in ("seconds", "processor_seconds", "memory_gb")
            )
            print(f"twice the slide: {times:.2f} x time, {processor:.2f} x processors, {memory:.2f} x memory")
        if options.plain:
            row["plain_seconds"] = plain(path, options.model, options.plain)
            ratio = row["plain_seconds"] / row["seconds"]
            print(f"plain loop over all tiles: {row['plain_seconds']:.0f} s, {ratio:.1f} times as long")
    if options.json:
        options.json.write_text(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
