"""Import models, the released code's checkpoints, hub repositories and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.encoders.catalogue.lookup import HUB, create_encoder, find_entry
from napari_construct.encoders.hub.store import import_weights
from napari_construct.events import Event, Notice, Steps
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.models.checkpoints.released_checkpoint import BCSS_MPP, import_authors_checkpoint
from napari_construct.models.library.sharing import import_model, keep_model, pull_model
from napari_construct.models.network.descriptions import parse_classes
from napari_construct.types import PathLike

STAGE: Final = "import"


@dataclass(frozen=True, slots=True)
class Import:
    """What to import.

    Attributes
    ----------
    source : str
        ``model.construct``, ``best_cam.pth``, a file of weights, or "hf-hub:OWNER/NAME".
    encoder : str or None
        Encoder whose weights the file holds.
    name : str or None
        Name of the imported model; its own by default.
    classes : str or None
        Of ``best_cam.pth``, in the order of training; TUM, STR, LYM, NEC otherwise.
    mpp : float
        Micrometres per pixel that ``best_cam.pth`` was trained at.
    encoder_weights : path or None
        File of CONCH's weights, for ``best_cam.pth``.
    file : str or None
        Which file of a hub repository with several models.
    overwrite : bool
        Replace another imported model of that name.
    """

    source: str
    encoder: str | None = None
    name: str | None = None
    classes: str | None = None
    mpp: float = BCSS_MPP
    encoder_weights: PathLike | None = None
    file: str | None = None
    overwrite: bool = False


def import_steps(wanted: Import) -> Steps[Path]:
    """Check and import; no code in a file is executed.

    Yields
    ------
    Event
        Stage "import"; a ``Notice`` for what was not imported.

    Returns
    -------
    Path
        The imported file.

    Raises
    ------
    CheckpointError, EncoderError, ConfigurationError
        If the file is missing, damaged or of another kind.
    """
    yield Event(STAGE, 0, 1, wanted.source)
    if wanted.encoder is not None:
        return import_weights(find_entry(wanted.encoder), Path(wanted.source), overwrite=wanted.overwrite)
    if wanted.source.startswith(HUB):
        return pull_model(wanted.source, file=wanted.file, name=wanted.name, overwrite=wanted.overwrite)
    if Path(wanted.source).suffix.lower() == SUFFIX:
        return import_model(wanted.source, name=wanted.name, overwrite=wanted.overwrite)
    return (yield from _released(wanted))


def _released(wanted: Import) -> Steps[Path]:
    """The released code's checkpoint: only what was trained is kept."""
    weights = wanted.encoder_weights
    checkpoint, notices = import_authors_checkpoint(
        wanted.source,
        classes=None if wanted.classes is None else parse_classes(wanted.classes),
        encoder=None if weights is None else create_encoder("conch", weights=weights),
        mpp=wanted.mpp,
    )
    for notice in notices:
        yield Notice(STAGE, 1, 1, notice)
    name = wanted.name or Path(wanted.source).stem
    return keep_model(checkpoint, name, overwrite=wanted.overwrite)
