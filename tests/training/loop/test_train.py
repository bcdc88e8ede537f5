"""A whole run on real patches: events, result, exact resume, kill -9, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import EpochDone, Event, Notice, StepDone, run
from napari_construct.exceptions import CheckpointError, ConfigurationError, ConstructError, DatasetError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.views.patches import load_patches

ORDER = ("tumour", "lymphoid")
"""As the masks have it."""


@pytest.fixture
def ordered(camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=ORDER)


def follow(*args: object, **kwargs: object) -> tuple[Checkpoint, list[Event]]:
    events: list[Event] = []
    kwargs = {"teacher": TinyEncoder(seed=4), "device": "cpu"} | kwargs
    return run(train_steps(*args, **kwargs), events.append), events  # type: ignore[arg-type]


def losses(events: list[Event]) -> list[dict[str, float]]:
    return [dict(e.losses) for e in events if isinstance(e, StepDone)]


def stop_after(n: int, *args: object, **kwargs: object) -> list[Event]:
    """Events of a run that is closed after its n-th step."""
    steps = train_steps(*args, **({"teacher": TinyEncoder(seed=4), "device": "cpu"} | kwargs))  # type: ignore[arg-type]
    events: list[Event] = []
    for event in steps:
        events.append(event)
        if sum(isinstance(e, StepDone) for e in events) == n:
            break
    steps.close()
    return events


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    assert a.head_state.keys() == b.head_state.keys()
    for name, value in a.head_state.items():
        torch.testing.assert_close(value, b.head_state[name], rtol=0, atol=0)
    assert a.calibration == b.calibration
    assert a.metrics == b.metrics


def test_events_and_result(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, camelyon: Path
) -> None:
    output = tmp_path / "m.construct"
    checkpoint, events = follow(ordered, tiny_config, val=camelyon / "val", output=output)
    steps = [e for e in events if isinstance(e, StepDone)]
    epochs = [e for e in events if isinstance(e, EpochDone)]
    assert [(e.epoch, e.done, e.total) for e in steps] == [(0, 1, 4), (0, 2, 4), (1, 3, 4), (1, 4, 4)]
    assert all(set(e.losses) == {"loss", "classification", "distillation", "contrast"} for e in steps)
    assert all(e.learning_rate > 0 for e in steps)
    assert [e.done for e in epochs] == [1, 2]
    assert {"val_miou", "val_miou_oracle", "val_iou/tumour", "val_iou/lymphoid", "loss"} <= set(
        epochs[0].metrics
    )
    assert epochs[0].metrics["loss"] == pytest.approx(np.mean([e.losses["loss"] for e in steps[:2]]))
    assert checkpoint.classes.names == ORDER
    assert checkpoint.mpp == pytest.approx(0.5)
    assert checkpoint.data_fingerprint == ordered.fingerprint
    assert checkpoint.training["patch"] == 64
    assert checkpoint.training["finished"] is True
    assert len(checkpoint.calibration.presence_thresholds) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.construct"]
    assert_same(load_checkpoint(output), checkpoint)


def test_a_trained_model_segments(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path
) -> None:
    checkpoint, _ = follow(ordered, tiny_config)
    image = np.asarray(Image.open(next((camelyon / "val" / "img").iterdir())).convert("RGB"))
    result = segment(image, Predictor(checkpoint, "cpu"), mpp=0.25, crf=None)
    assert result.labels.shape == image.shape[:2]


def test_losses_fall(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    config = tiny_config.changed(
        epochs=40, learning_rate=1e-2, augmentation=AugmentationConfig.none().model_dump()
    )
    _, events = follow(ordered, config)
    epochs = [e.metrics for e in events if isinstance(e, EpochDone)]
    assert epochs[-1]["classification"] < 0.5 * epochs[0]["classification"]
    assert epochs[-1]["distillation"] < epochs[0]["distillation"]


def test_equal_seeds_equal_runs(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    torch.manual_seed(1)
    first, first_events = follow(ordered, tiny_config)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second, second_events = follow(ordered, tiny_config)
    assert losses(first_events) == losses(second_events)
    assert_same(first, second)
    assert bool((torch.get_rng_state() == state).all()), "training must leave the user's generator alone"
    other, _ = follow(ordered, tiny_config.changed(seed=8))
    assert not torch.equal(other.head_state["prototypes.vectors"], first.head_state["prototypes.vectors"])


@pytest.mark.parametrize("stopped_after", [1, 2, 3, 5])
@pytest.mark.parametrize("keep", ["last", "best"])
def test_resume_continues_bit_by_bit(
    ordered: ImageLevelDataset,
    tiny_config: TrainingConfig,
    tmp_path: Path,
    camelyon: Path,
    stopped_after: int,
    keep: str,
) -> None:
    config = tiny_config.changed(epochs=3, keep=keep)
    whole, events = follow(ordered, config, val=camelyon / "val", output=tmp_path / "whole")
    output = tmp_path / "parts.construct"
    before = stop_after(stopped_after, ordered, config, val=camelyon / "val", output=output)
    assert output.with_name("parts.construct.training").exists()
    resumed, after = follow(ordered, config, val=camelyon / "val", output=output, resume=True)
    assert losses(before) + losses(after) == losses(events)
    assert_same(resumed, whole)
    assert resumed.training["history"] == whole.training["history"]
    assert file_hash(output) == file_hash(tmp_path / "whole.construct")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts.construct", "whole.construct"]


def test_resume_of_a_trained_encoder(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    config = tiny_config.changed(encoder_learning_rate=1e-3)
    encoder = TinyEncoder()
    before = encoder.stem.weight.clone()
    whole, events = follow(ordered, config, encoder=encoder)
    torch.testing.assert_close(encoder.stem.weight, before, rtol=0, atol=0)
    assert whole.encoder_state is not None
    assert not torch.equal(whole.encoder_state["stem.weight"], before.half())
    parts = stop_after(3, ordered, config, output=tmp_path / "p")
    resumed, rest = follow(ordered, config, output=tmp_path / "p", resume=True)
    assert losses(parts) + losses(rest) == losses(events)
    assert resumed.encoder_state is not None
    for name, value in whole.encoder_state.items():
        torch.testing.assert_close(value, resumed.encoder_state[name], rtol=0, atol=0)
    images = torch.rand(1, 3, 64, 64)
    loaded = load_checkpoint(tmp_path / "p.construct")
    torch.testing.assert_close(
        build_from_checkpoint(loaded)(images).cam, build_from_checkpoint(whole)(images).cam, rtol=0, atol=0
    )


def test_resume_of_a_finished_run_returns_it(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    first, _ = follow(ordered, tiny_config, output=tmp_path / "m")
    again, events = follow(ordered, tiny_config, output=tmp_path / "m", resume=True)
    assert_same(first, again)
    assert events == []


def members_of(state: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(state) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(state: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(state, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epoch": "1"}, "epoch: expected"),
        ({"epoch": -1}, "epoch: expected"),
        ({"epoch": 10**9}, "expected the metrics of 1000000000 epochs, got 0"),
        ({"step_in_epoch": 1.5}, "step_in_epoch: expected"),
        ({"step_in_epoch": 2**30}, "expected a training state within"),
        ({"stopped": "no"}, "stopped: expected"),
        ({"sums": {"loss": "high"}}, "sums"),
        ({"sums": [1]}, "sums: expected"),
        ({"history": {"loss": 1}}, "history: expected"),
        ({"calibration": {"temperature": "warm"}}, "calibration"),
        ({"best": {"score": 0.5}}, "best"),
        ({"scaler": {"scale": [1]}}, "scaler"),
        ({"unknown": 1}, "unknown"),
    ],
    ids=str,
)
def test_a_state_is_checked_before_it_is_used(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    output, state = tmp_path / "m.construct", tmp_path / "m.construct.training"
    stop_after(1, ordered, tiny_config, output=output)
    members = members_of(state)
    manifest = json.loads(members["manifest.json"])
    manifest["progress"] |= change
    write_members(state, members | {"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(CheckpointError, match=said) as caught:
        follow(ordered, tiny_config, output=output, resume=True)
    assert len(str(caught.value)) < 600


def test_a_state_with_the_names_of_earlier_versions_is_resumed(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    output = tmp_path / "m.construct"
    whole, _ = follow(ordered, tiny_config)
    stop_after(1, ordered, tiny_config, output=output)
    state = output.with_name("m.construct.training")
    members = members_of(state)
    manifest = json.loads(members["manifest.json"])
    progress, config = manifest["progress"], manifest["identity"]["config"]
    progress["namings"] = progress.pop("pseudo_label_rounds_done")
    progress["waited"] = progress.pop("validations_since_best")
    config["labels_speak_of"] = config.pop("label_target")
    write_members(state, members | {"manifest.json": json.dumps(manifest).encode()})
    resumed, _ = follow(ordered, tiny_config, output=output, resume=True)
    assert_same(resumed, whole)


def test_resume_needs_the_same_run(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    output = tmp_path / "m.construct"
    with pytest.raises(CheckpointError, match=r"m\.construct\.training.*start without resume"):
        follow(ordered, tiny_config, output=output, resume=True)
    with pytest.raises(ConfigurationError, match="name the checkpoint"):
        follow(ordered, tiny_config, resume=True)
    stop_after(1, ordered, tiny_config, output=output)
    with pytest.raises(ConfigurationError, match=r"learning_rate 0\.001 as in the interrupted run, got 0\.5"):
        follow(ordered, tiny_config.changed(learning_rate=0.5), output=output, resume=True)
    with pytest.raises(ConfigurationError, match="data"):
        follow(ordered.subset([0, 1, 3, 4]), tiny_config, output=output, resume=True)
    with pytest.raises(ConfigurationError, match="teacher"):
        follow(ordered, tiny_config, teacher=TinyEncoder(seed=5), output=output, resume=True)
    state = output.with_name("m.construct.training")
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"m\.construct\.training.*damaged"):
        follow(ordered, tiny_config, output=output, resume=True)


KILLED = textwrap.dedent("""
    import json, os, signal, sys
    from napari_construct.data.image_level import load_dataset
    from napari_construct.encoders.networks.tiny import TinyEncoder
    from napari_construct.events import StepDone
    from napari_construct.training.config.config import TrainingConfig
    from napari_construct.training.loop.train import train_steps

    folder, config, output, log, kill_at = sys.argv[1:]
    dataset = load_dataset(folder, class_names=("tumour", "lymphoid"))
    config = TrainingConfig.model_validate_json(config)
    done = 0
    for event in train_steps(dataset, config, output=output, teacher=TinyEncoder(seed=4), device="cpu"):
        if isinstance(event, StepDone):
            with open(log, "a") as stream:
                stream.write(json.dumps(dict(event.losses)) + "\\n")
            done += 1
            if done == int(kill_at):
                os.kill(os.getpid(), signal.SIGKILL)
