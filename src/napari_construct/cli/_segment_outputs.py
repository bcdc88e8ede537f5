"""What ``segment`` writes, and the regions in which it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from napari_construct.reading.foreign import quoted
from napari_construct.reading.name_lists import parse_names

if TYPE_CHECKING:
    from napari_construct.data.region_set import RegionSet

ALONE: Final = (
    "--workers and --scheduler share the tiles of whole slides only; leave them out, add --whole-slide if "
    "this is a slide, or segment many images with batch"
)
Regions = Annotated[
    Path | None,
    typer.Option(
        "--regions",
        help="GeoJSON with annotations (of QuPath, for example): segment only inside of them, and measure "
        "each in NAME_areas.csv. The class Ignore* counts nowhere. For one image.",
    ),
]
WholeSlide = Annotated[
    bool,
    typer.Option(
        "--whole-slide",
        help="Segment slides of any size as those of more than 100 megapixels: out of core, only where there "
        "is tissue, into a pyramid; the files must be slides (tiled TIFF, OME-TIFF, OME-Zarr, a scanner's).",
    ),
]
SegmentOutputs = Annotated[
    str | None,
    typer.Option(
        "--outputs",
        help="Files to write: of an image mask,cams,overlay,zarr,areas,ood (default mask,cams,overlay), of a "
        "slide overlay,areas,mask,probabilities,cams,ood (default overlay,areas; mask is a pyramidal "
        "OME-TIFF, probabilities and cams lie in the OME-Zarr).",
    ),
]


def segment_outputs(outputs: str | None, *, ood_map: bool, regions: bool) -> dict[str, tuple[str, ...]]:
    """Files of an "image" and of a "slide" that ``--outputs`` and the other options ask for.

    Raises
    ------
    ConfigurationError
        If one is neither of an image nor of a slide.
    """
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.inference.slides.outputs import OUTPUTS, USUAL
    from napari_construct.results.files import KINDS, OF_CLASSES

    typed = None if outputs is None else parse_names(outputs)
    known = dict.fromkeys((*OF_CLASSES, *OUTPUTS))
    if typed is not None and (not typed or set(typed) - set(known)):
        unknown = ", ".join(quoted(kind) for kind in typed if kind not in known) or "none"
        raise ConfigurationError(
            f"expected --outputs of {', '.join(known)}, got {unknown}; check the spelling"
        )
    more = ("ood",) if ood_map else ()
    table = ("areas",) if regions else ()
    of_image = KINDS if typed is None else typed
    of_slide = USUAL if typed is None else tuple(kind for kind in typed if kind != "zarr")
    return {
        "image": tuple(dict.fromkeys((*of_image, *table, *more))),
        "slide": tuple(dict.fromkeys((*of_slide, *table, *more))),
    }


def refuse_outputs_of_slides(kinds: tuple[str, ...], path: Path) -> None:
    """Refuse files that an image does not have.

    Raises
    ------
    ConfigurationError
        If there are any.
    """
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.results.files import OF_CLASSES

    if others := [kind for kind in kinds if kind not in OF_CLASSES]:
        raise ConfigurationError(
            f"{path.name}: expected outputs of an image among {', '.join(OF_CLASSES)}, got "
            f"{', '.join(others)}, which only whole slides have; leave it out, or add --whole-slide if the "
            "file is one"
        )


def refuse_part_of_whole_slide(*, whole_slide: bool, part: bool) -> None:
    """Refuse a part of what is to be segmented whole.

    Raises
    ------
    ConfigurationError
        If both were asked for.
    """
    from napari_construct.exceptions import ConfigurationError

    if whole_slide and part:
        raise ConfigurationError(
            "expected --whole-slide or --region, got both; leave one out (--regions segments a whole slide "
            "inside of annotations)"
        )


def refuse_more_than_one_image(regions: Path | None, images: int, *, part: bool) -> None:
    """Refuse regions of several images, or of a part of one.

    Raises
    ------
    ConfigurationError
        If they are such.
    """
    from napari_construct.exceptions import ConfigurationError

    if regions is not None and (part or images > 1):
        raise ConfigurationError(
            f"expected one whole image with --regions, got {'--region' if part else f'{images} images'}; "
            "segment each with its own regions"
        )


def regions_of_image(regions: Path | None, shape: tuple[int, ...], name: str) -> RegionSet | None:
    """Regions of an image of some rows and columns.

    Raises
    ------
    InputError
        If they cannot be read, or lie elsewhere.
    """
    from napari_construct.data.region_set import RegionSet

    if regions is None:
        return None
    found = RegionSet.of(regions)
    found.check((shape[0], shape[1]), name)
    return found
