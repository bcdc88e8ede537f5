"""Teaching while a person paints: features stay in memory, the head is fitted anew after every stroke."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import PreparedImage, prepare_image
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.states import copied
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.taught import TaughtHead, TaughtNet
from napari_construct.results.result import SegmentationResult
from napari_construct.teaching.cells import painted_cells
from napari_construct.teaching.features import CellFeatures, cell_features
from napari_construct.teaching.fit import NEVER, Rows, fit_linear
from napari_construct.teaching.held_out import HeldOut, held_out_score, strokes_of
from napari_construct.teaching.memory import LIMIT, SeenTiles
from napari_construct.teaching.records import teaching_record
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.start import load_start
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import BoolMask, PathLike, RGBImage

QUIET_CELLS = 400
"""Unpainted cells of an image that should stay as the start says."""


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What was learned from the strokes of the moment.

    Attributes
    ----------
    predictor : Predictor
        The model, for ``segment`` and everything else; it shares the session's network and features.
    strokes : tuple of Strokes
        What it learned from, and what was switched off.
    settings : TeachSettings
        Of the fit.
    start : mapping
        What it started from, for records.
    seconds : float
        Time of the fit, with the features that were not known.
    """

    predictor: Predictor
    strokes: tuple[Strokes, ...]
    settings: TeachSettings
    start: Mapping[str, Any]
    seconds: float

    @property
    def checkpoint(self) -> Checkpoint:
        """The model as a file holds it."""
        about, network = self.predictor.checkpoint, self.predictor.network
        head: Any = network.head
        record = teaching_record(self.strokes, self.settings, self.start)
        return replace(
            about,
            head_state=copied(head.state_dict()),
            training={**about.training, "teaching": record},
            versions=software_versions(),
        )

    def scored(self, score: HeldOut) -> Checkpoint:
        """The model as a file holds it, with the score of strokes that were left out."""
        checkpoint = self.checkpoint
        found = {} if score.balanced_accuracy is None else {"held_out_accuracy": score.balanced_accuracy}
        record = {**checkpoint.training["teaching"], "held_out": score.as_record()}
        return replace(
            checkpoint,
            metrics={**checkpoint.metrics, **found},
            training={**checkpoint.training, "teaching": record},
        )


