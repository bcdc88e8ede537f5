from __future__ import annotations

import os
import shlex
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_construct.data.image_level import detect_format, load_dataset
from napari_construct.data.labels.no_classes import UnsureClassesError
from napari_construct.exceptions import DatasetError
from napari_construct.reading.name_lists import parse_names

PATCH = Image.fromarray(np.full((16, 16, 3), 100, np.uint8))


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            PATCH.save(path)
        else:
            path.write_bytes(b"\0")
    return root


@pytest.mark.parametrize(
    "names",
    [
        ("1.training/a.png", "2.validation/img/a.png", "2.validation/mask/a.png", "3.testing/img/a.png"),
        ("Train/tumour/a.png", "Train/stroma/a.png", "Valid/tumour/b.png"),
        ("fold1/a.png", "fold2/a.png"),
        ("bcss_train/a.png", "bcss_test/a.png"),
        ("tumour/a.png", "stroma/a.png", "test/a.png"),
    ],
)
def test_splits_are_no_classes(tmp_path, names):
    tree(tmp_path, *names)
    with pytest.raises(DatasetError, match="which are splits; give the folder of one split, for example"):
        load_dataset(tmp_path)


def test_the_split_of_training_is_the_example(tmp_path):
    tree(tmp_path, "0_test/a.png", "1_validation/a.png", "2_training/a.png")
    with pytest.raises(DatasetError, match=r"for example .*2_training; if"):
        load_dataset(tmp_path)


def test_images_and_masks_name_the_command(tmp_path):
    tree(tmp_path, "images/a.png", "ground_truth/a.png")
    with pytest.raises(DatasetError, match=r"napari-construct evaluate .*images .*ground_truth\), or"):
        load_dataset(tmp_path)
    tree(tmp_path / "b", "img/a.png")
    with pytest.raises(DatasetError, match=r"a folder of images; give .*for example .*img; if"):
        load_dataset(tmp_path / "b")


def test_system_and_empty_folders_are_left_out_with_a_notice(tmp_path):
    tree(
        tmp_path,
        "tumour/a.png",
        "stroma/b.png",
        "__MACOSX/tumour/._a.png",
        "@eaDir/a.png",
        "thumbs/a.png",
        ".git/a.png",
        "notes/readme.txt",
        "hidden/.a.png",
        "tumour/thumbs/a.png",
        "tumour/masks/a.png",
        "tumour/.ipynb_checkpoints/a.png",
    )
    dataset = load_dataset(tmp_path)
    assert dataset.class_names == ("stroma", "tumour")
    assert dataset.names == ("stroma/b.png", "tumour/a.png")
    said = "\n".join(dataset.notices)
    assert "3 folder(s) of the system left out: @eaDir, __MACOSX, thumbs" in said
    assert "2 folder(s) without images left out: hidden, notes" in said
    assert "1 image(s) in folders called masks left out" in said


def test_files_that_are_no_patches_are_named(tmp_path):
    tree(tmp_path, "tumour/a.png", "tumour/b.czi", "stroma/c.png", "stroma/.d.png", "necrosis/e.gif")
    said = "\n".join(load_dataset(tmp_path).notices)
    assert "2 file(s) of formats that are not read" in said
    assert "tumour/b.czi" in said
    assert "necrosis/e.gif" in said
    assert "1 hidden image(s)" in said
    for name in ("a[10].png", "b[01].png", "c[01].czi"):
        tree(tmp_path / "named", name)
    assert "1 file(s) of formats that are not read" in load_dataset(tmp_path / "named").notices[0]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("2024-01-03/a.png", "2024-02-04/a.png"), "which look like dates"),
        (("TCGA-A1-A0SK/a.png", "TCGA-B6-A0IG/a.png"), "which look like patients or slides"),
        (("slide_12/a.png", "slide_13/a.png"), "which look like patients or slides"),
        (tuple(f"x{chr(97 + i)}/a.png" for i in range(9)), "one patch each"),
        (
            tuple(f"site {s}/{c}/a.png" for s in ("north", "south") for c in ("tumour", "stroma")),
            r"same sub-folders \(stroma, tumour\)",
        ),
    ],
)
def test_folders_that_may_be_no_classes_are_asked_about(tmp_path, names, what):
    tree(tmp_path, *names)
    with pytest.raises(UnsureClassesError, match=what) as error:
        load_dataset(tmp_path)
    _, text = shlex.split(str(error.value).split("name them (")[-1].split(", in Python")[0])
    # the remedy, as it stands in the message, can be followed
    assert load_dataset(tmp_path, class_names=parse_names(text)).class_names == error.value.names


def test_a_folder_around_the_classes_is_asked_about(tmp_path):
    tree(tmp_path, "dataset/tumour/a.png", "dataset/stroma/b.png")
    with pytest.raises(UnsureClassesError, match=r"give one of these folders, for example .*dataset, or"):
        load_dataset(tmp_path)
    tree(tmp_path / "one", "tumour/slide_1/a.png", "tumour/slide_2/b.png")
    assert load_dataset(tmp_path / "one").class_names == ("tumour",)


