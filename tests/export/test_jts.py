"""QuPath's own geometry library, JTS, finds every written polygon valid (Debian: libjts-java, a JDK)."""

from __future__ import annotations

import shutil
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely import Polygon

from napari_construct.annotations import Feature
from napari_construct.classes import ClassTable
from napari_construct.export.geojson import write_geojson
from napari_construct.export.polygons import class_features

JARS = [Path("/usr/share/java") / f"{name}.jar" for name in ("jts-core", "jts-io-common", "json-simple")]
PROGRAM = Path(__file__).with_name("Validity.java")


def validity(path: Path) -> tuple[int, int, int]:
    """Features, invalid ones, and those not on the grid of 0.01 px, as JTS counts them."""
    if shutil.which("java") is None or not all(jar.exists() for jar in JARS):
        pytest.skip("needs a Java runtime and JTS (apt install default-jdk-headless libjts-java)")
    modules = subprocess.run(["java", "--list-modules"], capture_output=True, text=True, check=True).stdout
    if "jdk.compiler" not in modules:
        pytest.skip("needs a Java runtime that compiles (apt install default-jdk-headless)")
    command = ["java", "-cp", ":".join(map(str, JARS)), str(PROGRAM), str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stderr
    count, invalid, moved = map(int, ran.stdout.split())
    return count, invalid, moved


def test_jts_finds_the_outlines_of_noise_valid(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (200, 300)).astype(np.uint8)
    table = ClassTable.from_names(("a", "b", "c"))
    path = tmp_path / "noise.geojson"
    features = [*class_features(labels, table), *class_features(labels, table, merge=True)]
    features += class_features(labels, table, simplify=2.0, downsample=1.37, offset=(3.333, 4.777))
    written = write_geojson(path, features)
    assert validity(path) == (written.features, 0, 0)


def test_jts_finds_thin_and_crossed_outlines_valid(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    stars = [Polygon(random.random((9, 2)) * 0.3 + 1000) for _ in range(2000)]
    path = tmp_path / "stars.geojson"
    written = write_geojson(path, (Feature(geometry=star) for star in stars))
    assert written.features > 1900
    assert validity(path) == (written.features, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("hgsc_tissue_wsi", 3712), ("hgsc_nuclei_wsi", 60_000)])
def test_jts_finds_a_whole_slide_valid(shared: Path, tmp_path: Path, name: str, count: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = shared / "data" / "polygons" / f"{name}.parquet"
    if not table.exists():
        pytest.skip(f"needs {name}.parquet")
    batches = parquet.ParquetFile(table).iter_batches(4096, columns=["geometry"])
    given = (g for b in batches for g in shapely.from_wkb(b["geometry"].to_numpy(zero_copy_only=False)))
    path = tmp_path / "slide.geojson"
    write_geojson(path, (Feature(geometry=one) for one in islice(given, count)))
    assert validity(path) == (count, 0, 0)