class TeachSession:
    """Strokes on images, and the model that is taught by them.

    Parameters
    ----------
    settings : TeachSettings
        Classes, start and fit.
    device : str
        "auto", "cpu", "cuda" ...
    encoder_weights : path, optional
        File of the encoder's weights, for an encoder whose weights you must get yourself.
    any_encoder : bool
        Also start from a model whose encoder has another hash.
    memory : int
        Most bytes of features that are kept.

    Raises
    ------
    CheckpointError, EncoderError
        If the start cannot be loaded.
    """

    def __init__(
        self,
        settings: TeachSettings,
        device: str = "auto",
        *,
        encoder_weights: PathLike | None = None,
        any_encoder: bool = False,
        memory: int = LIMIT,
    ) -> None:
        self.device = resolve_device(device)
        self.settings = settings
        self.start = load_start(
            settings, self.device, encoder_weights=encoder_weights, any_encoder=any_encoder
        )
        self.memory = SeenTiles(memory)
        self._strokes: dict[str, Strokes] = {}
        self._read: dict[str, _Read] = {}

    @property
    def classes(self) -> ClassTable:
        """Classes of the model: those of the start, then the new ones."""
        return self.start.classes

    @property
    def strokes(self) -> Mapping[str, Strokes]:
        """What was put, by its key."""
        return dict(self._strokes)

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel at which images are seen: of settings, start, or the first image."""
        if self.start.mpp is not None:
            return self.start.mpp
        return next((one.mpp for one in self._strokes.values() if one.mpp is not None), None)

    def untaught(self) -> Predictor:
        """A model that says what the start says; one without known classes says nothing."""
        return self._predictor(self.start.head())

    def put(self, key: str, strokes: Strokes) -> None:
        """Add the strokes of an image, or replace those of the same key.

        Raises
        ------
        InputError
            If a painted value is that of no class.
        """
        strokes.counts(len(self.settings.classes))
        self._strokes[key] = strokes

    def remove(self, key: str) -> None:
        """Forget the strokes of an image; one that is not known is no error."""
        self._strokes.pop(key, None)
        self._read.pop(key, None)

    def change(self, settings: TeachSettings) -> None:
        """Take other settings; what was seen stays.

        Raises
        ------
        ConfigurationError
            If the start or the resolution is another one, which needs another session.
        """
        if (settings.start, settings.mpp) != (self.settings.start, self.settings.mpp):
            raise ConfigurationError(
                "expected the start and the resolution of this session, got others; make another session"
            )
        self.settings, self.start = settings, self.start.with_classes(settings.classes)

    def fit_steps(self) -> Steps[Taught]:
        """Learn from all strokes that are switched on.

        Yields
        ------
        Event
            Stages "features" (a tile that was not known) and "fit".

        Raises
        ------
        InputError
            If too few classes were painted.
        """
        clock = time.perf_counter()
        reads = yield from self._reads()
        yield Event("fit", 0, 1)
        head = self._fitted(self._rows(reads))
        taught = self._taught(head, time.perf_counter() - clock)
        yield Event("fit", 1, 1)
        return taught

    def score_steps(self) -> Steps[HeldOut]:
        """An honest score: strokes are left out in turn and predicted from the others.

        Yields
        ------
        Event
            Stages "features" and "score".
        """
        reads = yield from self._reads()
        rows, strokes = self._rows(reads, whole=True), _numbered(reads)
        return (yield from held_out_score(rows, strokes, self.classes.names, self._fit, self.settings.seed))

    def predict_steps(
        self,
        taught: Taught,
        image: RGBImage,
        settings: SegmentSettings | None = None,
        *,
        mpp: float | None = None,
        name: str = "image",
        valid: BoolMask | None = None,
    ) -> Steps[SegmentationResult]:
        """Segment an image with what was taught, as ``segment_steps`` does."""
        return segment_steps(image, taught.predictor, settings, mpp=mpp, name=name, valid=valid)

    def used(self) -> tuple[Strokes, ...]:
        """Strokes that are learned from.

        Raises
        ------
        InputError
            If too few classes were painted.
        """
        return tuple(self._used().values())

    def _used(self) -> dict[str, Strokes]:
        index = self.index()
        used = {key: one for key, one in self._strokes.items() if one.used and one.painted.any()}
        painted = {int(index[v - 1]) for one in used.values() for v in np.unique(one.painted) if v}
        if not painted or len(painted | set(range(self.start.known))) < 2:
            raise InputError(
                "expected strokes of at least two classes, or of one beside those of a model, got "
                f"{len(painted)}; paint another class, or switch an image on"
            )
        return used

    def _reads(self) -> Steps[list[_Read]]:
        """Features of every image that is switched on."""
        used, found = self._used(), []
        reader = self.untaught()
        for key, strokes in used.items():
            known = self._read.get(key)
            if known is None or known.strokes is not strokes or known.mpp != self.mpp:
                known = yield from self._look(key, strokes, reader)
                self._read[key] = known
            found.append(known)
        return found

    def _look(self, key: str, strokes: Strokes, reader: Predictor) -> Steps[_Read]:
        before = self._read.get(key)
        if before is not None and before.strokes.image is strokes.image and before.mpp == self.mpp:
            image = before.image
        else:
            settings = SegmentSettings()
            image = prepare_image(
                strokes.image, reader, settings, mpp=strokes.mpp, name=strokes.name, maps=len(self.classes)
            )
        network: Any = reader.network
        stride = reader.spec.strides[0]
        cells = painted_cells(strokes.painted, image.shape, stride)
        stroke = strokes_of(strokes.painted, cells, image.shape, stride)

        def look(tile: Tensor) -> Any:
            with torch.inference_mode():
                return network.look(tile.to(self.device))

        seen = yield from cell_features(image, cells.rows, cells.columns, stride, look, strokes.name)
        quiet = None
        if self.start.known and self.settings.background:
            random = np.random.default_rng([self.settings.seed, len(cells)])
            rows, columns = (-(-side // stride) for side in image.shape)
            free = np.ones((rows, columns), dtype=bool)
            free[cells.rows, cells.columns] = False
            places = np.flatnonzero(free)
            places = np.sort(random.choice(places, min(QUIET_CELLS, len(places)), replace=False))
            if len(places):
                quiet = yield from cell_features(
                    image, places // columns, places % columns, stride, look, strokes.name
                )
        return _Read(strokes, self.mpp, image, seen, quiet, cells.values, stroke)

    def index(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Class of the model for each painted one."""
        return np.array([self.classes.index(name) for name in self.settings.classes.names], dtype=np.intp)

    def _rows(self, reads: list[_Read], *, whole: bool = False) -> Rows:
        """Cells to learn from; ``whole`` keeps all painted cells and leaves out the others."""
        index, head = self.index(), self.start.head()
        parts = [(read.seen, torch.from_numpy(index[read.values - 1])) for read in reads]
        quiet = [read.quiet for read in reads if read.quiet is not None]
        parts += [(seen, torch.full((len(seen.features),), -1)) for seen in quiet]
        features = torch.cat([seen.features for seen, _ in parts])
        base = torch.cat([seen.base for seen, _ in parts])
        targets = torch.cat([target for _, target in parts])
        k = len(self.classes)
        base = F.pad(base, (0, k - base.shape[1]))
        if self.start.taught is not None:
            base = base + features @ head.weight.detach().cpu() + head.bias.detach().cpu()
        rows = Rows(features, base, targets)
        return rows if whole else rows.part(self._chosen(targets))

    def _chosen(self, targets: Tensor) -> Tensor:
        """Cells that are learned from: of a class with many, some are drawn."""
        kept = []
        for value in torch.unique(targets).tolist():
            places, most = torch.nonzero(targets == value)[:, 0], self.settings.most_cells
            if len(places) > most and value >= 0:
                random = np.random.default_rng([self.settings.seed, value])
                places = places[torch.from_numpy(np.sort(random.choice(len(places), most, replace=False)))]
            kept.append(places)
        return torch.cat(kept).sort().values

    def _fit(self, rows: Rows) -> tuple[Tensor, Tensor]:
        settings, known = self.settings, self.start.known
        k = rows.base.shape[1]
        shown = torch.bincount(rows.targets[rows.targets >= 0], minlength=k) > 0
        absent = ~shown & (torch.arange(k) >= known)
        base = rows.base.masked_fill(absent, NEVER)
        weight, bias = fit_linear(
            Rows(rows.features, base, rows.targets),
            strength=settings.strength,
            background=settings.background,
            known=known,
        )
        return weight, bias + NEVER * absent

    def _fitted(self, rows: Rows) -> TaughtHead:
        head = self.start.head()
        weight, bias = self._fit(rows)
        head.set(head.weight.cpu() + weight, head.bias.cpu() + bias)
        return head

    def _taught(self, head: TaughtHead, seconds: float) -> Taught:
        strokes = tuple(self._strokes.values())
        return Taught(self._predictor(head), strokes, self.settings, self.start.record, seconds)

    def _network(self, head: TaughtHead) -> TaughtNet:
        return TaughtNet(self.start.encoder, head, self.memory)

    def _predictor(self, head: TaughtHead) -> Predictor:
        """A predictor whose checkpoint says all but the tensors."""
        start = self.start
        about = Checkpoint(
            config=start.config,
            classes=self.classes,
            calibration=Calibration(
                presence_thresholds=(0.0,) * len(self.classes),
                background=start.calibration.background,
                crf=False,
            ),
            encoder_hash=start.encoder_sha256,
            head_state={},
            encoder_state=start.encoder_state,
            redistributable=start.encoder.spec.redistributable,
            mpp=self.mpp,
            training={"finished": True, "scale": start.scale},
        )
        return Predictor.of_network(about, self._network(head), self.device, "taught")


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """What is known of an image."""

    strokes: Strokes
    mpp: float | None
    image: PreparedImage
    seen: CellFeatures
    quiet: CellFeatures | None
    values: np.ndarray[Any, np.dtype[np.uint8]]
    stroke: np.ndarray[Any, np.dtype[np.intp]]


def _numbered(reads: list[_Read]) -> Tensor:
    """Number of the stroke of each painted cell, over all images; -1 of cells where nothing was painted."""
    found, first = [], 0
    for read in reads:
        found.append(read.stroke + first)
        first += int(read.stroke.max()) + 1
    quiet = sum(len(read.quiet.features) for read in reads if read.quiet is not None)
    return torch.from_numpy(np.concatenate([*found, np.full(quiet, -1, dtype=np.intp)]))
