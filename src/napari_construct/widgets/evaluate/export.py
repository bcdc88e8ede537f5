"""Scores of an evaluation as files."""

from __future__ import annotations

from html import escape
from pathlib import Path

from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.evaluate.scores import HEADS, Scored


def export(scored: Scored, path: Path) -> None:
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
        text = scored.to_csv() if kind == ".csv" else page(scored)
        with atomic(path) as temporary:
            temporary.write_text(encodable(text), encoding="utf-8")
    else:
        raise ConfigurationError(
            f"{path.name}: expected the suffix .json, .csv or .html, got {kind or 'none'}; add one of them"
        )


def page(scored: Scored) -> str:
    """One HTML page: the whole report for folders; scores and confusion matrix for layers."""
    if scored.report is not None:
        return str(scored.report.to_html())
    from napari_construct.evaluation.report.page import html_table
    from napari_construct.evaluation.report.plots import confusion_plot
    from napari_construct.evaluation.report.table import Table
    from napari_construct.evaluation.report.tables import confusion_table

    content = scored.to_dict()
    scores = Table("Scores", HEADS, tuple(scored.rows()), strong=1)
    order = f"; values of the masks: {scored.about['mask_order']}" if "mask_order" in scored.about else ""
    about = escape(f"{scored.about['prediction']} against {scored.about['truth']}, percent{order}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title></head>'
        f"<body><h1>Evaluation</h1><p>{about}</p>{html_table(scores)}"
        f"{html_table(confusion_table(content))}{confusion_plot(content)}</body></html>\n"
    )
