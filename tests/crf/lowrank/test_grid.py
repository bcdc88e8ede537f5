from __future__ import annotations

import torch

from napari_construct.crf.lowrank.grid import from_cells, to_cells


def test_cells_there_and_back():
    planes = torch.arange(2 * 3 * 11 * 13, dtype=torch.float32).reshape(2, 3, 11, 13)
    cells = to_cells(planes, 4)
    assert cells.shape == (2, 3, 4, 3, 16)
    torch.testing.assert_close(from_cells(cells, 4, 11, 13), planes)
