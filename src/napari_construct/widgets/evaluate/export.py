"""Scores of an evaluation as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from napari_construct.exceptions import ConfigurationError


@runtime_checkable
class Exported(Protocol):
    """Scores that can be written."""

    def to_dict(self) -> dict[str, Any]: ...

    def to_csv(self) -> str: ...

    def to_html(self) -> str: ...


def export(scored: Exported, path: Path) -> None:
    """Write JSON, CSV or HTML, by the suffix, atomically.

    Raises
    ------
    ConstructError
        If the suffix is another, or the file cannot be written.
    """
    from napari_construct.export.atomic import atomic
    from napari_construct.export.record import write_record
    from napari_construct.reading.names import encodable

    kind = path.suffix.lower()
    if kind == ".json":
        write_record(path, scored.to_dict())
    elif kind in (".csv", ".html"):
        text = scored.to_csv() if kind == ".csv" else scored.to_html()
        with atomic(path) as temporary:
            temporary.write_text(encodable(text), encoding="utf-8")
    else:
        raise ConfigurationError(
            f"{path.name}: expected the suffix .json, .csv or .html, got {kind or 'none'}; add one of them"
        )
