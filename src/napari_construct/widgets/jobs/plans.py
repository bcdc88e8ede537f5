"""What the docks' jobs are going to do, so that one bar and one time left stand for all of it.

Weights are seconds on one processor core with the bundled model; the session remembers what this computer
needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Final

from napari_construct.events import Part, Phase, Planned, in_a_row, planned
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.layers import Plane

_VIEWS: Final = {"one": 1, "four": 4, "six": 6}
_LOADING: Final = in_a_row(("loading the model", 4.0), steady=False)
_READING: Final = Part("reading the image", 0.1, steady=False)


def segment_plan(planes: Sequence[Plane], settings: SegmentSettings, model: object) -> Planned:
    """Load, then plane by plane read, run the network and refine, then make the layers."""
    size = sum(map(_megapixels, planes)) / len(planes)
    parts = (_READING, *_network(settings, size))
    layers = Part("making the layers", 0.1 + 0.05 * size * len(planes))
    return planned(f"segment {model}", _LOADING, Phase(parts, len(planes)), Phase((layers,)))


def slide_plan(
    settings: SegmentSettings, model: object, size: float, *, refined: float = 1.0, loaded: bool = False
) -> Planned:
    """Run the network over all of a slide, then decide it part by part.

    Parameters
    ----------
    settings : SegmentSettings
        Of the run.
    model : object
        Names what its costs are remembered under.
    size : float
        Megapixels that the network looks at.
    refined : float
        Share of the parts that are still to be decided.
    loaded : bool
        Whether the model is there.
    """
    tiles, *decision = _network(settings, size)
    after = Part("refine", max(refined * sum(part.weight for part in decision), 1e-3))
    phases = Phase((tiles,)), Phase((after,))
    return planned(f"segment slide {model}", *(() if loaded else (_LOADING,)), *phases)


def cells_plan(planes: Sequence[Plane], model: object) -> Planned:
    """Load, then plane by plane read and run the network, then decide and make the layers."""
    size = sum(map(_megapixels, planes)) / len(planes)
    parts = (_READING, Part("tiles", 0.6 * size))
    after = Phase((Part("cells", 0.5 * size * len(planes)), Part("making the layers", 0.1 + 0.05 * size)))
    return planned(f"segment {model}", _LOADING, Phase(parts, len(planes)), after)


def refine_plan(shapes: Sequence[tuple[int, int]], settings: SegmentSettings) -> Planned:
    """Decide anew, plane by plane, masks of so many rows and columns; the network does not run."""
    size = sum(map(prod, shapes)) / 1e6 / len(shapes)
    return planned("refine", Phase(_decision(settings, size), len(shapes), counter="planes"))


def compare_plan(plane: Plane) -> Planned:
    """Load, read, run the network, make the layer."""
    size = _megapixels(plane)
    row = Phase((_READING, Part("tiles", 0.4 * size), Part("making the layer", 0.1 * size)))
    return planned("compare", _LOADING, row)


def top_plan(images: int) -> Planned:
    """Load, then look through images."""
    return planned("top patches", _LOADING, Phase((Part("images", float(images)),)))


def images_plan(
    job: str, settings: SegmentSettings, images: int, after: Iterable[tuple[str, float]] = ()
) -> Planned:
    """Image after image, of which nothing is known yet: read, run the network, refine, and what comes after
    it.

    Parameters
    ----------
    job : str
        What its costs are remembered under.
    settings : SegmentSettings
        Of every image.
    images : int
        How often an image comes.
    after : iterable of (str, float)
        Stages of each image after its mask, with their seconds.
    """
    row = (Part("images", 0.1), *_network(settings, 1.0), *(Part(stage, weight) for stage, weight in after))
    return planned(job, Phase(row, images, counter="images"))


def scored_cells_plan(model: object, passes: int) -> Planned:
    """Student after student, image after image: run the network, decide and count cells."""
    row = (Part("images", 0.3), Part("tiles", 0.3))
    return planned(f"evaluate {model}", Phase(row, passes, counter="images"))


def _network(settings: SegmentSettings, size: float) -> tuple[Part, ...]:
    """Network and refinement of so many megapixels."""
    tiles = Part("tiles", 0.35 * size * _VIEWS[settings.views or "one"])
    return tiles, *_decision(settings, size)


def _decision(settings: SegmentSettings, size: float) -> tuple[Part, ...]:
    """From the network's maps to the mask."""
    if settings.crf is None:
        return (Part("refine", 0.2 * size),)
    return Part("refine", 0.6 * size), Part("dense CRF", 0.25 * size)


def _megapixels(plane: Plane) -> float:
    if plane.window is not None:
        return prod(part.stop - part.start for part in plane.window) / 1e6
    shape: Any = plane.data.shape[len(plane.index) :]
    return prod(shape[:2]) / 1e6
