"""``napari-construct evaluate --ablate``: train and compare variants of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_construct.cli._interrupt import interruptible
from napari_construct.cli._options import given_teacher
from napari_construct.cli._output import STDOUT, check_folder, check_json, write_json
from napari_construct.cli._text import check_text, print_table, write_text
from napari_construct.events.progress import progress_bars
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.name_lists import parse_names

if TYPE_CHECKING:
    from napari_construct.data.mask_values import FirstClass
    from napari_construct.data.masks import Pairs
    from napari_construct.inference.settings import SegmentSettings
    from napari_construct.training.config.config import TrainingConfig


def run_ablation(
    names: str,
    pairs: Pairs,
    settings: SegmentSettings,
    ignore: list[int],
    *,
    first_class: FirstClass,
    mask_order: tuple[str, ...] | None,
    folder: Path | None,
    output: Path | None,
    config: Path | None,
    teacher: str | None,
    classes: list[str] | None,
    seeds: int,
    device: str,
    json_file: str | None,
    markdown_file: Path | None,
) -> None:
    """Train the missing models, compare all, print and write the scores."""
    from napari_construct.classes import ClassTable
    from napari_construct.data.image_level import load_dataset
    from napari_construct.evaluation.ablation.ablate import ablate_steps

    if folder is None or output is None:
        missing = "--train (a folder of patches)" if folder is None else "--output (a folder for the models)"
        raise ConfigurationError(f"expected {missing} with --ablate, got none; add it")
    check_folder(output)
    read = (*(path for pair in pairs for path in pair), config)
    check_json(json_file, *read)
    check_text(markdown_file, "--markdown", *read)
    wanted = parse_names(classes) if classes else None
    dataset = load_dataset(folder, class_names=wanted)
    steps = ablate_steps(
        dataset,
        pairs,
        list(parse_names(names)),
        output,
        config=_recipe(config, teacher),
        settings=settings,
        classes=ClassTable.from_names(dataset.class_names),
        seeds=seeds,
        ignore=ignore,
        first_class=first_class,
        mask_order=mask_order,
        device=device,
    )
    with progress_bars() as bars:
        bars.say(f"finished models are stored in {output}; run the same command to resume after a stop")
        report = bars.follow(interruptible(steps))
    write_json(json_file, report.to_dict())
    if markdown_file is not None:
        write_text(markdown_file, report.to_markdown())
    if json_file != STDOUT:
        print_table(report.table())


def _recipe(path: Path | None, teacher: str | None) -> TrainingConfig:
    from napari_construct.cli._merged import merged
    from napari_construct.training.config.config import TrainingConfig

    recipe = TrainingConfig() if path is None else TrainingConfig.load(path)
    return merged(recipe, {"model": given_teacher(teacher)})
