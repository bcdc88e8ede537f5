"""What "Copy as Python" prints imports from the top of the package alone, and only names that are there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import napari_construct
from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.evaluate.cells.job import CellsRequest
from napari_construct.widgets.evaluate.job import FoldersRequest, LayerPair, LayersRequest
from napari_construct.widgets.evaluate.recipes import cells_as_python, folders_as_python, layers_as_python
from napari_construct.widgets.evaluate.settings import CellEvaluation, EvaluateSettings
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.parts import recipes
from napari_construct.widgets.train.recipes import train_as_python
from napari_construct.widgets.train.request import TrainRequest

pytestmark = pytest.mark.gui

PACKAGE = Path(napari_construct.__file__).parent
FROM_FILE = Plane("slide", None, (), {}, 0.25, path="slide.tif", window=(slice(0, 64), slice(8, 72)))
FROM_LAYER = Plane("slide", None, (3,), {}, 0.25)
SETTINGS = SegmentSettings(tile=128, classes=("tumour",), views="four")
WORDS = ZeroShotSettings(encoder="quiltnet-b-16", classes="tumour: glands; stroma: fibres")


def texts() -> Iterator[str]:
    for plane in (FROM_FILE, FROM_LAYER):
        for model in ("lymph-node", WORDS):
            yield recipes.as_python(plane, model, SETTINGS)
        yield recipes.prototypes_as_python(plane, "lymph-node", PrototypeSettings(prototype="tumour 1"))
    yield recipes.batch_as_python(
        [Path("slides"), Path("a.tif")], BatchSettings(segment=SETTINGS), Path("results")
    )
    yield recipes.download_as_python(DownloadSettings(name="conch", accepted=True))
    evaluation = EvaluateSettings(segment=SETTINGS.changed(classes=None))
    yield folders_as_python(FoldersRequest(Path("img"), Path("mask"), evaluation))
    for asked in (CellEvaluation(), CellEvaluation(labels="nuclear", teacher="t", baseline="b")):
        yield cells_as_python(CellsRequest(Path("cells"), EvaluateSettings(student=asked)))
    masks = (np.zeros((4, 4), np.uint8),) * 2
    for classes in ((), ("tumour", "lymphoid")):
        pair = LayerPair(("a", "b"), *masks, classes, {})
        yield layers_as_python(LayersRequest(pair, EvaluateSettings()))
    for val in (None, Path("validation")):
        table = ClassTable.from_names(("tumour", "lymphoid"))
        yield train_as_python(
            TrainRequest(Path("p"), table, val, Path("m.construct"), TrainingConfig(epochs=3))
        )


@pytest.mark.parametrize("text", texts())
def test_imports_are_public(text) -> None:
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imported if (node.module or "").startswith("napari_construct")]
    assert ours
    for node in ours:
        assert node.module == "napari_construct"
        assert {alias.name for alias in node.names} <= set(napari_construct.__all__)
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert {alias.name for node in ours for alias in node.names} <= used, "nothing is imported in vain"


def test_no_text_of_the_package_shows_a_deeper_import() -> None:
    """The command line's and every other text, docstrings among them; the dense CRF is a door of its own."""
    found, door = [], "from napari_construct.crf import"
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines = node.value.splitlines()
                deeper = [line for line in lines if "from napari_construct." in line and door not in line]
                found += [f"{path.name}: {line}" for line in deeper]
    assert found == []
