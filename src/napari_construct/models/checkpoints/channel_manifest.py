"""What the manifest of a model for channels must hold; checked before its tensors are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from napari_construct.models.checkpoints.manifest import Name, Part
from napari_construct.models.network.channel_unet import ChannelUNetConfig
from napari_construct.reading.pytorch.tensor_headers import Described

HEAD: Final = "head"
ENCODER: Final = "encoder"
"""Members of the archive; all tensors but the encoder's lie in the head."""

_STORED: Final = frozenset({"F16", "F32", "I64"})


class ChannelManifest(Part):
    """The JSON of a checkpoint; fields as in :class:`~.channel_checkpoint.ChannelCheckpoint`."""

    config: ChannelUNetConfig
    pretrained: Annotated[bool, Field(strict=True)]
    mpp: Annotated[float, Field(gt=0, le=1000, strict=True)] | None
    object_diameter: Annotated[float, Field(gt=0, le=1e6, strict=True)] | None
    metrics: dict[Name, Any]
    data_fingerprint: Name | None
    training: dict[Name, Any]
    versions: dict[Name, Name]


def contradiction(headers: Mapping[str, Mapping[str, Described]]) -> str:
    """What is wrong with the tensors, in one sentence without a full stop; empty if nothing is."""
    if set(headers) != {HEAD, ENCODER}:
        return f"parts {', '.join(sorted(headers))}, where a model for channels has {ENCODER} and {HEAD}"
    for name, tensors in headers.items():
        if not tensors:
            return f"no tensors in its {name}"
        for tensor, described in tensors.items():
            if described.dtype not in _STORED:
                return f"{tensor[:80]} of type {described.dtype}"
            if name == HEAD and tensor.startswith(f"{ENCODER}."):
                return f"{tensor[:80]} of the encoder in the head"
    return ""
