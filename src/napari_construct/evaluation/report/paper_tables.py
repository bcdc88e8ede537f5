"""The layouts of the ConStruct paper's Tables 2 and 3, for anyone who has BCSS-WSSS.

Rows of the paper stand above those of this evaluation. They are oracle-label scores on the test images
of BCSS-WSSS: only the row "oracle" may be compared with them, and only for those images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_construct.data.bcss import BCSS_CLASSES
from napari_construct.evaluation.report.table import Content, Table, spread
from napari_construct.evaluation.scores.aggregate import mean_of, std_of
from napari_construct.exceptions import ConfigurationError

WHITE: Final = 4
"""Value of white background in BCSS-WSSS's masks; left out of the scores."""
MPP: Final = 0.25

_HEADS: Final = ("method", "mIoU", "mDice", *(f"{c} {m}" for m in ("IoU", "Dice") for c in BCSS_CLASSES))
_TABLE_2: Final = (
    ("TPRO", 65.54, 78.93, 77.29, 66.83, 56.81, 61.23, 87.19, 80.12, 72.46, 75.95),
    ("MLPS", 61.58, 75.95, 72.98, 62.58, 52.03, 58.73, 84.38, 76.99, 68.45, 74.00),
    ("Proto2Seg", 57.42, 72.24, 63.25, 58.28, 53.27, 54.89, 77.49, 73.64, 67.78, 70.08),
    ("PBIP", 69.42, 81.84, 77.92, 64.68, 65.40, 69.69, 87.59, 78.56, 79.08, 82.14),
    ("ConStruct", 70.96, 82.83, 81.59, 67.99, 62.70, 71.56, 89.86, 80.95, 77.08, 83.42),
)
_TABLE_3: Final = (
    ("w distill.", 70.96, 82.83, 81.59, 67.99, 62.70, 71.56, 89.86, 80.95, 77.08, 83.42),
    ("w/t distill.", 70.40, 82.47, 80.82, 67.47, 63.58, 69.73, 89.39, 80.57, 77.74, 82.17),
)
_NOTE: Final = "Percent; white (value 4) is left out. Rows marked (paper) are quoted, with oracle labels."


def bcss_tables(content: Content) -> tuple[Table, Table]:
    """Tables 2 and 3 with the rows of an evaluation below those of the paper.

    In Table 3 the models of the evaluation are divided by whether they were trained with distillation;
    a row without a model is empty.

    Raises
    ------
    ConfigurationError
        If the models have other classes than BCSS-WSSS, or another order.
    """
    check_bcss_classes(tuple(content["predicted"]["iou"]))
    models: Sequence[Mapping[str, Any]] = content["models"]
    second = [_row(f"{column} labels", models, column) for column in ("predicted", "oracle")]
    groups = [
        (what, [m for m in models if m["record"].get("distilled") is wanted])
        for wanted, what in ((True, "w distill."), (False, "w/t distill."))
    ]
    third = [
        _row(f"{what}, {column} labels", chosen, column)
        for what, chosen in groups
        for column in ("predicted", "oracle")
    ]
    return (
        Table("Table 2: segmentation of BCSS-WSSS", _HEADS, (*map(_quoted, _TABLE_2), *second), _NOTE, 2),
        Table("Table 3: ablation of distillation", _HEADS, (*map(_quoted, _TABLE_3), *third), _NOTE, 4),
    )


def check_bcss_classes(names: Sequence[str]) -> None:
    """Refuse models of other classes than BCSS-WSSS, or of another order, by a ConfigurationError."""
    if tuple(name.upper() for name in names) != BCSS_CLASSES:
        raise ConfigurationError(
            f"expected a model of the classes {', '.join(BCSS_CLASSES)} for the preset bcss, got "
            f"{', '.join(names)}; train with these classes in this order (--classes {','.join(BCSS_CLASSES)})"
        )


def distilled(training: Mapping[str, Any]) -> bool | None:
    """Whether a checkpoint was trained with a teacher and a distillation weight."""
    identity = training.get("identity")
    if not isinstance(identity, Mapping):
        return None
    weights = identity.get("config", {}).get("weights", {})
    return bool(identity.get("teacher")) and bool(weights.get("distillation"))


def _quoted(row: tuple[Any, ...]) -> tuple[str, ...]:
    return (f"{row[0]} (paper)", *(f"{number:.2f}" for number in row[1:]))


def _row(what: str, models: Sequence[Mapping[str, Any]], column: str) -> tuple[str, ...]:
    """Mean over models, and standard deviation of several."""
    if not models:
        return (what, *("-" for _ in _HEADS[1:]))
    tables = [model[column] for model in models]
    mean, std = mean_of(tables), std_of(tables)
    names = tuple(mean["iou"])
    cells = [spread(mean[key], std[key]) for key in ("miou", "mdice")]
    cells += [spread(mean[key][name], std[key][name]) for key in ("iou", "dice") for name in names]
    return (what, *cells)
