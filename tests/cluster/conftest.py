"""A small model in a file, a small slide of several shards, and two worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_construct import load_model
from napari_construct.cluster.cluster import Cluster
from napari_construct.data.images import read_image
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.slides import job, shards


@pytest.fixture(scope="session")
def model() -> Predictor:
    """The bundled model: it is small, and workers load it from its file."""
    return load_model("lymph-node", device="cpu")


@pytest.fixture(scope="session")
def slide_file(tmp_path_factory: pytest.TempPathFactory, camelyon: Path) -> Path:
    """A tiled pyramid of 2048 x 1536 px at 0.25 um, tissue in its upper left and glass elsewhere."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    image = np.full((2048, 1536, 3), 247, np.uint8)
    image[128:1664, 64:1344] = np.tile(read_image(path).pixels, (6, 5, 1))
    path = tmp_path_factory.mktemp("slides") / "slide.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        scale = {"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
        file.write(image, subifds=1, **options, **scale)
        file.write(image[::2, ::2], subfiletype=1, **options)
    return path


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four shards and twelve blocks on the small slide."""
    monkeypatch.setattr(job, "SHARD", 512)
    monkeypatch.setattr(shards, "BLOCK", 256)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two processes, until the last test of a file: nobody else is to share the processor with them."""
    with Cluster(workers=2) as found:
        yield found
