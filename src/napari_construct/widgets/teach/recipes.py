"""Teaching as a script or a command: both read strokes that were saved."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.teaching.settings import AUTO, TeachSettings
from napari_construct.widgets.parts.recipe_words import arguments, device_argument, device_option, import_line


@dataclass(frozen=True, slots=True)
class TaughtFrom:
    """Saved strokes, and how they are learned from."""

    folder: Path
    settings: TeachSettings
    device: str


def teach_as_python(taught: TaughtFrom) -> str:
    """A script; its ``checkpoint`` is the model."""
    settings = taught.settings
    changed = settings.model_dump(exclude={"classes", "start"}, exclude_defaults=True)
    start = settings.start
    chosen = (
        ""
        if start == AUTO
        else f", start={_words(start) if isinstance(start, ZeroShotSettings) else repr(start)}"
    )
    more = f", {arguments(changed)}" if changed else ""
    names = ["TeachSettings", "teach", *["ZeroShotSettings"] * isinstance(start, ZeroShotSettings)]
    lines = [
        import_line("load_strokes", *names),
        "",
        f"classes, strokes = load_strokes({str(taught.folder)!r})",
        f"settings = TeachSettings(classes=classes{chosen}{more})",
        f'checkpoint = teach(strokes, settings, output="taught.construct"{device_argument(taught.device)})',
    ]
    return "\n".join(lines) + "\n"


def teach_as_command(taught: TaughtFrom) -> str:
    """A command of ``napari-construct``.

    Raises
    ------
    ConfigurationError
        If the start or a setting has no option.
    """
    settings = taught.settings
    if isinstance(settings.start, ZeroShotSettings):
        raise ConfigurationError("expected a start that a command can name, got words; copy it as Python")
    changed = settings.model_dump(exclude={"classes", "start"}, exclude_defaults=True)
    words = ["napari-construct", "teach", str(taught.folder), "--output", "taught.construct"]
    if settings.start != AUTO:
        words += ["--start", settings.start]
    if changed.pop("deeper", False):
        words.append("--deep")
    for key, option in (("steps", "--steps"), ("mpp", "--model-mpp"), ("seed", "--seed")):
        if key in changed:
            words += [option, str(changed.pop(key))]
    if changed:
        raise ConfigurationError(
            f"expected settings that a command has options for, got {', '.join(changed)}; copy it as Python"
        )
    return shlex.join(words + device_option(taught.device)) + "\n"


def _words(start: ZeroShotSettings) -> str:
    return f"ZeroShotSettings.model_validate_json({start.model_dump_json()!r})"
