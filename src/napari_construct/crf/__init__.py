"""Dense conditional random fields: label probabilities refined by the colours of their image.

Near pixels tend to have the same label (*smoothness*); so do near pixels of similar colour (*appearance*). A
dense CRF couples every pair of pixels, weighted by Gaussians of their distance in the image and in colour.
Masks then follow the borders in the image (Krahenbuhl and Koltun, NIPS 2011).

========================== ==============================================================================
:func:`dense_crf`          Refine probabilities (k, h, w) of an RGB image (h, w, 3): the equations and all
                           choices are described there.
:func:`dense_crf_steps`    The same as a job that reports its progress and may be cancelled.
:class:`CRFParameters`     Widths and weights of the two kernels, and the number of iterations.
:class:`CRFResult`         Probabilities, labels, and how exact they are.
:class:`Factorisation`     What depends on image and widths only; made once where the rest changes often.
:func:`fit_crf`            The weights under which masks are most likely, as a :class:`CRFFit`.
:func:`compile_steps`      Compile ahead, as a job, what is compiled once after an installation; the stages of
                           its events begin with ``COMPILING``.
========================== ==============================================================================

Device, library and precision are chosen automatically: numba's compiled kernels on CPUs if the extra
``numba`` is installed, torch otherwise and on accelerators, with the same result up to rounding. Importing
this package loads neither. All names but :class:`CRFParameters` load torch; the first refinement loads numba.

Examples
--------
>>> import numpy as np
>>> from napari_construct import CRFParameters, dense_crf
>>> image = np.full((40, 40, 3), 60, np.uint8)
>>> image[:, 20:] = 200
>>> right = np.full((40, 40), 0.4)
>>> right[:, 18:] = 0.6  # the network's border lies two pixels off the image's
>>> probabilities = np.stack([1 - right, right])
>>> refined = dense_crf(image, probabilities, CRFParameters(smoothness_weight=1, appearance_weight=10))
>>> [int(n) for n in refined.labels[0, 17:22]]
[0, 0, 0, 1, 1]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import COMPILING

if TYPE_CHECKING:
    from napari_construct.crf.base.result import CRFResult
    from napari_construct.crf.factorisation import Factorisation
    from napari_construct.crf.inference import dense_crf, dense_crf_steps
    from napari_construct.crf.learn_weights import CRFFit, fit_crf
    from napari_construct.crf.warm_up import compile_steps

__all__ = [
    "COMPILING",
    "CRFFit",
    "CRFParameters",
    "CRFResult",
    "Factorisation",
    "compile_steps",
    "dense_crf",
    "dense_crf_steps",
    "fit_crf",
]

_HOMES = {
    "CRFFit": "learn_weights",
    "CRFResult": "base.result",
    "Factorisation": "factorisation",
    "compile_steps": "warm_up",
    "dense_crf": "inference",
    "dense_crf_steps": "inference",
    "fit_crf": "learn_weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
