"""Files and folders dropped on docks and their fields, as from a file manager."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Picture
from qtpy.QtWidgets import QLineEdit, QPushButton
from tests.widgets import person
from tests.widgets.conftest import docked

from napari_construct.widgets.batch import Batch
from napari_construct.widgets.evaluate import Evaluate
from napari_construct.widgets.models import Models
from napari_construct.widgets.parts.navigation import show_step
from napari_construct.widgets.prototypes import Prototypes
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def image(tissue, tmp_path) -> Path:
    path = tmp_path / "own.png"
    Picture.fromarray(tissue).save(path)
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "notes.xyz"
    path.write_text("1")
    return path


def dock(viewer, kind):
    made = kind(viewer)
    viewer.window.add_dock_widget(made, name=kind.__name__)
    return made


def test_images_open_in_segment_and_are_chosen(qtbot, viewer, fake, tissue, image) -> None:
    viewer.add_image(tissue, name="slide", rgb=True)
    segment = docked(qtbot, viewer, fake)
    segment.setLayer(viewer.layers["slide"])  # kept until another image is given
    assert person.drop(segment, [image])
    assert viewer.layers["own"].source.path == str(image)
    assert person.find(segment, "Segment", QPushButton).text() == "Segment own"
    assert segment.message() == ""


def test_a_checkpoint_becomes_the_model_of_segment(qtbot, viewer, fake, checkpoint) -> None:
    segment = docked(qtbot, viewer, fake)
    assert person.drop(segment, [checkpoint])
    assert segment.model() == str(checkpoint)
    qtbot.waitUntil(lambda: fake.loads[-1][0] == str(checkpoint))


def test_folders_lead_to_batch(qtbot, viewer, fake, image) -> None:
    segment = docked(qtbot, viewer, fake)
    assert person.drop(segment, [image.parent])
    batch = show_step(viewer, "batch")
    assert batch._inputs.value() == [image.parent]
    assert not batch.visibleRegion().isEmpty()
    assert "added to Batch, which segments all images of a folder" in segment.message()
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: "being loaded" not in batch.message(), timeout=60_000)


def test_what_cannot_be_used_is_refused_in_a_sentence(qtbot, viewer, fake, table) -> None:
    segment = docked(qtbot, viewer, fake)
    assert person.drop(segment, [table])
    assert segment.message().startswith("notes.xyz: cannot be used here. Drop images, or a checkpoint")
    broken = table.with_suffix(".png")
    broken.write_bytes(b"no picture")
    assert person.drop(segment, [broken])
    assert "notes.png: expected" in segment.message()
    assert len(viewer.layers) == 0


def test_a_drop_on_a_field_does_not_write_into_it(qtbot, viewer, fake, image) -> None:
    segment = docked(qtbot, viewer, fake)
    before = [line.text() for line in segment.findChildren(QLineEdit)]
    assert person.drop(person.find(segment, "Pixel size (µm)").findChild(QLineEdit), [image])
    assert [line.text() for line in segment.findChildren(QLineEdit)] == before
    assert "own" in [layer.name for layer in viewer.layers]


def test_prototypes_opens_images_too(qtbot, viewer, image) -> None:
    prototypes = dock(viewer, Prototypes)
    assert person.drop(prototypes, [image])
    assert prototypes.source.layer().name == "own"
    qtbot.waitUntil(lambda: not prototypes.model.isLoading(), timeout=60_000)


def test_batch_takes_files_folders_and_a_model(qtbot, viewer, image, table, checkpoint) -> None:
    batch = dock(viewer, Batch)
    assert person.drop(batch, [image, image.parent, checkpoint, table])
    assert batch._inputs.value() == [image, image.parent]
    assert batch.value().model == str(checkpoint)
    assert "notes.xyz: cannot be used here" in batch.message()
    qtbot.waitUntil(lambda: "being loaded" not in batch.message(), timeout=60_000)


def test_train_takes_patches_and_masks(qtbot, viewer, camelyon, image) -> None:
    train = dock(viewer, TrainAdapters)
    assert person.drop(train, [camelyon / "train"])
    assert train._files.data() == str(camelyon / "train")
    assert person.drop(person.find(train, "Validation data"), [camelyon / "val"])
    assert train._files.validation() == str(camelyon / "val")
    train.setValidation("")
    assert person.drop(train, [camelyon / "val"])  # images with masks cannot be patches
    assert train._files.validation() == str(camelyon / "val")
    assert train._files.data() == str(camelyon / "train")
    assert person.drop(person.find(train, "Model file"), [image])
    assert "own.png: cannot be used here. Drop one folder" in train.message()
    qtbot.waitUntil(lambda: not train.isLooking() and not train.isPreparing(), timeout=120_000)


def test_models_imports_a_checkpoint(qtbot, viewer, checkpoint, table, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    models = dock(viewer, Models)
    qtbot.waitUntil(lambda: not models.isListing(), timeout=120_000)
    assert person.drop(models, [table])
    assert "Drop one model or file of weights" in models.message()
    assert person.drop(models, [checkpoint])
    qtbot.waitUntil(lambda: not models.isRunning() and not models.isListing(), timeout=120_000)
    assert "tiny" in [row.name for row in models.rows()]


def test_evaluate_takes_a_folder_of_images_with_masks(viewer, camelyon, checkpoint, image) -> None:
    evaluate = dock(viewer, Evaluate)
    assert person.drop(evaluate, [camelyon / "val"])
    assert evaluate.value().mode == "folders"
    assert evaluate._input.folders() == (camelyon / "val", None)
    assert person.drop(person.find(evaluate, "Masks"), [camelyon / "val" / "mask"])
    assert evaluate._input.folders()[1] == camelyon / "val" / "mask"
    assert person.drop(evaluate, [checkpoint])
    assert evaluate.value().model == str(checkpoint)
    assert person.drop(evaluate, [image])
    assert "open them in napari" in evaluate.message()
