"""Names of classes in "Copy as command line": the command, pasted into a shell, says the same names."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.cli import _options as options
from napari_construct.cli._zero_shot import zero_shot_settings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.parts.recipes import as_command
from napari_construct.widgets.train.recipes import train_as_command
from napari_construct.widgets.train.request import TrainRequest

pytestmark = pytest.mark.gui

PLANE = Plane("slide", None, (), {}, 0.25, path="slide.tif")
NAMES = st.lists(
    st.text(
        st.sampled_from([*",;:=\"'|{}[]\\/%$&<>*-. ", "é", "😀", "\u0301", "\u200d", "臓"])
        | st.characters(exclude_categories=("C", "Z")),
        min_size=1,
        max_size=255,
    )
    .map(str.strip)
    .filter(lambda name: 0 < len(name) <= 200),
    min_size=1,
    max_size=4,
).map(lambda names: ClassTable.from_names(tuple(dict.fromkeys(_composed(names)))))


def _composed(names):
    return [TissueClass(name=name).name for name in names]


def _typed(command):
    words = shlex.split(command)
    return [words[i + 1] for i, word in enumerate(words) if word == "--classes"]


@settings(max_examples=60, deadline=None)
@given(NAMES, st.sampled_from(["", "glands", "a | b", "red, blue", "x: y"]))
def test_names_can_be_pasted_back(table, prompt):
    chosen = SegmentSettings(classes=table.names)
    typed = _typed(as_command(PLANE, "lymph-node", chosen))
    for known in ((), table.names):
        assert options.with_classes(SegmentSettings(), typed, known) == chosen
    request = TrainRequest(Path("p"), table, None, Path("m.construct"), TrainingConfig())
    assert options.class_table(_typed(train_as_command(request))) == table
    words = ClassTable(classes=tuple(c.model_copy(update={"prompt": prompt}) for c in table))
    model = ZeroShotSettings(encoder="quiltnet-b-16", classes=words)
    read = zero_shot_settings(
        "quiltnet-b-16", _typed(as_command(PLANE, model, SegmentSettings())), None, None, None
    )
    assert [(c.name, c.prompt) for c in read.classes] == [(c.name, c.prompt) for c in words]


def test_quoted_names_in_words():
    typed = ['"stroma, loose": fibres, loose; "a: b"; tumour: glands | "cribriform" ones']
    read = zero_shot_settings("quiltnet-b-16", typed, None, None, None)
    assert [(c.name, c.prompt) for c in read.classes] == [
        ("stroma, loose", "fibres, loose"),
        ("a: b", ""),
        ("tumour", 'glands | "cribriform" ones'),
    ]
    assert zero_shot_settings("q", ['"stroma, loose", tumour'], None, None, None).classes.names == (
        "stroma, loose",
        "tumour",
    )
    assert zero_shot_settings("q", ["tumour: a", "stroma"], None, None, None).classes.names == (
        "tumour",
        "stroma",
    )
