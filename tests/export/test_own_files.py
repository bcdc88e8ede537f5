"""What is ours is known by what it says inside; what is not survives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.ome_zarr import write_ome_zarr
from napari_construct.export.overlay import write_overlay
from napari_construct.export.own_files import has_tissue_labels, is_own, move_over, record_path, refuse_others
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_cams, write_mask

CLASSES = ClassTable.from_names(("tumour", "lymphoid"))
LABELS = np.random.default_rng(0).integers(0, 3, (64, 64), dtype=np.uint8)
PICTURE = np.dstack([LABELS * 80] * 3)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with one result of each kind."""
    write_mask(tmp_path / "a_mask.tif", LABELS, CLASSES)
    write_cams(tmp_path / "a_cams.ome.tif", np.zeros((2, 64, 64), np.float32), CLASSES, 0.5)
    write_overlay(tmp_path / "a_overlay.png", PICTURE, LABELS, CLASSES)
    write_ome_zarr(tmp_path / "a.ome.zarr", PICTURE, LABELS, CLASSES)
    write_record(tmp_path / "a.json", {"format": "napari-construct result"})
    return tmp_path


def test_what_we_made_is_ours_under_any_name(made: Path) -> None:
    for path in list(made.iterdir()):
        assert is_own(path), path
        other = path.with_name(f"other{path.suffix}")
        shutil.move(path, other)
        assert is_own(other), other
    refuse_others(made.iterdir())


def test_what_was_rewritten_by_another_program_is_theirs(made: Path) -> None:
    mask, overlay = made / "a_mask.tif", made / "a_overlay.png"
    with tifffile.TiffFile(mask) as file:
        said = file.pages[0].description
    tifffile.imwrite(mask, LABELS, description=said, metadata=None)
    Image.open(overlay).rotate(90).save(overlay)
    assert not is_own(mask)
    assert not is_own(overlay)


@pytest.mark.parametrize("part", ["labels/nuclei", "tables"])
def test_a_folder_that_holds_work_of_others_is_theirs(made: Path, part: str) -> None:
    (made / "a.ome.zarr" / part).mkdir()
    assert not is_own(made / "a.ome.zarr")


def test_results_of_earlier_versions_are_ours(made: Path) -> None:
    Image.fromarray(PICTURE).save(made / "a_overlay.png")
    root = zarr.open_group(made / "a.ome.zarr", mode="r+")
    root.attrs["ome"] = {key: value for key, value in root.attrs["ome"].items() if key != "_creator"}
    assert not is_own(made / "a_overlay.png")
    assert not is_own(made / "a.ome.zarr")
    files = {"overlay": "a_overlay.png", "zarr": "a.ome.zarr"}
    write_record(made / "a.json", {"files": files, "areas": [], "colours": {}})
    assert all(is_own(path) for path in made.iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"type": "FeatureCollection", "features": []}'),
        ("a.json", b"[" * 100_000),
        ("a.json", b"[1, 2]"),
        ("a.json", b"\xff"),
        ("a_mask.tif", b""),
        ("a_mask.tif", b"II*\0\x08\0\0\0\xff"),
        ("a_overlay.png", b""),
        ("batch.csv", b"slide,tumour percent\n"),
        ("batch.jsonl", b"a line without an end"),
        ("a.geojson", b"{}"),
    ],
)
def test_what_we_did_not_make_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        refuse_others([tmp_path / "free.json", path])
    assert str(path) in str(caught.value)
    assert "another output folder" in str(caught.value)
    assert "--overwrite" in str(caught.value)
    refuse_others([path], overwrite=True)


def test_a_ledger_that_a_kill_cut_short_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    line = json.dumps({"format": "napari-construct batch", "version": 1})
    for length in (0, 5, len(line)):
        path.write_text(line[:length], encoding="utf-8")
        assert is_own(path)


def test_folders_of_others_are_never_deleted(tmp_path: Path) -> None:
    made, theirs = tmp_path / "made", tmp_path / "a.ome.zarr"
    made.mkdir()
    theirs.mkdir()
    (theirs / "0").write_bytes(b"only copy")
    for act in (
        lambda: refuse_others([theirs], overwrite=True),
        lambda: move_over(made, theirs),
        lambda: write_ome_zarr(theirs, PICTURE, LABELS, CLASSES),
    ):
        with pytest.raises(ConfigurationError, match="never deletes"):
            act()
    assert (theirs / "0").read_bytes() == b"only copy"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.zarr", "made"]


def test_a_link_that_leads_nowhere_is_not_free(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to(tmp_path / "unplugged" / "a.json")
    with pytest.raises(ConfigurationError, match=r"a\.json"):
        refuse_others([tmp_path / "a.json"])


@pytest.mark.parametrize(
    "name", ["s_mask.tif", "s_mask.TIFF", "s_overlay.png", "s.png", "s.ome.zarr", "s.zarr", "s.ome.tif"]
)
def test_the_record_lies_beside(name: str) -> None:
    assert record_path(Path("out") / name) == Path("out") / "s.json"


def test_labels_without_an_image_are_no_result(tmp_path) -> None:
    """Another program may store classes as we do; the reader needs the image's scale too."""
    import zarr

    tissue = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=3).create_group("labels/tissue")
    tissue.attrs["ome"] = {"image-label": {"colors": [], "properties": [{"label-value": 1, "class": "x"}]}}
    assert not has_tissue_labels(tmp_path / "a.ome.zarr")
