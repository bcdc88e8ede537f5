"""Weights from a file that a user has: safetensors, or PyTorch's own format without code in it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_construct.exceptions import CheckpointError, EncoderError, InputError
from napari_construct.reading.pytorch.read import (
    MappedFile,
    StoredTensor,
    is_old,
    read_old_pytorch,
    read_pytorch,
)
from napari_construct.reading.pytorch.tensor_headers import read_header
from napari_construct.reading.regular import open_regular
from napari_construct.types import PathLike

LARGEST: Final = 16 * 2**30
"""Bytes; a larger file is not one of the encoders known here."""


def read_state(path: PathLike) -> dict[str, Tensor]:
    """Named tensors of a file, on the CPU, floating ones as float32.

    A state dict that lies under the key ``state_dict`` or ``model`` is unwrapped, and the prefix ``module.``
    of parallel training is dropped.

    Parameters
    ----------
    path : path
        Safetensors, or a file written by ``torch.save``: code that it may contain is not run, see
        :mod:`napari_construct.reading.pytorch.read`.

    Raises
    ------
    EncoderError
        If the file is absent, no regular file, too large, damaged, or holds something else than tensors.
    """
    return _read(Path(path), _float32)


def check_state(path: PathLike) -> None:
    """Refuse what :func:`read_state` cannot read, with little memory: values are left in the file.

    Raises
    ------
    EncoderError
        As of :func:`read_state`.
    """
    _read(Path(path), _checked)


def _read(path: Path, value_of: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    try:
        state = _unwrapped(_load(path))
        if isinstance(state, Mapping) and state and all(isinstance(v, Tensor) for v in state.values()):
            return {str(name).removeprefix("module."): value_of(value) for name, value in state.items()}
    except (InputError, CheckpointError) as error:
        raise EncoderError(str(error)) from error
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise EncoderError(
            f"{path}: expected weights as safetensors or as a PyTorch file of tensors, got a file that "
            f"cannot be read so ({reason}); download it again"
        ) from error
    raise EncoderError(f"{path}: expected named tensors (a state dict), got something else; export one")


def _load(path: Path) -> Any:
    with open_regular(path, "a file of weights") as stream:
        size, start = os.fstat(stream.fileno()).st_size, stream.read(16)
        stream.seek(0)
        if size > LARGEST:
            raise InputError(
                f"{path}: expected at most 16 GiB of weights, got more; choose the encoder's own file"
            )
        if path.suffix.lower() == ".safetensors" or start[8:].lstrip().startswith(b"{"):
            read_header(stream.read, size)
            return load_file(path, device="cpu")
        whole = zipfile.is_zipfile(stream)
    if is_old(start):
        return read_old_pytorch(path)
    if not whole:
        raise ValueError("it is neither")
    return _mapped(path)


def _mapped(path: Path) -> Any:
    """A file of PyTorch's zip format; its tensors are read when they are used, and there is one copy."""
    found = _unwrapped(read_pytorch(path)[0])
    if not isinstance(found, Mapping):
        return found
    whole = MappedFile(path)
    return {k: whole.tensor(v) if isinstance(v, StoredTensor) else v for k, v in found.items()}


def _unwrapped(state: Any) -> Any:
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            return state[key]
    return state


def _float32(value: Tensor) -> Tensor:
    if not value.is_floating_point() or value.dtype == torch.float32:
        return value
    return _checked(value).float()


def _checked(value: Tensor) -> Tensor:
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError("a tensor that is larger than its bytes")
    return value


def check_names(
    path: PathLike | None, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str
) -> None:
    """Refuse a state dict that misses a name, has one too many, or a tensor of another shape or with NaN."""
    source = f"{path}: " if path is not None else ""
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    for names, problem in ((missing, "without"), (unknown, "with the unknown")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise EncoderError(
                f"{source}expected the weights of {what}, got a file {problem} {names[0]}{more}; "
                "choose the file that was published for it"
            )
    for name, value in wanted.items():
        if found[name].shape != value.shape:
            raise EncoderError(
                f"{source}expected {name} of shape {tuple(value.shape)} for {what}, got "
                f"{tuple(found[name].shape)}; choose the file that was published for it"
            )
        if found[name].is_floating_point() and bool(found[name].isnan().any()):
            raise EncoderError(f"{source}expected numbers in {name} of {what}, got NaN; download it again")
