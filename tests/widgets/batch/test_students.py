"""Batch with a student on one channel: layers with channels, files, what is shown of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from tests.students import LOOSE, nuclei, save_student

from napari_construct.batch.settings import USUAL_OF_CELLS, BatchSettings
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.batch.job import open_job
from napari_construct.widgets.parts.recipes import batch_as_command, batch_as_python

pytestmark = pytest.mark.gui

SETTINGS = CellSettings(**LOOSE)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")


@pytest.fixture
def widget(qtbot, viewer, student, tmp_path) -> Batch:
    widget = Batch(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    widget.setValue(BatchSettings(model=str(student), cells=SETTINGS))
    widget.setOutput(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: not widget._loader.isLoading() and widget._student, timeout=120_000)
    return widget


def run(qtbot, widget: Batch) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())


def test_a_layer_with_channels_and_a_file(qtbot, viewer, widget, student, tmp_path) -> None:
    both = np.stack([nuclei(seed=1), nuclei(seed=2)])
    viewer.add_image(both, name="multi", axis_labels=("c", "y", "x"), scale=(1, 0.5, 0.5))
    Picture.fromarray((nuclei() >> 4).astype(np.uint8)).save(tmp_path / "a.png")
    widget.addLayer(viewer.layers["multi"])
    widget.addPaths([str(tmp_path / "a.png")])
    widget._cells.field("channel").put("1")
    run(qtbot, widget)
    expected = segment_cells(both[1], student, SETTINGS).instances
    layer = viewer.layers["multi cells"]
    np.testing.assert_array_equal(layer.data.squeeze(), expected)
    assert tuple(layer.scale)[-2:] == (0.5, 0.5)
    assert len(layer.features) == expected.max() > 1
    assert "1 failed" in widget.message()  # the picture has no channel 1


@pytest.mark.shown
def test_the_planes_of_a_stack_open_as_one_labels_layer(qtbot, viewer, widget, student, tmp_path) -> None:
    stack = np.stack([nuclei(seed=z) for z in (1, 2, 3)])
    tifffile.imwrite(tmp_path / "z.tif", stack, metadata={"axes": "ZYX"})
    viewer.add_image(stack, name="layer")
    widget.addPaths([str(tmp_path / "z.tif")])
    widget.addLayer(viewer.layers["layer"])
    run(qtbot, widget)
    planes = [segment_cells(plane, student, SETTINGS).instances for plane in stack]
    counts = [int(one.max()) for one in planes]
    before = np.cumsum([0, *counts[:-1]])
    expected = [np.where(one > 0, one + start, 0) for one, start in zip(planes, before, strict=True)]
    qtbot.waitUntil(lambda: "layer cells" in viewer.layers)
    np.testing.assert_array_equal(viewer.layers["layer cells"].data, expected)
    for name in ("z_cells.tif", "z.json", "layer_cells.tif", "z_mask.tif"):
        (opened,) = viewer.open(str(tmp_path / "out" / name), plugin="napari-construct")
        assert opened.data.shape == stack.shape
        np.testing.assert_array_equal(opened.data, expected)
        assert opened.features["index"].tolist() == list(range(1, sum(counts) + 1))
        assert opened.features["plane"].tolist() == list(np.repeat([1, 2, 3], counts))
        assert opened.features["confidence"].between(0.5, 1).all()


def test_what_applies_to_a_student_is_shown(qtbot, widget, checkpoint) -> None:
    assert not widget._cells_box.isHidden()
    assert widget.value().outputs == USUAL_OF_CELLS
    assert widget._outputs._boxes["ood"].isHidden()
    assert widget._options.field("crf").isHidden()
    widget.setValue(BatchSettings(model=str(checkpoint)))
    qtbot.waitUntil(lambda: not widget._loader.isLoading() and not widget._student, timeout=60_000)
    assert widget._cells_box.isHidden()
    assert widget._outputs._boxes["cells"].isHidden()
    assert not {"cells", "table"} & set(widget.value().outputs)


def test_an_image_of_the_batch_opens_with_its_cells(qtbot, widget, student, tmp_path) -> None:
    Picture.fromarray((nuclei() >> 4).astype(np.uint8)).save(tmp_path / "a.png")
    widget.addPaths([str(tmp_path / "a.png")])
    run(qtbot, widget)
    (entry,) = widget._inputs.items().entries()
    steps = open_job(entry, tmp_path / "out")
    try:
        while True:
            next(steps)
    except StopIteration as end:
        image, *_, cells = end.value
    assert image.data.ndim == 2
    np.testing.assert_array_equal(cells.data, segment_cells(tmp_path / "a.png", student, SETTINGS).instances)


def test_recipes_name_the_settings_of_cells(tmp_path) -> None:
    settings = BatchSettings(
        model="s.construct", cells=SETTINGS.changed(channel="DAPI"), outputs=("cells",), device="cpu"
    )
    script = batch_as_python([tmp_path], settings, tmp_path / "out", student=True)
    assert "cells=CellSettings(channel='DAPI', seed_threshold=0.0, min_area=5)" in script
    words = shlex.split(batch_as_command([tmp_path], settings, tmp_path / "out", student=True))
    assert words[words.index("--channel") + 1] == "DAPI"
    assert words[words.index("--outputs") + 1] == "cells"
    assert words[words.index("--settings") + 1] == '{"seed_threshold": 0.0, "min_area": 5}'
    assert "--crf" not in words
