from __future__ import annotations

import numpy as np

from napari_construct.crf import dense_crf


def test_tiles_and_whole_agree(tissue, probabilities):
    whole = dense_crf(tissue, probabilities, accuracy="fast")
    tiled = dense_crf(tissue, probabilities, accuracy="fast", tile=100)
    assert (whole.labels == tiled.labels).mean() >= 0.999
    np.testing.assert_array_equal(tiled.probabilities.argmax(0), tiled.labels)


def test_batch_and_many_labels_in_tiles(tissue):
    image = tissue[:70, :50]
    p = np.full((20, 70, 50), 0.01, np.float32)
    p[7] = 0.81
    refined = dense_crf(np.stack([image, image]), np.stack([p, p]), tile=40)
    assert refined.labels.shape == (2, 70, 50)
    assert (refined.labels == 7).all()
