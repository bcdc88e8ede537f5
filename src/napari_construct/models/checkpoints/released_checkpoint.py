"""Checkpoints of the released ConStruct code (``best_cam.pth``), made into this project's own.

Such a file holds the whole network, the gated encoder and the teacher included, and the configuration
as an object. Only what was trained is taken over: adapters, prototypes, adaptive layers and the
temperature. The encoder stays behind; it is compared with the user's own copy, whose identity the
new checkpoint records. Nothing in the file is run, see
:mod:`napari_construct.reading.pytorch.read`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_construct.classes import BCSS_COLOURS, ClassTable
from napari_construct.data.bcss import BCSS_CLASSES
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.reading.pytorch.read import StoredTensor, plain_values, read_pytorch
from napari_construct.types import PathLike

BCSS_MPP: Final = 0.25
"""Micrometres per pixel of BCSS-WSSS, which the released code trains on."""

ENCODER: Final = "clip_adapter.model."
"""Prefix of the frozen encoder, which is compared and left behind."""

LEFT_BEHIND: Final = (
    "clip_adapter.", "segformer_teacher.", "student_mean", "student_std", "teacher_mean", "teacher_std",
)  # fmt: skip
_STATES: Final = ("model", "state_dict", "model_state_dict", "net")


def import_authors_checkpoint(
    path: PathLike,
    *,
    classes: ClassTable | None = None,
    encoder: Encoder | None = None,
    mpp: float = BCSS_MPP,
) -> tuple[Checkpoint, tuple[str, ...]]:
    """Checkpoint of this project from one of the released code.

    Parameters
    ----------
    path : path
        ``best_cam.pth`` or ``latest.pth``.
    classes : ClassTable, optional
        In the order of training; by default TUM, STR, LYM, NEC.
    encoder : Encoder, optional
        The user's own CONCH; made by the catalogue otherwise.
    mpp : float
        Micrometres per pixel of the training patches.

    Returns
    -------
    checkpoint : Checkpoint
        With the ``published`` preset.
    notices : tuple of str
        What was not imported, one sentence each.

    Raises
    ------
    CheckpointError
        If the file is no such checkpoint or is damaged, the classes do not fit, or its encoder is
        another than the user's.
    EncoderError
        If CONCH is not on this computer.
    """
    path = Path(path)
    content, inert = read_pytorch(path)
    state = _state(path, content)
    wanted = {_renamed(name): value for name, value in state.items() if not name.startswith(LEFT_BEHIND)}
    table = classes or ClassTable.from_names(BCSS_CLASSES, BCSS_COLOURS)
    config = _config(path, wanted, len(table))
    student = create_encoder("conch") if encoder is None else encoder
    frozen = {k.removeprefix(ENCODER): v for k, v in state.items() if k.startswith(ENCODER)}
    _same_encoder(path, frozen, student)
    model = build_model(config, student, len(table))
    _check(path, wanted, model.head.state_dict())
    model.head.load_state_dict({name: value.load() for name, value in wanted.items()})
    checkpoint = checkpoint_of(
        model.eval(),
        table,
        mpp=mpp,
        training={"imported_from": path.name, "released_code": True, "settings": _settings(content)},
    )
    notices = [f"{path.name}: {len(state) - len(wanted)} tensors of encoder and teacher were not imported"]
    if inert:
        notices.append(f"{path.name}: {len(inert)} kinds of objects were not rebuilt: {_few(inert)}")
    if not frozen:
        notices.append(f"{path.name}: it holds no encoder weights to compare with yours; check the results")
    return checkpoint, tuple(notices)


def _state(path: Path, content: Any) -> dict[str, StoredTensor]:
    """The state dict in a checkpoint, wherever it lies."""
    places = [content]
    if isinstance(content, Mapping):
        places = [*(content[key] for key in _STATES if key in content), content]
    for found in places:
        if isinstance(found, Mapping) and any("l_fc4.fc1.weight" in str(key) for key in found):
            state = {str(k).removeprefix("module."): v for k, v in found.items()}
            return {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    raise CheckpointError(
        f"{path}: expected a checkpoint of the released ConStruct code, got a file without its adaptive "
        "layers (l_fc4); for an encoder's own weights name the encoder (--encoder ID)"
    )


def _renamed(name: str) -> str:
    head, _, rest = name.partition(".")
    if head == "structure_adapters":
        return f"adapters.{rest}"
    if head.startswith("l_fc") and head[4:].isdigit():
        return f"adaptive_layers.{int(head[4:]) - 1}.{rest}"
    return "prototypes.vectors" if name == "prototypes" else name


def _config(path: Path, state: Mapping[str, StoredTensor], k: int) -> ModelConfig:
    prototypes, hidden = state.get("prototypes.vectors"), state.get("adaptive_layers.0.fc1.weight")
    if prototypes is None or hidden is None or len(prototypes.shape) != 2 or len(hidden.shape) != 2:
        raise CheckpointError(
            f"{path}: expected prototypes and adaptive layers, got a file without them; use another file"
        )
    total, width = prototypes.shape
    if total % k:
        raise CheckpointError(
            f"{path}: expected prototypes for {k} classes, got {total}, which {k} does not divide; name the "
            "classes it was trained on (--classes)"
        )
    return ModelConfig.of_preset(
        "published", prototypes_per_class=total // k, prototype_width=width, projection_hidden=hidden.shape[0]
    )


def _check(path: Path, found: Mapping[str, StoredTensor], wanted: Mapping[str, Tensor]) -> None:
    for name in sorted(wanted.keys() ^ found.keys()):
        problem = "without" if name in wanted else "with the unknown"
        raise CheckpointError(
            f"{path}: expected what the released code trains, got a checkpoint {problem} {name}; it was made "
            "by another version of that code"
        )
    for name, value in wanted.items():
        if tuple(value.shape) != found[name].shape:
            raise CheckpointError(
                f"{path}: expected {name} of shape {tuple(value.shape)}, got {found[name].shape}; it was "
                "trained with another encoder"
            )


def _same_encoder(path: Path, frozen: Mapping[str, StoredTensor], encoder: Encoder) -> None:
    """Compare the frozen part with the user's encoder, tensor by tensor."""
    own: Mapping[str, Tensor] = encoder.state_dict()  # type: ignore[attr-defined]
    for name in sorted(own.keys() & frozen.keys()):
        theirs, mine = frozen[name].load().float(), own[name].cpu().float()
        if theirs.shape != mine.shape and name.endswith("pos_embed"):
            mine = _resized(mine, theirs.shape[1])
        if theirs.shape != mine.shape or not torch.allclose(theirs, mine, rtol=1e-3, atol=1e-4):
            raise CheckpointError(
                f"{path}: expected the encoder {encoder.spec.id} that is on this computer, got one that "
                f"differs in {name}; name the file it was trained with (--encoder-weights)"
            )


def _resized(positions: Tensor, places: int) -> Tensor:
    """A position embedding as the released code resizes it when it loads the encoder for another size."""
    side, wanted = round((positions.shape[1] - 1) ** 0.5), round((places - 1) ** 0.5)
    grid = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (wanted, wanted), mode="bilinear", align_corners=False)
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], 1)


def _settings(content: Any) -> Any:
    """Plain numbers and texts beside the weights, for the record."""
    if not isinstance(content, Mapping):
        return {}
    return plain_values({k: v for k, v in content.items() if k not in (*_STATES, "optimizer", "scheduler")})


def _few(names: frozenset[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (" ..." if len(names) > 3 else "")