def test_a_folder_beside_the_classes_names_the_classes(tmp_path):
    tree(tmp_path, "tumour/a.png", "stroma/a.png", "labels/a.png")
    with pytest.raises(
        DatasetError, match=r"if only stroma, tumour are classes, name them \(--classes stroma,tumour\); if"
    ):
        load_dataset(tmp_path)


def test_classes_with_equal_folders_inside_stay_classes(tmp_path):
    tree(tmp_path, *(f"{c}/{s}/a.png" for c in ("tumour", "stroma") for s in ("slide_1", "slide_2")))
    assert load_dataset(tmp_path).class_names == ("stroma", "tumour")
    tree(tmp_path / "b", *(f"{c}/{s}/a.png" for c in ("benign", "malignant") for s in ("40X", "100X")))
    assert load_dataset(tmp_path / "b").class_names == ("benign", "malignant")


def test_splits_inside_classes_are_said(tmp_path):
    tree(tmp_path, "tumour/train/a.png", "tumour/test/b.png", "stroma/c.png")
    assert "tumour holds the splits test, train" in load_dataset(tmp_path).notices[0]


def test_named_folders_are_classes_whatever_they_are_called(tmp_path):
    tree(tmp_path, "train/a.png", "masks/a.png", "slide_1/a.png", "thumbs/a.png", "rest/a.png")
    names = ("train", "masks", "slide_1", "thumbs")
    dataset = load_dataset(tmp_path, class_names=names)
    assert dataset.class_names == names
    assert len(dataset) == 4
    assert dataset.notices == ("1 folder(s) that are not among the classes left out: rest",)


def test_decomposed_names_are_the_composed_ones(tmp_path):
    tree(tmp_path, unicodedata.normalize("NFD", "Drüse/ü.png"), "Stroma/a.png")
    composed = unicodedata.normalize("NFC", "Drüse")
    dataset = load_dataset(tmp_path)
    assert dataset.class_names == (composed, "Stroma")
    assert dataset.names == (f"{composed}/ü.png", "Stroma/a.png")
    for form in ("NFC", "NFD"):
        asked = load_dataset(tmp_path, class_names=(unicodedata.normalize(form, "Drüse"), "Stroma"))
        assert asked.class_names == dataset.class_names
        assert asked.fingerprint == dataset.fingerprint


def test_folders_that_look_the_same(tmp_path):
    tree(tmp_path, *(unicodedata.normalize(form, "Drüse") + "/a.png" for form in ("NFC", "NFD")))
    if len(list(tmp_path.iterdir())) == 2:  # the file system of macOS knows one only
        with pytest.raises(DatasetError, match="look the same"):
            load_dataset(tmp_path)


def test_labels_in_names_win_over_folders_of_patients(tmp_path):
    tree(tmp_path, "p1/a[10].png", "p1/b[01].png", "p2/c[11].png")
    assert detect_format(tmp_path) == "names"
    assert load_dataset(tmp_path).labels.tolist() == [[1, 0], [0, 1], [1, 1]]


CLASSES = st.lists(
    st.sampled_from(
        ["tumour", "stroma, loose", "A", "7", "Drüse", 'a "b"', "x=1", "100 %", "😀", "e;f", "k: l"]
    ),
    min_size=2,
    max_size=4,
    unique=True,
)
NO_CLASSES = st.lists(
    st.sampled_from(["__MACOSX/a.png", "@eaDir/a.png", "empty/x.txt", ".git/a.png", "Thumbs/a.png"]),
    max_size=3,
)
SPLIT = st.sampled_from(["", "train", "2.validation", "fold1", "Test-Set"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes=CLASSES, others=NO_CLASSES, split=SPLIT)
def test_trees_of_folders(tmp_path_factory, classes, others, split):
    root = tree(tmp_path_factory.mktemp("tree"), *(f"{name}/a.png" for name in classes), *others)
    if split:
        tree(root, f"{split}/a.png")
        with pytest.raises(DatasetError, match="which are splits"):
            load_dataset(root)
        return
    dataset = load_dataset(root)
    assert sorted(dataset.class_names) == sorted(classes)
    assert len(dataset) == len(classes)
    assert dataset.labels.sum() == len(classes)


def test_names_of_old_systems(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"Dr\xfcse")).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    tree(tmp_path, "Stroma/a.png", os.fsdecode(b"Dr\xfcse/\xe9.png"))
    dataset = load_dataset(tmp_path, class_names=("Drüse", "Stroma"))
    assert dataset.names == ("Drüse/é.png", "Stroma/a.png")
    assert len(dataset.fingerprint) == 64
    assert load_dataset(tmp_path).class_names == ("Drüse", "Stroma")
