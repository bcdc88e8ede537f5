"""The JSON record beside every result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel

from napari_construct.exceptions import InputError
from napari_construct.export.atomic import atomic
from napari_construct.reading.names import encodable
from napari_construct.types import PathLike


def write_record(path: PathLike, record: Mapping[str, Any]) -> None:
    """Write a mapping as indented UTF-8 JSON, atomically.

    Parameters
    ----------
    path : str or path
        File to write.
    record : mapping
        Text keys; values may also be numpy scalars and arrays, paths, dates, dataclasses and pydantic
        models. NaN and infinity, which JSON does not have, become null.

    Raises
    ------
    InputError
        If a value has no form in JSON; its place in the record is named.
    ConstructError
        If the file cannot be written.
    """
    text = json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def plain(value: Any, where: str = "record") -> Any:  # noqa: PLR0911 - one return per kind of value
    """``value`` as plain JSON values."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        return encodable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath | date):
        return encodable(str(value))
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"), where)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value), where)
    if isinstance(value, Mapping):
        return {encodable(str(key)): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(items)]
    raise InputError(
        f"{where}: expected a value JSON can hold, got {type(value).__name__}; convert it to text"
    )