""")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
@pytest.mark.slow
def test_killed_process_resumes_to_the_same_result(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, camelyon: Path
) -> None:
    config = tiny_config.changed(epochs=3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole, events = follow(ordered, config)
        output, log = tmp_path / "m.construct", tmp_path / "log"
        arguments = [str(camelyon / "train"), config.model_dump_json(), str(output), str(log), "5"]
        process = subprocess.run(
            [sys.executable, "-c", KILLED, *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert process.returncode == -signal.SIGKILL
        (tmp_path / ".m.construct.0000.part").write_bytes(b"left by another kill")
        resumed, rest = follow(ordered, config, output=output, resume=True)
    finally:
        torch.set_num_threads(threads)
    before = [json.loads(line) for line in log.read_text().splitlines()]
    assert before == losses(events)[:5]
    assert losses(rest) == losses(events)[4:], "goes on after the last finished epoch"
    assert_same(resumed, whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "m.construct"]


def test_best_epoch_is_kept(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path, tmp_path: Path
) -> None:
    config = tiny_config.changed(epochs=4, learning_rate=0.05, keep="best")
    checkpoint, events = follow(ordered, config, val=camelyon / "val", output=tmp_path / "m")
    scores = [e.metrics["val_miou"] for e in events if isinstance(e, EpochDone)]
    assert checkpoint.metrics["val_miou"] == max(scores)
    assert checkpoint.training["epoch"] == scores.index(max(scores)) + 1


def test_validation_with_labels(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    _, events = follow(ordered, tiny_config, val=ordered)
    metrics = [e.metrics for e in events if isinstance(e, EpochDone)][-1]
    assert metrics["val_bce"] > 0
    assert 0 <= metrics["val_f1"] <= 1


def test_masks_calibrate_the_result_and_the_run_says_so(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path
) -> None:
    config = tiny_config.changed(epochs=1)
    fitted, events = follow(ordered, config, val=camelyon / "val")
    plain, others = follow(ordered, config.changed(calibrate_on_masks=False), val=camelyon / "val")
    said = [e.message for e in events if isinstance(e, Notice)]
    assert any("fitted to the validation images" in message for message in said)
    assert not any("fitted to the validation" in e.message for e in others if isinstance(e, Notice))
    assert fitted.training["calibration"]["images"] == len(list((camelyon / "val" / "img").iterdir()))
    assert len(fitted.calibration.class_offsets) == 2
    assert plain.calibration.class_offsets == ()
    assert fitted.metrics["val_miou"] == plain.metrics["val_miou"]  # scores are those from before
    for name, value in plain.head_state.items():
        torch.testing.assert_close(value, fitted.head_state[name], rtol=0, atol=0)


def test_a_pattern_of_groups_that_fits_no_name_is_refused_before_the_first_step(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    events: list[Event] = []
    config = tiny_config.changed(sampling="uniform", group_pattern="patient_([0-9]+)_")
    with pytest.raises(DatasetError, match="patient_"):
        run(train_steps(ordered, config, device="cpu"), events.append)
    assert not events


def test_what_all_validation_images_share_is_said_once_and_counted(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path, tmp_path: Path
) -> None:
    for kind in ("img", "mask"):
        (tmp_path / kind).mkdir()
        for path, number in product((camelyon / "val" / kind).iterdir(), range(3)):
            shutil.copyfile(path, tmp_path / kind / f"{number}_{path.name}")
    others = len(list((tmp_path / "img").iterdir())) - 1
    config = tiny_config.changed(epochs=1, patch_mpp=None)
    _, events = follow(ordered, config, val=tmp_path)
    said = [e.message for e in events if isinstance(e, Notice)]
    assert len(said) == len(set(said))
    unknown = [message for message in said if "resolution is unknown" in message]
    assert len(unknown) == 1
    assert f"(and {others} more image" in unknown[0]


def test_validate_every_skips_epochs_but_not_the_last(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    _, events = follow(ordered, tiny_config.changed(epochs=5, validate_every=2), val=ordered)
    have = ["val_bce" in e.metrics for e in events if isinstance(e, EpochDone)]
    assert have == [False, True, False, True, True]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: {"classes": ClassTable.from_names("abc")}, "2 classes"),
        (lambda d: {"device": "cuda:77"}, "device"),
        (lambda d: {"start": torch.zeros(2, 1, 5)}, "prototypes of shape"),
        (
            lambda d: {"val": ImageLevelDataset(d.paths, d.labels, ("a", "b"), d.names)},
            "validation patches",
        ),
    ],
)
def test_contradictions(
    ordered: ImageLevelDataset,
    tiny_config: TrainingConfig,
    change: Callable[[ImageLevelDataset], dict[str, object]],
    match: str,
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        follow(ordered, tiny_config, **change(ordered))


def test_validation_folder_without_masks(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon: Path
) -> None:
    with pytest.raises(DatasetError, match="img and mask"):
        follow(ordered, tiny_config, val=camelyon / "train")


def test_mask_of_another_size_is_named(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, camelyon: Path
) -> None:
    for name in ("img", "mask"):
        (tmp_path / name).mkdir()
    source = next((camelyon / "val" / "img").iterdir())
    (tmp_path / "img" / "x.png").write_bytes(source.read_bytes())
    Image.new("L", (10, 10)).save(tmp_path / "mask" / "x.png")
    with pytest.raises(DatasetError, match=r"mask/x\.png.*10 x 10"):
        follow(ordered, tiny_config, val=tmp_path)


def test_gated_encoder_cannot_be_trained(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    gated = TinyEncoder()
    fields = {n: getattr(gated.spec, n) for n in gated.spec.__dataclass_fields__}
    gated.spec = type(gated.spec)(**fields | {"redistributable": False, "licence": "CC-BY-NC-ND"})
    with pytest.raises(ConfigurationError, match="CC-BY-NC-ND"):
        follow(ordered, tiny_config.changed(encoder_learning_rate=1e-4), encoder=gated)
    checkpoint, _ = follow(ordered, tiny_config, encoder=gated)
    assert checkpoint.encoder_state is None


def test_diverging_run_says_so(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    config = tiny_config.changed(learning_rate=10, weight_decay=10, clip_norm=None, epochs=200, warm_up=0)
    start = torch.full((2, 1, 16), float("nan"))
    with pytest.raises(ConstructError, match=r"finite losses at step 1.*lower the learning rate"):
        follow(ordered, config, start=start, output=tmp_path / "m")
    assert not (tmp_path / "m.construct").exists()


def test_missing_teacher_is_noticed(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    model = tiny_config.model.model_copy(update={"teacher": None})
    _, events = follow(ordered, tiny_config.changed(model=model.model_dump()), teacher=None)
    assert any(isinstance(e, Notice) and "without distillation" in e.message for e in events)
    assert all("distillation" not in loss for loss in losses(events))


def test_few_steps_are_noticed(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    _, events = follow(ordered, tiny_config.changed(epochs=1))
    few = [e.message for e in events if isinstance(e, Notice) and "steps an epoch" in e.message]
    steps = -(-len(ordered) // tiny_config.batch_size)
    assert len(few) == 1
    assert f"make {steps} steps" in few[0]
    assert f"{-(-400 // steps)} epochs make 400 steps" in few[0]


def test_bfloat16_trains_close_to_float32(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    _, exact = follow(ordered, tiny_config)
    _, rough = follow(ordered, tiny_config.changed(precision="bfloat16"))
    for a, b in zip(losses(exact), losses(rough), strict=True):
        assert a["classification"] == pytest.approx(b["classification"], rel=0.1)


def test_patches_from_disk_give_the_same_run(ordered: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    _, kept = follow(ordered, tiny_config)
    _, read = follow(ordered, tiny_config.changed(memory_limit_mb=0, num_workers=2))
    assert losses(kept) == losses(read)
    store = run(load_patches(ordered, tiny_config.changed(memory_limit_mb=0), TinyEncoder().spec))
    assert not store.in_memory


def test_two_trainings_on_one_output(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    output = tmp_path / "m.construct"
    first = train_steps(ordered, tiny_config, output=output, teacher=TinyEncoder(seed=4), device="cpu")
    while not isinstance(next(first), StepDone):
        pass
    state = output.with_name("m.construct.training").read_bytes()
    for resume in (False, True):
        with pytest.raises(ConfigurationError, match=r"m\.construct: expected an output that no other run"):
            follow(ordered, tiny_config, output=output, resume=resume)
    assert output.with_name("m.construct.training").read_bytes() == state
    first.close()
    follow(ordered, tiny_config, output=output, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.construct"]


def test_a_model_is_replaced_only_when_this_is_asked_for(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    output, state = tmp_path / "m.construct", tmp_path / "m.construct.training"
    stop_after(1, ordered, tiny_config, output=output)
    before = state.read_bytes()
    with pytest.raises(ConfigurationError, match=r"construct\.training: .*resume=True to continue"):
        follow(ordered, tiny_config, output=output)
    assert state.read_bytes() == before
    follow(ordered, tiny_config, output=output, resume=True)
    other, before = tiny_config.changed(seed=9), output.read_bytes()
    with pytest.raises(ConfigurationError, match=r"m\.construct: .*another name or overwrite=True"):
        follow(ordered, other, output=tmp_path / "m")
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.construct"]
    follow(ordered, other, output=output, overwrite=True)
    assert output.read_bytes() != before


def test_a_patch_edited_at_equal_size_is_no_resume(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    folder, output = tmp_path / "patches", tmp_path / "m.construct"
    folder.mkdir()
    paths = tuple(Path(shutil.copy(path, folder / f"{i}.png")) for i, path in enumerate(ordered.paths))
    data = ImageLevelDataset(paths, ordered.labels, ordered.class_names, tuple(p.name for p in paths))
    stop_after(1, data, tiny_config, output=output)
    content = bytearray(paths[0].read_bytes())
    content[-1] ^= 1
    paths[0].write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"changed since; put them back, or start without resume"):
        follow(data, tiny_config, output=output, resume=True)
    content[-1] ^= 1
    paths[0].write_bytes(content)
    follow(data, tiny_config, output=output, resume=True)
    _, events = follow(data, tiny_config, output=output, resume=True)
    assert not events, "it was finished"


def test_another_number_of_threads_is_said(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    output, threads = tmp_path / "m.construct", torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        stop_after(1, ordered, tiny_config, output=output)
        torch.set_num_threads(2)
        _, events = follow(ordered, tiny_config, output=output, resume=True)
    finally:
        torch.set_num_threads(threads)
    said = [event.message for event in events if isinstance(event, Notice)]
    assert any("used 1 thread(s), this one uses 2" in text for text in said)


def test_a_state_of_before_contents_were_known_goes_on(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    whole, _ = follow(ordered, tiny_config)
    output = tmp_path / "m.construct"
    stop_after(3, ordered, tiny_config, output=output)
    path = output.with_name("m.construct.training")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    del manifest["threads"], manifest["identity"]["contents"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members | {"manifest.json": json.dumps(manifest).encode()}).items():
            archive.writestr(name, data)
    resumed, events = follow(ordered, tiny_config, output=output, resume=True)
    assert_same(resumed, whole)
    assert not any(isinstance(event, Notice) and "thread" in event.message for event in events)
