"""Options that several commands share, and the settings made from them.

An option that changes a setting is None if the user did not type it. Typed options override ``--settings``,
and ``--settings`` overrides files and defaults (:mod:`._merged`). The settings hold the defaults. Help texts
repeat them, because importing the settings would make ``--help`` slow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from napari_construct.data.resolution import number
from napari_construct.reading.foreign import quoted
from napari_construct.reading.name_lists import parse_names

if TYPE_CHECKING:
    from napari_construct.batch.settings import BatchSettings
    from napari_construct.classes import ClassTable
    from napari_construct.data.mask_values import FirstClass as FirstClassValue
    from napari_construct.inference.settings import SegmentSettings

HERE: Final = Path()

Model = Annotated[str, typer.Option("--model", "-m", help="Model name, or path of a .construct file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Also replace files that napari-construct did not create; without this option they are an "
        "error. Folders that it did not create are never deleted.",
    ),
]
OverwriteModel = Annotated[bool, typer.Option("--overwrite", help="Replace an existing model.")]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Use only this part: first row, end row, first column, end column, e.g. 0,512,256,768.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        help="Classes present in the image, a,b,c; may be repeated. Quote a name that holds a comma: "
        "'\"stroma, loose\",tumour'. Default: the model predicts class presence.",
    ),
]
Views = Annotated[
    Literal["one", "four", "six"] | None,
    typer.Option(
        "--views",
        help="Number of views averaged per tile. Four: quarter turns. Six: the published flips and "
        "brightness levels. The time grows with the number. Default: the choice stored in the model.",
    ),
]
CrfOfModel = Annotated[
    bool | None,
    typer.Option(
        "--crf/--no-crf",
        help="Refine masks with the dense CRF, or not. Default auto: the choice stored in the model.",
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile", min=64, max=4096, help="Tile size in pixels at the model's resolution; default 512."
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option("--overlap", min=0, max=1024, help="Overlap of neighbouring tiles in pixels; default 64."),
]


def decimal(text: str | float) -> float:
    """A number of the command line, with a decimal point or comma."""
    found = number(text)
    if found is None:
        raise typer.BadParameter(f"expected a number such as 0.25, got {quoted(text)}")
    return found


def mpp_option(text: str) -> Any:
    """``--mpp`` with a help text."""
    return typer.Option("--mpp", parser=decimal, metavar="FLOAT", help=text)


Mpp = Annotated[
    float | None,
    mpp_option("Micrometres per pixel of the images, if the files do not state it or are wrong."),
]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        help="With a student on one channel: which one, by name or number from 0; default the nuclear stain.",
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0,
        max=1,
        help="Pixels with a lower probability stay unlabelled; default 0 labels all pixels.",
    ),
]
EncoderWeights = Annotated[
    Path | None,
    typer.Option(
        "--encoder-weights", help="File (or folder) with the encoder weights, if they are not installed."
    ),
]
AnyEncoder = Annotated[
    bool,
    typer.Option(
        "--any-encoder", help="Accept encoder weights that differ (by hash) from those of the training."
    ),
]
FirstClass = Annotated[
    Literal["auto", "0", "1"] | None,
    typer.Option(
        "--first-class",
        help="Value of the first class in masks. 0: as in published datasets. 1: 0 is unlabelled, as in "
        "masks of napari-construct. Default auto: by the masks' own description, palette and values, else 0.",
    ),
]
MaskOrder = Annotated[
    str | None,
    typer.Option(
        "--mask-order",
        help="All classes in the order of the values in masks, a,b,c, where that is not the model's order.",
    ),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps; default auto.")]
SettingsJson = Annotated[
    str | None,
    typer.Option(
        "--settings",
        metavar="JSON",
        help="More settings as JSON, or a JSON file. Typed options override it. "
        'Example: {"crf": {"iterations": 3}}',
    ),
]
OodMap = Annotated[
    bool,
    typer.Option(
        "--ood-map",
        help="Also write NAME_ood.ome.tif: how far each place is from the model's training patches "
        "(out-of-distribution map).",
    ),
]
BoundaryMap = Annotated[
    bool,
    typer.Option(
        "--boundary-map",
        help="With a student on one channel: also write NAME_boundary.ome.tif, the borders of cells. With "
        "it, other thresholds can be tried on the result later.",
    ),
]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the results as JSON to a file; - means standard output."
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """The typed options: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def first_class_of(typed: str | None) -> FirstClassValue:
    """``--first-class`` as a setting."""
    return "auto" if typed in (None, "auto") else 1 if typed == "1" else 0


