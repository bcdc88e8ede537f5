"""The expensive part of a dense CRF, reused while image and sigmas stay the same."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.inputs import (
    ArrayLike,
    check_image,
    check_probabilities,
    result,
)
from napari_construct.crf.base.numba_gate import kernels_serve
from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import counted
from napari_construct.crf.base.result import CRFResult
from napari_construct.crf.base.strips import Map, one_thread, workers
from napari_construct.crf.lowrank.colours import NARROW_SIGMA, ColourFeatures, fit_colours
from napari_construct.crf.lowrank.gradients import differentiable_mean_field
from napari_construct.crf.lowrank.lattice import Lattice
from napari_construct.crf.lowrank.meanfield import Refined, mean_field_steps
from napari_construct.events import Steps, run
from napari_construct.exceptions import ConfigurationError, InputError

FINE_PIXELS, MEDIUM_PIXELS = 200 * 200, 320 * 320
"""Images up to these sizes are refined with the fine and the medium settings under ``accuracy="auto"``."""

NARROW_BYTES = 1 << 31
"""Of the features of an image, up to which narrow colours get more of them."""


@dataclass(frozen=True, slots=True)
class LowRankSettings:
    """Accuracy settings of the low-rank operator.

    Attributes
    ----------
    spacing : float
        Side of a cell in standard deviations of the narrower kernel.
    degree : int
        Of the splines.
    tolerance : float
        Relative Frobenius norm of the colour kernel that the rank may leave out.
    max_rank : int
        Most colour features; kernels of narrow colours get twice as many (:func:`rank_limit`).
    dtype : torch.dtype
        Of the features and products; sums are float32 always.
    """

    spacing: float
    degree: int
    tolerance: float
    max_rank: int
    dtype: torch.dtype


def accuracy_of(accuracy: str, pixels: int) -> str:
    """The accuracy, with ``auto`` resolved for an image of so many pixels."""
    if accuracy not in {"auto", "fine", "medium", "fast"}:
        raise ConfigurationError(f"expected an accuracy of auto, fine, medium or fast, got {accuracy!r}")
    if accuracy != "auto":
        return accuracy
    return "fine" if pixels <= FINE_PIXELS else "medium" if pixels <= MEDIUM_PIXELS else "fast"


def settings_for(accuracy: str, pixels: int, device: torch.device) -> LowRankSettings:
    """Settings of an accuracy, for a size and a device."""
    quick = torch.bfloat16 if _fast_bfloat16(device) else torch.float32
    # torch rounds more often than compiled kernels: the same error asks for finer splines and more features
    compiled = kernels_serve(device)
    return {
        "fine": LowRankSettings(0.5, 2, 0.0015, 191, torch.float32),
        "medium": LowRankSettings(0.5, 1, 0.008, 79, quick)
        if compiled
        else LowRankSettings(0.4, 1, 0.008, 95, quick),
        "fast": LowRankSettings(0.6, 1, 0.015, 63, quick),
    }[accuracy_of(accuracy, pixels)]


def rank_limit(settings: LowRankSettings, sigma: float, pixels: int) -> int:
    """Most features of a colour kernel; twice as many for narrow ones, if memory allows."""
    doubled = 2 * settings.max_rank + 1
    fits = doubled * settings.dtype.itemsize * pixels <= NARROW_BYTES
    return doubled if sigma < NARROW_SIGMA and fits else settings.max_rank


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class Factorisation:
    """An image prepared for refinement: make it once, refine often.

    While only weights, the number of iterations or the probabilities change (sliders of a widget,
    thresholds on the CAMs), :meth:`refine` reuses the colour features, the normalisation and the blurs.
    Changing a sigma or the image needs a new one.

    Parameters
    ----------
    image : array or tensor
        (h, w, 3) or (b, h, w, 3) uint8 RGB.
    parameters : CRFParameters
        Only the sigmas are used here.
    accuracy : {"auto", "fine", "medium", "fast"}
        For mean errors in probability of about 1e-4 (``fine``), 5e-4 (``medium``) and 1e-3 (``fast``);
        ``auto`` takes fine up to 200 x 200 pixels and medium up to 320 x 320.
    device : torch.device or str, optional
        Device of the computation; by default the image's.
    """

    def __init__(
        self,
        image: ArrayLike,
        parameters: CRFParameters | None = None,
        *,
        accuracy: str = "auto",
        device: torch.device | str | None = None,
        colours: ColourFeatures | None = None,
    ) -> None:
        pixels, self.batched = check_image(image)
        self.parameters = CRFParameters() if parameters is None else parameters
        pixels = pixels if device is None else pixels.to(device)
        self.device = pixels.device
        self.size = tuple(pixels.shape[:3])
        self.settings = settings_for(accuracy, pixels.shape[1] * pixels.shape[2], pixels.device)
        # a processor works through a batch one image after the other, an accelerator all at once
        groups = pixels.split(1) if pixels.device.type == "cpu" else (pixels,)  # type: ignore[no-untyped-call]
        with workers(pixels.device) as side_by_side:
            fits = [colours or self._fit(group) for group in groups]
            self.lattices = [
                self._lattice(group, fit, side_by_side) for group, fit in zip(groups, fits, strict=True)
            ]
        self.rank = max(fit.rank for fit in fits)
        self.error = max(error for fit in fits for error in fit.errors)

    def _fit(self, pixels: UInt8[Tensor, "b h w 3"]) -> ColourFeatures:
        sigma = self.parameters.appearance_sigma_rgb
        limit = rank_limit(self.settings, sigma, pixels.shape[1] * pixels.shape[2])
        return fit_colours(pixels, sigma, self.settings.tolerance, limit)

    def _lattice(self, pixels: UInt8[Tensor, "b h w 3"], fit: ColourFeatures, run: Map) -> Lattice:
        return Lattice(
            pixels,
            fit,
            sigma_xy=self.parameters.appearance_sigma_xy,
            smoothness_sigma=self.parameters.smoothness_sigma,
            spacing=self.settings.spacing,
            degree=self.settings.degree,
            dtype=self.settings.dtype,
            run=run,
        )

    def refine(self, probabilities: ArrayLike, parameters: CRFParameters | None = None) -> CRFResult[Any]:
        """Refine probabilities of the prepared image.

        Parameters
        ----------
        probabilities : array or tensor
            (k, h, w) or (b, k, h, w) floating, summing to one over k.
        parameters : CRFParameters, optional
            Other weights or iterations; the sigmas must be those of the factorisation.

        Returns
        -------
        CRFResult
            With ``backend`` ``"lowrank"``.
        """
        return run(self.refine_steps(probabilities, parameters))

    def refine_steps(
        self, probabilities: ArrayLike, parameters: CRFParameters | None = None
    ) -> Steps[CRFResult[Any]]:
        """As :meth:`refine`, yielding an event after every iteration; closing the generator cancels."""
        parameters = self.parameters if parameters is None else parameters
        self._check_sigmas(parameters)
        with one_thread():
            given = check_probabilities(probabilities).to(self.device)
        size = (given.shape[0], *given.shape[2:])
        if size != self.size or (probabilities.ndim == 4) != self.batched:
            raise InputError(
                f"expected probabilities for an image of size {self.size[1:]} (batch {self.size[0]}), got "
                f"{tuple(probabilities.shape)}; make a new Factorisation for another image"
            )
        refined, labels = yield from counted(self.refine_tensor(given, parameters), self.units(parameters))
        return result(
            refined,
            "lowrank",
            batched=self.batched,
            as_numpy=not isinstance(probabilities, Tensor),
            labels=labels,
            rank=self.rank,
            error_bound=self.error,
        )

    def units(self, parameters: CRFParameters) -> int:
        """Number of yields of :meth:`refine_tensor`."""
        return len(self.lattices) * parameters.iterations

    def refine_tensor(
        self, probabilities: Float[Tensor, "b k h w"], parameters: CRFParameters
    ) -> Generator[None, None, Refined]:
        """As :meth:`refine`, unchecked; differentiable in the probabilities where they ask for it.

        Yields after every iteration. Labels are None where they are still to be taken from the
        probabilities.
        """
        weights = (parameters.smoothness_weight, parameters.appearance_weight)
        parts = torch.split(probabilities, [lattice.grid.b for lattice in self.lattices])
        done: list[Refined] = []
        for lattice, part in zip(self.lattices, parts, strict=True):
            if probabilities.requires_grad and torch.is_grad_enabled():
                refined = differentiable_mean_field(lattice, part, weights, parameters.iterations)
                done.append((refined, None))
                yield from repeat(None, parameters.iterations)
            else:
                done.append((yield from mean_field_steps(lattice, part, weights, parameters.iterations)))
        if len(done) == 1:
            return done[0]
        labels = [label for _, label in done if label is not None]
        return torch.cat([q for q, _ in done]), torch.cat(labels) if labels else None

    def _check_sigmas(self, parameters: CRFParameters) -> None:
        for name in ("smoothness_sigma", "appearance_sigma_xy", "appearance_sigma_rgb"):
            ours, theirs = getattr(self.parameters, name), getattr(parameters, name)
            if ours != theirs:
                raise ConfigurationError(
                    f"expected {name} {ours:g} as in the factorisation, got {theirs:g}; "
                    "make a new Factorisation for other sigmas"
                )
