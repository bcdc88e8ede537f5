"""Names of before: scripts that import them get the same objects, and are told the new place."""

from __future__ import annotations

from importlib import import_module

import pytest

pytestmark = pytest.mark.gui

MOVED = [
    ("_batch_job", "batch.job", "batch_job"),
    ("_layers", "layers", "region_window"),
    ("_layers", "layers", "plane_on_view"),
    ("_readers", "files.readers", "get_reader"),
    ("_sample_data", "files.sample_data", "lymph_node_tumour"),
    ("_stored", "files.stored", "layers_of"),
    ("_writers", "files.writers", "write_labels"),
    ("_writers", "files.writers", "write_zarr"),
    ("batch", "batch.batch", "Batch"),
    ("evaluate", "evaluate.evaluate", "Evaluate"),
    ("models", "models.models", "Models"),
    ("prototypes", "prototypes.prototypes", "Prototypes"),
    ("refine", "refine.refine", "Refine"),
    ("segment_tissue", "segment.segment_tissue", "SegmentTissue"),
    ("train_adapters", "train.train_adapters", "TrainAdapters"),
    ("view_result", "files.view_result", "result_layers"),
]
WIDGETS = "napari_construct.widgets"


@pytest.mark.parametrize(("before", "now", "name"), MOVED)
def test_a_name_of_before_is_the_same_object(before, now, name) -> None:
    with pytest.warns(DeprecationWarning, match=rf"import {name} from {WIDGETS}\.{now}"):
        found = getattr(import_module(f"{WIDGETS}.{before}"), name)
    assert found is getattr(import_module(f"{WIDGETS}.{now}"), name)


def test_what_never_was_there_is_missing() -> None:
    with pytest.raises(ImportError, match="no_such_name"):
        from napari_construct.widgets._writers import no_such_name  # noqa: F401
