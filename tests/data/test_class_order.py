"""The order of the classes in masks: named by a file, or seen; never claimed where it is not sure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.class_order import masks_order_steps
from napari_construct.data.image_level import load_dataset
from napari_construct.data.mask_names import names_beside
from napari_construct.data.masks import find_pairs
from napari_construct.events import run

COLOURS = {"gland": (150, 60, 160), "stroma": (230, 150, 180), "fat": (200, 200, 120)}
NAMES = tuple(sorted(COLOURS))


def tissue(colours, rng, grain=40):
    """Pixels of these colours with so much noise that a single pixel says little."""
    picture = np.array(colours, float) + rng.normal(0, grain, np.shape(colours))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture
def data(tmp_path):
    """Patches of three colours; two images with stripes of them, and masks in the order of ``NAMES``."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(12):
            shade = np.array(colour) + rng.normal(0, 15, 3)
            tissue(np.broadcast_to(shade, (64, 64, 3)), rng).save(tmp_path / "train" / name / f"{i}.png")
    for kind in ("img", "mask"):
        (tmp_path / "val" / kind).mkdir(parents=True)
    for i in range(2):
        values = np.repeat(np.arange(3), 96)[:, None].repeat(192, 1).astype(np.uint8)
        colours = np.array([COLOURS[name] for name in NAMES])[values] + rng.normal(0, 15, 3)
        tissue(colours, rng).save(tmp_path / "val" / "img" / f"{i}.png")
        Image.fromarray(values).save(tmp_path / "val" / "mask" / f"{i}.png")
    return tmp_path


def found(data, names=NAMES, first_class="auto"):
    dataset = load_dataset(data / "train", class_names=names)
    return run(masks_order_steps(dataset, list(find_pairs(data / "val", inside=("",))), first_class))


def test_every_order_is_seen_and_the_right_one_says_nothing(data):
    assert found(data) is None
    for names in (("gland", "stroma", "fat"), ("gland", "fat", "stroma")):
        order = found(data, names)
        assert (order.order, order.first_class, order.source) == (NAMES, 0, "")
    said = found(data, ("gland", "fat", "stroma")).sentence(("gland", "fat", "stroma"))
    assert said == "The masks' value 0 looks like fat (class 2 of the patches), value 1 like gland"


def test_values_from_one(data):
    for path in (data / "val" / "mask").iterdir():
        with Image.open(path) as mask:
            values = np.array(mask)
        Image.fromarray(values + 1).save(path)
    assert found(data, ("gland", "fat", "stroma")).first_class == 1


def test_images_that_look_all_alike_say_nothing(data):
    rng = np.random.default_rng(1)
    for path in (data / "val" / "img").iterdir():
        tissue(np.full((288, 192, 3), 150), rng).save(path)
    assert found(data, ("stroma", "gland", "fat")) is None


def test_patches_that_cannot_be_told_apart_say_nothing(data):
    rng = np.random.default_rng(1)
    for path in (data / "train").rglob("*.png"):
        tissue(np.full((64, 64, 3), 150), rng).save(path)
    assert found(data, ("stroma", "gland", "fat")) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", json.dumps({"Stroma": 0, "Gland": 1, "fat": 2})),
        ("classes.json", json.dumps({"0": "stroma", "1": "gland", "2": "fat"})),
        ("classes.json", json.dumps({"classes": ["stroma", "gland", "fat"]})),
        ("codes.csv", "value,name\n1,gland\n0,stroma\n2,fat\n"),
        ("codes.tsv", "label\tGT_code\ngland\t1\nstroma\t0\nfat\t2\nother\t7\n"),
        ("classes.txt", "stroma\ngland\nfat\n"),
    ],
)
def test_a_file_beside_the_masks_decides(data, name, text):
    (data / "val" / name).write_text(text)
    order = found(data)
    assert (order.order, order.source) == (("stroma", "gland", "fat"), name)
    assert order.sentence(NAMES).startswith(f"The masks' value 0 is, by {name}, stroma (class 3 of the")
    assert found(data, ("stroma", "gland", "fat")) is None


def test_files_that_name_other_things_are_passed_over(data):
    masks = data / "val" / "mask"
    (masks / "a.json").write_text("[")
    (masks / "b.json").write_text(json.dumps({"gland": 0, "stroma": 1}))
    (masks / "c.csv").write_text("patient,age\n1,50\n")
    (masks / "d.txt").write_text("notes\n")
    assert names_beside(masks, NAMES) is None


def test_camelyon_masks_begin_with_the_tumour(shared_data):
    """Their folders are sorted by name, so that lymphoid comes first."""
    dataset = load_dataset(shared_data / "camelyon" / "train")
    pairs = list(find_pairs(shared_data / "camelyon" / "val", inside=("",)))
    assert run(masks_order_steps(dataset, pairs)).order == ("tumour", "lymphoid")
    turned = load_dataset(shared_data / "camelyon" / "train", class_names=("tumour", "lymphoid"))
    assert run(masks_order_steps(turned, pairs)) is None
