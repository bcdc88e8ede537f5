from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.masks import Pairs, pair_by_stem
from napari_construct.evaluation.ablation.ablate import ablate_steps
from napari_construct.evaluation.ablation.report import AblationReport, VariantScores
from napari_construct.evaluation.ablation.variants import VARIANTS, Recipe, variants
from napari_construct.events import Event, Notice, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import AugmentationConfig, LossWeights, TrainingConfig

SMALL = ModelConfig(
    encoder="tiny", teacher="tiny", prototype_width=16, projection_hidden=16, fusion_width=16, cam_stride=8
)
CONFIG = TrainingConfig(
    model=SMALL,
    epochs=1,
    batch_size=3,
    image_size=64,
    num_workers=0,
    weights=LossWeights(classification=1.0, distillation=0.2, contrast=0.0),
    augmentation=AugmentationConfig.none(),
)
PLAIN = SegmentSettings(crf=None)


def _recipe(**changes: Any) -> Recipe:
    return Recipe(CONFIG, changes.pop("settings", SegmentSettings()), **changes)


def test_each_variant_is_one_change() -> None:
    full = _recipe(has_text=True)
    first, *others = variants(tuple(VARIANTS), full)
    assert (first.name, first.recipe) == ("full", full)
    base = full.training.model_dump(), full.settings.model_dump(), full.random_prototypes
    for variant in others:
        recipe = variant.recipe
        assert recipe is not None
        changed = recipe.training.model_dump(), recipe.settings.model_dump(), recipe.random_prototypes
        assert sum(a != b for a, b in zip(base, changed, strict=True)) == 1, variant.name
        flat = [(k, v) for part in changed[:2] for k, v in part.items()]
        before = [(k, v) for part in base[:2] for k, v in part.items()]
        assert sum(a != b for a, b in zip(flat, before, strict=True)) == (variant.name != "text")
    titles = {v.name: v.title for v in others}
    assert titles["struct"] == "without distillation"
    assert titles["sim"] == "with contrast, weight 0.2", "the contrast is off in this recipe"
    assert titles["views"] == "four views"


def test_variants_turn_around_where_the_full_recipe_lacks_a_part() -> None:
    weights = LossWeights(distillation=0.0, contrast=0.3)
    bare = CONFIG.changed(weights=weights.model_dump(), model=SMALL.model_dump() | {"fusion": "none"})
    settings = SegmentSettings(crf=None, views="four")
    found = {v.name: v for v in variants(tuple(VARIANTS), Recipe(bare, settings))[1:]}
    assert found["struct"].title == "with distillation, weight 1.5"
    assert found["sim"].recipe.training.weights.contrast == 0
    assert found["fusion"].recipe.training.model.fusion == "top_down"
    assert found["crf"].recipe.settings.crf is not None
    assert found["views"].title == "one view"


def test_what_makes_no_sense_is_skipped_with_a_reason() -> None:
    alone = CONFIG.changed(model=SMALL.model_dump() | {"teacher": None})
    struct, text = variants(("struct", "text"), Recipe(alone, PLAIN))[1:]
    assert struct.recipe is text.recipe is None
    assert "set one (--teacher)" in struct.skipped
    assert "the encoder tiny has no text" in text.skipped
    with pytest.raises(ConfigurationError, match="struct, sim, fusion, text, crf, views, got fusoin"):
        variants(("crf", "fusoin"), _recipe())
    with pytest.raises(ConfigurationError, match="got none"):
        variants((), _recipe())


def _column(*values: float) -> tuple[dict[str, Any], ...]:
    return tuple(
        {c: {"miou": v, "mdice": v, "iou": {"a": v}} for c in ("predicted", "oracle")} for v in values
    )


