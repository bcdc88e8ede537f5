from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_construct.events import run
from napari_construct.exceptions import DatasetError
from napari_construct.widgets.train.data import DataFound, ValidationFound, look_steps, split_folders

pytestmark = pytest.mark.gui


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(root / name)
    return root


def look(data, val=None):
    events = []
    report = run(look_steps(data, val=val), events.append)
    return report, [e for e in events if isinstance(e, DataFound | ValidationFound)]


@pytest.mark.parametrize(
    ("folders", "train", "val"),
    [
        (("1.training", "2.validation", "3.testing"), "1.training", "2.validation"),
        (("Train-set", "dev"), "Train-set", "dev"),
        (("train", "test"), "train", None),
        (("fold1", "fold2"), "", None),
        (("train", "train_2", "val"), "", None),
        (("tumour", "stroma"), "", None),
    ],
)
def test_splits_of_any_spelling(tmp_path, folders, train, val):
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert split_folders(tmp_path) == (tmp_path / train, tmp_path / val if val else None)


def test_doubtful_classes_are_shown_with_the_reason(tmp_path):
    report, (found,) = look(tree(tmp_path, "slide_1/a.png", "slide_2/b.png"))
    assert found.dataset.class_names == ("slide_1", "slide_2")
    assert "which look like patients or slides" in report.notices[0]


def test_splits_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="which are splits"):
        look(tree(tmp_path, "fold1/a.png", "fold2/b.png"))


def test_validation_with_folders_of_other_names(tmp_path):
    tree(tmp_path, "train/a/1.png", "train/b/2.png", "val/images/x.png")
    mask = tmp_path / "val" / "labels"
    mask.mkdir()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(mask / "x.png")
    _, (_, validation) = look(tmp_path / "train", tmp_path / "val")
    assert (validation.words, validation.wrong) == ("1 images with masks: scored by mIoU", False)
