"""A whole-slide set of polygons out to GeoJSON and in again: seconds, memory, validity at 0.01 px.

Every pass runs in a process of its own; the peak is that of the whole process, with its libraries and the
table that the polygons come from.

    python benchmarks/geojson.py ../shared/data/polygons/hgsc_nuclei_wsi.parquet ...
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SUFFIXES = (".geojson", ".geojson.gz", ".zip")


def peak() -> float:
    """Megabytes of this process at most (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def features(table: Path) -> Iterator:
    import shapely
    from pyarrow.parquet import ParquetFile

    from napari_construct.annotations import Feature

    for batch in ParquetFile(table).iter_batches(4096):
        polygons = shapely.from_wkb(batch["geometry"].to_numpy(zero_copy_only=False))
        for polygon, name in zip(polygons, batch["class_name"].to_pylist(), strict=True):
            yield Feature(geometry=polygon, class_name=name)


def write(table: Path, path: Path) -> None:
    from napari_construct.export.geojson import write_geojson

    started, spent = time.perf_counter(), time.process_time()
    written = write_geojson(path, features(table))
    print(
        f"out: {written.features:,} features, {written.left_out} left out, "
        f"{time.perf_counter() - started:.1f} s ({time.process_time() - spent:.1f} s of processor), "
        f"peak {peak():.0f} MB, {path.stat().st_size / 1e6:.0f} MB on disk"
    )


def read(path: Path) -> None:
    from napari_construct.data.geojson import read_geojson

    started, spent = time.perf_counter(), time.process_time()
    found = read_geojson(path)
    count = sum(1 for _ in found)
    print(
        f"in: {count:,} features, "
        f"{time.perf_counter() - started:.1f} s ({time.process_time() - spent:.1f} s of "
        f"processor), peak {peak():.0f} MB"
        f"{''.join(f'; {notice}' for notice in found.notices)}"
    )


def check(path: Path) -> None:
    """Count what is invalid with the text's own coordinates, rounded to 0.01 px, and compare counts."""
    import shapely

    from napari_construct.data.geojson import read_geojson

    count = invalid = holes = off = 0
    batch = []
    found = read_geojson(path)

    def look() -> None:
        nonlocal count, invalid, holes, off
        given = np.array(batch, dtype=object)
        rounded = shapely.transform(given, lambda points: np.round(points, 2))
        points = shapely.get_coordinates(given)
        off += int((points != np.round(points, 2)).sum())
        invalid += int((~shapely.is_valid(rounded)).sum())
        parts = shapely.get_parts(given)
        holes += int(shapely.get_num_interior_rings(parts).sum())
        count += len(batch)
        batch.clear()

    for feature in found:
        batch.append(feature.geometry)
        if len(batch) == 4096:
            look()
    if batch:
        look()
    repaired = "; ".join(found.notices) or "none repaired on reading"
    print(f"check: {count:,} polygons, {holes:,} holes, {invalid} invalid, {off} off the grid, {repaired}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--suffix", nargs="*", choices=SUFFIXES, default=SUFFIXES)
    parser.add_argument("--step", nargs=3, metavar=("STEP", "TABLE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, table, path = options.step
        write(Path(table), Path(path)) if step == "out" else (read if step == "in" else check)(Path(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        for table in options.tables:
            for suffix in options.suffix:
                path = Path(folder) / f"{table.stem}{suffix}"
                print(f"{table.name} -> {suffix}")
                steps = ("out", "in", "check") if suffix == SUFFIXES[0] else ("out", "in")
                for step in steps:
                    command = [sys.executable, __file__, "--step", step, str(table), str(path)]
                    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
