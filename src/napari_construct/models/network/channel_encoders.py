"""The five encoders of a network for channels: their names in the libraries, and how large they are.

All are timm's, wrapped by ``segmentation_models_pytorch`` into maps at strides 2 to 32 (Swin-Tiny: 4 to 32).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

EncoderName: TypeAlias = Literal["swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3", "lite0"]

MULTIPLE: Final = 32
"""Sides of the input are multiples of it: the coarsest stride of every encoder."""


@dataclass(frozen=True, slots=True)
class PaperCount:
    """A number of parameters as the abstract states it.

    Attributes
    ----------
    millions : float
        As printed there.
    counted : str
        What must be counted to obtain it.
    parameters : int
        Counted so, of timm's network for RGB.
    """

    millions: float
    counted: str
    parameters: int


@dataclass(frozen=True, slots=True)
class ChannelEncoder:
    """One encoder.

    Attributes
    ----------
    title : str
        Its name in the literature.
    library : str
        Its name in timm.
    weights : str
        Id in the catalogue of encoders of weights that were trained on ImageNet.
    licence : str
        Of those weights, as their authors state it.
    paper : PaperCount or None
        None of an encoder that the paper does not use.
    options : mapping
        Further arguments of timm's network.
    """

    title: str
    library: str
    weights: str
    licence: str
    paper: PaperCount | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


# Windows are laid over maps of any size, and shifted in all four stages; no path is dropped at random, so
# that a step of training needs no state of a generator.
_SWIN: Final = MappingProxyType({"strict_img_size": False, "img_size": 512, "drop_path_rate": 0.0})

ENCODERS: Final[Mapping[EncoderName, ChannelEncoder]] = MappingProxyType(
    {
        "swin_tiny": ChannelEncoder(
            "Swin-Tiny",
            "swin_tiny_patch4_window7_224",
            "timm:swin_tiny_patch4_window7_224.ms_in1k",
            "MIT",
            PaperCount(27.0, "the encoder without the classifier", 27_519_354),
            _SWIN,
        ),
        "resnet18": ChannelEncoder(
            "ResNet18",
            "resnet18",
            "timm:resnet18.a1_in1k",
            "Apache-2.0",
            PaperCount(11.0, "the encoder without the classifier", 11_176_512),
        ),
        "efficientnet_b0": ChannelEncoder(
            "EfficientNet-B0",
            "efficientnet_b0",
            "timm:efficientnet_b0.ra_in1k",
            "Apache-2.0",
            PaperCount(5.3, "the encoder with the classifier of 1000 classes", 5_288_548),
        ),
        "mobilenet_v3": ChannelEncoder(
            "MobileNetV3-Small",
            "mobilenetv3_small_100",
            "timm:mobilenetv3_small_100.lamb_in1k",
            "Apache-2.0",
            PaperCount(
                1.5, "the encoder with the layer before the classifier, without the latter", 1_517_856
            ),
        ),
        "lite0": ChannelEncoder("EfficientNet-Lite0", "tf_efficientnet_lite0", "lite0", "Apache-2.0"),
    }
)

IMAGENET_TERMS: Final = (
    "Trained on ImageNet: its images belong to others, and its terms speak of non-commercial research; "
    "whether they bind weights is open."
)
"""What must be said wherever the licence of these weights is named."""
