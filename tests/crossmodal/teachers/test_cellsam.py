"""The adapter of CellSAM, with a stand-in for its library, which no registry of packages has."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.exceptions import CheckpointError


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package cellSAM with the two functions that the adapter calls."""
    (tmp_path / "site" / "cellSAM").mkdir(parents=True)
    (tmp_path / "site" / "cellSAM" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def get_local_model(path: str) -> torch.nn.Module:
        model = torch.nn.Linear(2, 2)
        model.load_state_dict(torch.load(path, weights_only=True), strict=False)
        return model

    def segment_cellular_image(
        img: NDArray[Any], model: Any, normalize: bool, bbox_threshold: float, device: str
    ) -> tuple[Any, None, None]:
        assert not model.training
        assert img.shape[-1] == 3
        assert not img[..., 0].any()
        return (5 * (img[..., 1] > 0) + 2 * (img[..., 2] > bbox_threshold)).astype(np.int64), None, None

    module: Any = ModuleType("cellSAM.model")
    module.get_local_model, module.segment_cellular_image = get_local_model, segment_cellular_image
    monkeypatch.setitem(sys.modules, "cellSAM.model", module)
    monkeypatch.delitem(sys.modules, "cellSAM", raising=False)
    return module


def test_nuclei_are_blue_membranes_green_and_the_mask_becomes_cells(
    library: ModuleType, tmp_path: Path, view: TeacherView
) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "cellsam_general.pt")
    teacher = load_teacher("cellsam", tmp_path / "cellsam_general.pt", "cpu")
    found = teacher.predict(view)
    assert found.instances is not None
    np.testing.assert_array_equal(found.instances > 0, view.channels[1] > 0)
    assert np.unique(found.instances).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found.foreground, (found.instances > 0).astype(np.float32))


def test_weights_that_the_library_would_leave_out_are_refused(library: ModuleType, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2, 2)}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="got a file without bias; get cellsam_general"):
        load_teacher("cellsam", tmp_path / "w.pt", "cpu")


def test_missing_weights_must_be_asked_for(
    library: ModuleType, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "nobody")
    with pytest.raises(
        CheckpointError, match=r"ask for access to cellsam_general\.pt .*users\.deepcell\.org"
    ):
        load_teacher("cellsam")
