"""Options that several commands share, and the settings they make.

An option that makes a setting is None where it was not typed; what was typed goes before ``--settings``, and
that before files and defaults (:mod:`._merged`). The defaults are those of the settings; help texts name
them, because importing the settings would make ``--help`` slow.
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

Model = Annotated[
    str, typer.Option("--model", "-m", help="Name of a bundled model, or path of a .construct file.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace files too that napari-construct did not make; without it they are an error. Folders "
        "of others are never deleted.",
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region", help="Only a part: first row, end row, first column, end column, e.g. 0,512,256,768."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option("--classes", help="Classes in the image, a,b,c. Without it the model finds them."),
]
Views = Annotated[
    Literal["one", "four", "six"] | None,
    typer.Option(
        "--views",
        help="Views of each tile that are averaged, which takes so many times longer: four are its quarter "
        "turns, six the published mirror images and brightnesses. Without it what the model's calibration "
        "found best.",
    ),
]
CrfOfModel = Annotated[
    bool | None,
    typer.Option(
        "--crf/--no-crf",
        help="Refine masks with the dense CRF. Without either, what suits the model: some need none.",
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile", min=64, max=4096, help="Side of a tile in pixels at the model's resolution; default 512."
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option("--overlap", min=0, max=1024, help="Pixels that neighbouring tiles share; default 64."),
]
Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp", help="Micrometres per pixel of the images, where the files do not say or are wrong."
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence", min=0, max=1, help="Less certain pixels stay unlabelled; default 0, none do."
    ),
]
EncoderWeights = Annotated[
    Path | None,
    typer.Option(
        "--encoder-weights", help="File of the encoder's weights, where you must get them yourself."
    ),
]
AnyEncoder = Annotated[
    bool,
    typer.Option(
        "--any-encoder", help="Take encoder weights of another hash than the model was trained with."
    ),
]
ZeroShot = Annotated[
    str | None,
    typer.Option(
        "--zero-shot",
        metavar="ENCODER",
        help="Without a trained model: classes described in --classes 'tumour: malignant glands; stroma: "
        "fibrous tissue', compared with the image by this encoder.",
    ),
]
Attention = Annotated[
    DenseAttention | None,
    typer.Option(
        "--attention",
        help="For --zero-shot: how the last block attends, as in the papers; default clearclip.",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help="For --zero-shot: what descriptions are put into, e.g. 'an H&E image of {}.'; may be repeated. "
        "Without it five of the literature.",
    ),
]
PromptEnsemble = Annotated[
    Literal["average", "prototypes"] | None,
    typer.Option(
        "--prompt-ensemble",
        "--several",  # its name in earlier versions
        help="For --zero-shot: several descriptions of a class (a | b) are averaged (average, the default), "
        "or each becomes a prototype and the nearest wins (prototypes).",
    ),
]
Examples = Annotated[
    Path | None,
    typer.Option(
        "--examples",
        help="For --zero-shot: folder with img/ and mask/ of marked regions (0 the first class ...), instead "
        "of words.",
    ),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps; default auto.")]
SettingsJson = Annotated[
    str | None,
    typer.Option(
        "--settings",
        metavar="JSON",
        help="Further settings as JSON, or a file with them; options that are typed go before it. "
        'Example: {"crf": {"iterations": 3}}',
    ),
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write results as JSON to a file, or - for stdout."),
]


def given(**options: Any) -> dict[str, Any]:
    """The options that were typed: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def given_crf(crf: bool | None) -> dict[str, Any]:
    """``--crf`` switches the CRF on with the parameters that are set elsewhere, ``--no-crf`` off."""
    if crf is None:
        return {}
    return {"crf": {} if crf else None}


def given_teacher(teacher: str | None) -> dict[str, Any]:
    """``--teacher``, with "none" for no distillation."""
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
    """The settings of a segmentation, and the device that its model is loaded on.

    In JSON of before, the device is one of the settings; it counts where none was typed.
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
    """Rows and columns from "first row, end row, first column, end column"."""
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
    """The settings object of a batch; ``outputs`` is a list with commas."""
    from napari_construct.batch.settings import OUTPUTS, BatchSettings
    from napari_construct.exceptions import ConfigurationError

    settings = BatchSettings(model=model, segment=segment, device=device)
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