def given_first_class(typed: str | None) -> dict[str, Any]:
    """``--first-class``, if it was typed."""
    return {} if typed is None else {"first_class": first_class_of(typed)}


def given_crf(crf: bool | None) -> dict[str, Any]:
    """``--crf`` switches the CRF on and keeps its other parameters; ``--no-crf`` switches it off."""
    if crf is None:
        return {}
    return {"crf": {} if crf else None}


def given_teacher(teacher: str | None) -> dict[str, Any]:
    """``--teacher``; "none" means no distillation."""
    return {} if teacher is None else {"teacher": None if teacher == "none" else teacher}


def given_names(classes: list[str] | None) -> dict[str, Any]:
    """``--classes a,b,c``, before the classes of the model are known."""
    return {} if classes is None else {"classes": parse_names(classes)}


def with_classes(
    settings: SegmentSettings, classes: list[str] | None, known: Sequence[str]
) -> SegmentSettings:
    """Settings with ``--classes``; a whole value that is a class of the model is that class."""
    return settings if classes is None else settings.changed(classes=parse_names(classes, known))


def class_table(classes: Sequence[str]) -> ClassTable:
    """``--classes`` of a training: names, or a class table as a file or as JSON."""
    from napari_construct.classes import ClassTable

    first = classes[0]
    if first.lstrip().startswith("{"):
        return ClassTable.from_json(first)
    if first.lower().endswith((".csv", ".json")) or Path(first).is_absolute():
        return ClassTable.load(first)
    return ClassTable.from_names(parse_names(classes))


def segment_settings(
    settings: str | None = None,
    device: str | None = None,
    *,
    base: SegmentSettings | None = None,
    classes: list[str] | None = None,
    crf: bool | None = None,
    **typed: Any,
) -> tuple[SegmentSettings, str]:
    """The settings of a segmentation, and the device for the model.

    Older JSON may contain the device; it is used if no device was typed.
    """
    from napari_construct.cli._merged import json_object, merged
    from napari_construct.inference.settings import SegmentSettings

    if settings is not None:
        found = json_object(settings, "SegmentSettings")
        stored = found.pop("device", None)
        device = device or stored
        settings = json.dumps(found)
    chosen = given(**typed) | given_names(classes) | given_crf(crf)
    return merged(base or SegmentSettings(), chosen, settings), device or "auto"


def parse_region(text: str | None) -> tuple[slice, slice] | None:
    """Row and column slices from "first row, end row, first column, end column"."""
    from napari_construct.exceptions import ConfigurationError

    if text is None:
        return None
    try:
        top, bottom, left, right = (int(number) for number in text.split(","))
        valid = 0 <= top < bottom and 0 <= left < right
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"expected first row, end row, first column, end column for --region, got {quoted(text)}; "
            "for example 0,512,256,768"
        )
    return slice(top, bottom), slice(left, right)


def batch_settings(model: str, segment: SegmentSettings, outputs: str | None, device: str) -> BatchSettings:
    """The settings of a batch; ``outputs`` is a list separated by commas."""
    from napari_construct.batch.settings import OUTPUTS, BatchSettings
    from napari_construct.exceptions import ConfigurationError

    settings = BatchSettings.checked(model=model, segment=segment, device=device)
    if outputs is None:
        return settings
    kinds = list(parse_names(outputs))
    unknown = [kind for kind in kinds if kind not in OUTPUTS]
    if unknown or not kinds:
        raise ConfigurationError(
            f"expected --outputs of {', '.join(OUTPUTS)}, got {', '.join(unknown) or 'none'}; "
            "check the spelling"
        )
    return settings.changed(outputs=kinds)


def mask_order_of(typed: str | None) -> tuple[str, ...] | None:
    """``--mask-order`` as a setting."""
    return None if typed is None else parse_names(typed)
