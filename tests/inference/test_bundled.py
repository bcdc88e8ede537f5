"""The bundled model on the bundled sample: the main job, with a number that can fail."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion


def test_sample_is_segmented() -> None:
    samples = Path(str(files("napari_construct.data"))) / "samples"
    predictor = load_model("lymph-node", device="cpu")
    assert predictor.classes.names == ("tumour", "lymphoid")
    image = read_image(samples / "lymph_node_tumour.png")
    result = segment(image.pixels, predictor, mpp=0.25)
    assert result.presence == (True, True)
    truth = read_mask(samples / "lymph_node_tumour_mask.png")
    scores = scores_from_confusion(confusion_matrix(truth, result.labels, 2, (2,)))
    assert scores["iou"][0] > 0.78
    assert scores["iou"][1] > 0.93
