"""Details of one encoder or model."""

from __future__ import annotations

from html import escape
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_construct.encoders.catalogue.overview import size_text
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.models.checkpoints.summary import ModelSummary, Score
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.message_label import Level, breakable
from napari_construct.widgets.models.job import ModelRow
from napari_construct.widgets.models.table import STATES

_UNKNOWN: Final = "unknown"


class Details(QLabel):
    """Facts about a row, one per line; wraps in a narrow dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setMinimumWidth(40)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        named(self, "Details of the encoder or model", "Facts about it, as given by its authors")
        self.setAlignment(Qt.AlignmentFlag.AlignTop)

    def showRow(self, row: ModelRow | None) -> None:
        """Show a row; nothing without a row."""
        lines = [] if row is None else [_title(row), *_facts(row)]
        if row is not None and row.problem:
            lines.append(f"<span style='color:{Level.WARNING.value}'>{_text(row.problem)}</span>")
        self.setText("<br>".join(lines))
        self.setVisible(bool(lines))


def _title(row: ModelRow) -> str:
    return f"<b>{_text(row.name)}</b>, {row.kind}, {STATES[row.state][0]}, {size_text(row.size)}"


def _facts(row: ModelRow) -> list[str]:
    facts = _of_model(row) if row.entry is None else _of_encoder(row.entry)
    if row.location is not None:
        facts["Location"] = str(row.location)
    return [f"<b>{name}:</b> {_text(value)}" for name, value in facts.items() if value]


def _of_encoder(entry: EncoderEntry) -> dict[str, str]:
    return {
        "Description": entry.note,
        "Licence": f"{entry.licence}. {entry.licence_terms}",
        "µm per pixel": _UNKNOWN if entry.mpp is None else f"{entry.mpp:.4g}",
        "Patch size": "" if entry.patch is None else f"{entry.patch} px",
        "Feature channels": "" if entry.width is None else str(entry.width),
        "Text prompts": f"yes, {entry.embedding_width} dimensions" if entry.text else "no",
        "Reference": entry.citation,
    }


def _of_model(row: ModelRow) -> dict[str, str]:
    facts, summary = row.facts, row.summary or ModelSummary()
    if not facts:  # it cannot be read; the problem says why
        return {}
    mpp, licence = facts.get("mpp"), f", licence {row.licence}" if row.licence else ""
    return {
        "For": summary.purpose,
        "Scores": " ".join(map(_score, summary.scores))
        or "none are recorded. Score it on your own masks in Evaluate",
        "Limits": " ".join(summary.limits),
        "Classes": ", ".join(facts.get("classes", ())),
        "µm per pixel": _UNKNOWN if mpp is None else f"{mpp:.4g}",
        "Encoder": f"{facts.get('encoder', _UNKNOWN)}{licence}",
    }


def _score(score: Score) -> str:
    """E.g. "mIoU 0.896 on 2 regions of other slides; 0.878 ± 0.032 over three trainings."."""
    on = " ".join(filter(None, ("" if score.images is None else str(score.images), score.on)))
    spread = f"; {score.spread}" if score.spread else ""
    return f"{score.name} {score.value:.3f}{f' on {on}' if on else ''}{spread}."


def technical_text(row: ModelRow) -> str:
    """Everything that is known of a row, for a question or a report: also hashes and versions."""
    facts = {"name": row.name, "kind": row.kind, "state": row.state, "problem": row.problem}
    facts |= {str(name): value for name, value in (row.facts or {}).items()}
    if row.entry is not None:
        facts |= row.entry.model_dump(mode="json")
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value not in ("", None))


def _text(value: str) -> str:
    return escape(breakable(value))
