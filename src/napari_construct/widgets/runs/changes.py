"""What of a run's settings a recipe has to say."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


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
