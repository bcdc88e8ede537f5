"""What the README and the pages show as Python runs as it stands."""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_construct.data.images import read_image

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> str:
    return "\n".join(BLOCK.findall(page.read_text(encoding="utf-8")))


@pytest.fixture
def desk(tmp_path: Path, camelyon: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the names that the pages use."""
    samples = files("napari_construct.data") / "samples"
    (tmp_path / "region.png").write_bytes((samples / "lymph_node_tumour.png").read_bytes())
    shutil.copytree(camelyon / "train", tmp_path / "patches")
    for name in ("validation", "val"):
        shutil.copytree(camelyon / "val", tmp_path / name)
    shutil.copytree(camelyon / "val" / "img", tmp_path / "slides")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def microscope(desk: Path) -> Path:
    """Images of two channels with their cells, and a teacher, beside everything else."""
    from napari_construct.crossmodal.phantom import phantom
    from napari_construct.models.checkpoints.channel_checkpoint import (
        channel_checkpoint_of,
        save_channel_checkpoint,
    )
    from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet

    for part in ("images", "labels"):
        (desk / "cells" / part).mkdir(parents=True)
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "membrane"]}}
    for seed in (0, 1):
        made = phantom(seed, (64, 64))
        tifffile.imwrite(desk / "cells" / "images" / f"{seed}.ome.tif", made.channels, metadata=names)
        tifffile.imwrite(desk / "cells" / "labels" / f"{seed}.tif", made.instances.astype(np.uint16))
    shutil.copy(desk / "cells" / "images" / "0.ome.tif", desk / "nuclei.tif")
    network = build_channel_unet(ChannelUNetConfig(encoder="mobilenet_v3", channels=("nuclear", "membrane")))
    save_channel_checkpoint(desk / "teacher", channel_checkpoint_of(network))
    return desk


def run_page(name: str, **replaced: str) -> dict[str, Any]:
    """The names that the blocks of a page leave behind; ``replaced`` makes what is slow or gated small."""
    text = blocks(ROOT / name)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(text, name, "exec"), names)
    return names


def test_every_page_with_python_is_run_here() -> None:
    shown = {page.relative_to(ROOT).as_posix() for page in PAGES if blocks(page)}
    assert shown == {
        "README.md",
        "docs/agreement.md",
        "docs/cluster.md",  # its processes are those of tests/cluster; SLURM is not here
        "docs/dense_crf.md",
        "docs/encoders.md",
        "docs/evaluation.md",
        "docs/labelling.md",
        "docs/slides.md",
        "docs/tissue_detection.md",
    }


def test_readme(microscope: Path) -> None:
    desk = microscope
    small = 'student="mobilenet_v3", steps=1, patch=32, batch_size=2'
    names = run_page("README.md", **{"epochs=200": "epochs=1", 'student="resnet18"': small})
    result, stored = names["result"], names["stored"]
    assert result.labels.shape == (1024, 1024)
    assert (stored.labels == result.labels).all()
    assert (stored.cams == result.cams).all()
    assert {path.name for path in (desk / "results").iterdir()} == {
        "region.json",
        "region_mask.tif",
        "region_cams.ome.tif",
        "region_overlay.png",
    }
    assert names["checkpoint"].classes.names == ("lymphoid", "tumour")
    assert (desk / "my-model.construct").is_file()
    assert 0 <= names["report"].predicted["miou"] <= 1
    assert len(names["batch"].done) == 1
    assert (desk / "student.construct").is_file()
    assert names["found"].instances.shape == (64, 64)
    for shown in ("result", "stored", "checkpoint", "report", "batch", "found", "student"):
        assert len(repr(names[shown])) < 200, shown
        assert "\n" not in repr(names[shown])


def test_agreement(desk: Path) -> None:
    from napari_construct.classes import ClassTable
    from napari_construct.export.geojson import write_geojson
    from napari_construct.export.polygons import class_features
    from napari_construct.export.tiff import write_mask

    labels = np.zeros((40, 40), np.uint8)
    labels[:20] = 1
    write_mask(desk / "mask.tif", labels, ClassTable.from_names(("tumour",)))
    labels[:5] = 0
    write_geojson(desk / "person.geojson", class_features(labels, ClassTable.from_names(("Tumor",))))
    assert run_page("docs/agreement.md")["found"].accuracy == pytest.approx(1 - 5 / 40)


def test_dense_crf() -> None:
    names = run_page("docs/dense_crf.md")
    assert (names["labels"] == names["mask"]).mean() > 0.9


def test_encoders(desk: Path, small_clip: str) -> None:
    (image,) = (desk / "validation" / "img").iterdir()
    text = {"quiltnet-b-16": small_clip, "segment(image": f"segment({str(image)!r}"}
    assert run_page("docs/encoders.md", **text)["result"].classes.names == ("tumour", "stroma")


def test_evaluation(desk: Path) -> None:
    from napari_construct.models.checkpoints.locations import resolve_model

    for seed in (0, 1):
        shutil.copy(resolve_model("lymph-node"), desk / f"seed{seed}.construct")
    assert len(run_page("docs/evaluation.md")["report"].models) == 2


def test_labelling(desk: Path) -> None:
    names = run_page("docs/labelling.md")
    assert str(names["session"].progress()) == "3 of 4 labelled: 1 tumour, 1 stroma, 1 none of them"
    assert len(names["dataset"]) == 3
    assert (desk / "to_label" / "labels.csv").is_file()


@pytest.fixture
def slide(desk: Path) -> Path:
    """A pyramid of 4 megapixels with the sample in its middle."""
    image = np.full((2048, 2048, 3), 247, np.uint8)
    image[512:1536, 512:1536] = read_image(desk / "region.png").pixels
    with tifffile.TiffWriter(desk / "slide.tif") as file:
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        file.write(image, subifds=1, resolution=(40000, 40000), resolutionunit="CENTIMETER", **options)
        file.write(image[::2, ::2], subfiletype=1, **options)
    return desk


def test_slides(slide: Path) -> None:
    result = run_page("docs/slides.md")["result"]
    assert (slide / "results" / "slide_mask.ome.zarr").is_dir()
    assert {row["class"] for row in result.areas} == {"tumour", "lymphoid"}
    assert min(row["mm2"] for row in result.areas) > 0


def test_tissue_detection(slide: Path) -> None:
    names = run_page("docs/tissue_detection.md")
    assert names["coverage"].share == pytest.approx(0.25, abs=0.05)
    assert len(names["tiles"]) in range(4, 10)
