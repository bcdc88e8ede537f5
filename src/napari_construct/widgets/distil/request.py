"""The request for a distillation, as values that a thread may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_construct.crossmodal.config import DistilConfig

LAYER: Final = "layer"
FOLDER: Final = "precomputed"
MODEL: Final = "channel_unet"
DRAWN: Final = "drawn"
"""Kinds of teachers beside those of the catalogue: a layer, a folder of outputs, a file of a teacher of ours,
and none yet: one is trained on drawn cells."""


@dataclass(frozen=True, slots=True)
class FileImages:
    """Images of files.

    Attributes
    ----------
    path : Path
        A folder or an npz file.
    mpp : float or None
        Micrometres per pixel that replaces what the files say.
    channel_files : tuple of str or None
        What channels are called where each is a file; None finds it, empty joins none.
    """

    path: Path
    mpp: float | None = None
    channel_files: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayerImages:
    """Images of layers.

    Attributes
    ----------
    name : str
        From which images are named.
    channels : mapping
        Arrays (..., h, w) by the names of the channels.
    truth : array or None
        Numbers of cells, of the same shape.
    mpp : float or None
        Micrometres per pixel.
    sources : mapping
        Python expressions of the arrays in napari's console, by channel; of the drawn cells under "".
    """

    name: str
    channels: Mapping[str, Any]
    truth: Any = None
    mpp: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


Images = FileImages | LayerImages


@dataclass(frozen=True, slots=True, eq=False)
class TeacherChoice:
    """A teacher.

    Attributes
    ----------
    kind : str
        :data:`LAYER`, :data:`FOLDER`, :data:`MODEL`, :data:`DRAWN`, or an id of the catalogue.
    path : str
        The folder, the model's file, or a file of weights; empty for that of the catalogue.
    output : array or None
        Of a layer: of the images' shape.
    name : str
        Of the layer.
    foreground : tuple of int or None
        Of a folder: which channels of maps with several are foreground.
    """

    kind: str
    path: str = ""
    output: Any = None
    name: str = ""
    foreground: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DistilRequest:
    """One run.

    Attributes
    ----------
    images : FileImages or LayerImages
        What is trained on.
    share : float
        Part of it that is held out for scores.
    teacher : TeacherChoice or None
        None for the baseline, and for a teacher that is to be trained.
    config : DistilConfig
        The settings, as the run gets them.
    output : Path
        The checkpoint's file.
    device : str
        The device.
    resume, replace : bool
        Whether to resume a stopped run; whether an existing model may be replaced.
    """

    images: Images
    share: float
    teacher: TeacherChoice | None
    config: DistilConfig
    output: Path
    device: str = "auto"
    resume: bool = False
    replace: bool = False
