"""The content of a dataset fits a narrow dock: nothing is cut that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.widgets.train.check import CheckTree
from napari_construct.widgets.train.data import FORMATS

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("width", [280, 680])
def test_names_and_values_share_the_width(qtbot, tmp_path, width) -> None:
    long = "tumour-associated stroma with many inflammatory cells"
    labels = np.array([[1, 0], [0, 1]], np.uint8)
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    tree = CheckTree()
    qtbot.addWidget(tree)
    tree.resize(width, 150)
    tree.show()
    tree.showDataset(ImageLevelDataset(paths, labels, (long, "b"), ("a.png", "b.png")), FORMATS["names"])
    assert tree.textElideMode() == Qt.TextElideMode.ElideMiddle
    shared = tree.columnWidth(0) + tree.columnWidth(1)
    assert shared <= tree.viewport().width()
    assert tree.columnWidth(0) >= 0.4 * tree.viewport().width(), "values leave room for names"
    item = tree.topLevelItem(1).child(0)
    assert long in item.toolTip(0)
    assert tree.topLevelItem(0).toolTip(1) == FORMATS["names"]
