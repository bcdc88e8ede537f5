"""What a run may be asked beyond steps: parts of a batch, averages, early ends, precision, starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import EpochDone, Event, Notice, StepDone, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.precision import resolve_precision
from napari_construct.training.loop.train import train_steps


@pytest.fixture
def ordered(camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))


def follow(
    dataset: ImageLevelDataset, config: TrainingConfig, **kwargs: Any
) -> tuple[Checkpoint, list[Event]]:
    events: list[Event] = []
    arguments = {"teacher": TinyEncoder(seed=4), "device": "cpu"} | kwargs
    return run(train_steps(dataset, config, **arguments), events.append), events


def losses(events: list[Event]) -> list[dict[str, float]]:
    return [dict(e.losses) for e in events if isinstance(e, StepDone)]


def epochs(events: list[Event]) -> list[EpochDone]:
    return [e for e in events if isinstance(e, EpochDone)]


@pytest.mark.parametrize("rate", [None, 1e-3])
def test_a_batch_in_parts_is_the_batch(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, rate: float | None
) -> None:
    config = tiny_config.changed(batch_size=6, encoder_learning_rate=rate)
    whole, events = follow(ordered, config)
    parts, again = follow(ordered, config.changed(accumulate=3))
    for a, b in zip(losses(events), losses(again), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    for state, other in ((whole.head_state, parts.head_state), (whole.encoder_state, parts.encoder_state)):
        assert (state is None) == (other is None)
        for name, value in (state or {}).items():
            if value.ndim > 1:  # biases before a norm have no gradient but rounding, which Adam enlarges
                torch.testing.assert_close(value, (other or {})[name], rtol=1e-2, atol=2e-4)


def test_averages_are_what_is_kept_and_training_does_not_feel_them(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    plain, events = follow(ordered, tiny_config)
    averaged, again = follow(ordered, tiny_config.changed(average_from=0.5))
    assert losses(events) == losses(again), "the steps are those of a run without average"
    name = "prototypes.vectors"
    assert not torch.equal(plain.head_state[name], averaged.head_state[name])
    late, _ = follow(ordered, tiny_config.changed(average_from=0.99))
    torch.testing.assert_close(late.head_state[name], plain.head_state[name], rtol=0, atol=0)
    norm = next(n for n in plain.head_state if n.endswith("running_mean"))
    assert torch.equal(late.head_state[norm], plain.head_state[norm]), "statistics are of images in any case"


EVERYTHING: dict[str, Any] = {
    "sampling": "balanced",
    "group_pattern": "(tumor_[0-9]+)",
    "accumulate": 2,
    "average_from": 0.3,
    "patience": 9,
    "prototype_start": "examples",
    "weights": {"classification": 1.0, "distillation": 0.2, "contrast": 0.1, "diversity": 0.1},
}


@pytest.mark.parametrize("stopped_after", [1, 3, 4])
def test_resume_continues_bit_by_bit_with_everything_on(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, stopped_after: int
) -> None:
    model = tiny_config.model.model_copy(update={"prototypes_per_class": 2}).model_dump()
    config = tiny_config.changed(model=model, epochs=3, **EVERYTHING)
    whole, events = follow(ordered, config, val=ordered)
    steps = train_steps(
        ordered, config, val=ordered, output=tmp_path / "m", teacher=TinyEncoder(seed=4), device="cpu"
    )
    before: list[Event] = []
    while len(losses(before)) < stopped_after:
        before.append(next(steps))
    steps.close()
    resumed, after = follow(ordered, config, val=ordered, output=tmp_path / "m", resume=True)
    assert losses(before) + losses(after) == losses(events)
    assert resumed.metrics == whole.metrics
    for name, value in whole.head_state.items():
        torch.testing.assert_close(resumed.head_state[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(("score", "metric"), [("loss", "val_bce"), ("f1", "val_f1")])
def test_patience_ends_a_run_and_keeps_the_best(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, score: str, metric: str
) -> None:
    config = tiny_config.changed(epochs=30, learning_rate=0.3, patience=2, score=score)
    checkpoint, events = follow(ordered, config, val=ordered)
    values = [(-1 if score == "loss" else 1) * e.metrics[metric] for e in epochs(events)]
    best = values.index(max(values))
    assert len(values) == best + 3 < 30
    assert checkpoint.training["epoch"] == best + 1
    assert checkpoint.metrics[metric] == abs(values[best])
    assert any("stopped after epoch" in e.message for e in events if isinstance(e, Notice))


def test_patience_on_masks(ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path) -> None:
    config = tiny_config.changed(epochs=20, learning_rate=0.3, patience=1, score="miou")
    checkpoint, events = follow(ordered, config, val=camelyon / "val")
    values = [e.metrics["val_miou"] for e in epochs(events)]
    assert len(values) < 20
    assert checkpoint.metrics["val_miou"] == max(values)


@pytest.mark.parametrize(
    ("changes", "masks", "match"),
    [
        ({"patience": 2}, None, "validation data with patience"),
        ({"score": "miou"}, False, "choose f1 or loss"),
        ({"score": "f1"}, True, "choose miou"),
    ],
)
def test_scores_need_their_data(
    ordered: ImageLevelDataset,
    tiny_config: TrainingConfig,
    camelyon: Path,
    changes: dict[str, Any],
    masks: bool | None,
    match: str,
) -> None:
    val = None if masks is None else camelyon / "val" if masks else ordered
    with pytest.raises(ConfigurationError, match=match):
        follow(ordered, tiny_config.changed(**changes), val=val)


def test_float16_trains_close_to_float32(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    config = tiny_config.changed(epochs=1, batch_size=6)
    _, exact = follow(ordered, config)
    _, rough = follow(ordered, config.changed(precision="float16"))
    assert losses(exact)[0]["classification"] == pytest.approx(losses(rough)[0]["classification"], rel=0.1)


def test_precision_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert resolve_precision("auto", cpu) is None
    assert resolve_precision("bfloat16", cpu) is torch.bfloat16
    for has, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert resolve_precision("auto", cuda) is expected
    assert resolve_precision("float32", cuda) is None


def test_prototypes_start_at_examples(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    """Before the first step has an effect, prototypes of a class tell its patches from the others."""
    model = tiny_config.model.model_copy(update={"prototypes_per_class": 2}).model_dump()
    config = tiny_config.changed(model=model, epochs=1, batch_size=6, learning_rate=1e-8)
    noise, _ = follow(ordered, config)
    examples, events = follow(ordered, config.changed(prototype_start="examples"))
    assert any(e.stage == "prototypes" for e in events)
    name = "prototypes.vectors"
    assert not torch.equal(noise.head_state[name], examples.head_state[name])
    first, again = (
        examples.head_state[name],
        follow(ordered, config.changed(prototype_start="examples"))[0].head_state[name],
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_masks_in_another_order_are_noticed(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training patches themselves as images, each with a mask of the other class."""
    from napari_construct.metrics import class_order
    from napari_construct.metrics.class_order import OtherOrder

    turned = OtherOrder((1, 0), 0.1, 0.7)
    monkeypatch.setattr(class_order, "other_order", lambda matrix: turned if matrix.sum() else None)
    for name in ("img", "mask"):
        (tmp_path / name).mkdir()
    for number, path in enumerate(ordered.paths[:2]):
        (tmp_path / "img" / f"{number}.png").write_bytes(path.read_bytes())
        Image.new("L", (128, 128), number).save(tmp_path / "mask" / f"{number}.png")
    _, events = follow(ordered, tiny_config, val=tmp_path)
    said = [e.message for e in events if isinstance(e, Notice) and "in the order" in e.message]
    assert len(said) == 1, "once, at the last epoch"
    assert "0 lymphoid, 1 tumour: 10 % -> 70 % mIoU" in said[0]


@pytest.mark.parametrize("stated", [False, True])
def test_validation_masks_in_both_conventions(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, stated: bool
) -> None:
    """Masks whose first class is value 0, or 1, give the same scores and calibration."""
    made = []
    for first in (0, 1):
        folder = tmp_path / str(first)
        for name in ("img", "mask"):
            (folder / name).mkdir(parents=True)
        for number, path in enumerate(ordered.paths[:2]):
            (folder / "img" / f"{number}.png").write_bytes(path.read_bytes())
            Image.new("L", (128, 128), number + first).save(folder / "mask" / f"{number}.png")
        config = tiny_config.changed(first_class=first) if stated else tiny_config
        checkpoint, events = follow(ordered, config, val=folder)
        made.append(checkpoint)
        said = [e.message for e in events if isinstance(e, Notice) and "is the first class" in e.message]
        assert f"value {first} is the first class" in said[0]
    assert made[0].metrics["val_miou"] == made[1].metrics["val_miou"]
    assert made[0].calibration == made[1].calibration
