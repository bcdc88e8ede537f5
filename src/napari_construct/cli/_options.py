"""Options that several commands share, and the settings made from them.

An option that changes a setting is None if the user did not type it. Typed options override ``--settings``,
and ``--settings`` overrides files and defaults (:mod:`._merged`). The settings hold the defaults. Help texts
repeat them, because importing the settings would make ``--help`` slow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from napari_construct.encoders.networks.attentions import DenseAttention

if TYPE_CHECKING:
    from napari_construct.batch.settings import BatchSettings
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
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Use only this part: first row, end row, first column, end column, e.g. 0,512,256,768.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes", help="Classes present in the image, a,b,c. Default: the model predicts class presence."
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
Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp", help="Micrometres per pixel of the images, if the files do not state it or are wrong."
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
    typer.Option("--encoder-weights", help="File with the encoder weights, if they are not installed."),
]
AnyEncoder = Annotated[
    bool,
    typer.Option(
        "--any-encoder", help="Accept encoder weights that differ (by hash) from those of the training."
    ),
]
ZeroShot = Annotated[
    str | None,
    typer.Option(
        "--zero-shot",
        metavar="ENCODER",
        help="Segment without a trained model. This encoder compares the image with the descriptions in "
        "--classes 'tumour: malignant glands; stroma: fibrous tissue'.",
    ),
]
Attention = Annotated[
    DenseAttention | None,
    typer.Option(
        "--attention",
        help="With --zero-shot: attention of the last block, as in the papers; default clearclip.",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help="With --zero-shot: prompt template, e.g. 'an H&E image of {}.'; repeat it for several. "
        "Default: five templates from the literature.",
    ),
]
PromptEnsemble = Annotated[
    Literal["average", "prototypes"] | None,
    typer.Option(
        "--prompt-ensemble",
        "--several",  # its name in earlier versions
        help="With --zero-shot: how several descriptions of a class (a | b) are combined. average (default): "
        "they are averaged. prototypes: each is a prototype, and the nearest prototype wins.",
    ),
]
Examples = Annotated[
    Path | None,
    typer.Option(
        "--examples",
        help="With --zero-shot: folder with img/ and mask/ of marked regions (0 is the first class), used "
        "instead of descriptions.",
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
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the results as JSON to a file; - means standard output."
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """The typed options: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def given_crf(crf: bool | None) -> dict[str, Any]:
    """``--crf`` switches the CRF on and keeps its other parameters; ``--no-crf`` switches it off."""
    if crf is None:
        return {}
    return {"crf": {} if crf else None}


def given_teacher(teacher: str | None) -> dict[str, Any]:
    """``--teacher``; "none" means no distillation."""
    return {} if teacher is None else {"teacher": None if teacher == "none" else teacher}


def given_names(classes: str | None) -> dict[str, Any]:
    """``--classes a,b,c``."""
    if classes is None:
        return {}
    return {"classes": tuple(name.strip() for name in classes.split(",") if name.strip())}


def segment_settings(
    settings: str | None = None,
    device: str | None = None,
    *,
    base: SegmentSettings | None = None,
    classes: str | None = None,
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
            f"expected first row, end row, first column, end column for --region, got {text!r}; "
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
    kinds = [kind.strip() for kind in outputs.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in OUTPUTS]
    if unknown or not kinds:
        raise ConfigurationError(
            f"expected --outputs of {', '.join(OUTPUTS)}, got {', '.join(unknown) or 'none'}; "
            "check the spelling"
        )
    return settings.changed(outputs=kinds)
