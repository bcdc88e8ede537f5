"""How far two annotations agree: of persons, or of a model and a person.

Pixels of masks and of outlined objects are compared on one grid, part by part; tables of image-level labels
image by image. Several images, or several regions of one, give a 95 % interval by the bootstrap.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.evaluation.agreement.counting import count_steps
from napari_construct.evaluation.agreement.image_labels import compare_tables
from napari_construct.evaluation.agreement.matching import Matched, match_classes
from napari_construct.evaluation.agreement.opening import Annotation, Sides, is_label_table, open_sides
from napari_construct.evaluation.agreement.pairs import folder_pairs
from napari_construct.evaluation.agreement.report import NONE, Agreement, ClassAgreement
from napari_construct.evaluation.agreement.settings import AgreementSettings
from napari_construct.events import Event, Notice, Progress, Steps, run
from napari_construct.exceptions import ConfigurationError, ConstructError, InputError
from napari_construct.metrics.agreement import AgreementScores, Margins, agreement_scores
from napari_construct.metrics.bootstrap import LEAST_IMAGES, bootstrap_sums, percentile_interval
from napari_construct.metrics.ratio import known_mean
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.reading.names import named
from napari_construct.reading.places import is_folder
from napari_construct.results.segmentation import Segmentation


def agreement(
    first: Annotation,
    second: Annotation,
    settings: AgreementSettings | None = None,
    *,
    classes: ClassTable | Sequence[str] | None = None,
    image: Any = None,
    progress: Progress = None,
    **changes: Any,
) -> Agreement:
    """Compare two annotations.

    Parameters
    ----------
    first, second : path, result, array, (array, classes) or iterable of Feature
        Each a mask (PNG, TIFF), a result of this package (of a slide, too), GeoJSON as QuPath writes it,
        an array of labels (0 none, ``i + 1`` class ``i``), or features; both a folder of such files, which
        are paired by name; both a CSV of image-level labels (column ``path``, one column a class).
    settings : AgreementSettings, optional
        The defaults otherwise.
    classes : ClassTable or sequence of str, optional
        Of masks that do not name their classes.
    image : path or (int, int), optional
        The image or slide, or its rows and columns, where both are objects: pixels without any object count,
        too. By default the smallest rectangle from the image's corner that holds all objects.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of the settings, for example ``match=(("Tumor", "tumour"),)``.

    Returns
    -------
    Agreement
        ``kappa``, ``accuracy``, ``mean_dice``, ``classes``, ``confusion``; ``to_dict()``, ``to_html()``.

    Raises
    ------
    InputError
        If one cannot be read, or they are of different images.
    ConfigurationError
        If a class to match is not there.
    """
    checked = (settings or AgreementSettings()).changed(**changes)
    return run(agreement_steps(first, second, checked, classes=classes, image=image), progress)


def agreement_steps(
    first: Annotation,
    second: Annotation,
    settings: AgreementSettings | None = None,
    *,
    classes: ClassTable | Sequence[str] | None = None,
    image: Any = None,
) -> Steps[Agreement]:
    """:func:`agreement` as a job; yields stage "parts" and, of folders, notices of pairs that failed."""
    settings = settings or AgreementSettings()
    table = classes if classes is None or isinstance(classes, ClassTable) else ClassTable.from_names(classes)
    if is_label_table(first) or is_label_table(second):
        if not (is_label_table(first) and is_label_table(second)):
            raise ConfigurationError(
                "expected two tables of image-level labels, got one and something else; tables are compared "
                "with tables"
            )
        yield Event("parts", 0, 1)
        return _of_tables(Path(first), Path(second), settings)
    pairs: Sequence[tuple[str, Annotation, Annotation]] = [("all", first, second)]
    notices: list[str] = []
    folders = [isinstance(one, str | Path) and is_folder(one) for one in (first, second)]
    if all(folders) and (found := folder_pairs(Path(first), Path(second))).pairs:
        pairs, notices = found.pairs, list(found.notices)
    return (yield from _of_pixels(pairs, (first, second), settings, table, image, notices))


def _of_pixels(
    pairs: Sequence[tuple[str, Annotation, Annotation]],
    given: tuple[Annotation, Annotation],
    settings: AgreementSettings,
    classes: ClassTable | None,
    image: Any,
    notices: list[str],
) -> Steps[Agreement]:
    clock = time.perf_counter()
    failures: list[tuple[str, str]] = []
    opened: list[tuple[str, Sides]] = []
    for number, (name, one, other) in enumerate(pairs):
        try:
            opened.append((name, open_sides(one, other, settings, classes=classes, image=image)))
        except ConstructError as error:
            if len(pairs) == 1:
                raise
            failures.append((name, str(error)))
            yield Notice("parts", number, len(pairs), str(error), image=name)
    if not opened:
        raise InputError(f"expected a pair that can be compared, got none: {failures[0][1]}")
    names = (
        tuple(dict.fromkeys(name for _, sides in opened for name in sides.first.names)),
        tuple(dict.fromkeys(name for _, sides in opened for name in sides.second.names)),
    )
    matched = match_classes(names[0], names[1], settings.match, settings.leave_out)
    if not matched.both:
        raise ConfigurationError(
            f"expected a class in common, got {named(names[0]) or 'none'} and {named(names[1]) or 'none'}; "
            'name which is which (--match "Tumor=tumour")'
        )
    size = len(matched.names) + 1
    matrix = np.zeros((size, size), np.int64)
    units: list[Margins] = []
    for name, sides in opened:
        here = _matched_here(matched, names, sides)
        counted = yield from count_steps(sides.first, sides.second, here, sides.shape, settings, name)
        matrix += counted.matrix
        units += [margins for _, margins in counted.units]
        notices += [f"{name}: {text}" if len(opened) > 1 else text for text in sides.notices]
    if not matrix.sum():
        raise InputError(
            "expected pixels that both annotations have in their regions, got none; check regions, classes "
            "to leave out, and whether unlabelled pixels count"
        )
    scores = agreement_scores(Margins.of(matrix))
    draws = _draws(units, settings)
    shown = tuple(_class(matched.names[i], i, Margins.of(matrix), scores, draws) for i in range(matched.both))
    return Agreement(
        kind="pixels",
        names=_names(given),
        classes=shown,
        kappa=float(scores.kappa),
        accuracy=float(scores.accuracy),
        mean_dice=float(known_mean(scores.dice[: matched.both], axis=-1)),
        intervals=_intervals(draws, matched.both),
        confusion=matrix,
        labels=(*matched.names, NONE),
        only_first=matched.only_first,
        only_second=matched.only_second,
        counted=int(matrix.sum()),
        units=len(units),
        notices=tuple(dict.fromkeys(notices)),
        failures=tuple(failures),
        record=_record(given, settings, image, time.perf_counter() - clock),
    )


def _matched_here(matched: Matched, names: Sequence[tuple[str, ...]], sides: Sides) -> Matched:
    """The numbers of the classes of one pair, whose sides may name fewer of them."""
    first, second = (
        numbers[[known.index(name) for name in side.names]]
        for numbers, known, side in zip(
            (matched.first, matched.second), names, (sides.first, sides.second), strict=True
        )
    )
    return Matched(matched.names, matched.both, first, second, matched.only_first, matched.only_second)


def _of_tables(first: Path, second: Path, settings: AgreementSettings) -> Agreement:
    clock = time.perf_counter()
    found = compare_tables(first, second, settings)
    k, counts = found.matched.both, found.tables.sum(axis=0)
    scores = _of_presence(counts)
    draws = None
    if len(found.images) >= LEAST_IMAGES:
        sums = bootstrap_sums(
            found.tables.reshape(len(found.images), -1), resamples=settings.resamples, seed=settings.seed
        )
        draws = _of_presence(sums.reshape(-1, k, 2, 2))
    margins = Margins(counts[:, 1, 1], counts[:, 1].sum(axis=-1), counts[:, :, 1].sum(axis=-1))
    return Agreement(
        kind="images",
        names=_names((first, second)),
        classes=tuple(_class(found.matched.names[i], i, margins, scores, draws) for i in range(k)),
        kappa=float(scores.kappa),
        accuracy=float(scores.accuracy),
        mean_dice=float(known_mean(scores.dice, axis=-1)),
        intervals=_intervals(draws, k),
        confusion=counts,
        labels=found.matched.names[:k],
        only_first=found.matched.only_first,
        only_second=found.matched.only_second,
        counted=len(found.images),
        units=len(found.images),
        notices=found.notices,
        record=_record((first, second), settings, None, time.perf_counter() - clock),
    )


def _of_presence(counts: Any) -> AgreementScores:
    """Scores of (..., k, 2, 2) tables of presence; kappa is the mean over the classes."""
    scores = agreement_scores(Margins.of(np.asarray(counts)))
    return AgreementScores(
        known_mean(scores.kappa, axis=-1),
        known_mean(scores.accuracy, axis=-1),
        scores.kappa,
        scores.dice[..., 1],
    )


def _draws(units: Sequence[Margins], settings: AgreementSettings) -> AgreementScores | None:
    """Scores of resampled units; None of too few."""
    if len(units) < LEAST_IMAGES:
        return None
    flat = np.array([np.concatenate(one) for one in units])
    sums = bootstrap_sums(flat, resamples=settings.resamples, seed=settings.seed)
    return agreement_scores(Margins(*np.split(sums, 3, axis=1)))


def _class(
    name: str, i: int, margins: Margins, scores: AgreementScores, draws: AgreementScores | None
) -> ClassAgreement:
    return ClassAgreement(
        name=name,
        kappa=float(scores.class_kappa[i]),
        dice=float(scores.dice[i]),
        first=int(margins.first[i]),
        second=int(margins.second[i]),
        both=int(margins.hits[i]),
        kappa_interval=None if draws is None else _ends(draws.class_kappa[:, i]),
        dice_interval=None if draws is None else _ends(draws.dice[:, i]),
    )


def _intervals(draws: AgreementScores | None, k: int) -> Mapping[str, tuple[float, float]]:
    if draws is None:
        return {}
    return {
        "kappa": _ends(draws.kappa),
        "accuracy": _ends(draws.accuracy),
        "mean_dice": _ends(known_mean(draws.dice[:, :k], axis=-1)),
    }


def _ends(samples: Any) -> tuple[float, float]:
    low, high = percentile_interval(samples)
    return float(low), float(high)


def _names(given: tuple[Annotation, Annotation]) -> tuple[str, str]:
    one, other = (_named(side, which) for side, which in zip(given, ("first", "second"), strict=True))
    if one == other and isinstance(given[0], str | Path) and isinstance(given[1], str | Path):
        return f"{Path(given[0]).parent.name}/{one}", f"{Path(given[1]).parent.name}/{other}"
    return one, other


def _named(side: Annotation, which: str) -> str:
    if isinstance(side, str | Path):
        return Path(side).name
    model = side.record.get("model", {}) if isinstance(side, Segmentation) else {}
    return str(model.get("name", which))


def _record(
    given: tuple[Annotation, Annotation], settings: AgreementSettings, image: Any, seconds: float
) -> dict[str, Any]:
    files = [str(one) if isinstance(one, str | Path) else type(one).__name__ for one in given]
    return {
        "software": software_versions(),
        "first": files[0],
        "second": files[1],
        "image": str(image) if isinstance(image, str | Path) else image,
        "settings": settings.model_dump(mode="json"),
        "seconds": seconds,
    }
