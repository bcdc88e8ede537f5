"""What the manifest promises, opened as a user opens it."""

from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

from napari_construct.widgets.files import sample_data as _sample_data
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui


@pytest.fixture
def manifest(root) -> PluginManifest:
    return PluginManifest.from_file(root / "src" / "napari_construct" / "napari.yaml")


def test_commands_begin_with_the_package_and_exist(manifest) -> None:
    for command in manifest.contributions.commands:
        assert command.id.startswith("napari-construct.")
        module, name = command.python_name.split(":")
        assert hasattr(__import__(module, fromlist=[name]), name)


def test_nothing_only_a_newer_npe2_knows(root) -> None:
    text = (root / "src" / "napari_construct" / "napari.yaml").read_text(encoding="utf-8")
    assert "default_dock_area" not in text
    assert "tabify" not in text


def test_menus(manifest) -> None:
    assert [item.command for item in manifest.contributions.menus["napari/layers/segment"]] == [
        "napari-construct.construct",
        "napari-construct.segment_tissue",
        "napari-construct.refine",
        "napari-construct.retrain",
        "napari-construct.teach",
        "napari-construct.prototypes",
        "napari-construct.label_patches",
        "napari-construct.next_regions",
        "napari-construct.train_adapters",
        "napari-construct.distil_student",
        "napari-construct.batch",
        "napari-construct.evaluate",
        "napari-construct.models",
        "napari-construct.show_tissue",
    ]
    (slide,) = manifest.contributions.menus["napari/file/io_utilities"]
    assert slide.command == "napari-construct.open_slide"
    assert set(manifest.categories) <= {"Segmentation", "Annotation", "IO"}


def test_widget_opens_from_the_menu_and_shows_the_sample(qtbot, viewer, manifest) -> None:
    if "napari-construct" not in PluginManager.instance():
        PluginManager.instance().register(manifest)
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    assert isinstance(widget, SegmentTissue)
    assert widget.layer().name == "lymph node"


def test_sample_is_h_and_e_with_its_pixel_size() -> None:
    [(pixels, options, kind)] = _sample_data.lymph_node_tumour()
    assert kind == "image"
    assert pixels.shape == (1024, 1024, 3)
    assert pixels.dtype == np.uint8
    assert options["scale"] == (0.25, 0.25)
    # stained tissue: bright, more red and blue than green
    assert pixels[..., 1].mean() < min(pixels[..., 0].mean(), pixels[..., 2].mean())


def test_annotation_counts_classes_from_one_and_leaves_white_out() -> None:
    _, (labels, options, kind) = _sample_data.lymph_node_tumour_annotated()
    assert kind == "labels"
    assert np.bincount(labels.ravel()).tolist() == [8590, 210424, 829562]
    assert options["features"]["class"] == ["tumour", "lymphoid"]
