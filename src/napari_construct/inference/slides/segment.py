"""Segment a whole slide, out of core.

1. Tissue is found on a small picture; tiles without any are never read.
2. The network looks at rows of tiles; what it found lies on disk, on the grid of its output.
3. Presence of the classes is that of the whole slide, as is whether the model knows such tissue.
4. Shard by shard, blocks with what surrounds them are decided and refined as an image is, and written into a
   pyramid that can be looked at while it fills.

A run that was stopped or killed goes on where it was, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from napari_construct.annotations import Feature
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.data.slides.tissue import TissueSettings
from napari_construct.events import Progress, Steps, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import locked_file, remove_abandoned
from napari_construct.export.own_files import refuse_others
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import named_classes
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.job import SlideResult, SlideRun
from napari_construct.inference.slides.outputs import USUAL
from napari_construct.inference.workers import Workers
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials


def segment_slide_steps(
    slide: Slide,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    folder: Path,
    stem: str | None = None,
    tissue: TissueSettings | None = None,
    probabilities: bool = False,
    outputs: Collection[str] | None = None,
    regions: PathLike | Iterable[Feature] | None = None,
    workers: Workers | None = None,
) -> Steps[SlideResult]:
    """Segment a slide into ``STEM_mask.ome.zarr``, ``_overlay.png``, ``_areas.csv`` and ``STEM.json``.

    Parameters
    ----------
    slide : Slide
        Opened.
    predictor : Predictor
        The model.
    settings : SegmentSettings, optional
        The defaults otherwise; ``mpp`` overrides the slide's.
    folder : Path
        Where results are written; made if it is missing. What a stopped run of the same slide, model and
        settings left there is gone on with.
    stem : str, optional
        Start of the names of the files; that of the slide's file by default.
    tissue : TissueSettings, optional
        How tissue is found.
    probabilities : bool
        "probabilities" among the outputs.
    outputs : collection of str, optional
        Of "overlay" (PNG) and "areas" (CSV), which are the default; "mask" (the labels as a pyramidal
        OME-TIFF, ``STEM_mask.ome.tif``), "probabilities" before refinement and "cams" (both in 8 bits, in the
        OME-Zarr), and "ood" (``STEM_ood.ome.tif``, how far each place is from the training patches, of models
        with a guard). OME-Zarr and record are always written.
    regions : path or iterable of Feature, optional
        Annotations, as a GeoJSON file or in pixels of the finest level. Only inside of them is segmented:
        tiles elsewhere are not read, labels are 0 there. Each has its rows in the table. Annotations of
        QuPath's class ``Ignore*`` count nowhere.
    workers : Workers, optional
        A :class:`~napari_construct.Cluster` that looks at tiles and decides blocks; by default this process.
        The results are the same bytes.

    Yields
    ------
    Event
        Stages "tiles" (the network) and "refine" (blocks). Closing the generator stops within one tile.

    Returns
    -------
    SlideResult
        Files, areas and record.

    Raises
    ------
    InputError
        If the slide cannot be read, its resolution is unknown or far from the model's, or regions cannot be
        read or lie elsewhere.
    ConfigurationError
        If settings or outputs contradict the model, or files of others are in the way.
    """
    settings = predictor.resolved(settings or SegmentSettings())
    named_classes(settings.classes, predictor.classes)  # before the work
    if predictor.published:
        raise ConfigurationError(
            f"{predictor.name}: expected a model without the preset published for a whole slide, got "
            "one with it, which rescales each image by itself; segment regions with it"
        )
    wanted = outputs
    if probabilities:
        wanted = {"probabilities", *(USUAL if outputs is None else outputs)}
    name = stem or Path(slide.name).stem
    job = SlideRun(
        slide, predictor, settings, folder, name, tissue or TissueSettings(), wanted, regions, workers
    )
    refuse_others(job.paths.values())
    folder.mkdir(parents=True, exist_ok=True)
    with locked_file(job.paths["zarr"]):
        remove_abandoned(folder)  # of killed runs
        for path in job.paths.values():
            remove_partials(path)
        return (yield from job.steps())


def segment_slide(
    slide: PathLike | Slide,
    model: PathLike | Predictor = DEFAULT_MODEL,
    settings: SegmentSettings | None = None,
    *,
    folder: PathLike,
    mpp: float | None = None,
    tissue: TissueSettings | None = None,
    probabilities: bool = False,
    outputs: Collection[str] | None = None,
    regions: PathLike | Iterable[Feature] | None = None,
    workers: Workers | None = None,
    device: str | None = None,
    progress: Progress = None,
    **changes: Any,
) -> SlideResult:
    """Segment a whole slide; :func:`segment_slide_steps` as a plain function.

    Parameters
    ----------
    slide : path or Slide
        A file of a scanner, a TIFF or the folder of an OME-Zarr; or what :func:`open_slide` returned.
    model : str, path or Predictor
        What :func:`~napari_construct.load_model` takes, or what it returned.
    settings : SegmentSettings, optional
        The defaults otherwise.
    folder : path
        Where results are written.
    mpp : float, optional
        Micrometres per pixel, instead of those of the file.
    tissue : TissueSettings, optional
        How tissue is found.
    probabilities : bool
        Also store the probabilities of the classes, in 8 bits.
    outputs : collection of str, optional
        As of :func:`segment_slide_steps`: "overlay", "areas", "mask", "probabilities", "cams", "ood".
    regions : path or iterable of Feature, optional
        Annotations, as a GeoJSON file of QuPath; only inside of them is segmented.
    workers : Workers, optional
        A :class:`~napari_construct.Cluster` that does the work; by default this process.
    device : str, optional
        Device of the model; "auto" by default.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`~napari_construct.inference.settings.SegmentSettings`.

    Returns
    -------
    SlideResult
        Files, areas and record.

    Examples
    --------
    >>> from napari_construct import segment_slide
    >>> result = segment_slide("slide.svs", folder="results")  # doctest: +SKIP
    """
    checked = (settings or SegmentSettings()).changed(**changes)
    with ExitStack() as opened:
        if not isinstance(slide, Slide):
            slide = opened.enter_context(open_slide(slide, mpp=mpp))
        steps = segment_slide_steps(
            slide,
            predictor_of(model, device),
            checked if mpp is None else checked.changed(mpp=mpp),
            folder=Path(folder),
            tissue=tissue,
            probabilities=probabilities,
            outputs=outputs,
            regions=regions,
            workers=workers,
        )
        return run(steps, progress)
