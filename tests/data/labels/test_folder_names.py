from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.data.labels.folder_names import bearers, kind_of, same_but_for_split, split_of

SPLITS = {
    "train": ("train", "training", "trainset", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "holdout", "evaluation"),
}
WORDS = st.sampled_from([(split, word) for split, words in SPLITS.items() for word in words])
BEFORE = st.sampled_from(["", "1.", "01_", "2 - ", "(3) ", "x_", "3-"])
AFTER = st.sampled_from(["", "_set", "-Set", " data", "_images", "1", "_2", " (2)"])
CASES = st.sampled_from([str.lower, str.upper, str.title, str.capitalize])


@given(WORDS, BEFORE, AFTER, CASES)
def test_splits_in_any_numbering_and_spelling(word, before, after, case):
    split, text = word
    name = before + case(text) + after
    assert kind_of(name) == "split", name
    assert split_of(name) == split


@pytest.mark.parametrize(
    "name",
    ["1.training", "01_train", "Train-set", "trainSet", "fold1", "fold_2", "split0", "set A", "Fold-3", "cv2",
     "hold-out", "Held_Out", "trainval", "train_images", "TRAIN2017", "3.testing", "subset 4", "unlabeled",
     "Trainingsdaten", "Testdaten", "entraînement", "Validación", "训练集", "训练"],
)  # fmt: skip
def test_names_of_splits(name):
    assert kind_of(name) == "split"


@pytest.mark.parametrize(
    "name",
    ["tumour", "stroma, loose", "A", "1", "42", "01_TUMOR", "02_STROMA", "class_0", "label_1", "ADI",
     "fold", "set", "testis", "trained", "attestation", "valve", "Gleason 3", "grade_2", "臓器",
     "", "  ", "developing stroma", "in situ", "image_quality_bad", "Hodentest"],
)  # fmt: skip
def test_names_of_classes(name):
    assert kind_of(name) == "other"


@pytest.mark.parametrize(
    "name", ["_thumbs", "slide_thumbnails", "overview", "Thumbs.db", "_gsdata_", "cache"]
)
def test_names_of_a_system(name):
    assert kind_of(name) == "system"


@pytest.mark.parametrize(
    "name", ["imagesTr", "img_dir", "images", "IMG", "1_imgs", "patches", "Tiles", "png"]
)
def test_names_of_images(name):
    assert kind_of(name) == "images"


@pytest.mark.parametrize(
    "name",
    ["mask", "Masks", "labels", "labelsTr", "ann_dir", "Annotations", "gt", "GT", "ground_truth",
     "groundTruth", "ground truth",
     "xml", "json", "label images", "2.mask", "SegmentationMasks"],
)  # fmt: skip
def test_names_of_masks(name):
    assert kind_of(name) == "masks"


@pytest.mark.parametrize(
    "name",
    ["__MACOSX", ".git", "@eaDir", "thumbs", "Thumbnails", ".ipynb_checkpoints", "lost+found", "$RECYCLE.BIN",
     "System Volume Information", ".Trash-1000", "__pycache__"],
)  # fmt: skip
def test_names_of_system_folders(name):
    assert kind_of(name) == "system"


@given(st.text(max_size=30))
def test_any_name_has_a_kind_which_composition_does_not_change(name):
    assert kind_of(name) == kind_of(unicodedata.normalize("NFD", name)) or name != unicodedata.normalize(
        "NFC", name
    )
    bearers([name])


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("2024-01-03", "2024-02-11"), "dates"),
        (("20240103", "20240211_b"), "dates"),
        (("03.01.2024", "11.02.2024"), "dates"),
        (("TCGA-A1-A0SK", "TCGA-B6-A0IG-01Z"), "patients or slides"),
        (("slide_12", "slide_13"), "patients or slides"),
        (("Patient 3", "patient 4", "PAT-005"), "patients or slides"),
        (("case A", "case B"), "patients or slides"),
        (("B2012-34567", "B2013-00012"), "patients or slides"),
        (("9e0f3a44-1c2d-4b6e-8a8a-000000000000",), "patients or slides"),
        (("S12-3456", "S13-99"), "patients or slides"),
        (("10x", "20X", "mag 2.5x"), "magnifications"),
        (("r1_c2", "x12,y7"), "places"),
        (("cohort1", "Center B"), "centres"),
        (("tumour", "slide_12"), ""),
        (("A", "B", "C"), ""),
        (("0", "1", "2"), ""),
        (("01_TUMOR", "02_STROMA"), ""),
        (("benign", "malignant"), ""),
        (("Gleason 3", "Gleason 4"), ""),
        ((), ""),
    ],
)
def test_dates_patients_and_slides(names, what):
    assert bearers(names) == what


def test_names_that_differ_by_the_split():
    assert same_but_for_split(["bcss_train", "bcss_val", "other"]) == ("bcss_train", "bcss_val")
    assert same_but_for_split(["tr", "va", "te"]) == ("tr", "va", "te")
    assert same_but_for_split(["tumour", "stroma", "te"]) == ()
    assert same_but_for_split(["luad_train", "tumour"]) == ()