def test_difference_is_held_against_the_spread() -> None:
    report = AblationReport(
        (
            VariantScores("full", "full model", _column(0.70, 0.72, 0.74)),
            VariantScores("sim", "without contrast", _column(0.71, 0.70, 0.72)),
            VariantScores("struct", "without distillation", _column(0.60, 0.61, 0.62)),
            VariantScores("text", "random prototypes", skipped="no text"),
        ),
        seeds=3,
    )
    full, sim, struct, text = report.to_dict()["variants"]
    assert full["predicted"]["miou"]["mean"] == pytest.approx(0.72)
    assert full["predicted"]["miou"]["std"] == pytest.approx(0.02)
    assert full["predicted"]["difference"] is None
    assert sim["predicted"]["difference"] == pytest.approx(-0.01)
    assert (sim["predicted"]["beyond_spread"], struct["predicted"]["beyond_spread"]) == (False, True)
    assert text["predicted"]["miou"]["mean"] is None
    assert "| struct | without distillation | 61.00 ± 1.00 | -11.00 | yes |" in report.to_markdown()
    assert "Left out: text: no text." in report.to_markdown()
    (alone,) = AblationReport((VariantScores("full", "full", _column(0.7)),), seeds=1).to_dict()["variants"]
    assert alone["predicted"]["miou"]["std"] is None


@pytest.fixture
def patches(camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))


@pytest.fixture
def masked(camelyon: Path) -> Pairs:
    return pair_by_stem(camelyon / "val" / "img", camelyon / "val" / "mask")


def test_finished_variants_are_kept_and_stopped_ones_go_on(
    patches: ImageLevelDataset, masked: Pairs, tmp_path: Path
) -> None:
    def steps(seeds: int = 1, **changes: Any) -> Any:
        return ablate_steps(
            patches,
            masked,
            ("struct", "views", "text"),
            tmp_path,
            config=CONFIG.changed(**changes),
            settings=PLAIN,
            seeds=seeds,
            ignore=(2,),
            device="cpu",
        )

    job = steps()
    for event in job:
        if event.stage == "train" and event.total and event.done == 1:
            break
    job.close()
    assert [p for p in tmp_path.iterdir() if ".state" in p.name or p.suffix != ".construct"], "state is saved"
    assert not list(tmp_path.glob("*.json"))

    events: list[Event] = []
    report = run(steps(), events.append)
    assert next(type(e) for e in events if e.stage == "variants") is Notice, "text is left out, and said so"
    names = [v.name for v in report.variants]
    assert names == ["full", "struct", "views", "text"]
    first = report.to_dict()
    assert 0 <= first["variants"][0]["predicted"]["miou"]["mean"] <= 1
    models = sorted(p.name for p in tmp_path.glob("*.construct"))
    assert [name.split("-")[0] for name in models] == ["full", "struct"], (
        "other views need no model of their own"
    )
    assert (tmp_path / "ablation.json").is_file()

    again: list[Event] = []
    second = run(steps(), again.append)
    assert {e.stage for e in again} == {"variants"}, "nothing is trained or scored a second time"
    assert second.to_dict()["variants"] == first["variants"]

    other = next(iter(steps(learning_rate=5e-4)))
    assert other.stage == "variants"
    assert len(list(tmp_path.glob("*.construct"))) == 2


def test_scores_without_the_crf_come_from_the_same_pass(
    patches: ImageLevelDataset, masked: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_given(self: Any, image: Any, probabilities: Any, crf: Any, part: Any) -> Any:
        yield Event("refine", 0, 1)
        return probabilities[::-1]

    monkeypatch.setattr("napari_construct.inference.decision.decider.Decider._refined", as_given)
    events: list[Event] = []
    job = ablate_steps(patches, masked, ("crf",), tmp_path, config=CONFIG, seeds=1, ignore=(2,), device="cpu")
    report = run(job, events.append)
    assert len([e for e in events if e.stage == "images" and e.done == 0]) == 1
    full, crf = report.variants
    assert full.scores != crf.scores


def test_an_ablation_needs_a_seed(patches: ImageLevelDataset, masked: Pairs, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one seed"):
        next(ablate_steps(patches, masked, ("crf",), tmp_path, seeds=0))
