from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import pair_by_stem
from napari_construct.evaluation.evaluate import evaluate, evaluate_steps
from napari_construct.evaluation.scores.models import ScoredModels
from napari_construct.events import Event, Notice, run
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.export.tiff import write_mask
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.settings import SegmentSettings

PLAIN = SegmentSettings(crf=None)
Model = Callable[..., Any]
Save = Callable[..., None]


def test_two_columns(data: Path, colours_model: Model) -> None:
    report = evaluate(data / "img", data / "mask", colours_model(), PLAIN)
    third = 32 * 96
    assert report.confusion("predicted").tolist() == [
        [2 * third, 0, 0, 0],
        [0, 2 * third, third, 0],
        [0, 0, third, 0],
    ]
    assert report.predicted["iou"] == pytest.approx([1, 2 / 3, 1 / 2])
    # with blue known to be absent, its pixels tie between red and green, so blue is never predicted there
    assert report.confusion("oracle")[:, 2].tolist() == [0, 0, third]
    wrong = report.images[1]
    assert wrong.present == (True, True, True)
    assert wrong.truly_present == (True, True, False)
    assert (report.images[0].oracle == report.images[0].predicted).all()


def test_ignored_class_of_the_table_is_left_out(data: Path, colours_model: Model) -> None:
    report = evaluate(data / "img", data / "mask", colours_model(ignored=True), PLAIN)
    assert report.confusion("predicted")[2].sum() == 0


