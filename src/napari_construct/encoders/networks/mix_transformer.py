"""MiT: SegFormer's hierarchical encoders, the teachers of the published network.

Xie et al. 2021, "SegFormer: simple and efficient design for semantic segmentation with transformers".
The layers come from segmentation_models_pytorch. One thing differs from the original, as in the released
ConStruct code: the last stage keeps the stride of the one before it (4, 8, 16, 16), so that the teacher's
coarsest map of a 224 pixel image has 14 x 14 places instead of 7 x 7.
"""

from __future__ import annotations

from typing import Final

from jaxtyping import Float
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.networks.vit_pyramid import check_multiple
from napari_construct.encoders.protocol import EncoderSpec, Normalise, freeze
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

VARIANTS: Final = tuple(f"mit_b{i}" for i in range(6))
LICENCE: Final = "NVIDIA Source Code License"
_HEAD: Final = ("head.weight", "head.bias")


class MixTransformer(nn.Module):
    """Feature pyramid at strides 4, 8, 16 and 16 of RGB in [0, 1]; random weights, eval mode, frozen.

    Parameters
    ----------
    variant : str
        "mit_b0" to "mit_b5".
    seed : int
        Of the random weights.
    """

    def __init__(self, variant: str = "mit_b1", *, seed: int = 0) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise EncoderError(f"expected one of {', '.join(VARIANTS)}, got {variant!r}; correct the name")
        with seeded(seed):
            self.mit = get_encoder(variant, weights=None)
        self.mit.patch_embed4.proj.stride = (1, 1)
        self.spec = EncoderSpec(
            id=variant,
            channels=tuple(self.mit.out_channels[2:]),
            strides=(4, 8, 16, 16),
            multiple=32,
            licence=LICENCE,
        )
        self.normalise = Normalise(self.spec.mean, self.spec.std)
        freeze(self)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        check_multiple(images, self.spec.multiple, self.spec.id)
        levels: list[Tensor] = self.mit(self.normalise(images))
        return tuple(levels[2:])  # before them lie the image and an empty level


def load_mix_transformer(variant: str, weights: PathLike) -> MixTransformer:
    """A MiT with weights from a file.

    Parameters
    ----------
    variant : str
        "mit_b0" to "mit_b5".
    weights : path
        The published names; those of a classification head are ignored.

    Raises
    ------
    EncoderError
        If the file is absent or another model's.
    """
    encoder = MixTransformer(variant)
    state = {name: value for name, value in read_state(weights).items() if name not in _HEAD}
    check_names(weights, state, encoder.mit.state_dict(), variant)
    encoder.mit.load_state_dict(state)
    return encoder
