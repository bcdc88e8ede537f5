"""Names of others in reports, notebooks and tables do nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.evaluation.report.markdown import markdown_table
from napari_construct.evaluation.report.page import html_table
from napari_construct.evaluation.report.svg import Drawing
from napari_construct.evaluation.report.table import Table
from napari_construct.results.notebook import as_html

NAME = "<script>alert('x')</script>|`\"[a](b)"


def test_reports_and_notebooks_escape() -> None:
    table = Table("Scores", ("class", NAME), ((NAME, "1"),), strong=0, note="")
    drawing = Drawing(10.0, 10.0, NAME)
    drawing.text(0.0, 0.0, NAME)
    drawing.rect(0.0, 0.0, 1.0, 1.0, "#000000", hint=NAME)
    classes = ClassTable.from_names((NAME,))
    page = as_html(np.ones((4, 4), np.uint8), classes, [{"pixels": 16}], [100.0], NAME)
    for text in (html_table(table), drawing.markup(), page):
        assert "<script" not in text
        assert "alert(&#x27;x" in text
    assert "<script" not in markdown_table(table).replace("\\<", "")


def test_class_tables_hold_no_formulas_and_come_back(tmp_path: Path) -> None:
    table = ClassTable.from_names(("=cmd|x", "+1 a", "@sum", "-", "'=quoted", "tumour, left"))
    path = tmp_path / "t.csv"
    table.save(path)
    assert not any(line.lstrip('"').startswith(tuple("=+-@")) for line in path.read_text().splitlines())
    assert ClassTable.load(path) == table
