"""Train and compare the variants of a recipe, over seeds; a folder keeps finished parts.

The folder holds one checkpoint per training recipe and seed, and one file of scores per recipe, settings
and seed. Their names end in a hash of data and settings, so that only an equal run reuses them. A cancelled
or killed run resumes: finished models are not trained again, an unfinished one is resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.mask_values import FirstClass
from napari_construct.data.masks import Pairs
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.protocol import Encoder
from napari_construct.evaluation.ablation.report import AblationReport, VariantScores
from napari_construct.evaluation.ablation.variants import FULL, Recipe, Variant, variants
from napari_construct.evaluation.evaluate import evaluate_steps
from napari_construct.events import Event, Notice, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.record import write_record
from napari_construct.export.reports import marked, refuse_other_reports
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.reading.texts.json import read_json
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.identity import state_path
from napari_construct.training.loop.preparation import student_id
from napari_construct.training.loop.train import train_steps
from napari_construct.training.objective.regions import has_text
from napari_construct.types import PathLike

COLUMNS = ("predicted", "oracle")


def ablate_steps(
    dataset: ImageLevelDataset,
    pairs: Pairs,
    names: Sequence[str],
    output: PathLike,
    *,
    config: TrainingConfig | None = None,
    settings: SegmentSettings | None = None,
    classes: ClassTable | None = None,
    seeds: int = 3,
    ignore: Collection[int] = (),
    first_class: FirstClass = "auto",
    mask_order: Sequence[str] | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
) -> Steps[AblationReport]:
    """Compare a recipe with variants of it, as a job.

    Parameters
    ----------
    dataset : ImageLevelDataset
        Patches to train on.
    pairs : Pairs
        Images and masks for the evaluation; training does not use them.
    names : sequence of str
        Of :data:`~napari_construct.evaluation.ablation.variants.VARIANTS`.
    output : str or path
        Folder for checkpoints and scores; existing ones are reused.
    config : TrainingConfig, optional
        The full recipe.
    settings : SegmentSettings, optional
        Settings of the full recipe's evaluation.
    classes : ClassTable, optional
        Names, prompts and colours of the dataset's classes.
    seeds : int
        Seeds 0 to ``seeds - 1``, the same for every variant.
    ignore : collection of int
        Mask values that are left out of scores.
    first_class : {"auto", 0, 1}
        Value of the first class in the masks, see
        :func:`~napari_construct.data.mask_values.mask_reading`.
    mask_order : sequence of str, optional
        Classes in the order of the masks' values, where it is not that of the patches.
    encoder : Encoder, optional
        Replaces the catalogue's.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Yields
    ------
    Event
        Stage "variants", one per variant and seed, and the stages of training and evaluation in between.
        Closing the generator saves the state of an unfinished training.

    Returns
    -------
    AblationReport
        Also written to ``ablation.json`` in the folder.

    Raises
    ------
    ConfigurationError
        If a variant is unknown, or settings do not fit the data or the encoder.
    """
    if seeds < 1:
        raise ConfigurationError(
            f"expected at least one seed, got {seeds}; use three or more to compare variants"
        )
    summary = Path(output) / "ablation.json"
    refuse_other_reports([summary])
    config = config or TrainingConfig()
    encoder = encoder or create_encoder(student_id(config))
    # every variant is measured with the CRF: its effect is one of the questions
    settings = (settings or SegmentSettings()).resolved(uses_crf=True)
    full = Recipe(config, settings, has_text=has_text(encoder))
    chosen = variants(names, full)
    masks = _Masks(tuple(sorted(ignore)), first_class, None if mask_order is None else tuple(mask_order))
    bench = _Bench(full, dataset, pairs, Path(output), classes, masks, encoder, device)
    compared = [variant for variant in chosen if variant.recipe is not None]
    total, done = len(compared) * seeds, 0
    for variant in chosen:
        if variant.skipped:
            yield Notice("variants", 0, total, f"{variant.name} is left out: {variant.skipped}")
    found: dict[str, list[Mapping[str, Any]]] = {variant.name: [] for variant in compared}
    for seed in range(seeds):  # seed by seed, so that a stopped comparison compares the same seeds
        for variant in compared:
            yield Event("variants", done, total, f"{variant.name}, seed {seed}")
            found[variant.name].append((yield from bench.scores_steps(variant, seed)))
            done += 1
    yield Event("variants", total, total)
    report = AblationReport(tuple(_scores(variant, found) for variant in chosen), seeds, bench.record())
    write_record(summary, marked(report.to_dict()))
    return report


def _scores(variant: Variant, found: Mapping[str, list[Mapping[str, Any]]]) -> VariantScores:
    scores = tuple(found.get(variant.name, ()))
    return VariantScores(variant.name, variant.title, scores, variant.skipped)


@dataclass(frozen=True)
class _Masks:
    """How the masks are read."""

    ignore: tuple[int, ...]
    first_class: FirstClass
    order: tuple[str, ...] | None

    def record(self) -> dict[str, Any]:
        """As JSON; without an order as it was before there was one, so that stored scores stay valid."""
        order = {} if self.order is None else {"mask_order": list(self.order)}
        return {"ignore": list(self.ignore), "first_class": self.first_class, **order}


@dataclass
class _Bench:
    """What all variants share, and the folder with what was found so far."""

    full: Recipe
    dataset: ImageLevelDataset
    pairs: Pairs
    folder: Path
    classes: ClassTable | None
    masks: _Masks
    encoder: Encoder
    device: str

    def __post_init__(self) -> None:
        self._data = {
            "train": self.dataset.fingerprint,
            "encoder": encoder_hash(self.encoder),
            "classes": None if self.classes is None else self.classes.model_dump(mode="json"),
        }
        self._measured = [[p.name, p.stat().st_size] for pair in self.pairs for p in pair]

    def record(self) -> dict[str, Any]:
        """How the comparison was made."""
        return {
            "training": self.full.training.model_dump(mode="json"),
            "settings": self.full.settings.model_dump(mode="json"),
            **self.masks.record(),
            "data": self._data,
            "images": len(self.pairs),
        }

    def scores_steps(self, variant: Variant, seed: int) -> Steps[Mapping[str, Any]]:
        """``predicted`` and ``oracle`` columns of a variant with one seed; trains it if necessary."""
        if variant.recipe is None:
            raise ConfigurationError(f"expected a recipe, got none for {variant.name}: {variant.skipped}")
        recipe = variant.recipe.trained(seed=seed)
        name = variant.name if _trained_by(variant.recipe) != _trained_by(self.full) else FULL
        path_ends = f"seed{seed}-{_hash({**_trained_by(recipe), **self._data})}"
        checkpoint = self.folder / f"{name}-{path_ends}.construct"
        settings = both = recipe.settings
        with_crf = self.full.settings.crf
        if settings.crf is None and with_crf is not None:
            # the scores from before the CRF come with those from after it
            both = settings.changed(crf=with_crf)
        identity = {
            "checkpoint": checkpoint.name,
            "settings": both.model_dump(mode="json"),
            **self.masks.record(),
            "images": self._measured,
        }
        path = checkpoint.with_name(f"{checkpoint.stem}.scores-{_hash(identity)}.json")
        content = _read(path, identity)
        if content is None:
            yield from self._train_steps(recipe, checkpoint)
            content = yield from self._evaluate_steps(checkpoint, both, identity)
            write_record(path, content)
        chosen = content if both == settings else content["before_crf"]
        return {column: chosen[column] for column in COLUMNS}

    def _train_steps(self, recipe: Recipe, path: Path) -> Steps[None]:
        start = _random_start(recipe, len(self.dataset.class_names)) if recipe.random_prototypes else None
        yield from train_steps(
            self.dataset,
            recipe.training,
            classes=self.classes,
            output=path,
            resume=path.exists() or state_path(path).exists(),
            encoder=self.encoder,
            start=start,
            device=self.device,
        )

    def _evaluate_steps(
        self, path: Path, settings: SegmentSettings, identity: Mapping[str, Any]
    ) -> Steps[dict[str, Any]]:
        own = load_checkpoint(path)
        # a trained encoder is in the checkpoint, a frozen one is the one at hand
        encoder = None if own.encoder_state is not None else self.encoder
        predictor = Predictor(own, self.device, encoder=encoder, name=path.stem)
        report = yield from evaluate_steps(
            self.pairs,
            predictor,
            settings,
            ignore=self.masks.ignore,
            first_class=self.masks.first_class,
            mask_order=self.masks.order,
            examples=0,
        )
        if report.failures:
            name, error = report.failures[0]
            raise ConfigurationError(
                f"expected images that can all be scored, got {len(report.failures)} that cannot: "
                f"{name}: {error}"
            )
        content = report.to_dict()
        kept = {key: content[key] for key in (*COLUMNS, "before_crf", "presence", "calibration")}
        return {"identity": identity, **kept}


def _trained_by(recipe: Recipe) -> dict[str, Any]:
    """What decides a trained model, besides the data."""
    return {"training": recipe.training.model_dump(mode="json"), "random": recipe.random_prototypes}


def _random_start(recipe: Recipe, n_classes: int) -> torch.Tensor:
    """(k, p, d) seeded unit vectors."""
    model = recipe.training.model
    random = torch.Generator().manual_seed(recipe.training.seed)
    shape = (n_classes, model.prototypes_per_class, model.prototype_width)
    return F.normalize(torch.randn(shape, generator=random), dim=-1)


def _read(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Scores that were found before; None where there are none, or the file is not what its name says."""
    try:
        content = read_json(path)
    except ConfigurationError:
        return None
    return content if isinstance(content, dict) and content.get("identity") == identity else None


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
