"""Dense CRF: one function, one frozen parameter object, four backends.

Importing this package loads the parameters only; torch is loaded with the first of the other names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_construct.refinement.dense_crf.params import CRFParameters

if TYPE_CHECKING:
    from napari_construct.refinement.dense_crf.factorisation import Factorisation
    from napari_construct.refinement.dense_crf.fit import CRFFit, fit_crf
    from napari_construct.refinement.dense_crf.inference import dense_crf, dense_crf_steps
    from napari_construct.refinement.dense_crf.result import CRFResult

__all__ = ["CRFFit", "CRFParameters", "CRFResult", "Factorisation", "dense_crf", "dense_crf_steps", "fit_crf"]

_HOMES = {
    "CRFFit": "fit",
    "CRFResult": "result",
    "Factorisation": "factorisation",
    "dense_crf": "inference",
    "dense_crf_steps": "inference",
    "fit_crf": "fit",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