def test_crf_before_and_after_with_one_pass_of_the_network(
    data: Path, colours_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(self: Any, image: Any, probabilities: np.ndarray, crf: Any, part: Any) -> Any:
        yield Event("refine", 0, 1)
        return np.roll(probabilities, 1, axis=0)

    monkeypatch.setattr("napari_construct.inference.decision.decider.Decider._refined", swapped)
    model = colours_model()
    report = evaluate(data / "img", data / "mask", model)
    assert model.passes == 2, "one tile per image"
    (scores,) = report.models
    plain = evaluate(data / "img", data / "mask", colours_model(), PLAIN)
    for column in ("predicted", "oracle"):
        np.testing.assert_array_equal(
            scores.confusions(column, before_crf=True).sum(0), plain.confusion(column)
        )
    assert report.predicted["miou"] < 0.5 < plain.predicted["miou"]
    found = report.to_dict()
    assert found["before_crf"]["predicted"] == plain.to_dict()["predicted"]
    assert found["before_crf"]["gain"]["predicted"]["miou"] == pytest.approx(
        report.predicted["miou"] - plain.predicted["miou"]
    )
    assert plain.to_dict()["before_crf"] is None
    counts = found["structures"]["classes"]["red"]
    assert sum(counts["regions"]) == sum(counts["erased"]) == 2
    assert (sum(counts["found_before_crf"]), sum(counts["found_after_crf"])) == (2, 0)
    # probabilities are those of before the CRF
    assert found["calibration"] == plain.to_dict()["calibration"]


def test_several_models_give_mean_and_deviation(data: Path, colours_model: Model) -> None:
    models = [colours_model(name="a"), colours_model(shift=30.0, name="b")]
    alone = [evaluate(data / "img", data / "mask", m, PLAIN) for m in models]
    both = evaluate(data / "img", data / "mask", models, PLAIN)
    values = [report.predicted["miou"] for report in alone]
    assert values[0] > values[1]
    assert both.predicted["miou"] == pytest.approx(np.mean(values))
    found = both.to_dict()
    assert found["std"]["predicted"]["miou"] == pytest.approx(np.std(values, ddof=1))
    assert found["presence"]["std"]["images"]["macro_f1"] >= 0
    assert [m["name"] for m in found["models"]] == ["a", "b"]
    assert found["models"][1]["predicted"] == alone[1].to_dict()["predicted"]
    assert alone[0].to_dict()["std"] is None
    np.testing.assert_array_equal(
        both.confusion("oracle"), alone[0].confusion("oracle") + alone[1].confusion("oracle")
    )


def test_models_must_agree(data: Path, colours_model: Model) -> None:
    other = colours_model(name="other")
    object.__setattr__(other.checkpoint, "classes", ClassTable.from_names(("blue", "green", "red")))
    with pytest.raises(ConfigurationError, match="same classes, got red, green, blue in colours and blue"):
        ScoredModels([colours_model(), other])
    with pytest.raises(ConfigurationError, match="at least one model"):
        evaluate(data / "img", data / "mask", [])
    assert ScoredModels([colours_model(), colours_model()]).names == ("colours 1", "colours 2")


def test_notices_are_given_once_and_encoders_must_be_one(data: Path, colours_model: Model) -> None:
    models = [colours_model(name="a"), colours_model(name="b")]
    for model in models:
        object.__setattr__(model.checkpoint, "mpp", 0.5)
    events: list[Event] = []
    pairs = pair_by_stem(data / "img", data / "mask")
    report = run(evaluate_steps(pairs, ScoredModels(models), PLAIN.changed(mpp=0.25)), events.append)
    said = [e.message for e in events if type(e) is Notice]
    assert said == list(report.notices)
    assert len(said) == 2
    object.__setattr__(models[1].checkpoint, "encoder_hash", "0" * 64)
    with pytest.raises(
        ConfigurationError, match=r"same weights of the encoder tiny, got .* in a and 000000000000 in b"
    ):
        ScoredModels(models)


def test_patches_of_the_training_size_have_their_own_presence(data: Path, colours_model: Model) -> None:
    """Windows of 32 px lie within one stripe each: nine per image, three of each colour."""
    found = evaluate(data / "img", data / "mask", colours_model(), PLAIN).to_dict()["presence"]
    assert found["patches"]["n"] == 18
    assert found["patches"]["precision"] == pytest.approx({"red": 1, "green": 1, "blue": 0.5})
    assert found["patches"]["recall"] == pytest.approx({"red": 1, "green": 6 / 9, "blue": 1})
    assert found["images"]["n"] == 2
    assert found["images"]["precision"]["blue"] == 0.5


def test_broken_files_are_named_and_not_scored(data: Path, colours_model: Model, save: Save) -> None:
    (data / "img" / "aaa.png").write_bytes(b"not an image")
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(data / "mask" / "aaa.png")
    save(data, "small.png", np.full((96, 96, 3), 90), np.zeros((50, 96)))
    save(data, "values.png", np.full((96, 96, 3), 90), np.full((96, 96), 7))
    events: list[Event] = []
    models = ScoredModels([colours_model(name="a"), colours_model(name="b")])
    pairs = pair_by_stem(data / "img", data / "mask")
    report = run(evaluate_steps(pairs, models, PLAIN), events.append)
    assert [image.name for image in report.images] == ["right.png", "wrong.png"]
    assert [Path(name).name for name, _ in report.failures] == ["aaa.png", "small.png", "values.png"]
    messages = [message for _, message in report.failures]
    assert "aaa.png" in messages[0]
    assert "mask of 96 x 96 pixels like small.png, got 50 x 96" in messages[1]
    assert "got 7; if 1 is, and 0 is unlabelled, set the first class to 1 (--first-class 1)" in messages[2]
    assert "to leave these out, ignore them (--ignore 7)" in messages[2]
    assert [e.done for e in events if e.stage == "images" and type(e) is Event] == list(range(11))
    assert len([e for e in events if type(e) is Notice]) == 3, "named once, not once per model"


def test_masks_with_the_same_wrong_values_are_counted(
    data: Path, colours_model: Model, save: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    for pair in ("img", "mask"):
        for path in (data / pair).glob("*.png"):
            path.unlink()
    for name in ("a", "b", "c"):
        save(data, f"{name}.png", np.full((96, 96, 3), 90), np.full((96, 96), 7))
    pairs = pair_by_stem(data / "img", data / "mask")
    with pytest.raises(DatasetError, match=r"a\.png: .*\(--ignore 7\) \(and 2 more images\)"):
        run(evaluate_steps(pairs, colours_model(), PLAIN), progress=True)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(told) == 2, "at once, and with their number at the end"
    assert "and 2 more images" in told[1]


def test_nothing_to_score(data: Path, colours_model: Model, save: Save) -> None:
    (data / "img" / "right.png").write_bytes(b"")
    pair = (data / "img" / "right.png", data / "mask" / "right.png")
    with pytest.raises(DatasetError, match=r"got none: .*right\.png"):
        run(evaluate_steps([pair], colours_model(), PLAIN))
    with pytest.raises(DatasetError, match="got none"):
        run(evaluate_steps([], colours_model(), PLAIN))
    with pytest.raises(ConfigurationError, match="without classes"):
        evaluate(data / "img", data / "mask", colours_model(), PLAIN, classes=("red",))
    save(data / "white", "white.png", np.full((96, 96, 3), 120), np.full((96, 96), 4))
    with pytest.raises(DatasetError, match=r"white\.png: expected pixels of a class, got ignored ones only"):
        evaluate(data / "white" / "img", data / "white" / "mask", colours_model(), PLAIN, ignore=[4])


def test_image_without_scored_pixels_counts_nothing(data: Path, colours_model: Model, save: Save) -> None:
    before = evaluate(data / "img", data / "mask", colours_model(), PLAIN, ignore=[4]).to_dict()
    save(data, "white.png", np.full((96, 96, 3), 120), np.full((96, 96), 4))
    after = evaluate(data / "img", data / "mask", colours_model(), PLAIN, ignore=[4]).to_dict()
    assert "white.png: expected pixels of a class" in after["notices"][0]
    for key in ("predicted", "oracle", "presence", "calibration", "failures"):
        assert before[key] == after[key]


def test_transparent_parts_are_not_scored(data: Path, colours_model: Model) -> None:
    """The third stripe is transparent: what the mask says there is neither right nor wrong."""
    colours = np.asarray(Image.open(data / "img" / "wrong.png").convert("RGBA")).copy()
    colours[:, 64:] = 0
    Image.fromarray(colours).save(data / "img" / "wrong.png")
    (data / "img" / "right.png").unlink()
    (data / "mask" / "right.png").unlink()
    found = evaluate(data / "img", data / "mask", colours_model(), PLAIN).confusion("predicted")
    assert found.sum() == np.trace(found[:, :3]) == 64 * 96


def test_cancel_acts_between_two_events(data: Path, colours_model: Model) -> None:
    model = colours_model()
    steps = evaluate_steps(pair_by_stem(data / "img", data / "mask"), model, PLAIN)
    assert next(steps) == Event("images", 0, 2, "right.png")
    assert next(steps).stage == "tiles"
    steps.close()
    assert model.passes == 0


def test_json_keeps_the_keys_that_programs_read(data: Path, colours_model: Model) -> None:
    found = json.loads(evaluate(data / "img", data / "mask", colours_model(), PLAIN, ignore=[1]).to_json())
    assert found["schema"] == 2
    assert found.keys() == {
        *("schema", "predicted", "oracle", "std", "intervals", "before_crf", "presence", "calibration"),
        *("structures", "confusion", "models", "images", "failures", "notices", "record"),
    }
    for column in ("predicted", "oracle"):
        assert found[column].keys() == {"miou", "mdice", "fwiou", "iou", "dice"}
        assert found[column]["iou"].keys() == {"red", "green", "blue"}
        assert found["intervals"][column].keys() == found[column].keys()
    assert found["predicted"]["iou"]["green"] is None  # ignored, hence undefined
    assert found["intervals"]["predicted"]["miou"] is None  # of two images
    assert found["record"]["ignore"] == [1]
    assert found["record"]["model"]["name"] == "colours"
    assert [image["image"] for image in found["images"]] == ["right.png", "wrong.png"]
    assert SegmentSettings.model_validate(found["record"]["settings"]) == PLAIN


def shifted(data: Path, by: int, zeros: bool = False) -> Path:
    """The masks with other values; ``zeros`` puts a row of unlabelled pixels in."""
    masks = data / f"mask{by}{zeros}"
    masks.mkdir()
    for path in (data / "mask").iterdir():
        with Image.open(path) as picture:
            values = np.asarray(picture) + by
        if zeros:
            values[0] = 0
        Image.fromarray(values.astype(np.uint8)).save(masks / path.name)
    return masks


@pytest.mark.parametrize("first_class", ["auto", 1])
def test_masks_whose_first_class_is_1(data: Path, colours_model: Model, first_class: Any) -> None:
    plain = evaluate(data / "img", data / "mask", colours_model(), PLAIN)
    report = evaluate(data / "img", shifted(data, 1), colours_model(), PLAIN, first_class=first_class)
    for column in ("predicted", "oracle"):
        assert (report.confusion(column) == plain.confusion(column)).all()
    source = "stated" if first_class == 1 else "values"
    assert report.record["masks"] == {"first_class": 1, "source": source}
    assert "value 1 is the first class, 0 unlabelled" in report.to_markdown()
    assert plain.record["masks"] == {"first_class": 0, "source": "assumed"}
    assert report.notices == ()


def test_zeros_make_the_reading_a_question(data: Path, colours_model: Model) -> None:
    masks = shifted(data, 1, zeros=True)
    asked = evaluate(data / "img", masks, colours_model(), PLAIN)
    ((name, error),) = asked.failures
    assert name.endswith("right.png")
    assert "got 3; if 1 is, and 0 is unlabelled, set the first class to 1 (--first-class 1)" in error
    assert "the masks seem to be read wrongly" in asked.notices[0]
    report = evaluate(data / "img", masks, colours_model(), PLAIN, first_class=1)
    assert report.confusion("predicted").sum() == 2 * 95 * 96
    # following the other advice alone leads to scores near zero, which is said
    events: list[Event] = []
    steps = evaluate_steps(pair_by_stem(data / "img", masks), colours_model(), PLAIN, ignore=(3,))
    wrong = run(steps, events.append)
    assert wrong.predicted["miou"] < 0.2
    (said,) = wrong.notices
    assert "the masks seem to be read wrongly: with 0 as the first class" in said
    assert "(--first-class 1)" in said
    assert said in [event.message for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("ignore", [(), (2,)])
def test_our_own_masks_score_full_marks_against_themselves(
    data: Path, colours_model: Model, ignore: tuple[int, ...]
) -> None:
    model, own = colours_model(), data / "own"
    own.mkdir()
    for path in (data / "img").iterdir():
        result = run(segment_steps(read_image(path).pixels, model, PLAIN))
        write_mask(own / f"{path.stem}.tif", result.labels, model.classes)
    report = evaluate(data / "img", own, model, PLAIN, ignore=ignore)
    assert report.predicted["miou"] == 1
    assert report.record["masks"] == {"first_class": 1, "source": "record"}


def test_masks_that_lost_their_description_are_read_as_the_scores_say(
    data: Path, colours_model: Model, tmp_path: Path
) -> None:
    """Masks of ours that an editor saved again: 0 is where the model left pixels unlabelled too."""
    model, masks = colours_model(), tmp_path / "again"
    masks.mkdir()
    for path in (data / "img").iterdir():
        labels = run(segment_steps(read_image(path).pixels, model, PLAIN)).labels
        Image.fromarray(labels).save(masks / f"{path.stem}.png")
    report = evaluate(data / "img", masks, model, PLAIN, ignore=(3,))
    assert report.record["masks"] == {"first_class": 1, "source": "scores"}
    assert report.predicted["miou"] == 1
    assert "as the scores say): 100.0 % mean IoU, and 0.0 % with 0" in report.notices[0]
    assert "(--first-class 0)" in report.notices[0]
    stated = evaluate(data / "img", masks, model, PLAIN, ignore=(3,), first_class=0)
    assert stated.record["masks"] == {"first_class": 0, "source": "stated"}
