"""Options that several commands share, and the settings they make.

Defaults are written here once more, because importing the settings would make ``--help`` slow; a test
holds them equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from napari_construct.encoders.networks.attentions import DenseAttention

if TYPE_CHECKING:
    from napari_construct.batch.settings import BatchSettings
    from napari_construct.inference.settings import SegmentSettings

DEFAULT_MODEL: Final = "lymph-node"
DEFAULT_TILE: Final = 512
DEFAULT_OVERLAP: Final = 64
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
    int, typer.Option("--tile", min=64, max=4096, help="Side of a tile in pixels at the model's resolution.")
]
Overlap = Annotated[
    int, typer.Option("--overlap", min=0, max=1024, help="Pixels that neighbouring tiles share.")
]
Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp", help="Micrometres per pixel of the images, where the files do not say or are wrong."
    ),
]
MinConfidence = Annotated[
    float, typer.Option("--min-confidence", min=0, max=1, help="Less certain pixels stay unlabelled.")
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
    DenseAttention,
    typer.Option("--attention", help="For --zero-shot: how the last block attends, as in the papers."),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help="For --zero-shot: what descriptions are put into, e.g. 'an H&E image of {}.'; may be repeated. "
        "Without it five of the literature.",
    ),
]
Several = Annotated[
    Literal["average", "prototypes"],
    typer.Option(
        "--several",
        help="For --zero-shot: several descriptions of a class (a | b) are averaged (average), or the likest "
        "decides (prototypes).",
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
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
SettingsJson = Annotated[
    str | None,
    typer.Option(
        "--settings",
        metavar="JSON",
        help="Further settings as JSON, or a file with them; the other options go before it. "
        'Example: {"crf": {"iterations": 3}}',
    ),
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write results as JSON to a file, or - for stdout."),
]


def settings_from(
    *,
    settings: str | None = None,
    classes: str | None = None,
    views: Literal["one", "four", "six"] | None = None,
    crf: bool | None = True,
    tile: int = DEFAULT_TILE,
    overlap: int = DEFAULT_OVERLAP,
    mpp: float | None = None,
    min_confidence: float = 0.0,
    device: str = "auto",
) -> SegmentSettings:
    """The settings object that widget, command line and Python share."""
    from napari_construct.inference.settings import SegmentSettings

    base = SegmentSettings() if settings is None else _parsed(settings)
    changes: dict[str, object] = {"crf": None} if crf is False else {}
    if classes is not None:
        changes["classes"] = tuple(name.strip() for name in classes.split(",") if name.strip())
    given = {
        "views": (views, None),
        "tile": (tile, DEFAULT_TILE),
        "overlap": (overlap, DEFAULT_OVERLAP),
        "mpp": (mpp, None),
        "min_confidence": (min_confidence, 0.0),
        "device": (device, "auto"),
    }
    changes |= {name: value for name, (value, default) in given.items() if value != default}
    return base.changed(**changes)


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


def _parsed(text: str) -> SegmentSettings:
    """Settings from JSON, or from a file that holds JSON; what is left out keeps its default."""
    import json

    from napari_construct.exceptions import ConfigurationError
    from napari_construct.inference.settings import SegmentSettings

    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        found = json.loads(content)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigurationError(
            f"expected JSON for --settings, or a file that holds some, got {text!r} ({error}); see "
            "SegmentSettings for its names"
        ) from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"expected a JSON object for --settings, got {type(found).__name__}")
    return SegmentSettings().changed(**found)


def batch_settings(model: str, segment: SegmentSettings, outputs: str) -> BatchSettings:
    """The settings object of a batch; ``outputs`` is a list with commas."""
    from napari_construct.batch.settings import OUTPUTS, BatchSettings
    from napari_construct.exceptions import ConfigurationError

    kinds = [kind.strip() for kind in outputs.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in OUTPUTS]
    if unknown or not kinds:
        raise ConfigurationError(
            f"expected --outputs of {', '.join(OUTPUTS)}, got {', '.join(unknown) or 'none'}; "
            "check the spelling"
        )
    return BatchSettings.model_validate({"model": model, "segment": segment, "outputs": kinds})
