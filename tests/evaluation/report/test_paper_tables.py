from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.masks import find_pairs
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.evaluation.evaluate import evaluate_steps
from napari_construct.evaluation.report.paper_tables import bcss_tables, distilled
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig


@pytest.fixture
def bcss(tmp_path: Path) -> Path:
    """A folder as BCSS-WSSS has it: palette masks, 0-3 classes, 4 white."""
    random = np.random.default_rng(0)
    for kind in ("img", "mask"):
        (tmp_path / "test" / kind).mkdir(parents=True)
    for i in range(2):
        name = f"TCGA-A1-A0SK-DX1_xmin{i}_ymin0_MPP-0.2500.png"
        Image.fromarray(random.integers(60, 200, (64, 64, 3)).astype(np.uint8)).save(
            tmp_path / "test" / "img" / name
        )
        mask = np.kron(random.integers(0, 5, (4, 4)), np.ones((16, 16))).astype(np.uint8)
        picture = Image.fromarray(mask)
        picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 153, 0, 255, 255, 255, 255])
        picture.save(tmp_path / "test" / "mask" / name)
    return tmp_path


def _predictor(names: tuple[str, ...], distillation: bool) -> Predictor:
    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    identity = {"config": {"weights": {"distillation": 0.2}}, "teacher": "abc" if distillation else None}
    made = build_model(config, TinyEncoder(), len(names), seed=int(distillation))
    checkpoint = checkpoint_of(made, ClassTable.from_names(names), training={"identity": identity})
    return Predictor(checkpoint, "cpu", name=f"distilled {distillation}")


def test_tables_of_the_paper_with_our_rows(bcss: Path) -> None:
    from napari_construct.evaluation.scores.models import ScoredModels

    names = ("TUM", "STR", "LYM", "NEC")
    models = ScoredModels([_predictor(names, True), _predictor(names, False)])
    report = run(evaluate_steps(find_pairs(bcss, None), models, SegmentSettings(crf=None), ignore=(4,)))
    content = report.to_dict()
    second, third = bcss_tables(content)
    assert second.columns == third.columns
    assert second.columns[:4] == ("method", "mIoU", "mDice", "TUM IoU")
    ours = ["ConStruct (paper)", "70.96", "82.83", "81.59", "67.99", "62.70", "71.56", "89.86", "80.95"]
    assert list(second.rows[4]) == [*ours, "77.08", "83.42"]
    mean = 100 * content["oracle"]["miou"]
    assert second.rows[-1][:2] == (
        "oracle labels",
        f"{mean:.2f} ± {100 * content['std']['oracle']['miou']:.2f}",
    )
    assert [row[0] for row in third.rows[2:]] == [
        f"{w} distill., {c} labels" for w in ("w", "w/t") for c in ("predicted", "oracle")
    ]
    assert third.rows[2][1] == f"{100 * content['models'][0]['predicted']['miou']:.2f}"
    assert third.rows[5][1] == f"{100 * content['models'][1]['oracle']['miou']:.2f}"
    total = sum(map(sum, content["confusion"]["predicted"]))
    assert total < 2 * 2 * 64 * 64, "white is left out"


def test_other_classes_are_refused_and_missing_rows_are_empty() -> None:
    column = {"miou": 0.5, "mdice": 0.5, "iou": {}, "dice": {}}
    with pytest.raises(ConfigurationError, match=r"train with these classes .*--classes TUM,STR,LYM,NEC"):
        bcss_tables({"predicted": {"iou": {"STR": 1, "TUM": 1, "LYM": 1, "NEC": 1}}, "models": []})
    names = dict.fromkeys(("TUM", "STR", "LYM", "NEC"), 0.5)
    full = column | {"iou": names, "dice": names}
    _, third = bcss_tables({"predicted": full, "models": [{"record": {}, "predicted": full, "oracle": full}]})
    assert third.rows[2][1:] == ("-",) * 10
    assert distilled({}) is None


def test_folder_without_images_says_what_it_expects(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="folders img and mask inside"):
        find_pairs(tmp_path, None)
