from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.cli import _output
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.export.ome_zarr import write_ome_zarr
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.archive import read_archive, write_archive
from napari_construct.models.checkpoints.checkpoint import KIND
from napari_construct.reading.names import normal, shown

Call = Callable[..., Any]
FILES = ["region.json", "region_cams.ome.tif", "region_mask.tif", "region_overlay.png"]


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_writes_what_python_returns(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    done = call(
        "segment", image, "--model", model, "--output", out, "--no-crf", "--mpp", "0.25", "--views", "six"
    )
    assert done.exit_code == 0, done.output
    assert _names(out) == FILES
    pixels = read_image(image).pixels
    expected = segment(pixels, model, crf=None, mpp=0.25, views="six")
    np.testing.assert_array_equal(read_mask(out / "region_mask.tif"), expected.labels)
    with tifffile.TiffFile(out / "region_cams.ome.tif") as tif:
        assert tif.is_ome
        np.testing.assert_allclose(tif.asarray(), expected.cams, atol=1e-6)
    with Image.open(out / "region_overlay.png") as overlay:
        assert overlay.size == (256, 256)
    record = json.loads((out / "region.json").read_text(encoding="utf-8"))
    assert record["settings"]["views"] == "six"
    assert record["input"]["sha256"] == expected.record["input"]["sha256"]
    assert [a["pixels"] for a in record["areas"]] == [a["pixels"] for a in expected.areas()]
    assert "note: region.png: 0.25 um per pixel" in done.stderr
    assert "1 of 1 segmented" in done.stdout


def test_regions_erased_by_the_crf_are_reported(
    call: Call, image: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_lymphoid(decider: Any, image: Any, probabilities: np.ndarray, crf: Any, part: Any) -> Any:
        yield Event("refine", 0, 1)
        refined = np.zeros_like(probabilities)
        refined[1] = 1
        return refined

    monkeypatch.setattr("napari_construct.inference.decision.decider.Decider._refined", all_lymphoid)
    done = call("segment", image, "-m", model, "-o", tmp_path, "--classes", "tumour,lymphoid")
    assert done.exit_code == 0, done.output
    assert "; the CRF erased" in done.stdout
    refinement = json.loads((tmp_path / "region.json").read_text(encoding="utf-8"))["refinement"]
    assert refinement["largest_erased"][0]["class"] == "tumour"
    assert refinement["area_change"]["tumour"] == -refinement["area_change"]["lymphoid"] < 0


def test_named_classes_and_json_on_stdout(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    done = call("segment", image, "-m", model, "-o", tmp_path, "--classes", "lymphoid,", "--json", "-")
    assert done.exit_code == 0, done.output
    (item,) = json.loads(done.stdout)["results"]
    assert item["presence"]["tumour"]["present"] is False
    assert item["areas"][0]["pixels"] == 0
    assert Path(item["files"]["mask"]).is_file()


def test_one_broken_file_never_stops_the_rest(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(image.read_bytes()[:5000])
    out, report = tmp_path / "out", tmp_path / "report.json"
    done = call(
        "segment", tmp_path / "none.png", broken, image, "-m", model, "-o", out, "--no-crf", "--json", report
    )
    assert done.exit_code == 1
    assert _names(out) == FILES
    found = json.loads(report.read_text(encoding="utf-8"))
    assert [Path(f["image"]).name for f in found["failed"]] == ["none.png", "broken.png"]
    assert "1 of 3 segmented" in done.stdout
    assert "none.png" in done.stderr
    assert "broken.png" in done.stderr


def _array(kind: str) -> np.ndarray:
    tissue = np.random.default_rng(0).integers(90, 200, (40, 50, 3))
    nan = tissue.astype(np.float32)
    nan[3, 4] = np.nan
    return {
        "nan": nan,
        "one pixel": tissue[:1, :1].astype(np.uint8),
        "rgba": np.dstack([tissue, np.full((40, 50), 255)]).astype(np.uint8),
        "grey": tissue[..., 0].astype(np.uint8),
        "16-bit": (tissue * 257).astype(np.uint16),
        "stack": np.stack([tissue[..., 0]] * 7).astype(np.uint8),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "says"),
    [("nan", "NaN or infinite"), ("one pixel", "at least 16 pixels"), ("stack", "one plane")],
)
def test_images_that_cannot_be_used(call: Call, model: Path, tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, _array(kind))
    out = tmp_path / "out"
    done = call("segment", path, "-m", model, "-o", out)
    assert done.exit_code == 1
    assert "odd.tif" in done.stderr
    assert says in done.stderr
    assert _names(out) == []


@pytest.mark.parametrize(
    ("kind", "note"), [("rgba", "alpha"), ("grey", "greyscale"), ("16-bit", "uint16 values")]
)
def test_images_that_are_converted_with_a_note(
    call: Call, model: Path, tmp_path: Path, kind: str, note: str
) -> None:
    path = tmp_path / "odd.tif"
    photometric = "minisblack" if kind == "grey" else "rgb"
    tifffile.imwrite(path, _array(kind), photometric=photometric)
    done = call("segment", path, "-m", model, "-o", tmp_path, "--no-crf")
    assert done.exit_code == 0, done.output
    assert note in done.stderr
    record = json.loads((tmp_path / "odd.json").read_text(encoding="utf-8"))
    assert note in record["notices"][0]
    assert read_mask(tmp_path / "odd_mask.tif").shape == (40, 50)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"a text", "expected"), (b"\x89PNG\r\n\x1a\n", "damaged or truncated")],
)
def test_files_that_are_no_image(call: Call, model: Path, tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(content)
    done = call("segment", path, tmp_path, "-m", model, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert str(path) in done.stderr.replace("\n", "")
    assert says in done.stderr
    assert "got a folder" in done.stderr
    assert _names(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--classes", "tumor"], "expected one of the classes tumour, lymphoid, got 'tumor'"),
        (["--classes", ","], "expected at least one of the classes"),
        (["--device", "cuda:9"], "expected a device of this machine"),
        (["--device", "fast"], "check the spelling"),
        (["--tile", "64", "--overlap", "200"], "an overlap of 32 or less, or tiles of 400 or more"),
        (["--mpp", "-1"], "setting mpp"),
        (["--tile", "3"], "--tile"),
        (["--json", "."], "got a folder"),
    ],
)
def test_options_that_cannot_be(
    call: Call, image: Path, model: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = call("segment", image, "-m", model, "-o", tmp_path / "out", *arguments)
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert not (tmp_path / "out").exists() or _names(tmp_path / "out") == []


def test_usage_errors_are_two(call: Call, image: Path, model: Path) -> None:
    assert call("segment").exit_code == 2
    assert call("segment", image, "--no-such-option").exit_code == 2
    assert call("nothing").exit_code == 2
    assert call("segment", image, "-m", model, "--classes", "x").exit_code == 2


def test_same_names_would_overwrite(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    done = call("segment", image, tmp_path / "other" / "region.tif", "-m", model, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "overwrite each other" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", ["region.json", "region_mask.tif", "region_overlay.png"])
def test_foreign_files_are_kept_without_overwrite(
    call: Call, image: Path, model: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"drawn by hand")
    words = ("segment", image, "-m", model, "-o", out, "--no-crf")
    done = call(*words)
    assert done.exit_code == 2
    assert str(out / name) in done.stderr
    assert "--overwrite" in done.stderr
    assert _names(out) == [name]
    assert (out / name).read_bytes() == b"drawn by hand"
    assert call(*words, "--overwrite").exit_code == 0
    assert _names(out) == FILES
    again = call(*words)  # what lies there now is ours
    assert again.exit_code == 0, again.output


def test_the_demo_keeps_files_of_others(call: Call, model: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "lymph_node_tumour.json"
    theirs.write_text("{}", encoding="utf-8")
    done = call("demo", "-m", model, "-o", tmp_path, "--no-viewer")
    assert done.exit_code == 2
    assert str(theirs) in done.stderr
    assert list(tmp_path.iterdir()) == [theirs]


def _truncated(path: Path, target: Path) -> None:
    target.write_bytes(path.read_bytes()[:-3000])


def _empty(path: Path, target: Path) -> None:
    target.write_bytes(b"")


def _edited(path: Path, target: Path, **changes: Any) -> None:
    manifest, states = read_archive(path, kind=KIND, version=1, required=("head",))
    for key, value in changes.items():
        manifest[key] = manifest[key] | value if isinstance(value, dict) else value
    write_archive(target, manifest, states)


def _newer(path: Path, target: Path) -> None:
    _edited(path, target, format_version=99)


def _other_encoder(path: Path, target: Path) -> None:
    _edited(path, target, encoder={"hash": "0" * 64})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (None, "found neither"),
        (_truncated, "damaged"),
        (_empty, "damaged"),
        (_newer, "update napari-construct"),
        (_other_encoder, "with hash 000000000000"),
    ],
)
def test_checkpoints_that_cannot_be_used(
    call: Call, image: Path, model: Path, tmp_path: Path, spoil: Any, says: str
) -> None:
    target = tmp_path / "other.construct"
    if spoil is not None:
        spoil(model, target)
    done = call("segment", image, "--model", target, "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert _names(tmp_path / "out") == []
    if spoil is not _other_encoder:
        assert "other.construct" in done.stderr


def test_output_that_cannot_be_written(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    done = call("segment", image, "-m", model, "-o", image)
    assert done.exit_code == 2
    assert "region.png" in done.stderr
    assert "choose another with --output" in done.stderr
    if hasattr(os, "geteuid") and os.geteuid() != 0:  # root may write anywhere
        tmp_path.chmod(0o500)
        assert call("segment", image, "-m", model, "-o", tmp_path).exit_code == 2


@pytest.mark.parametrize(
    "failing", ["files.write_mask", "files.write_cams", "files.write_overlay", "whole_result.write_record"]
)
def test_nothing_half_written_stays(
    call: Call, image: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*arguments: object) -> None:
        raise ConstructError("the disk is full")

    monkeypatch.setattr(f"napari_construct.results.{failing}", full)
    out = tmp_path / "out"
    done = call("segment", image, "-m", model, "-o", out, "--no-crf")
    assert done.exit_code == 1
    assert "the disk is full" in done.stderr
    assert _names(out) == []


def test_json_target_is_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConstructError, match="choose another"):
        _output.check_json(str(tmp_path / "file" / "report.json"))
    _output.check_json(str(tmp_path / "report.json"))
    assert _names(tmp_path) == ["file"]


def test_a_transparent_part_has_no_class_and_only_words_are_no_number(call, model, image, tmp_path) -> None:
    rgb = np.asarray(Image.open(image).convert("RGB"))
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[:, 100:] = 0
    Image.fromarray(np.dstack([rgb, alpha])).save(tmp_path / "cut.png")
    command = ("segment", tmp_path / "cut.png", "-m", model, "-o", tmp_path / "out", "--no-crf")
    done = call(*command, "--mpp", "0,5", "--region", "50,200,20,180")
    assert done.exit_code == 0, done.output
    mask = tifffile.imread(tmp_path / "out" / "cut_mask.tif")
    assert mask.shape == (150, 160)
    assert not mask[:, 80:].any()
    assert "of the pixels are transparent" in done.output
    refused = call(*command, "--mpp", "half")
    assert refused.exit_code == 2
    assert "expected a number such as 0.25, got 'half'" in refused.output
    refused = call(*command, "--mpp", "0.5", "--region", "50,200,120,180")
    assert refused.exit_code == 1
    assert "which means no data; choose another" in " ".join(refused.output.split())


def test_a_folder_is_sent_to_batch(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    done = call("segment", image.parent, "-m", model, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "got a folder; segment the folder with batch, or name an image in it" in done.stderr
    assert call("batch", image.parent, "-m", model, "-o", tmp_path / "out", "--no-crf").exit_code == 0


def test_an_ome_zarr_is_an_image(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    labels = np.ones((256, 256), np.uint8)
    pixels = np.asarray(Image.open(image).convert("RGB"))
    write_ome_zarr(tmp_path / "z.ome.zarr", pixels, labels, ClassTable.from_names(["x"]), 0.5)
    options = ("-m", model, "-o", tmp_path / "out", "--no-crf")
    assert call("segment", tmp_path / "z.ome.zarr", image, *options).exit_code == 0
    read = [json.loads((tmp_path / "out" / f"{name}.json").read_text("utf-8")) for name in ("z", "region")]
    assert read[0]["input"]["sha256"] == read[1]["input"]["sha256"]
    assert read[0]["input"]["mpp"] == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as Unicode")
@pytest.mark.parametrize("raw", [b"Pr\xe4parat", b"two\nlines \x1b[31m", b"x" * 251, "Dru\u0308se".encode()])
def test_any_name_is_segmented(call: Call, image: Path, model: Path, tmp_path: Path, raw: bytes) -> None:
    odd = image.rename(image.with_name(os.fsdecode(raw) + ".png"))
    options = ("-m", model, "-o", tmp_path / "out", "--no-crf", "--json", tmp_path / "report.json")
    done = call("segment", odd, *options)
    assert done.exit_code == 0, done.output
    (item,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["results"]
    assert all(Path(file).is_file() for file in item["files"].values())
    assert ("shortened" in done.stderr) == (len(raw) > 232)
    assert "\x1b[31m" not in done.output
    # as it was shown, and as others compose it, it is found too
    assert call("segment", shown(normal(str(odd))), *options).exit_code == 0


def test_names_that_differ_in_case_would_overwrite(
    call: Call, image: Path, model: Path, tmp_path: Path
) -> None:
    done = call("segment", image, tmp_path / "other" / "REGION.png", "-m", model, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "overwrite each other" in done.stderr.replace("\n", " ")


def test_a_result_of_ours_is_read_with_a_notice(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    assert call("segment", image, "-m", model, "-o", tmp_path / "out", "--no-crf").exit_code == 0
    done = call("segment", tmp_path / "out" / "region_overlay.png", "-m", model, "-o", tmp_path, "--no-crf")
    assert done.exit_code == 0
    assert "made by napari-construct itself are read because they are named" in done.stderr
