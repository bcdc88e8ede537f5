"""What a batch does with one image: a model of stained sections finds classes, a student finds cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_construct.batch.entries import Header
from napari_construct.batch.fingerprints import state_hash
from napari_construct.batch.settings import OF_CELLS, OF_CLASSES, BatchSettings
from napari_construct.batch.slides import slide_outputs
from napari_construct.classes import ClassTable
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.data.images import ImageFile
from napari_construct.data.slides.slide import Slide
from napari_construct.events import Steps
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.own_files import LEDGER_FORMAT
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.segment import segment_cells_steps
from napari_construct.inference.decision.decider import named_classes
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.slides.job import SlideResult
from napari_construct.inference.slides.segment import segment_slide_steps
from napari_construct.inference.workers import Workers
from napari_construct.models.checkpoints.checkpoint import check_has_guard
from napari_construct.results.cells import CELL
from napari_construct.results.files import NEEDS_IMAGE
from napari_construct.results.result import SegmentationResult
from napari_construct.types import RGBImage


class Work(ABC):
    """One model with its settings, image after image.

    Attributes
    ----------
    settings : BatchSettings
        What "automatic" means with the model is filled in.
    classes : ClassTable
        Of the masks.
    mpp : float or None
        Micrometres per pixel of the model.
    scale : float
        Of an image to the model's resolution, where one of both is unknown.
    workers : Workers or None
        Who does the parts of a slide; None: this process.
    """

    settings: BatchSettings
    classes: ClassTable
    mpp: float | None = None
    scale: float = 1.0
    workers: Workers | None = None

    @abstractmethod
    def header(self) -> Header:
        """What identifies the run: neither a model that was moved nor another device makes other results."""

    @abstractmethod
    def steps(self, image: Any, name: str) -> Steps[SegmentationResult]:
        """Segment an image that its source has read."""

    def slide_steps(self, slide: Slide, folder: Path, stem: str) -> Steps[SlideResult]:
        """Segment a slide into files of a folder."""
        raise InputError(
            f"{slide.path}: expected an image of channels for a student, got a whole slide "
            f"(for {folder / stem}); cut regions out of it"
        )

    @abstractmethod
    def shown(self, image: Any, result: SegmentationResult) -> RGBImage | None:
        """The image as overlays show it; None where nothing is drawn."""

    def areas(self, result: SegmentationResult) -> tuple[dict[str, Any], ...]:
        """The measures of each class, for the ledger."""
        return tuple(result.areas())


def work_of(predictor: Predictor | CellPredictor, settings: BatchSettings) -> Work:
    """The work of a loaded model.

    Raises
    ------
    ConfigurationError
        If the settings contradict the model.
    """
    predictor.check_device(settings.device)
    if isinstance(predictor, CellPredictor):
        return _FindCells(predictor, settings)
    return _FindClasses(predictor, settings)


class _FindClasses(Work):
    def __init__(self, predictor: Predictor, settings: BatchSettings) -> None:
        named_classes(settings.segment.classes, predictor.classes)
        _check_outputs(settings.outputs, OF_CLASSES, f"{predictor.name}, a model of classes")
        if "ood" in settings.outputs:
            check_has_guard(predictor.checkpoint)
        self._predictor, self.classes = predictor, predictor.classes
        self.mpp, self.scale = predictor.mpp, predictor.scale
        self.settings = settings.changed(segment=predictor.resolved(settings.segment))

    def header(self) -> Header:
        model = self._predictor
        return Header(
            format=LEDGER_FORMAT,
            settings=self.settings.model_dump(mode="json", exclude={"model", "device", "cells"}),
            model=model.sha256 or model.name,
            encoder=model.encoder_sha256,
            weights=None if model.sha256 else state_hash(model.checkpoint.head_state),
        )

    def steps(self, image: ImageFile, name: str) -> Steps[SegmentationResult]:
        return segment_steps(
            image.pixels,
            self._predictor,
            self.settings.segment,
            mpp=image.mpp,
            name=name,
            valid=image.valid,
        )

    def slide_steps(self, slide: Slide, folder: Path, stem: str) -> Steps[SlideResult]:
        outputs = slide_outputs(self.settings.outputs)
        return segment_slide_steps(
            slide,
            self._predictor,
            self.settings.segment,
            folder=folder,
            stem=stem,
            outputs=outputs,
            workers=self.workers,
        )

    def shown(self, image: ImageFile, result: SegmentationResult) -> RGBImage:  # noqa: ARG002 - as drawn
        return image.pixels


class _FindCells(Work):
    classes = CELL

    def __init__(self, predictor: CellPredictor, settings: BatchSettings) -> None:
        _check_outputs(settings.outputs, OF_CELLS, f"{predictor.name}, a student on one channel")
        self._predictor, self.settings = predictor, settings

    def header(self) -> Header:
        model = self._predictor
        return Header(
            format=LEDGER_FORMAT,
            settings=self.settings.model_dump(mode="json", exclude={"model", "device", "segment"}),
            model=model.sha256 or model.name,
            weights=None if model.sha256 else state_hash(model.checkpoint.state),
        )

    def steps(self, image: ChannelImage, name: str) -> Steps[SegmentationResult]:
        silent = replace(image, notices=())  # the runner says and stores them
        return (yield from segment_cells_steps(silent, self._predictor, self.settings.cells, name=name))

    def shown(self, image: ChannelImage, result: SegmentationResult) -> RGBImage | None:
        if NEEDS_IMAGE.isdisjoint(self.settings.outputs):
            return None
        channel = image.pixels[image.names.index(result.record["input"]["channel"])]
        config = self._predictor.checkpoint.config
        grey = np.rint(255 * percentile_normalised(channel, config.low, config.high)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)

    def areas(self, result: SegmentationResult) -> tuple[dict[str, Any], ...]:
        return tuple({**area, "cells": result.record["cells"]} for area in result.areas())


def check_read(image: object, work: Work) -> None:
    """Refuse an image that was read for a model of the other kind: its source was made for that.

    Raises
    ------
    InputError
        If it was.
    """
    wanted = ChannelImage if isinstance(work, _FindCells) else ImageFile
    if not isinstance(image, wanted):
        raise InputError(
            f"expected an image read as {wanted.__name__}, got {type(image).__name__}; look for the sources "
            "with channels=True for a student, and without for other models"
        )


def _check_outputs(wanted: Sequence[str], known: Sequence[str], model: str) -> None:
    unknown = [kind for kind in wanted if kind not in known]
    if unknown:
        raise ConfigurationError(
            f"expected outputs of {', '.join(known)} with {model}, got {', '.join(unknown)}; leave them out"
        )
