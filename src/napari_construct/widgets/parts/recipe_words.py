"""Words that scripts and commands are made of: arguments, options, imports, and the pixels of a plane."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from napari_construct.widgets.layers import Plane


def arguments(values: Mapping[str, object]) -> str:
    """Keyword arguments as Python writes them."""
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def changes(settings: BaseModel) -> dict[str, object]:
    """The fields that are not as usual."""
    return settings.model_dump(exclude_defaults=True)


def changed_options(settings: BaseModel, default: BaseModel, *options: str) -> list[str]:
    """Options of a command for the fields that differ from the default."""
    given = {option: getattr(settings, option) for option in options}
    changed = {option: value for option, value in given.items() if value != getattr(default, option)}
    return [word for o, value in changed.items() for word in (f"--{o.replace('_', '-')}", str(value))]


def device_argument(device: str) -> str:
    """The last argument of a call, unless the device is automatic."""
    return "" if device == "auto" else f", device={device!r}"


def device_option(device: str) -> list[str]:
    """The option of a command, unless the device is automatic."""
    return [] if device == "auto" else ["--device", device]


def place_options(plane: Plane, mpp: float | None) -> list[str]:
    """Options of a command for the resolution, if it is known, and for the region."""
    mpp = plane.mpp if mpp is None else mpp
    words = [] if mpp is None else ["--mpp", repr(mpp)]
    if plane.window is not None:
        rows, columns = plane.window
        words += ["--region", f"{rows.start},{rows.stop},{columns.start},{columns.stop}"]
    return words


def image_as_python(plane: Plane) -> tuple[list[str], str]:
    """The imports, and an expression for the pixels of a plane."""
    inside = [*map(str, plane.index), *spans_of(plane)]
    if plane.path is None:
        index = f"[{', '.join(inside)}]" if inside else ""
        return [], f"viewer.layers[{plane.name!r}].data{index}  # in napari's console; RGB, 8 bit"
    part = f"[{', '.join(spans_of(plane))}].copy()" if plane.window else ""
    return ["read_image"], f"read_image({plane.path!r}).pixels{part}"


def import_line(*names: str) -> str:
    """The import of public names."""
    return f"from napari_construct import {', '.join(sorted(names))}"


def spans_of(plane: Plane) -> list[str]:
    """The region as Python slices."""
    return [f"{part.start}:{part.stop}" for part in plane.window or ()]
