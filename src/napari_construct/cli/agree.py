"""``napari-construct agree``: how far two annotations agree, or a model and a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import check_json, say
from napari_construct.cli._text import ReportFiles, write_report
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.evaluation.agreement.settings import AgreementSettings


def agree(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="A",
            help="Mask, result, GeoJSON (of QuPath, for example), CSV of image-level labels, or folder of "
            "masks or GeoJSON. With --model: the image that the model looks at.",
        ),
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other annotation, of the same image.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Compare a model with B: A is the image. Slides: segment them first."
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", help="The image or slide, where both are objects; its empty parts count, too."
        ),
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(
            "--match",
            metavar="A=B",
            help="Which class of A is which of B, where names differ by more than case and spaces; may be "
            "repeated.",
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", metavar="CLASS", help="A class that counts nowhere; may be repeated."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", help="Classes of masks that do not name them, a,b,c, or a table of them (CSV, JSON)."
        ),
    ] = None,
    first_class: options.FirstClass = None,
    only_labelled: Annotated[
        bool,
        typer.Option(
            "--only-labelled", help="Compare only where both have a class: for strokes, for example."
        ),
    ] = False,
    locked: Annotated[
        Literal["regions", "objects"],
        typer.Option(
            "--locked",
            help="What locked annotations are: regions, outside of which nothing is compared, or objects.",
        ),
    ] = "regions",
    downsample: Annotated[
        float,
        typer.Option(
            "--downsample",
            min=0.01,
            help="Pixels of the image in one that is compared, where both are objects.",
        ),
    ] = 1.0,
    device: options.Device = None,
    json_file: options.JsonFile = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the tables as an HTML page.")
    ] = None,
) -> None:
    """Compare two annotations: Cohen's kappa, Dice and a confusion matrix.

    Annotations of QuPath's class Ignore* count nowhere, locked ones are regions.
    """
    from napari_construct.evaluation.agreement.agreement import agreement_steps

    settings = _settings(
        match=_pairs(match or []),
        leave_out=tuple(leave_out or ()),
        unlabelled="left out" if only_labelled else "class",
        locked=locked,
        downsample=downsample,
        first_class=options.first_class_of(first_class),
    )
    files = ReportFiles(json_file, None, html_file)
    check_json(json_file, first, second, image)
    files.check(first, second, image)
    one: Any = first if model is None else _segmented(first, model, device)
    steps = agreement_steps(one, second, settings, classes=_table(classes), image=image)
    with progress_bars() as bars:
        found = bars.follow(steps)
    for notice in found.notices:
        say(f"note: {notice}", err=True)
    for name, error in found.failures:
        say(f"{name}: {error}", err=True)
    write_report(
        found.to_dict(),
        files,
        markdown=str,
        html=found.to_html,
        said=found.said,
        tables=found.tables(),
    )
    if found.failures:
        raise typer.Exit(1)


def _settings(**fields: Any) -> AgreementSettings:
    from napari_construct.evaluation.agreement.settings import AgreementSettings

    return AgreementSettings.checked(**fields)


def _segmented(image: Path, model: str, device: str | None) -> Any:
    """The mask of a model, with its classes."""
    from napari_construct.inference.segment import segment

    return segment(image, model=model, device=device or "auto")


def _pairs(texts: list[str]) -> tuple[tuple[str, str], ...]:
    from napari_construct.exceptions import ConfigurationError

    pairs = []
    for text in texts:
        one, sign, other = text.partition("=")
        if not sign or not one.strip() or not other.strip():
            raise ConfigurationError(
                f'expected --match as A=B, got {text!r}; for example --match "Tumor=tumour"'
            )
        pairs.append((one.strip(), other.strip()))
    return tuple(pairs)


def _table(text: str | None) -> Any:
    from napari_construct.classes import ClassTable
    from napari_construct.reading.name_lists import parse_names

    if text is None:
        return None
    if text.lower().endswith((".csv", ".json")):
        return ClassTable.load(text)
    return ClassTable.from_names(parse_names(text))
