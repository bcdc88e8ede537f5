"""The same run as a Python script or as a command, to be repeated and cited."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_construct.batch.settings import USUAL_OF_CELLS, BatchSettings
from napari_construct.crf import CRFParameters
from napari_construct.data.slides.slide import Slide
from napari_construct.data.stored import RED_GREEN_BLUE
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.inference.cells.settings import DECIDING, CellSettings
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import TEMPLATES, classes_as_text
from napari_construct.reading.foreign import without_secrets
from napari_construct.reading.name_lists import names_as_text
from napari_construct.widgets.jobs.predictors import ModelChoice
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.parts.recipe_words import (
    arguments,
    changed_options,
    changes,
    device_argument,
    device_option,
    import_line,
    place_options,
    reading,
    spans_of,
)

_WITHOUT_OPTION: Final = {
    "crf",
    "protect_confidence",
    "presence_threshold",
    "background",
    "background_exponent",
}


def as_python(
    plane: Plane, model: ModelChoice, settings: SegmentSettings | CellSettings, device: str = "auto"
) -> str:
    """A script; its ``result`` holds the arrays of the layers."""
    if isinstance(settings, CellSettings):
        return cells_as_python(plane, str(model), settings, device)
    in_words = isinstance(model, ZeroShotSettings)
    chosen = _words_as_python(model) if isinstance(model, ZeroShotSettings) else repr(model)
    read = reading(plane, chosen, settings.mpp, device)
    if read.fitted:
        settings = settings.changed(mpp=None)
    lines = [
        import_line("SegmentSettings", "segment", *read.imports, *["ZeroShotSettings"] * in_words),
        "",
        *read.lines,
        *[f"model = {chosen}"] * (not read.fitted),
        f"settings = SegmentSettings({segment_arguments(settings)})",
        f"result = segment({read.pixels}, {read.model if read.fitted else 'model'}, settings, {read.place})",
    ]
    return "\n".join(lines) + "\n"


def segment_arguments(settings: SegmentSettings) -> str:
    """The arguments of ``SegmentSettings``."""
    changed = settings.model_dump(exclude_defaults=True)
    if isinstance(settings.crf, CRFParameters):  # also where all of them are the paper's
        changed["crf"] = settings.crf.model_dump()
    return arguments(changed)


def segment_options(settings: SegmentSettings, device: str) -> list[str]:
    """Options of a command, without those for resolution and classes."""
    words = [] if settings.views is None else ["--views", settings.views]
    if settings.crf != "auto":
        words.append("--no-crf" if settings.crf is None else "--crf")
    words += changed_options(settings, SegmentSettings(), "tile", "overlap", "min_confidence")
    return words + device_option(device)


def segment_json(settings: SegmentSettings, *also: str) -> list[str]:
    """``--settings`` for fields that have no option."""
    rest = settings.model_dump(
        mode="json", include={*_WITHOUT_OPTION, *also}, exclude_defaults=True, exclude_none=True
    )
    if rest.get("crf") == {}:  # --crf says it
        del rest["crf"]
    return ["--settings", json.dumps(rest)] if rest else []


def as_command(
    plane: Plane, model: ModelChoice, settings: SegmentSettings | CellSettings, device: str = "auto"
) -> str:
    """A command of ``napari-construct``; IMAGE stands for a layer that came from no file."""
    if isinstance(settings, CellSettings):
        return cells_as_command(plane, str(model), settings, device)
    words = _segment_words(plane.path or "IMAGE", model, settings, "results", device)
    words += place_options(plane, settings.mpp)
    return shlex.join(words + _segment_rest(model, settings)) + "\n"


def _segment_words(
    image: str, model: ModelChoice, settings: SegmentSettings, output: str, device: str
) -> list[str]:
    """The command up to the options for the resolution."""
    words = ["napari-construct", "segment", image]
    words += _words_as_options(model) if isinstance(model, ZeroShotSettings) else ["--model", model]
    words += ["--output", output]
    if settings.classes is not None and not isinstance(model, ZeroShotSettings):
        words += ["--classes", names_as_text(settings.classes)]
    return words + segment_options(settings, device)


def _segment_rest(model: ModelChoice, settings: SegmentSettings) -> list[str]:
    # of a model in words --classes has the words
    return segment_json(settings, *(("classes",) if isinstance(model, ZeroShotSettings) else ()))


def slide_as_python(
    slide: Slide, model: ModelChoice, settings: SegmentSettings, folder: Path, device: str = "auto"
) -> str:
    """A script that writes the same files, or goes on writing them."""
    words = ("ZeroShotSettings", "load_model") if isinstance(model, ZeroShotSettings) else ()
    chosen = f"load_model({_words_as_python(model)})" if isinstance(model, ZeroShotSettings) else repr(model)
    place = f"folder={str(folder)!r}{device_argument(device)}, progress=True"
    lines = [
        import_line("SegmentSettings", "segment_slide", *words),
        "",
        f"model = {chosen}",
        f"settings = SegmentSettings({segment_arguments(settings)})",
        f"result = segment_slide({str(slide.path)!r}, model, settings, {place})",
    ]
    return "\n".join(lines) + "\n"


def slide_as_command(
    slide: Slide, model: ModelChoice, settings: SegmentSettings, folder: Path, device: str = "auto"
) -> str:
    """A command that writes the same files, or goes on writing them."""
    words = _segment_words(str(slide.path), model, settings, str(folder), device)
    words += ["--whole-slide"] + ([] if settings.mpp is None else ["--mpp", repr(settings.mpp)])
    return shlex.join(words + _segment_rest(model, settings)) + "\n"


def cells_as_python(plane: Plane, model: str, settings: CellSettings, device: str = "auto") -> str:
    """A script that finds the cells of a channel."""
    image, reader = _channels_as_python(plane)
    changed = arguments(changes(_of_plane(plane, settings)))
    place = f"mpp={plane.mpp!r}, name={plane.name!r}{device_argument(device)}"
    lines = [
        import_line("CellSettings", "segment_cells", *reader),
        "",
        f"image = {image}",
        f"settings = CellSettings({changed})",
        f"result = segment_cells(image, {model!r}, settings, {place})",
    ]
    return "\n".join(lines) + "\n"


def cells_as_command(plane: Plane, model: str, settings: CellSettings, device: str = "auto") -> str:
    """A command of ``napari-construct``; IMAGE stands for a layer or part of one that is no file."""
    whole = plane.path is not None and plane.window is None
    words = ["napari-construct", "segment", plane.path if whole and plane.path else "IMAGE"]
    words += ["--model", model, "--output", "results"]
    words += cell_options(_of_plane(plane, settings) if whole else settings.changed(channel=None), device)
    mpp = plane.mpp if settings.mpp is None else settings.mpp
    words += [] if mpp is None else ["--mpp", repr(mpp)]
    return shlex.join(words) + "\n"


def cell_options(settings: CellSettings, device: str) -> list[str]:
    """Options of a command for a student, without the resolution."""
    words = [] if settings.channel is None else ["--channel", str(settings.channel)]
    words += changed_options(settings, CellSettings(), "tile", "overlap") + device_option(device)
    rest = settings.model_dump(mode="json", include=set(DECIDING), exclude_defaults=True)
    return words + (["--settings", json.dumps(rest)] if rest else [])


def _of_plane(plane: Plane, settings: CellSettings) -> CellSettings:
    """The settings for what :func:`_channels_as_python` reads: a channel that is chosen there has no name."""
    if plane.channel and (plane.path is None or plane.window is not None):
        return settings.changed(channel=None)
    if plane.path is None or plane.window is None or settings.channel not in RED_GREEN_BLUE:
        return settings
    return settings.changed(channel=RED_GREEN_BLUE.index(str(settings.channel)))


def _channels_as_python(plane: Plane) -> tuple[str, list[str]]:
    """An expression for the channels of a plane, and its imports."""
    spans = spans_of(plane)
    if plane.path is None:
        inside = ", ".join([*map(str, plane.index), *spans])
        part = f"[{inside}]" if inside else ""
        return f"viewer.layers[{plane.name!r}].data{part}  # in napari's console", []
    if not spans:
        return repr(plane.path), []
    first = str(plane.index[0]) if plane.index else ":"
    return f"read_channels({plane.path!r}).pixels[{', '.join([first, *spans])}].copy()", ["read_channels"]


def _words_as_python(model: ZeroShotSettings) -> str:
    changed = model.model_dump(exclude_defaults=True) | {"classes": classes_as_text(model.classes)}
    return f"ZeroShotSettings({arguments(changed)})"


def _words_as_options(model: ZeroShotSettings) -> list[str]:
    words = ["--zero-shot", model.encoder, "--classes", classes_as_text(model.classes)]
    words += changed_options(
        model, ZeroShotSettings(encoder="any", classes=model.classes), "attention", "prompt_ensemble"
    )
    given = () if model.templates == TEMPLATES else model.templates
    return words + [word for template in given for word in ("--template", template)]


def prototypes_as_python(plane: Plane, model: str, settings: PrototypeSettings, device: str = "auto") -> str:
    """A script; its ``maps`` hold the similarities of the layers."""
    read = reading(plane, repr(model), settings.mpp, device)
    if read.fitted:
        settings = settings.changed(mpp=None)
    lines = [
        import_line("PrototypeSettings", "prototype_maps", *read.imports),
        "",
        *read.lines,
        f"settings = PrototypeSettings({arguments(settings.model_dump(exclude_defaults=True))})",
        f"maps = prototype_maps({read.pixels}, {read.model}, settings, {read.place})",
        f"similarity = maps.of({settings.prototype!r})",
    ]
    return "\n".join(lines) + "\n"


def prototypes_as_command(plane: Plane, model: str, settings: PrototypeSettings, device: str = "auto") -> str:
    """A command of ``napari-construct``; IMAGE stands for a layer that came from no file."""
    words = ["napari-construct", "prototypes", "map", plane.path or "IMAGE", "--model", model]
    words += ["--output", "results"]
    words += changed_options(settings, PrototypeSettings(), "tile", "overlap")
    words += device_option(device)
    words += place_options(plane, settings.mpp)
    return shlex.join(words) + "\n"


def batch_as_python(
    paths: Sequence[Path],
    settings: BatchSettings,
    output: Path,
    *,
    restart: bool = False,
    overwrite: bool = False,
    student: bool = False,
) -> str:
    """A script that runs or resumes the same batch."""
    ways = ", restart=True" * restart + ", overwrite=True" * overwrite
    if student:
        kind, part = "CellSettings", f"cells=CellSettings({arguments(changes(settings.cells))})"
    else:
        kind, part = "SegmentSettings", f"segment=SegmentSettings({segment_arguments(settings.segment)})"
    made = f"model={settings.model!r}, {part}, outputs={settings.outputs!r}"
    inputs = [str(path) for path in paths]
    lines = [
        import_line("BatchSettings", kind, "segment_folder"),
        "",
        f"settings = BatchSettings({made}{device_argument(settings.device)})",
        f"report = segment_folder({inputs!r}, {str(output)!r}, settings{ways}, progress=True)",
    ]
    return "\n".join(lines) + "\n"


def batch_as_command(
    paths: Sequence[Path],
    settings: BatchSettings,
    output: Path,
    *,
    restart: bool = False,
    overwrite: bool = False,
    student: bool = False,
) -> str:
    """A command that runs or resumes the same batch."""
    words = [
        "napari-construct",
        "batch",
        *map(str, paths),
        "--model",
        settings.model,
        "--output",
        str(output),
    ]
    if settings.outputs != (USUAL_OF_CELLS if student else BatchSettings().outputs):
        words += ["--outputs", ",".join(settings.outputs)]
    mpp = settings.cells.mpp if student else settings.segment.mpp
    size = [] if mpp is None else ["--mpp", repr(mpp)]
    if student:
        words += cell_options(settings.cells, settings.device) + size
    else:
        words += segment_options(settings.segment, settings.device) + size
        words += segment_json(settings.segment, "classes")
    words += ["--restart"] * restart + ["--overwrite"] * overwrite
    return shlex.join(words) + "\n"


def download_as_python(settings: DownloadSettings) -> str:
    """A script that downloads the same files; it includes the agreement to the licence."""
    given = arguments(settings.model_dump(exclude_defaults=True) | _mirror(settings))
    lines = [
        import_line("DownloadSettings", "download_encoder"),
        "",
        f"found = download_encoder(DownloadSettings({given}), progress=True)",
    ]
    return "\n".join(lines) + "\n"


def download_as_command(settings: DownloadSettings) -> str:
    """A command that downloads the same files."""
    words = ["napari-construct", "models", "download", settings.name]
    if settings.mirror is not None:
        words += ["--mirror", without_secrets(settings.mirror)]
    if settings.again:
        words.append("--again")
    if settings.accepted:
        words.append("--accept-licence")
    return shlex.join(words) + "\n"


def _mirror(settings: DownloadSettings) -> dict[str, str]:
    """The mirror's address without a password: recipes are passed on."""
    return {} if settings.mirror is None else {"mirror": without_secrets(settings.mirror)}
