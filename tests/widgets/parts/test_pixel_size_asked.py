"""The pixel size of an image is asked for where nothing states it, and what follows from it is said."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from qtpy.QtWidgets import QPushButton
from tests.widgets import person
from tests.widgets.conftest import docked

from napari_construct.data.images import read_image
from napari_construct.events import Doubt, Notice, SizeAssumed
from napari_construct.widgets.layers import pixel_size

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def files(tissue, tmp_path):
    for name in ("one", "two"):
        Picture.fromarray(tissue[:128, :128]).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def segment(qtbot, viewer, files, fake):
    viewer.open(str(files / "one.png"), plugin="napari")
    return docked(qtbot, viewer, fake)


def run(qtbot, dock) -> None:
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        person.click(person.find(dock, "Segment", QPushButton))


def test_asked_once_for_a_layer_and_offered_for_its_neighbours(qtbot, viewer, segment, files, fake) -> None:
    assert "Pixel size unknown (now 0.25, as the training patches)" in person.words(segment)
    person.click(person.find(segment, "Pixel size 0.5 µm", QPushButton))
    assert "Pixel size 0.5 µm, as you chose" in person.words(segment)
    assert "unknown" not in person.words(segment)
    run(qtbot, segment)
    assert fake.runs[-1].mpp == 0.5
    viewer.open(str(files / "two.png"), plugin="napari")
    person.click(person.find(segment, "Pixel size 0.5 µm, as one", QPushButton))
    assert pixel_size(viewer.layers["two"]).mpp == 0.5
    person.click_layer(viewer, "one")
    assert "as you chose" in person.words(segment)  # not asked again
    person.click(person.find(segment, "Change the pixel size", QPushButton))
    person.write(person.find(segment, "Other pixel size"), "0,62 µm")
    assert pixel_size(viewer.layers["one"]).mpp == 0.62
    run(qtbot, segment)
    assert fake.runs[-1].mpp == 0.62


def test_a_run_without_an_answer_takes_the_models_own(qtbot, segment, fake) -> None:
    run(qtbot, segment)
    assert fake.runs[-1].mpp is None
    assert segment.message().startswith("one: ")
    assert person.words(segment).count("as the training patches") == 1


def test_what_the_dock_asks_is_not_said_again_with_the_result(qtbot, segment, fake) -> None:
    def steps(*args, **rest):
        yield Notice("tiles", 0, 1, SizeAssumed("one: its resolution is unknown"))
        yield Notice("tiles", 0, 1, Doubt("one: the background is dark"))
        return (yield from fake.decided_steps(*args, **rest))

    segment._decided_steps = steps
    run(qtbot, segment)
    assert "The background is dark" in segment.message()
    assert "unknown" not in segment.message()


def test_an_option_goes_before_the_question(segment) -> None:
    person.write(person.find(segment, "Pixel size (µm)"), "0.5")
    assert "Pixel size unknown" not in person.words(segment)
    person.write(person.find(segment, "Pixel size (µm)"), "0")
    assert "Pixel size unknown" in person.words(segment)


def test_another_image_in_the_layer_is_asked_for_again(viewer, segment, tissue) -> None:
    person.click(person.find(segment, "Pixel size 1.0 µm", QPushButton))
    viewer.layers["one"].data = tissue[::2, ::2][:100]
    assert "Pixel size unknown" in person.words(segment)


def test_a_strong_enlargement_is_said_and_agreed_to_with_the_button(qtbot, viewer, segment, fake) -> None:
    person.write(person.find(segment, "Other pixel size"), "1,5")
    said = person.words(segment)
    assert "1.5 µm per pixel, but the model was trained at 0.25" in said
    assert "enlarged 6 times, to 768 x 768 pixels (1 megapixels)" in said
    assert "unreliable" in said
    button = person.find(segment, "Segment", QPushButton)
    assert button.text() == "Enlarge 6x and segment one"
    run(qtbot, segment)
    assert fake.runs[-1].mpp == 1.5
    viewer.layers["one"].units = ("um", "um")
    viewer.layers["one"].scale = (0.5, 0.5)
    assert "unreliable" not in person.words(segment)


def test_sizes_that_no_model_can_bridge_are_refused_before_the_run(segment) -> None:
    person.write(person.find(segment, "Other pixel size"), "4")
    button = person.find(segment, "Segment", QPushButton)
    assert not button.isEnabled()
    assert "within 8 times of the model's 0.25" in segment.message()
    person.click(person.find(segment, "Change the pixel size", QPushButton))
    assert button.isEnabled()


@pytest.mark.parametrize("way", ["opened", "dropped"])
def test_segment_takes_the_size_that_batch_records(qtbot, viewer, fake, tissue, tmp_path, way) -> None:
    file = tmp_path / "scan.tif"
    size = {"resolution": (20040, 20040), "resolutionunit": "CENTIMETER"}  # 0.499 um
    tifffile.imwrite(file, tissue, photometric="rgb", **size)
    segment = docked(qtbot, viewer, fake)
    if way == "opened":
        viewer.open(str(file), plugin="napari")
    else:
        assert person.drop(segment, [file])
    run(qtbot, segment)
    batch = read_image(file)
    assert fake.runs[-1].mpp == batch.mpp == pytest.approx(0.499, rel=1e-3)
    np.testing.assert_array_equal(fake.runs[-1].image, batch.pixels)
