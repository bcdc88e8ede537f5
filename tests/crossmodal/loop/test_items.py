"""Images of a training set, prepared."""

from __future__ import annotations

import pytest
import torch
from tests.crossmodal.conftest import QUICK

from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.crossmodal.teacher_view import DatasetViews
from napari_construct.crossmodal.teachers.cached import Taught
from napari_construct.crossmodal.views.prepared import MAPS
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError


@pytest.fixture
def taught(images, teacher) -> Taught:
    return Taught(DatasetViews(images, teacher.spec, ()), teacher, None)


def test_the_budget_of_drawn_cells_is_kept_and_drawn_by_the_seed(images, taught) -> None:
    few = QUICK.changed(truth_images=2)
    store = ItemStore(images, taught, few)
    assert len(store) == len(images)  # the teacher tells of all of them
    assert len(store.with_truth) == 2
    known = [bool(store[i].maps[MAPS.index("known")].any()) for i in range(len(store))]
    assert [i for i, is_known in enumerate(known) if is_known] == sorted(store.with_truth)
    chosen = {ItemStore(images, taught, few.changed(seed=seed)).with_truth for seed in range(8)}
    assert len(chosen) > 1


def test_without_a_teacher_only_images_with_drawn_cells_are_used(images) -> None:
    store = ItemStore(images, None, QUICK.changed(terms=("truth",), truth_images=3))
    assert len(store) == 3
    assert set(store.indices) == store.with_truth


def test_what_fits_is_kept_and_the_rest_is_the_same_again(images) -> None:
    config = QUICK.changed(terms=("truth",))
    kept = ItemStore(images, None, config)
    run(kept.read())
    assert kept[0] is kept[0]
    small = ItemStore(images, None, config)
    small._room = kept[0].bytes  # as a limit of memory leaves it
    run(small.read())
    assert small[3] is not small[3]
    assert torch.equal(small[3].image, kept[3].image)
    assert torch.equal(small[3].maps, kept[3].maps)


def test_what_is_missing_is_told(images) -> None:
    with pytest.raises(ConfigurationError, match="expected a teacher for the terms"):
        ItemStore(images, None, QUICK)

    class Undrawn:
        """As the images, drawn by nobody."""

        has_truth = (False,) * 4

        def __getattr__(self, name: str) -> object:
            return getattr(images, name)

        def __len__(self) -> int:
            return 4

    with pytest.raises(ConfigurationError, match="expected images with drawn cells"):
        ItemStore(Undrawn(), None, QUICK.changed(terms=("truth",)))
