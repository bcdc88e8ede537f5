"""What is saved is what is read again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.overlay import overlay
from napari_construct.export.own_files import is_own
from napari_construct.results.files import write_stack
from napari_construct.results.read import load_result
from napari_construct.results.result import SegmentationResult, StoredResult
from napari_construct.results.stored_zarr import open_zarr


def same(stored: StoredResult, result: SegmentationResult) -> None:
    assert stored.labels.dtype == np.uint8
    np.testing.assert_array_equal(stored.labels, result.labels)
    assert stored.classes == result.classes
    assert stored.mpp == result.mpp
    assert stored.presence == result.presence
    assert stored.presence_scores == result.presence_scores
    assert stored.record["model"] == result.record["model"]
    assert stored.record["notices"] == result.record["notices"]
    assert stored.areas() == result.areas()
    assert stored.measures() == result.measures()


def test_round_trip(result, image, tmp_path) -> None:
    files = result.save(tmp_path / "out", image=image)
    assert {kind: path.name for kind, path in files.items()} == {
        "mask": "slide 1_mask.tif",
        "cams": "slide 1_cams.ome.tif",
        "overlay": "slide 1_overlay.png",
        "record": "slide 1.json",
    }
    for path in (tmp_path / "out", files["record"], str(files["record"])):
        stored = load_result(path)
        same(stored, result)
        assert stored.cams is not None
        np.testing.assert_array_equal(stored.cams, result.cams)
    alone = load_result(files["mask"])
    same(alone, result)
    assert alone.cams is None


@pytest.mark.parametrize("suffix", ["", ".TIFF", ".TIF", ".mask"])
def test_a_renamed_mask_or_record_is_read(result, tmp_path, suffix) -> None:
    files = result.save(tmp_path / "out", kinds=("mask",))
    record = files["record"].rename(files["record"].with_suffix(suffix.replace("TIF", "JSON")))
    same_classes = load_result(record)
    np.testing.assert_array_equal(same_classes.labels, result.labels)
    mask = files["mask"].rename(tmp_path / f"renamed{suffix}")
    alone = load_result(mask)
    np.testing.assert_array_equal(alone.labels, result.labels)
    assert alone.classes.names == result.classes.names
    assert is_own(mask)
    assert is_own(record)


def test_a_stored_result_is_saved_again(result, tmp_path) -> None:
    result.save(tmp_path / "first")
    stored = load_result(tmp_path / "first")
    stored.save(tmp_path / "second")
    again = load_result(tmp_path / "second")
    same(again, result)
    np.testing.assert_array_equal(again.cams, result.cams)
    assert {p.name for p in (tmp_path / "second").iterdir()} == {
        "slide 1_mask.tif",
        "slide 1_cams.ome.tif",
        "slide 1.json",
    }
    masks = load_result(tmp_path / "first" / "slide 1_mask.tif")
    assert set(masks.save(tmp_path / "third")) == {"mask", "record"}
    with pytest.raises(ConfigurationError, match="leave out the kind cams"):
        masks.save(tmp_path / "third", kinds=("mask", "cams"))


def test_ome_zarr(result, image, tmp_path) -> None:
    files = result.save(tmp_path, "s", image=image, kinds=("zarr",))
    for path in (files["zarr"], files["record"], tmp_path):
        same(load_result(path), result)
    opened = open_zarr(files["zarr"])
    np.testing.assert_array_equal(np.moveaxis(opened.image[0][:], 0, 2), image)


def test_which_of_several(result, tmp_path) -> None:
    result.save(tmp_path, "a")
    result.save(tmp_path, "b")
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"one result, found 2 \(a, b\)"):
        load_result(tmp_path)
    same(load_result(tmp_path, "b"), result)


@pytest.mark.parametrize("kind", ["nothing", "file", "record", "folder", "absent mask", "mask"])
def test_what_is_no_result_is_an_error_that_names_it(result, tmp_path, kind) -> None:
    files = result.save(tmp_path / "out", "s")
    path = {
        "nothing": tmp_path / "nothing",
        "file": tmp_path / "notes.txt",
        "record": tmp_path / "other.json",
        "folder": tmp_path,
        "absent mask": files["record"],
        "mask": tmp_path / "other.tif",
    }[kind]
    (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
    (tmp_path / "other.json").write_text('{"files": 3, "colours": []}', encoding="utf-8")
    if kind == "folder":
        (tmp_path / "other.json").unlink()
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((4, 4), np.uint8))
    files["mask"].unlink()
    with pytest.raises(InputError, match=path.name) as caught:
        load_result(path)
    assert ";" in str(caught.value)


def test_the_stack_of_a_batch(result, tmp_path) -> None:
    mask = result.save(tmp_path / "planes")["mask"]
    write_stack(tmp_path / "stack_mask.tif", [mask, None], result.classes, 0.5)
    stored = load_result(tmp_path / "stack_mask.tif")
    np.testing.assert_array_equal(stored.labels, [result.labels, np.zeros_like(result.labels)])
    assert stored.components() == result.components()
    assert stored.classes.names == result.classes.names
    again = load_result(stored.save(tmp_path / "again", "s")["mask"])
    np.testing.assert_array_equal(again.labels, stored.labels)
    assert again.mpp == 0.5


def test_a_mask_painted_on_is_counted_anew(result, tmp_path) -> None:
    files = result.save(tmp_path)
    stored = load_result(files["record"])
    painted = StoredResult(
        labels=np.full_like(stored.labels, 2), classes=stored.classes, record=stored.record
    )
    first, second = painted.measures()
    assert (first["pixels"], first["components"], second["components"]) == (0, 0, 1)


def test_records_of_earlier_versions(result, tmp_path) -> None:
    path = result.save(tmp_path)["record"]
    record = json.loads(path.read_text(encoding="utf-8"))
    for key in ("format", "tissue_pixels", "presence"):
        del record[key]
    record["areas"] = [
        {"percent" if key == "percent_of_tissue" else key: value for key, value in area.items()}
        for area in record["areas"]
    ]
    path.write_text(json.dumps(record), encoding="utf-8")
    stored = load_result(path)
    np.testing.assert_array_equal(stored.labels, result.labels)
    assert stored.presence == ()
    assert stored.tissue_pixels == result.tissue_pixels  # the shares say it
    assert stored.areas() == result.areas()
    del record["areas"]
    path.write_text(json.dumps(record), encoding="utf-8")
    stored = load_result(path)
    assert stored.tissue_pixels is None
    for row in stored.areas():
        assert row["percent_of_labelled"] == pytest.approx(100 * row["pixels"] / (result.labels > 0).sum())
    assert "presence score" not in stored.table()[0]


def test_a_damaged_record_beside_a_good_mask(result, tmp_path) -> None:
    files = result.save(tmp_path)
    files["record"].write_text("{", encoding="utf-8")
    stored = load_result(files["mask"])
    np.testing.assert_array_equal(stored.labels, result.labels)
    assert stored.classes == result.classes  # the palette of the file has the colours


def test_files_of_others_stay(result, tmp_path) -> None:
    (tmp_path / "slide 1.json").write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"slide 1\.json"):
        result.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["slide 1.json"]
    result.save(tmp_path, overwrite=True)
    same(load_result(tmp_path), result)


def test_kinds_are_checked_before_anything_is_written(result, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="got masks"):
        result.save(tmp_path / "out", kinds=("masks",))
    with pytest.raises(ConfigurationError, match="image that was segmented for overlay and zarr"):
        result.save(tmp_path / "out", kinds=("mask", "overlay", "zarr"))
    assert not (tmp_path / "out").exists()


def test_overlay(result, image, tmp_path) -> None:
    from PIL import Image

    expected = overlay(image, result.labels, result.classes, 0.5)
    np.testing.assert_array_equal(result.overlay(image), expected)
    path = Path(tmp_path / "image.png")
    Image.fromarray(image).save(path)
    np.testing.assert_array_equal(result.overlay(path), expected)
    with pytest.raises(InputError, match="give the image the labels were made from"):
        result.overlay(image[:20])


OTHER = ("lymph <&> node", "tumour")


def turned(result: SegmentationResult) -> SegmentationResult:
    """The same with the classes in the other order."""
    labels = np.array([0, 2, 1], np.uint8)[result.labels]
    return dataclasses.replace(result, labels=labels, classes=ClassTable.from_names(OTHER))


@pytest.mark.parametrize("kind", ["mask", "zarr"])
def test_a_file_of_another_result_is_never_read_with_this_record(result, image, tmp_path, kind) -> None:
    ours = result.save(tmp_path / "a", "s", image=image, kinds=(kind,))
    theirs = turned(result).save(tmp_path / "b", "s", image=image, kinds=(kind,))
    if kind == "zarr":
        shutil.rmtree(ours[kind])
    shutil.move(theirs[kind], ours[kind])
    for path in (ours[kind], ours["record"]):
        stored = load_result(path)
        assert stored.classes.names == OTHER
        np.testing.assert_array_equal(stored.labels, turned(result).labels)
        assert stored.presence == ()
        assert stored.tissue_pixels is None
        (notice,) = stored.notices
        assert "is not as s.json describes it" in notice


def test_a_mask_that_another_program_saved_keeps_its_own_classes(result, tmp_path) -> None:
    files = result.save(tmp_path, "s")
    with tifffile.TiffFile(files["mask"]) as file:
        said = file.pages[0].description
    painted = np.full_like(result.labels, 2)
    tifffile.imwrite(files["mask"], painted, description=said, metadata=None)
    stored = load_result(files["mask"])
    np.testing.assert_array_equal(stored.labels, painted)
    assert stored.classes.names == result.classes.names
    assert "edited" in stored.notices[0]


def test_an_edited_mask_without_classes_is_refused_with_a_way_out(result, tmp_path) -> None:
    files = result.save(tmp_path, "s")
    painted = np.full_like(result.labels, 2)
    tifffile.imwrite(files["mask"], painted)
    with pytest.raises(InputError, match=r'changed since.*if you edited it, remove "sha256" from s\.json'):
        load_result(files["record"])
    record = json.loads(files["record"].read_text(encoding="utf-8"))
    del record["sha256"]
    files["record"].write_text(json.dumps(record), encoding="utf-8")
    np.testing.assert_array_equal(load_result(files["record"]).labels, painted)


def test_changed_cams_are_left_out(result, tmp_path) -> None:
    files = result.save(tmp_path, "s")
    turned(result).save(tmp_path / "b", "s")["cams"].replace(files["cams"])
    stored = load_result(files["record"])
    assert stored.cams is None
    assert "s_cams.ome.tif is not as s.json describes it" in stored.notices[0]
    np.testing.assert_array_equal(stored.labels, result.labels)


@pytest.mark.parametrize(
    "damage",
    [{"sha256": 3}, {"sha256": {}}, {"sizes": None}, {"sizes": {"mask": "x"}}, {"sha256": {"mask": 1}}],
)
def test_a_record_with_damaged_hashes_is_not_believed(result, tmp_path, damage) -> None:
    files = result.save(tmp_path, "s")
    record = json.loads(files["record"].read_text(encoding="utf-8")) | damage
    files["record"].write_text(json.dumps(record), encoding="utf-8")
    for path in (files["record"], files["mask"]):
        stored = load_result(path)
        assert stored.classes.names == result.classes.names
        assert len(stored.notices) == 1


BOMB = 2**28
"""Bytes that a chunk of a few kilobytes becomes."""


@pytest.mark.parametrize("level", ["0", "labels/tissue/0"])
@pytest.mark.parametrize("damage", ["inflates", "pipe", "pipe of metadata", "endless", "outside", "huge"])
def test_an_ome_zarr_made_to_harm_is_refused_before_it_is_decoded(
    result, image, tmp_path, level, damage
) -> None:
    path = result.save(tmp_path, "s", image=image, kinds=("zarr",))["zarr"]
    chunk = path / level / ("c/0/0/0" if level == "0" else "c/0/0")
    about = (path / level).parent / "zarr.json"
    if damage == "inflates":
        chunk.write_bytes(imagecodecs.zstd_encode(bytes(BOMB)))
    elif damage == "pipe":
        chunk.unlink()
        os.mkfifo(chunk)
    elif damage == "endless":
        chunk.unlink()
        chunk.symlink_to("/dev/zero")
    elif damage == "pipe of metadata":
        about.write_text(about.read_text().replace('"path": "0"', '"path": "a/b/0"'))
        (path / level).parent.joinpath("a").mkdir()
        os.mkfifo((path / level).parent / "a" / "zarr.json")
    elif damage == "outside":
        about.write_text(about.read_text().replace('"path": "0"', '"path": "../0"'))
    else:
        for place in (path / "0", path / "labels" / "tissue" / "0"):
            shape = json.loads((place / "zarr.json").read_text())
            shape["shape"][-2:] = [10**6, 10**6]
            (place / "zarr.json").write_text(json.dumps(shape))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            open_zarr(path)
        assert tracemalloc.get_traced_memory()[1] < BOMB / 4
    finally:
        tracemalloc.stop()
