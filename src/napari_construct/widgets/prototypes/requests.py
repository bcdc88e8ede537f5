"""What the jobs behind Prototypes are asked for, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.jobs.predictors import GetPredictor
from napari_construct.widgets.layers import Plane

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.prototypes.names import Prototype
    from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps
    from napari_construct.inference.prototypes.top_patches import TopPatches


@dataclass(frozen=True, slots=True, eq=False)
class CompareRequest:
    """Compare a plane with every prototype."""

    plane: Plane
    settings: PrototypeSettings
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class TopRequest:
    """Collect the patches that are most similar to a prototype, in a folder or in planes of a layer."""

    given: Path | tuple[Plane, ...]
    settings: PrototypeSettings
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class WordsRequest:
    """Add a prototype to a class, from a description."""

    tissue: str
    text: str
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class RegionRequest:
    """Add a prototype to a class, from a painted region: (h, w) bool on the plane's pixels."""

    plane: Plane
    region: NDArray[np.bool_]
    tissue: str
    settings: PrototypeSettings
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class ForgetRequest:
    """Remove the added prototype of this number, from 0."""

    number: int
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class SaveRequest:
    """Write the changed model; ``use`` puts it into Segment."""

    path: Path
    use: bool
    get_predictor: GetPredictor


@dataclass(frozen=True, slots=True, eq=False)
class ModelLoaded:
    """A model with its prototypes; ``words`` says why it cannot take descriptions, or nothing."""

    predictor: Predictor
    prototypes: tuple[Prototype, ...]
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """An image was compared with all prototypes; ``layer`` shows one of them."""

    maps: PrototypeMaps
    plane: Plane
    layer: Image


@dataclass(frozen=True, slots=True, eq=False)
class LayerMade:
    """A layer that is to be added, and what to say."""

    layer: Labels
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A changed model was written."""

    path: Path
    use: bool


@dataclass(frozen=True, slots=True, eq=False)
class TopFound:
    """The patches that are most similar to a prototype."""

    top: TopPatches
