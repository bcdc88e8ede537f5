"""Parts of the settings of a run: loss weights and augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from napari_construct.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]
NormStatistics = Literal["auto", "batch", "frozen"]
"""Batch statistics of a trained encoder, see ``TrainingConfig.norm_statistics``."""
_Weight = Annotated[float, Field(ge=0, le=1000)]


class LossWeights(Settings):
    """Weights of the losses; a loss of weight 0 is not computed.

    The defaults were measured to be best (docs/experiments.md). :meth:`published` gives the paper's.

    Parameters
    ----------
    classification : float
        Weight of the classification of image-level labels.
    presence : float
        With ``label_target="cells"``: weight of the loss that asks for every class of a mixed patch somewhere
        in it.
    distillation : float
        Weight of the relational distillation.
    contrast : float
        Weight of the contrast of foreground and background against prototypes; see
        ``TrainingConfig.contrast_pairs``.
    diversity : float
        Weight of the loss on similar prototypes of one class; without effect with one prototype per class.
    """

    classification: _Weight = 1.0
    presence: _Weight = 0.3
    distillation: _Weight = 0.2
    contrast: _Weight = 0.0
    diversity: _Weight = 0.0

    @classmethod
    def published(cls) -> LossWeights:
        """The weights of the paper."""
        return cls(classification=1.0, distillation=1.5, contrast=0.2)


class AugmentationConfig(Settings):
    """Augmentation of patches for training.

    Parameters
    ----------
    flips, rotations : bool
        Mirror images and quarter turns.
    crop_area : tuple of float
        Least and largest share of the patch's area that a view shows, resized to the input size.
    aspect : float
        Largest ratio of the sides of a crop, at least 1.
    brightness, contrast : float
        Largest relative change.
    stain_gain : float
        Largest relative change of the amount of each stain (hematoxylin, eosin, residual).
    stain_offset : float
        Largest amount of each stain that is added or removed, in units of optical density.
    stain_swap, grey : float
        Share of views that are mixed with the stain of another view of the batch; share that lose some
        colour.
    focus : float
        Share of views that are blurred or sharpened.
    noise : float
        Largest standard deviation of white noise, for RGB in [0, 1].
    mosaic : float
        Share of views into which a strip of another view is pasted; the labels of both parts are known. The
        published objective uses no mosaics.
    """

    flips: bool = True
    rotations: bool = True
    crop_area: tuple[Share, Share] = (0.6, 1.0)
    aspect: Annotated[float, Field(ge=1, le=2)] = 1.1
    brightness: Share = 0.15
    contrast: Share = 0.2
    stain_gain: Share = 0.35
    stain_offset: Share = 0.06
    stain_swap: Share = 0.5
    grey: Share = 0.25
    focus: Share = 0.5
    noise: Share = 0.02
    mosaic: Share = 0.6

    @model_validator(mode="after")
    def _ordered(self) -> AugmentationConfig:
        low, high = self.crop_area
        if not 0.01 <= low <= high:
            raise ValueError(f"expected crop_area from small to large, at least 0.01, got {low} to {high}")
        return self

    @classmethod
    def none(cls) -> AugmentationConfig:
        """No augmentation."""
        return cls(
            flips=False,
            rotations=False,
            crop_area=(1.0, 1.0),
            aspect=1.0,
            brightness=0.0,
            contrast=0.0,
            stain_gain=0.0,
            stain_offset=0.0,
            stain_swap=0.0,
            grey=0.0,
            focus=0.0,
            noise=0.0,
            mosaic=0.0,
        )
