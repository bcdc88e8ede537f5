from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.crf.base.numba_gate import numba_works


def _soft_classes(image: np.ndarray, k: int = 5, seed: int = 0) -> np.ndarray:
    """Probabilities by the distance to k colours of the image: (k, h, w) float32."""
    colours = image.reshape(-1, 3).astype(np.float32)
    centres = colours[np.random.default_rng(seed).integers(0, len(colours), k)]
    logits = -((colours[:, None] - centres) ** 2).sum(-1) / (2 * 40.0**2)
    q = np.exp(logits - logits.max(1, keepdims=True))
    q /= q.sum(1, keepdims=True)
    return np.ascontiguousarray((0.7 * q + 0.3 / k).T.reshape(k, *image.shape[:2])).astype(np.float32)


@pytest.fixture(scope="session")
def soft_classes() -> Callable[..., np.ndarray]:
    """Probabilities for an image, and how many labels."""
    return _soft_classes


@pytest.fixture(scope="session")
def tissue(camelyon: Path) -> np.ndarray:
    """256 px of real H&E (CC0), (256, 256, 3) uint8."""
    path = min((camelyon / "val" / "img").glob("*.png"))
    return np.array(Image.open(path).convert("RGB"))


@pytest.fixture(scope="session")
def probabilities(tissue: np.ndarray) -> np.ndarray:
    return _soft_classes(tissue)


@pytest.fixture(scope="session")
def small(tissue: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """40 x 48 px, small enough for all pairs."""
    return np.ascontiguousarray(tissue[:40, :48]), np.ascontiguousarray(probabilities[:, :40, :48])


@contextmanager
def _without_numba() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        numba_works.cache_clear()
        try:
            yield
        finally:
            numba_works.cache_clear()


@pytest.fixture
def needs_numba() -> None:
    """Skip where it does not compile."""
    if not numba_works():
        pytest.skip("numba is not installed, or turned off")


@pytest.fixture
def without_numba(needs_numba: None) -> Callable[[], AbstractContextManager[None]]:
    """A context in which torch does the work, to compare with."""
    return _without_numba
