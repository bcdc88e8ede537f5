"""The dense CRF as one function."""

from __future__ import annotations

from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.base.inputs import ArrayLike, Inputs, check, result
from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import STAGE, counted
from napari_construct.crf.base.result import CRFResult
from napari_construct.crf.base.strips import one_thread
from napari_construct.crf.factorisation import Factorisation
from napari_construct.crf.reference.exact import exact_mean_field
from napari_construct.crf.reference.pydensecrf import pydensecrf_mean_field
from napari_construct.crf.tiles import refine_in_tiles, units
from napari_construct.events import Event, Steps, run
from napari_construct.exceptions import ConfigurationError

BACKENDS: Final = ("auto", "lowrank", "exact", "pydensecrf")

EXACT_PIXELS = 32 * 32
"""Up to this size ``auto`` takes the exact backend: it is as fast there."""

TILE_FROM = 2200 * 2200
"""Larger images are worked on in tiles by ``auto`` and ``lowrank``."""

TILE = 1408
"""The preparation of a larger one takes more than a second, in which nothing can be cancelled."""


def dense_crf(
    image: ArrayLike,
    probabilities: ArrayLike,
    parameters: CRFParameters | None = None,
    *,
    backend: str = "auto",
    accuracy: str = "auto",
    tile: int | None = None,
    device: torch.device | str | None = None,
) -> CRFResult[Any]:
    r"""Refine label probabilities with a fully connected conditional random field.

    Every pixel i takes a label :math:`x_i`; the energy of a labelling of image :math:`I` is

    .. math:: E(x) = \sum_i -\log p_i(x_i) + \sum_{i,j} [x_i \ne x_j] \sum_m w_m \tilde K^m_{ij}

    with a Potts model and two kernels over pixel positions :math:`y` and colours :math:`c`,

    .. math::
        K^{smooth}_{ij} &= \exp(-|y_i - y_j|^2 / 2 \sigma_s^2) \\
        K^{appear}_{ij} &= \exp(-|y_i - y_j|^2 / 2 \sigma_{xy}^2 - |c_i - c_j|^2 / 2 \sigma_{rgb}^2).

    Each is normalised symmetrically, :math:`\tilde K = D^{-1/2} K D^{-1/2}` with
    :math:`D = diag(K 1)`, and keeps its self term :math:`K_{ii} = 1`, in the sums and in :math:`D`.
    The mean field starts from the probabilities and updates all pixels at once, ``iterations`` times:

    .. math:: q_i(l) \propto \exp(\log p_i(l) + \sum_m w_m \sum_j \tilde K^m_{ij} q_j(l)),

    where :math:`p` is clipped at 1e-5. These are the conventions of pydensecrf's defaults.

    Backends:

    ``lowrank``
        Plain torch on any device. The appearance kernel is a sum of r products of a colour feature, a
        spatial Gaussian on a coarse grid of splines, and the feature again (modules ``colours``,
        ``splines``, ``lattice``). Time is linear in the pixels; r grows with the variety of colours.
    ``exact``
        All pairs, in chunks; for tests and small images.
    ``pydensecrf``
        The permutohedral lattice of the literature (one thread, needs the extra ``pydensecrf``). Its own
        approximation differs from the exact labels on 2 to 4 % of the pixels of hard cases.
    ``auto``
        ``exact`` up to 1024 pixels, ``lowrank`` above.

    Parameters
    ----------
    image : array or tensor
        (h, w, 3) or (b, h, w, 3) uint8 RGB.
    probabilities : array or tensor
        (k, h, w) or (b, k, h, w), floating, in [0, 1], summing to one over the k labels.
    parameters : CRFParameters, optional
        Kernels and weights; the ConStruct paper's by default.
    backend : {"auto", "lowrank", "exact", "pydensecrf"}
        See above.
    accuracy : {"auto", "fine", "medium", "fast"}
        Of ``lowrank``; see :class:`Factorisation`.
    tile : int, optional
        Side of the tiles of ``lowrank`` in pixels; by default one tile up to 2200 x 2200 pixels and
        tiles of 1408 above. A halo is added and cut off again, so seams do not show.
    device : torch.device or str, optional
        Device of the computation; by default that of the probabilities (arrays: the CPU).

    Returns
    -------
    CRFResult
        Probabilities and labels in the form of the input. ``lowrank`` is differentiable in the
        probabilities where they are a tensor that asks for a gradient (untiled).

    Raises
    ------
    InputError
        For sizes that do not match, other types, NaN, empty arrays, sums that are not one.
    ConfigurationError
        For an unknown backend or accuracy, and where pydensecrf is not installed.

    References
    ----------
    P. Krahenbuhl and V. Koltun, Efficient inference in fully connected CRFs with Gaussian edge
    potentials, NIPS 2011 (equations 2, 3 and algorithm 1).

    Notes
    -----
    To refine one image many times (sliders), make a :class:`Factorisation` once.
    """
    steps = dense_crf_steps(
        image, probabilities, parameters, backend=backend, accuracy=accuracy, tile=tile, device=device
    )
    return run(steps)


def dense_crf_steps(
    image: ArrayLike,
    probabilities: ArrayLike,
    parameters: CRFParameters | None = None,
    *,
    backend: str = "auto",
    accuracy: str = "auto",
    tile: int | None = None,
    device: torch.device | str | None = None,
) -> Steps[CRFResult[Any]]:
    """As :func:`dense_crf`, as a job: closing the generator between two events cancels it.

    Yields an :class:`~napari_construct.events.Event` of the stage ``dense CRF`` after every mean-field
    iteration of every image or tile, and after the preparation of each; returns the result. The first event
    checks the arguments.
    """
    parameters = CRFParameters() if parameters is None else parameters
    if backend not in BACKENDS:
        raise ConfigurationError(f"expected a backend of {', '.join(BACKENDS)}, got {backend!r}")
    with one_thread():
        inputs = check(image, probabilities, device)
    b, h, w, _ = inputs.image.shape
    if backend == "auto":
        backend = "exact" if h * w <= EXACT_PIXELS else "lowrank"
    labels, rank, error = None, None, None
    if backend == "lowrank":
        tile = tile or (TILE if h * w > TILE_FROM else None)
        refined, labels, rank, error = yield from _lowrank(inputs, parameters, accuracy, tile)
    elif backend == "exact":
        steps = exact_mean_field(inputs.image, inputs.probabilities, parameters)
        refined, error = (yield from counted(steps, b * parameters.iterations)), 0.0
    else:
        steps = pydensecrf_mean_field(inputs.image, inputs.probabilities, parameters)
        refined = yield from counted(steps, b * parameters.iterations)
    form = {"batched": inputs.batched, "as_numpy": inputs.as_numpy}
    return result(refined, backend, **form, labels=labels, rank=rank, error_bound=error)


def _lowrank(
    inputs: Inputs, parameters: CRFParameters, accuracy: str, tile: int | None
) -> Steps[tuple[Float[Tensor, "b k h w"], Tensor | None, int, float]]:
    if tile is not None:
        b, h, w, _ = inputs.image.shape
        steps = refine_in_tiles(inputs.image, inputs.probabilities, parameters, tile=tile, accuracy=accuracy)
        return (yield from counted(steps, units((b, h, w), tile, parameters.iterations)))
    made = Factorisation(inputs.image, parameters, accuracy=accuracy)
    total = made.units(parameters) + 1
    yield Event(STAGE, 1, total)
    refined, labels = yield from counted(made.refine_tensor(inputs.probabilities, parameters), total, 1)
    return refined, labels, made.rank, made.error
