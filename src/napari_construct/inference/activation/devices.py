"""The device of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_construct.exceptions import ConfigurationError, ConstructError


def resolve_device(name: str) -> torch.device:
    """The device of a name.

    Parameters
    ----------
    name : str
        "auto" takes the first available of cuda, mps and cpu; otherwise a device name of torch.

    Raises
    ------
    ConfigurationError
        If the device is unknown or not on this machine.
    """
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _count(kind)))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(
            f"expected a device (auto, cpu, cuda, cuda:1, mps), got {name!r}; check the spelling"
        ) from error
    count = _count(device.type)
    if (device.index or 0) >= count:
        raise ConfigurationError(
            f"expected a device of this machine ({', '.join(available_devices())}), got {name!r}; "
            "choose one of these, or auto"
        )
    return device


def available_devices() -> tuple[str, ...]:
    """Names of the devices of this machine, the fastest first."""
    cuda = _count("cuda")
    names = ["cuda"] if cuda == 1 else [f"cuda:{i}" for i in range(cuda)]
    if _count("mps"):
        names.append("mps")
    return (*names, "cpu")


@contextmanager
def enough_memory(device: torch.device, work: str, remedy: str) -> Iterator[None]:
    """Surround work that may be too large for a graphics card.

    Parameters
    ----------
    device : torch.device
        Where the work is done.
    work : str
        What is done, after "ran out of memory": "on 8 tiles of 512 x 512 pixels".
    remedy : str
        What to choose then.

    Raises
    ------
    ConstructError
        If the device runs out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConstructError(f"{device} ran out of memory {work}; choose {remedy}") from error


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(kind == "cpu")
