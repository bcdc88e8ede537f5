"""Settings of a distillation."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from napari_construct.settings import Settings

Term = Literal["probability", "boundary", "truth"]

TERMS: Final[tuple[Term, ...]] = ("probability", "boundary", "truth")
"""Terms of the objective: the teacher's probabilities, its boundaries, and drawn cells."""

NO_KD: Final[tuple[Term, ...]] = ("truth",)
"""The baseline without a teacher."""

Student = Literal["swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3", "lite0"]

_Share = Annotated[float, Field(ge=0, le=1)]
_Channel = Annotated[int, Field(ge=0, lt=1000)] | Annotated[str, Field(min_length=1, max_length=200)]


class ChannelAugmentation(Settings):
    """Random change of the student's view.

    Parameters
    ----------
    flip : bool
        Mirror images.
    rotation : bool
        Turn by any angle.
    scale : float
        Largest relative change of size, both ways: 0.2 is 0.8 to 1.2 times.
    gain : float
        Largest relative change of contrast.
    offset : float
        Largest change of brightness; images are in [0, 1].
    gamma : float
        Largest relative change of the exponent of brightness.
    blur : float
        Largest standard deviation of a Gaussian blur in pixels; half of the views are blurred.
    noise : float
        Largest standard deviation of added Gaussian noise.
    """

    flip: bool = True
    rotation: bool = True
    scale: Annotated[float, Field(ge=0, lt=0.9)] = 0.2
    gain: Annotated[float, Field(ge=0, lt=1)] = 0.3
    offset: _Share = 0.1
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.3
    blur: Annotated[float, Field(ge=0, le=20)] = 1.0
    noise: _Share = 0.05


class DistilConfig(Settings):
    """Settings of a distillation.

    Parameters
    ----------
    student : {"swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3", "lite0"}
        Encoder of the student's U-Net.
    pretrained : bool
        Start the encoder from weights of another training, where they are on this computer ("lite0" is
        bundled); False starts from random weights.
    channels : tuple of int or str
        Channels that the network sees, by index from 0 or by name: of a student one, as a rule the nuclear
        one; of a teacher of ours all, in the order nuclear, membrane.
    teacher_channels : tuple of int or str
        Channels that the teacher sees, in the order of its roles (nuclear, membrane). Empty takes all.
    mpp : float or None
        Micrometres per pixel at which the student works; images of another one are resampled. None leaves all
        images as they are.
    terms : tuple of {"probability", "boundary", "truth"}
        Terms of the objective. ``("truth",)`` is the baseline without a teacher.
    learned_weights : bool
        Weigh terms by their learned uncertainty; False adds them up.
    band_um, band_px : float
        Width of the band around contours that the boundary term looks at, in micrometres; in pixels for
        images of unknown resolution.
    truth_images : int or None
        Largest number of training images whose drawn cells are used, chosen by the seed; None uses all.
    patch : int
        Side in pixels of the views that a step sees.
    steps, batch_size : int
        Optimiser steps; views per step.
    learning_rate, weight_decay : float
        Of AdamW.
    schedule : {"constant", "polynomial", "cosine"}
        Learning rate after the rise.
    warm_up : float
        Share of the steps over which it rises.
    clip_norm : float or None
        Bound of the gradient's norm.
    average_from : float or None
        Share of the steps after which weights are averaged; None keeps the last ones.
    validations : int
        How often the student is scored, at equal intervals, where there are validation images.
    augmentation : ChannelAugmentation
        Augmentation of the views.
    low, high : float
        Percentiles of every channel that become 0 and 1.
    seed : int
        Of initial values, order, augmentation and the choice of ``truth_images``.
    memory_limit_mb : int
        Memory for prepared images; of more, the rest is prepared again whenever it is drawn.
    """

    student: Student = "resnet18"
    pretrained: bool = False
    channels: Annotated[tuple[_Channel, ...], Field(min_length=1, max_length=64)] = (0,)
    teacher_channels: Annotated[tuple[_Channel, ...], Field(max_length=100)] = ()
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    terms: Annotated[tuple[Term, ...], Field(min_length=1)] = TERMS
    learned_weights: bool = True
    band_um: Annotated[float, Field(gt=0, le=100)] = 1.5
    band_px: Annotated[float, Field(gt=0, le=1000)] = 3.0
    truth_images: Annotated[int, Field(ge=1)] | None = None
    patch: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 128
    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 1500
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
    schedule: Literal["constant", "polynomial", "cosine"] = "cosine"
    warm_up: _Share = 0.05
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0
    average_from: _Share | None = 0.7
    validations: Annotated[int, Field(ge=1, le=1000)] = 10
    augmentation: ChannelAugmentation = ChannelAugmentation()
    low: Annotated[float, Field(ge=0, lt=100)] = 1.0
    high: Annotated[float, Field(gt=0, le=100)] = 99.8
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    memory_limit_mb: Annotated[int, Field(ge=1)] = 4000

    @model_validator(mode="after")
    def _consistent(self) -> DistilConfig:
        if len(set(self.terms)) != len(self.terms):
            raise ValueError(f"expected each term once, got {', '.join(self.terms)}; leave one out")
        if self.low >= self.high:
            raise ValueError(f"expected low below high, got {self.low:g} and {self.high:g}; exchange them")
        return self

    @property
    def uses_teacher(self) -> bool:
        """Whether a term needs a teacher's output."""
        return set(self.terms) != set(NO_KD)
