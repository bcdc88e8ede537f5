"""Results in notebooks and consoles: a table for pandas, a small picture, a short line."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.images import ImageFile, read_image
from napari_construct.results.notebook import thumbnail
from napari_construct.results.result import StoredResult
from napari_construct.types import ShortRepr


def test_table_is_ready_for_pandas(result) -> None:
    frame = pytest.importorskip("pandas").DataFrame(result.table())
    assert frame["label"].tolist() == [1, 2]
    assert frame["class"].tolist() == list(result.classes.names)
    assert frame["pixels"].tolist() == [int((result.labels == i).sum()) for i in (1, 2)]
    tissue = (~result.background).sum()
    np.testing.assert_allclose(frame["percent_of_tissue"], 100 * frame["pixels"] / tissue)
    np.testing.assert_allclose(frame["mm2"], frame["pixels"] * 0.0625e-6)
    assert frame["components"].tolist() == result.components()
    np.testing.assert_allclose(
        frame["mean confidence"], [result.confidence[result.labels == i].mean() for i in (1, 2)]
    )
    assert frame["present"].tolist() == [True, False]
    assert frame["presence score"].tolist() == [0.9, 0.25]


def test_thumbnail_has_the_colours_of_the_classes_and_no_others(result) -> None:
    html = result._repr_html_()
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert picture.shape == (40, 60, 3)
    for value, tissue in enumerate(result.classes, start=1):
        np.testing.assert_array_equal((picture == tissue.rgb).all(2), result.labels == value)
    assert "lymph &lt;&amp;&gt; node" in html
    assert "lymph <&> node" not in html
    for row, tissue in zip(result.areas(), result.classes, strict=True):
        assert tissue.colour in html
        assert f"{row['percent_of_tissue']:.1f} %" in html


def test_thumbnail_of_a_large_mask_or_a_stack_is_small(result) -> None:
    labels = np.tile(result.labels, (30, 30))
    assert max(thumbnail(labels, result.classes).shape) <= 256
    stored = StoredResult(labels=np.stack([labels, labels]), classes=result.classes)
    assert len(stored._repr_html_()) < 200_000


def test_repr_is_one_short_line(result, tmp_path) -> None:
    assert repr(result).startswith("SegmentationResult(40 x 60 px, 0.25 um/px: tumour ")
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path)
    image = repr(read_image(path))
    assert image.startswith("ImageFile(pixels=uint8 (40, 60, 3), mpp=None")
    for text in (repr(result), image):
        assert len(text) < 300
        assert "\n" not in text
        assert "array" not in text


def test_no_public_object_prints_arrays_or_weights() -> None:
    """Dataclasses that hold arrays or weights and are handed to users."""
    from napari_construct.data.image_level import ImageLevelDataset
    from napari_construct.inference.activation.activation import Activation
    from napari_construct.inference.decision.evidence import Evidence
    from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps

    for kind in (ImageFile, ImageLevelDataset, Activation, Evidence, PrototypeMaps):
        assert issubclass(kind, ShortRepr)
        assert kind.__repr__ is ShortRepr.__repr__, kind
    shown = repr(Evidence(*(np.zeros((3, 2, 2), np.float32),) * 2, np.zeros((2, 2), np.float32)))
    assert shown == "Evidence(cams=float32 (3, 2, 2), probabilities=float32 (3, 2, 2), none=float32 (2, 2))"
