"""Configuration of the network, with two presets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from napari_construct.models.network.taught_config import TaughtConfig
from napari_construct.settings import Settings

Preset = Literal["construct", "published"]

BCSS_MEAN = (0.66791496, 0.47791372, 0.70623304)
BCSS_STD = (0.1736589, 0.22564577, 0.19820057)
"""The released code's normalisation, for every encoder."""

_Level = Annotated[float, Field(ge=-10, le=10)]
_Spread = Annotated[float, Field(gt=0, le=10)]


class ModelConfig(Settings):
    """Configuration of a network; :meth:`of_preset` gives that of a preset.

    Parameters
    ----------
    network : {"construct", "unet"}
        "construct" is the first stage, which learns from image-level labels. "unet" is the second, which
        learns from pseudo masks (:mod:`~.unet`) and uses only ``encoder``, ``fusion_width`` and ``pooling``.
    preset : {"construct", "published"}
        Name of the architecture; it also selects the arithmetic of inference.
    encoder : str
        Id of the student encoder in the catalogue.
    teacher : str or None
        Id of the teacher encoder; None trains without distillation.
    mean, std : tuple of float or None
        Override of the encoder's normalisation; None keeps the encoder's own.
    prototypes_per_class : int
        Prototypes of each class; the class's logit is their maximum.
    prototype_width : int
        Width of the prototype space; for text prototypes the width of the text embedding.
    prototype_mlp : bool
        Whether prototypes pass through the shared two-layer MLP and an L2 norm (the paper, not the
        released code).
    projection_hidden : int
        Hidden width of the adaptive layer that maps prototypes to feature space.
    adapter_hidden : int or None
        Hidden channels of the adapters; None takes the channels of the level.
    fusion : {"none", "top_down"}
        "none" reads the CAM from the coarsest refined level alone.
    fusion_width : int
        Channels of the fused map.
    cam_stride : int
        Input pixels per CAM pixel; only with fusion, and of a U-Net that of its encoder's finest level.
    guidance_levels : tuple of int
        Levels of the relational distillation.
    pooling : {"mean", "attention", "log_mean_exp", "strongest"}
        Pooling of CAM logits to image-level class logits.
    class_bias : bool
        Whether each class has a learnable offset on its CAM logit.
    placed : tuple of int
        Class index of each prototype that was added after training, from a region or words
        (:mod:`~napari_construct.models.checkpoints.placed_prototypes`).
    taught : TaughtConfig or None
        A linear head that was taught by example, beside what the other fields describe
        (:mod:`~napari_construct.models.network.taught`).
    """

    network: Literal["construct", "unet"] = "construct"
    preset: Preset = "construct"
    encoder: Annotated[str, Field(min_length=1, max_length=1000)] = "mini"
    teacher: Annotated[str, Field(min_length=1, max_length=1000)] | None = "structure"
    mean: tuple[_Level, _Level, _Level] | None = None
    std: tuple[_Spread, _Spread, _Spread] | None = None
    prototypes_per_class: Annotated[int, Field(ge=1, le=64)] = 1
    prototype_width: Annotated[int, Field(ge=4, le=4096)] = 128
    prototype_mlp: bool = True
    projection_hidden: Annotated[int, Field(ge=4, le=4096)] = 256
    adapter_hidden: Annotated[int, Field(ge=4, le=4096)] | None = None
    fusion: Literal["none", "top_down"] = "top_down"
    fusion_width: Annotated[int, Field(ge=4, le=2048)] = 128
    cam_stride: Annotated[int, Field(ge=1, le=64)] = 8
    guidance_levels: tuple[int, ...] = (2,)
    pooling: Literal["mean", "attention", "log_mean_exp", "strongest"] = "strongest"
    class_bias: bool = True
    placed: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=256)] = ()
    taught: TaughtConfig | None = None

    @property
    def map_stride(self) -> int:
        """Pixels per cell of the network's maps."""
        return self.cam_stride if self.taught is None else self.taught.stride

    @property
    def base(self) -> ModelConfig:
        """The configuration without what was taught beside it."""
        return self if self.taught is None else self.model_copy(update={"taught": None})

    @classmethod
    def of_preset(cls, preset: Preset, **changes: Any) -> ModelConfig:
        """Configuration of a preset with some fields changed."""
        fields: dict[str, Any] = {"preset": preset}
        if preset == "published":
            fields |= {
                "encoder": "conch",
                "teacher": "mit_b1",
                "mean": BCSS_MEAN,
                "std": BCSS_STD,
                "prototype_width": 512,
                "prototype_mlp": False,
                "projection_hidden": 256,
                "fusion": "none",
                "pooling": "mean",
                "class_bias": False,
            }
        return cls.checked(**fields | changes)
