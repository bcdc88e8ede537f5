"""The expensive part of a dense CRF, reused while image and sigmas stay the same."""

from __future__ import annotations

from collections.abc import Generator
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
from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import counted
from napari_construct.crf.base.result import CRFResult
from napari_construct.crf.base.strips import one_thread, workers
from napari_construct.crf.lowrank.colours import ColourFeatures, fit_colours
from napari_construct.crf.lowrank.gradients import differentiable_mean_field
from napari_construct.crf.lowrank.meanfield import Refined, mean_field_steps
from napari_construct.crf.lowrank.settings import rank_limit, settings_for
from napari_construct.crf.narrow.choice import prepared, summed
from napari_construct.events import Steps, run
from napari_construct.exceptions import ConfigurationError, InputError


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
        self.rank, self.error = 0, 0.0
        self.kernels = []
        for group in groups:
            fit = None if summed(self.parameters, self.settings) else colours or self._fit(group)
            if fit is not None:
                self.rank, self.error = max(self.rank, fit.rank), max(self.error, *fit.errors)
            with workers(pixels.device) as side_by_side:
                self.kernels.append(prepared(group, fit, self.parameters, self.settings, side_by_side))

    def _fit(self, pixels: UInt8[Tensor, "b h w 3"]) -> ColourFeatures:
        sigma = self.parameters.appearance_sigma_rgb
        limit = rank_limit(self.settings, sigma, pixels.shape[1] * pixels.shape[2])
        with one_thread():
            return fit_colours(pixels, sigma, self.settings.tolerance, limit)

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
        """How many iterations :meth:`refine_tensor` finishes."""
        return len(self.kernels) * parameters.iterations

    def refine_tensor(
        self, probabilities: Float[Tensor, "b k h w"], parameters: CRFParameters
    ) -> Generator[bool, None, Refined]:
        """As :meth:`refine`, unchecked; differentiable in the probabilities where they ask for it.

        Yields True after every iteration, and False within long ones. Labels are None where they are
        still to be taken from the probabilities.
        """
        weights = (parameters.smoothness_weight, parameters.appearance_weight)
        parts = torch.split(probabilities, [kernels.images for kernels in self.kernels])
        done: list[Refined] = []
        for kernels, part in zip(self.kernels, parts, strict=True):
            if probabilities.requires_grad and torch.is_grad_enabled():
                refined = differentiable_mean_field(kernels, part, weights, parameters.iterations)
                done.append((refined, None))
                yield from repeat(True, parameters.iterations)
            else:
                done.append((yield from mean_field_steps(kernels, part, weights, parameters.iterations)))
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
