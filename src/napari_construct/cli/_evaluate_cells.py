"""``evaluate`` of students on one channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_construct.cli._options import given
from napari_construct.cli._output import check_json
from napari_construct.cli._teacher import load_named
from napari_construct.cli._text import ReportFiles, write_report
from napari_construct.events.progress import progress_bars
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.name_lists import parse_names
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.crossmodal.protocol import Teacher
    from napari_construct.evaluation.cells.report import CellReport


def are_cell_models(models: Sequence[str], baselines: Sequence[str]) -> bool:
    """Whether all are models for channels, or none.

    Raises
    ------
    ConfigurationError
        For a mixture, and for a baseline of models of stained tissue.
    """
    from napari_construct.inference.cells.loading import is_cell_model

    of_cells = {name: is_cell_model(name) for name in (*models, *baselines)}
    tissue = [shown(name) for name, cells in of_cells.items() if not cells]
    if not tissue:
        return True
    if len(tissue) < len(of_cells):
        channel = [shown(name) for name, cells in of_cells.items() if cells]
        raise ConfigurationError(
            f"expected models of one kind, got {channel[0]} for channels of fluorescence and {tissue[0]} for "
            "stained tissue; evaluate them separately"
        )
    if baselines:
        raise ConfigurationError(
            f"expected --baseline with students on one channel, got {tissue[0]}, which takes colour images; "
            "leave it out"
        )
    return False


def refuse_cell_options(model: str, typed: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing to a model of stained tissue.

    Raises
    ------
    ConfigurationError
        If there are any.
    """
    if found := given(**typed):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in found)
        raise ConfigurationError(
            f"expected options of a model of stained tissue, got {names}, which {shown(model)} does not "
            "know; leave them out"
        )


def refuse_masks(images: Path, masks: Path | None) -> None:
    """Refuse a second folder: images and labels of cells are opened together.

    Raises
    ------
    ConfigurationError
        If there is one.
    """
    if masks is not None:
        raise ConfigurationError(
            f"expected one folder or file of images with drawn cells for students, got {shown(str(images))} "
            f"and {shown(str(masks))}; name the folder that holds both (images and labels)"
        )


def evaluate_cell_models(
    data: Path,
    models: Sequence[str],
    baselines: Sequence[str],
    typed: Mapping[str, Any],
    *,
    text: str | None,
    mpp: float | None,
    labels: str | None,
    channel_files: Sequence[str] | None,
    teacher: str | None,
    weights: Path | None,
    teacher_channels: str | None,
    teacher_foreground: str | None,
    device: str | None,
    files: ReportFiles,
) -> CellReport:
    """Score students and write the report; arguments as of the command."""
    from napari_construct.cli._merged import merged
    from napari_construct.crossmodal.teachers.cached import open_cache
    from napari_construct.data.cells.open_cells import open_cells
    from napari_construct.evaluation.cells.evaluate import evaluate_cells_steps
    from napari_construct.evaluation.cells.html import html
    from napari_construct.evaluation.cells.models import CellModels
    from napari_construct.evaluation.cells.tables import all_tables, heading, short_tables
    from napari_construct.evaluation.report.markdown import document
    from napari_construct.inference.cells.settings import CellSettings

    settings = merged(CellSettings(), given(**typed), text)
    read = (data, *models, *baselines, weights)
    check_json(files.json, *read)
    files.check(*read)
    opened = CellModels(models, baselines, device=device or "auto")
    dataset = open_cells(data, mpp=mpp, labels=labels or "whole_cell", channel_files=channel_files)
    loaded = _teacher(teacher, weights, device, teacher_foreground)
    with progress_bars() as bars:
        steps = evaluate_cells_steps(
            opened,
            dataset,
            teacher=loaded,
            settings=settings,
            teacher_channels=_channels(teacher_channels),
            cache=None if loaded is None else open_cache(),
        )
        report = bars.follow(steps)
    content = report.to_dict()
    write_report(
        content,
        files,
        markdown=lambda: document(content, heading(content), all_tables(content)),
        html=lambda: html(content, report.examples),
        said=heading(content),
        tables=short_tables(content),
    )
    return report


def _teacher(
    name: str | None, weights: Path | None, device: str | None, foreground: str | None
) -> Teacher | None:
    if name is not None:
        return load_named(name, weights, device, foreground)
    alone = given(weights=weights, teacher_foreground=foreground)
    if alone:
        options = ", ".join(f"--{option.replace('_', '-')}" for option in alone)
        raise ConfigurationError(f"expected {options} with --teacher, got it alone; name the teacher")
    return None


def _channels(text: str | None) -> tuple[int | str, ...]:
    names = () if text is None else parse_names(text)
    return tuple(int(name) if name.isdecimal() else name for name in names)
