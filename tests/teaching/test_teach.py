"""A taught model in a file, in a batch, on a slide, on the command line; and files that lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_construct import load_model, segment, segment_folder, segment_slide
from napari_construct.classes import ClassTable
from napari_construct.events import StepDone, run
from napari_construct.exceptions import CheckpointError, ConfigurationError, InputError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.head import CHECKPOINT, read_head
from napari_construct.models.checkpoints.summary import summarise
from napari_construct.models.library.overview import model_facts
from napari_construct.models.network.taught_config import TaughtConfig
from napari_construct.teaching.session import TeachSession
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes
from napari_construct.teaching.teach import teach, teach_steps

TWO = TeachSettings(classes="lymphoid; tumour")


@pytest.fixture
def taught(strokes: Strokes) -> Checkpoint:
    return teach([strokes], TWO, device="cpu")


def test_a_file_of_version_six(taught: Checkpoint, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "m", taught)
    assert read_head(path, CHECKPOINT)["format_version"] == 6
    again = load_checkpoint(path)
    assert again.config == taught.config
    assert save_checkpoint(tmp_path / "n", again).read_bytes() == path.read_bytes()
    assert "2 strokes" not in summarise(path).purpose
    assert "strokes" in summarise(path).purpose
    assert model_facts(path)["taught by"].endswith("of lymphoid, tumour on 1 image, from lite0")
    assert taught.metrics["held_out_accuracy"] > 0.6
    older = save_checkpoint(tmp_path / "o", load_model("lymph-node").checkpoint)
    assert read_head(older, CHECKPOINT)["format_version"] < 6
    assert "taught" not in read_head(older, CHECKPOINT)["config"]


@pytest.mark.parametrize(
    "change",
    [
        {"known": 3},
        {"known": 1},
        {"known": 2, "words": {"prototypes": 4096, "width": 65536}},
        {"stride": 8},
    ],
)
def test_a_file_that_lies_is_refused(taught: Checkpoint, tmp_path: Path, change: dict[str, object]) -> None:
    config = taught.config.model_copy(update={"taught": TaughtConfig.model_validate(change)})
    with pytest.raises(CheckpointError):
        build_from_checkpoint(
            load_checkpoint(save_checkpoint(tmp_path / "m", replace(taught, config=config)))
        )


@pytest.mark.parametrize("name", ["bias", "scores.0.weight", "base_offsets"])
def test_tensors_of_other_shapes_are_refused(taught: Checkpoint, tmp_path: Path, name: str) -> None:
    state = {**taught.head_state, name: torch.zeros(7)}
    with pytest.raises(CheckpointError):
        build_from_checkpoint(
            load_checkpoint(save_checkpoint(tmp_path / "m", replace(taught, head_state=state)))
        )


def test_a_slide_and_a_folder(
    taught: Checkpoint, region: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    image = np.tile(region[0], (2, 2, 1))
    tifffile.imwrite(
        tmp_path / "s.tif",
        image,
        tile=(128, 128),
        photometric="rgb",
        resolution=(40000, 40000),
        resolutionunit="CENTIMETER",
    )
    model = Predictor(taught, "cpu")
    found = segment_slide(tmp_path / "s.tif", model, folder=tmp_path / "out")
    expected = segment(image, model, mpp=0.25)
    pixels = {row["class"]: row["pixels"] for row in found.areas}
    for i, name in enumerate(taught.classes.names):
        assert pixels[name] == pytest.approx(int((expected.labels == i + 1).sum()), rel=0.01)
    (tmp_path / "in").mkdir()
    Image.fromarray(region[0]).save(tmp_path / "in" / "a.png")
    path = save_checkpoint(tmp_path / "m", taught)
    report = segment_folder(tmp_path / "in", tmp_path / "batch", model=str(path), mpp=0.25, device="cpu")
    assert not report.failed


def test_learning_deeper(strokes: Strokes, region: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    settings = TWO.changed(deeper=True, steps=3, batch_size=2, crop=64)
    path = tmp_path / "deep.construct"
    made = teach([strokes], settings, output=path, device="cpu")
    assert made.config.network == "unet"
    assert made.encoder_state is not None
    assert made.training["teaching"]["crops"] > 0
    labels = segment(region[0], path, mpp=0.25, device="cpu").labels
    assert set(np.unique(labels)) <= {1, 2}
    again = teach([strokes], settings, device="cpu")
    for name, value in made.head_state.items():
        torch.testing.assert_close(value, again.head_state[name], rtol=0, atol=0)
    with pytest.raises(ConfigurationError, match="expected a new file"):
        teach([strokes], settings, output=path, device="cpu")


def test_unpainted_images_teach_too(strokes: Strokes, region: tuple[np.ndarray, np.ndarray]) -> None:
    settings = TWO.changed(deeper=True, steps=24, batch_size=2, crop=64)
    seen: list[StepDone] = []
    others = [(np.ascontiguousarray(region[0][::-1]), 0.25)]
    steps = teach_steps([strokes], settings, images=others, device="cpu")
    run(steps, lambda event: seen.append(event) if isinstance(event, StepDone) else None)
    asked = [event.done for event in seen if "unlabelled" in event.losses]
    assert asked
    assert min(asked) == 22


def test_one_goes_on_with_a_taught_model(taught: Checkpoint, strokes: Strokes, tmp_path: Path) -> None:
    """Another class is added to a model that was taught itself; it keeps what it knew."""
    path = save_checkpoint(tmp_path / "m", taught)
    image = strokes.image.copy()
    image[:128] = image[:128, :, ::-1]
    painted = np.zeros(image.shape[:2], np.uint8)
    painted[20:24, 20:200] = painted[60:64, 20:200] = 1
    settings = TeachSettings(classes="blue", start=str(path))
    more = teach([Strokes("b", image, painted, 0.25)], settings, device="cpu")
    assert more.classes.names == ("lymphoid", "tumour", "blue")
    model = Predictor(more, "cpu")
    labels = segment(image, model, mpp=0.25).labels
    assert (labels[:112] == 3).mean() > 0.5
    before = segment(image, path, mpp=0.25, device="cpu").labels
    assert (labels[144:] == before[144:]).mean() > 0.8


def test_words_are_a_start(small_clip: str, strokes: Strokes) -> None:
    words = ZeroShotSettings(encoder=small_clip, classes="lymphoid; tumour")
    session = TeachSession(TeachSettings(classes="lymphoid; tumour", start=words), "cpu")
    before = segment(strokes.image, words, crf=None, classes=words.classes.names, device="cpu")
    untaught = segment(strokes.image, session.untaught(), classes=words.classes.names)
    # the same maps, enlarged in one step or in two
    assert (untaught.labels == before.labels).mean() > 0.9
    session.put("a", replace(strokes, mpp=None))
    made = run(session.fit_steps()).checkpoint
    model = Predictor(made, "cpu", encoder=session.start.encoder)
    expected = run(session.predict_steps(run(session.fit_steps()), strokes.image))
    np.testing.assert_allclose(segment(strokes.image, model).cams, expected.cams, atol=1e-4)


def test_too_few_classes_are_refused(strokes: Strokes) -> None:
    one = replace(strokes, painted=np.where(strokes.painted == 1, 1, 0).astype(np.uint8))
    with pytest.raises(InputError, match="expected strokes of at least two classes"):
        teach([one], TWO, device="cpu")
    with pytest.raises(InputError, match="expected strokes of at least two classes"):
        teach([replace(strokes, used=False)], TWO, device="cpu")
    with pytest.raises(InputError, match="expected painted values from 0 to 1"):
        teach([strokes], TWO.changed(classes=ClassTable.from_names(["a"])), device="cpu")


def test_the_command(strokes: Strokes, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app
    from napari_construct.teaching.saved import save_strokes

    save_strokes(tmp_path / "s", [strokes], TWO.classes)
    call = ["teach", str(tmp_path / "s"), "-o", str(tmp_path / "m.construct"), "--device", "cpu"]
    done = CliRunner().invoke(app, [*call, "--json", "-"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["teaching"]["start"] == {"kind": "encoder", "encoder": "lite0"}
    expected = teach([strokes], TWO, device="cpu")
    found = load_checkpoint(tmp_path / "m.construct")
    for name, value in expected.head_state.items():
        torch.testing.assert_close(found.head_state[name], value, rtol=0, atol=0)
    again = CliRunner().invoke(app, call)
    assert again.exit_code == 2
    shown = CliRunner().invoke(app, [*call, "--overwrite"])
    assert "taught by" in shown.stdout
