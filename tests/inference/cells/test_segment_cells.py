"""Cells of an image by a student: channels, doubts, the result and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_construct import load_result, segment, segment_cells
from napari_construct.data.channels.image import ChannelImage
from napari_construct.events import Doubt, run
from napari_construct.exceptions import CheckpointError, ConfigurationError, InputError
from napari_construct.inference.cells.decide import decide_cells
from napari_construct.inference.cells.loading import is_cell_model, load_cell_model
from napari_construct.inference.cells.maps import CellMaps
from napari_construct.inference.cells.segment import segment_cells_steps, student_channel
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.cells import CellResult


def _maps() -> CellMaps:
    """Two cells that touch, and one too small."""
    foreground = np.full((40, 60), 0.1, np.float32)
    boundary = np.zeros((40, 60), np.float32)
    foreground[10:30, 10:50] = 0.9
    boundary[10:30, 29:31] = 0.9
    foreground[35:37, 5:8] = 0.9
    return CellMaps(foreground, boundary, 0.5, "made.tif", ("said before",), {"tiles": 1})


def test_cells_are_numbered_measured_and_recorded(predictor) -> None:
    result = decide_cells(_maps(), predictor, CellSettings(min_area=20), source={"channel": "DAPI"})
    assert isinstance(result, CellResult)
    assert result.components() == [2]
    assert set(np.unique(result.instances)) == {0, 1, 2}
    assert (result.labels == (result.instances > 0)).all()
    table = result.cells()
    assert table["area_px"].sum() == 20 * 40
    assert table["area_um2"].sum() == pytest.approx(20 * 40 * 0.25)
    assert table["confidence"] == pytest.approx([0.9, 0.9])
    (row,) = result.areas()
    assert row["percent_of_tissue"] == pytest.approx(100 * 800 / 2400)
    assert row["mm2"] == pytest.approx(200e-6)
    assert result.record["cells"] == 2
    assert result.record["input"]["channel"] == "DAPI"
    assert result.record["notices"] == ["said before"]
    assert result.confidence[0, 0] == pytest.approx(0.9)  # of not being a cell
    nothing = decide_cells(_maps(), predictor, CellSettings(threshold=0.95))
    assert nothing.components() == [0]
    assert nothing.presence == (False,)


def test_a_result_is_saved_and_read_again(predictor, tmp_path: Path) -> None:
    result = decide_cells(_maps(), predictor, CellSettings())
    files = result.save(tmp_path)
    assert {path.name for path in files.values()} == {
        "made_mask.tif", "made_cams.ome.tif", "made_cells.tif", "made_cells.csv", "made.json",
    }  # fmt: skip
    again = load_result(tmp_path)
    assert np.array_equal(again.instances, result.instances)
    assert np.array_equal(again.labels, result.labels)
    assert again.mpp == 0.5
    assert again.cells()["confidence"] == pytest.approx(result.cells()["confidence"])
    rows = (tmp_path / "made_cells.csv").read_text().splitlines()
    assert rows[0] == "label,area_px,area_um2,centroid_y,centroid_x,confidence"
    assert rows[1].split(",")[:3] == ["1", str(result.cells()["area_px"][0]), "95.0"] or len(rows) == 3
    result.save(tmp_path)  # its own files are replaced without asking
    tifffile.imwrite(tmp_path / "made_cells.tif", np.zeros((40, 60), np.uint16))
    changed = load_result(tmp_path)
    assert changed.instances is None
    assert any("made_cells.tif" in notice for notice in changed.notices)


def test_files_of_others_stay(predictor, tmp_path: Path) -> None:
    (tmp_path / "made_cells.csv").write_text("my,own,table\n")
    with pytest.raises(ConfigurationError, match=r"made_cells\.csv"):
        decide_cells(_maps(), predictor, CellSettings()).save(tmp_path)
    assert (tmp_path / "made_cells.csv").read_text() == "my,own,table\n"
    assert not (tmp_path / "made.json").exists()


@pytest.mark.parametrize(
    ("names", "which", "index"),
    [
        (("only",), None, 0),
        (("membrane", "DAPI"), None, 1),
        (("Hoechst 33342", "GFP"), None, 0),
        (("a", "b"), 1, 1),
        (("a", "b"), "B", 1),
    ],
)
def test_the_channel_is_named_or_clear(names: tuple[str, ...], which: int | str | None, index: int) -> None:
    pixels = np.random.default_rng(0).random((len(names), 20, 20)).astype(np.float32)
    assert student_channel(ChannelImage(pixels, names, None, (), Path("x")), which, "x") == index


def test_an_unclear_channel_is_asked_for(channels) -> None:
    pixels = np.random.default_rng(0).random((2, 20, 20)).astype(np.float32)
    with pytest.raises(ConfigurationError, match="expected one channel, or one that is called as a nuclear"):
        student_channel(ChannelImage(pixels, ("a", "b"), None, (), Path("x")), None, "x")
    with pytest.raises(ConfigurationError, match="DAPI"):
        student_channel(channels, "Hoechst", "x")


def test_a_stained_section_is_refused_or_doubted(predictor, tissue) -> None:
    picture = ChannelImage(np.moveaxis(tissue, -1, 0), ("red", "green", "blue"), 0.5, (), Path("section.png"))
    with pytest.raises(InputError, match="use a model of stained sections"):
        run(segment_cells_steps(picture, predictor))
    white = np.full((64, 64), 240, np.uint8)
    white[:10] = 0
    result = run(segment_cells_steps(ChannelImage(white[None], ("0",), None, (), Path("w")), predictor))
    assert any(isinstance(said, Doubt) and "mostly bright" in said for said in result.record["notices"])


def test_one_function_for_both_kinds_of_models(student_file, channels, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, channels.pixels[0])
    by_path = segment(path, model=student_file, mpp=0.5, device="cpu")
    loaded = load_cell_model(student_file, device="cpu")
    by_array = segment_cells(channels.pixels[0], loaded, mpp=0.5)
    assert isinstance(by_path, CellResult)
    assert np.array_equal(by_path.instances, by_array.instances)
    assert by_path.record["model"]["sha256"] == loaded.sha256
    json.dumps(dict(by_path.record))
    with pytest.raises(ConfigurationError, match="expected CellSettings for this model"):
        segment(path, student_file, SegmentSettings())
    with pytest.raises(ConfigurationError, match="expected SegmentSettings for this model"):
        segment(path, "lymph-node", CellSettings())
    with pytest.raises(ConfigurationError, match="views"):
        segment(path, student_file, views="four")


def test_models_are_told_apart(student_file) -> None:
    assert is_cell_model(student_file)
    assert not is_cell_model("lymph-node")
    with pytest.raises(CheckpointError, match="stained"):
        load_cell_model("lymph-node")
