"""What may follow a result: on view with its layer, and only what can be done."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from tests.widgets import person

from napari_construct.classes import ClassTable
from napari_construct.widgets.layers.results import labels_layer
from napari_construct.widgets.parts.next_steps import MaskMade, MaskSteps

pytestmark = pytest.mark.gui


@pytest.fixture
def steps(viewer) -> MaskSteps:
    steps = MaskSteps(viewer)
    viewer.window.add_dock_widget(steps, name="Next steps")
    steps.hide()
    return steps


def mask_of(*names: str) -> Labels:
    table = ClassTable.from_names(names)
    return labels_layer(np.ones((8, 8), np.uint8), table, "slide", features=None, record={})


def test_on_view_while_the_layer_is(viewer, steps) -> None:
    mask = mask_of("tumour", "stroma")
    steps.offerMask(MaskMade(mask))
    assert steps.isHidden()
    viewer.add_layer(mask)
    assert not steps.isHidden()
    viewer.layers.remove(mask)
    assert steps.isHidden()
    viewer.add_layer(mask)  # an undone removal is another story
    assert steps.isHidden()


def test_a_job_ends_the_offer(viewer, steps) -> None:
    mask = viewer.add_layer(mask_of("tumour"))
    steps.offerMask(MaskMade(mask))
    steps.setRunning(True)
    assert steps.isHidden()


def test_only_what_can_be_done(viewer, steps) -> None:
    steps.offerMask(MaskMade(viewer.add_layer(mask_of("tumour"))))
    said = person.words(steps).split("\n")
    assert "Correct" in said
    assert "Refine" not in said  # it was not segmented in this session
    assert "Batch..." not in said  # no image, no model
    steps.offerMask(MaskMade(None))
    assert person.words(steps).split("\n") == ["Looks wrong:", "Train"]


@pytest.mark.parametrize(
    ("names", "said"),
    [(("tumour", "stroma"), "1 tumour, 2 stroma."), (tuple("abcdefghij"), "Keys 1 to 9 choose the class.")],
)
def test_correcting_says_the_keys(viewer, steps, names, said) -> None:
    mask = viewer.add_layer(mask_of(*names))
    mask.visible = False
    steps.offerMask(MaskMade(mask))
    person.find(steps, "Correct the mask").click()
    assert said in person.words(steps)
    assert mask.visible
    assert mask.mode == "paint"
    assert viewer.layers.selection.active == mask
