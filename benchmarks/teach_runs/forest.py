"""What ilastik and convpaint users do: a random forest on scikit-image's multi-scale features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 20_000
"""Pixels of a class that the forest learns from."""


def multiscale(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, c) intensity, edges and texture at scales from 0.5 to 16 pixels."""
    from skimage.feature import multiscale_basic_features

    found = multiscale_basic_features(image, channel_axis=-1, sigma_min=0.5, sigma_max=16)
    return np.asarray(found, dtype=np.float32)


def forest_labels(
    features: Sequence[NDArray[np.float32]],
    painted: dict[int, NDArray[np.uint8]],
    wanted: Sequence[int],
    seed: int,
) -> dict[int, NDArray[np.uint8]]:
    """Labels of some images from a forest that learned painted pixels of others.

    Parameters
    ----------
    features : sequence of ndarray
        (h, w, c) of all images.
    painted : dict of int to ndarray
        (h, w) painted values by number of the image.
    wanted : sequence of int
        Images to label.
    seed : int
        Of the forest and of the pixels that are drawn.
    """
    from sklearn.ensemble import RandomForestClassifier

    x = np.concatenate([features[i][found > 0] for i, found in painted.items()])
    y = np.concatenate([found[found > 0] for found in painted.values()])
    random = np.random.default_rng(seed)
    kept = np.concatenate([random.permutation(np.flatnonzero(y == value))[:MOST] for value in np.unique(y)])
    forest = RandomForestClassifier(100, n_jobs=1, random_state=seed, class_weight="balanced")
    forest.fit(x[kept], y[kept])
    return {
        i: forest.predict(features[i].reshape(-1, features[i].shape[-1])).reshape(features[i].shape[:2])
        for i in wanted
    }
