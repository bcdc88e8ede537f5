"""What of a run's settings a recipe has to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel


@runtime_checkable
class RunRequest(Protocol):
    """What of a request says how a run begins."""

    @property
    def output(self) -> Path: ...
    @property
    def device(self) -> str: ...
    @property
    def resume(self) -> bool: ...
    @property
    def replace(self) -> bool: ...


def changes(value: BaseModel, default: BaseModel) -> dict[str, Any]:
    """Fields that differ from a default, also inside parts, as JSON values."""
    found: dict[str, Any] = {}
    plain = value.model_dump(mode="json")
    for name in type(value).model_fields:
        new, old = getattr(value, name), getattr(default, name)
        if new == old:
            continue
        part = isinstance(new, BaseModel) and isinstance(old, BaseModel)
        found[name] = changes(new, old) if part else plain[name]
    return found


def words_of_run(rest: dict[str, Any], options: Sequence[str], request: RunRequest) -> list[str]:
    """Words of a command: settings with an option of their own, the device, other settings, the way to begin.

    Parameters
    ----------
    rest : dict
        Of :func:`changes`.
    options : sequence of str
        Settings with an option of the command.
    request : RunRequest
        The run.
    """
    own = {name: rest[name] for name in options if rest.get(name) is not None}
    rest = {name: value for name, value in rest.items() if name not in own}
    words = [word for name, value in own.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    if request.device != "auto":
        words += ["--device", request.device]
    if rest:
        words += ["--settings", json.dumps(rest)]
    if request.resume:
        words.append("--resume")
    elif request.replace:
        words.append("--overwrite")
    return words


def arguments_of_run(request: RunRequest) -> str:
    """Arguments of a Python call: the file, the way to begin, the device."""
    ways = "resume=True" if request.resume else f"overwrite={request.replace!r}"
    return f"output={str(request.output)!r}, {ways}, device={request.device!r}"
