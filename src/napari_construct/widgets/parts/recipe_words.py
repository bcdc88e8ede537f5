"""Words that scripts and commands are made of: arguments, options, imports, and the pixels of a plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel

from napari_construct.data.slide_parts import SLIDE_SUFFIXES
from napari_construct.data.slides.slide import Slide
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.layers.slides import is_large


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
    if plane.slide is not None and not is_tiff(plane.slide):
        rows, columns = plane.window or tuple(slice(0, side) for side in plane.slide.shape)
        place = f"{rows.start}, {columns.start}, {rows.stop - rows.start}, {columns.stop - columns.start}"
        return ["open_slide"], f"open_slide({plane.path!r}).read(0, {place})"
    if plane.path is None:
        index = f"[{', '.join(inside)}]" if inside else ""
        return [], f"viewer.layers[{plane.name!r}].data{index}  # in napari's console; RGB, 8 bit"
    part = f"[{', '.join(spans_of(plane))}].copy()" if plane.window else ""
    return ["read_image"], f"read_image({plane.path!r}).pixels{part}"


def in_parts(plane: Plane) -> bool:
    """Whether a plane is read from a large slide at the model's resolution."""
    return plane.slide is not None and is_large(plane.slide) and plane.path is not None


class Reading(NamedTuple):
    """How a script comes to the pixels of a plane.

    Attributes
    ----------
    imports : list of str
        Public names.
    lines : list of str
        What comes first.
    pixels, model : str
        Expressions; the model is what was asked for, or is loaded already.
    place : str
        The arguments behind the settings.
    fitted : bool
        Whether the pixels are those that a model looks at: it is loaded, and no other size is to be given.
    """

    imports: list[str]
    lines: list[str]
    pixels: str
    model: str
    place: str
    fitted: bool


def reading(plane: Plane, model: str, mpp: float | None, device: str) -> Reading:
    """How pixels are read for a model, which is an expression; of a large slide at its resolution."""
    name = f"name={plane.name!r}"
    if not in_parts(plane):
        imports, image = image_as_python(plane)
        place = f"mpp={plane.mpp!r}, {name}{device_argument(device)}"
        return Reading(imports, [f"image = {image}"], "image", model, place, fitted=False)
    spans = ", ".join(f"({one.start}, {one.stop})" for one in plane.window or ())
    other = plane.other_size(mpp)
    words = [spans] if spans else []
    words += [] if other is None else [f"mpp={other!r}"]
    lines = [
        f"predictor = load_model({model}{device_argument(device)})",
        f"with open_slide({plane.path!r}) as slide:",
        f"    part = read_slide_part({', '.join(['slide', 'predictor', *words])})",
    ]
    imports = ["load_model", "open_slide", "read_slide_part"]
    return Reading(imports, lines, "part.pixels", "predictor", f"mpp=part.mpp, {name}", fitted=True)


def is_tiff(slide: Slide) -> bool:
    """Whether ``read_image`` reads the file of a slide, too: a TIFF, or an OME-Zarr."""
    return slide.format == "ome-zarr" or slide.path.suffix.lower() not in SLIDE_SUFFIXES


def import_line(*names: str) -> str:
    """The import of public names."""
    return f"from napari_construct import {', '.join(sorted(names))}"


def spans_of(plane: Plane) -> list[str]:
    """The region as Python slices."""
    return [f"{part.start}:{part.stop}" for part in plane.window or ()]
