"""What the command line wrote, opened in napari with its classes, colours, areas and scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.widgets.conftest import by_colour

from napari_construct.exceptions import InputError
from napari_construct.results.files import write_result
from napari_construct.widgets.files.view_result import main, result_layers


@pytest.fixture
def stored(tissue, tmp_path) -> tuple[Path, Path]:
    """Record and image of a result on disk."""
    image = tmp_path / "slide.png"
    Image.fromarray(tissue).save(image)
    result = by_colour(tissue, 0.25)
    presence = {n: {"present": True, "score": 0.5} for n in result.classes.names}
    result.record.update(presence=presence, input={"mpp": 0.25})
    return write_result(tmp_path, "slide", tissue, result)["record"], image


def test_layers_are_those_of_the_result(viewer, stored, tissue) -> None:
    expected = by_colour(tissue, 0.25)
    added = [viewer.add_layer(layer) for layer in result_layers(*stored)][1:]
    assert [layer.name for layer in viewer.layers] == [
        "slide",
        "slide tumour (class map)",
        "slide lymphoid (class map)",
        "slide mask",
    ]
    np.testing.assert_array_equal(added[-1].data, expected.labels)
    np.testing.assert_array_equal(added[0].data, expected.cams[0])
    assert all(tuple(layer.scale) == (0.25, 0.25) for layer in viewer.layers)
    features = added[-1].features
    assert features["class"].tolist() == ["tumour", "lymphoid"]
    assert features["pixels"].tolist() == [row["pixels"] for row in expected.areas()]


def test_a_missing_file_is_named(stored, capsys) -> None:
    record, image = stored
    record.with_name("slide_mask.tif").unlink()
    with pytest.raises(InputError, match=r"slide_mask\.tif"):
        result_layers(record, image)
    assert main([str(record), str(image)]) == 2
    assert "slide_mask.tif" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"colours": {"a": "#000000"}, "files": 3})])
def test_another_json_is_refused(stored, text) -> None:
    record, image = stored
    record.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="record of a segmentation"):
        result_layers(record, image)


def test_usage() -> None:
    assert main([]) == 2
