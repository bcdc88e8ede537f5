from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.bcss import BCSS_CLASSES
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.labels.file_names import labels_from_names, parse_labels
from napari_construct.exceptions import ConfigurationError, DatasetError


@pytest.fixture
def patches(tmp_path):
    """Writes patches of 32 px under the names given, each with its own grey."""

    def write(*names, side=32):
        for i, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((side, side, 3), 100 + i, np.uint8)).save(path)
        return tmp_path

    return write


def test_folder_per_class(camelyon):
    dataset = load_dataset(camelyon / "train")
    assert dataset.class_names == ("lymphoid", "tumour")
    assert dataset.names[0] == "lymphoid/tumor_004_38710_122899.png"
    assert dataset.labels.tolist() == [[1, 0]] * 3 + [[0, 1]] * 3
    assert dataset.labels.dtype == np.uint8
    assert dataset.notices == ()
    assert len(dataset) == 6
    turned = load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))
    np.testing.assert_array_equal(turned.labels, dataset.labels[:, ::-1])


def test_bcss_names(patches):
    root = patches("TCGA-A1-xmin1_ymin2_MPP-0.2500+0[1101].png", "b[0010].png", "a[1000].jpg")
    dataset = load_dataset(root)
    assert dataset.names == ("TCGA-A1-xmin1_ymin2_MPP-0.2500+0[1101].png", "a[1000].jpg", "b[0010].png")
    assert dataset.labels.tolist() == [[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert dataset.class_names == ("class_1", "class_2", "class_3", "class_4")
    assert load_dataset(root, class_names=BCSS_CLASSES).class_names == ("TUM", "STR", "LYM", "NEC")
    with pytest.raises(DatasetError, match=r"expected 2 labels in every name, one for each of a, b, got 4"):
        load_dataset(root, class_names=("a", "b"))


@pytest.mark.parametrize("classes", [1, 2, 9])
def test_any_number_of_classes(patches, classes):
    names = ["".join("1" if i == j else "0" for j in range(classes)) for i in range(classes)]
    dataset = load_dataset(patches(*[f"p[{bits}].png" for bits in names]))
    assert dataset.labels.shape == (classes, classes)
    assert dataset.labels.sum(axis=0).tolist() == [1] * classes


def test_glas(shared_data):
    dataset = load_dataset(shared_data / "glas" / "train", class_names=("gland", "stroma"))
    assert len(dataset) == 1906
    assert dataset.labels.any(axis=1).all()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("x[10].png", (1, 0)),
        ("a.b[1].tif", (1,)),
        ("x[12].png", None),
        ("[10]x.png", None),
        ("x[].png", None),
    ],
)
def test_parse_labels(name, labels):
    assert parse_labels(name) == labels


def test_table(patches):
    root = patches("img/b.png", "img/a.png", "c.png")
    table = root / "labels.csv"
    table.write_text(
        "path,TUM,STR\r\nimg\\b.png,1,0\r\nc.png,0,0\r\nimg/a.png, 1,1\r\n", encoding="utf-8-sig"
    )
    dataset = load_dataset(table)
    assert dataset.names == ("c.png", "img/a.png", "img/b.png")
    assert dataset.labels.tolist() == [[0, 0], [1, 1], [1, 0]]
    assert all(path.is_file() for path in dataset.paths)
    assert load_dataset(table, class_names=("STR",)).labels.ravel().tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column path, got an empty file"),
        ("file,a\nx.png,1\n", "expected a column path, got file, a"),
        ("path|a\nx.png|1\n", "separate columns by commas, semicolons or tabs"),
        ("path\nx.png\n", "expected 1 to 254 class columns"),
        ("path,a\n", "at least one patch"),
        ("path,a\nx.png,2\n", r"line 2: expected 0 or 1 for a, got '2'"),
        ("path,a\nx.png,\n", "line 2: expected 0 or 1 for a, got ''"),
        ("path,a,b\nx.png,1\n", "line 2: expected 3 values"),
        ("path,a\nx.png,1,0\n", "line 2: expected 2 values"),
        ("path,a\n,1\n", "line 2: expected a path"),
        ("path,a\ngone.png,1\n", "found none for gone.png"),
        ("path,a\nx.png,1\nx.png,0\n", "every patch once, got x.png"),
        ("path,a,a\nx.png,1,1\n", "different, named columns"),
        ("path,a\nx.png,0\n", "all negative for a"),
        ("path,ä\nx.png,1\n".encode("latin-1"), "in UTF-8"),
    ],
)
def test_broken_tables(patches, text, message):
    table = patches("x.png") / "labels.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=message) as error:
        load_dataset(table)
    assert str(table) in str(error.value)


def test_labels_missing_in_names(patches):
    root = patches("a[10].png", "b.png", "c[1].png")
    with pytest.raises(DatasetError, match=r"expected labels such as \[1010\] .* got none in b\.png; rename"):
        load_dataset(root)
    (root / "b.png").unlink()
    (root / "d[01].png").write_bytes((root / "a[10].png").read_bytes())
    with pytest.raises(DatasetError, match=r"expected 2 labels .* got another number in c\[1\]\.png"):
        load_dataset(root)


def test_a_table_beside_patches_is_named(patches):
    root = patches("a.png", "b.png")
    (root / "labels.csv").write_text("path,x\na.png,1\n")
    with pytest.raises(DatasetError, match=r"or give the table that lies there: .*labels\.csv"):
        load_dataset(root)


def test_many_bad_names_are_cut_short(tmp_path):
    with pytest.raises(DatasetError, match=r"p0\.png, p1\.png, p2\.png, p3\.png, p4\.png and 15 more"):
        labels_from_names([tmp_path / f"p{i}.png" for i in range(20)])


def test_no_positive_patch(patches):
    with pytest.raises(
        DatasetError, match=r"got 2 patch\(es\) that are all negative for class_1, class_2; check"
    ):
        load_dataset(patches("a[00].png", "b[00].png"))


def test_class_without_positives_is_a_notice(patches):
    dataset = load_dataset(patches("a[110].png", "b[100].png"))
    assert dataset.notices == (
        "class class_1 is positive in all 2 patches; add a patch without it, so that it can be learned",
        "class class_3 has no positive patch and cannot be learned; add some or leave it out",
    )
    root = patches("folders/full/x.png", "folders/other/y.png")
    (root / "folders" / "hollow").mkdir()
    asked = load_dataset(root / "folders", class_names=("full", "other", "hollow"))
    assert any("hollow has no positive" in n for n in asked.notices)


def test_nothing_there(tmp_path, camelyon):
    with pytest.raises(DatasetError, match="found nothing; check the path"):
        load_dataset(tmp_path / "gone")
    with pytest.raises(DatasetError, match="the folder holds none"):
        load_dataset(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"notes\.txt: expected a column path, got an empty file"):
        load_dataset(tmp_path / "notes.txt")
    with pytest.raises(
        DatasetError,
        match=r"got train, val, which are splits; give the folder of one split, for example .*train",
    ):
        load_dataset(camelyon)


def test_both_forms_at_once_need_an_override(patches):
    root = patches("a[10].png", "b[01].png", "tumour/x.png")
    with pytest.raises(DatasetError, match=r"got both \(tumour\); move them apart or say"):
        load_dataset(root)
    assert len(load_dataset(root, labels_in="names")) == 2
    assert load_dataset(root, labels_in="folders").class_names == ("tumour",)


def test_wrong_class_names(camelyon):
    with pytest.raises(DatasetError, match=r"none for necrosis \(there are: lymphoid, tumour\)"):
        load_dataset(camelyon / "train", class_names=("tumour", "necrosis"))
    with pytest.raises(ConfigurationError, match="name each class once"):
        load_dataset(camelyon / "train", class_names=("tumour", "tumour"))


def test_fingerprint_is_of_the_content_not_the_place(camelyon, tmp_path):
    original = load_dataset(camelyon / "train")
    copy = tmp_path / "copy"
    shutil.copytree(camelyon / "train", copy)
    assert load_dataset(copy).fingerprint == original.fingerprint
    assert len(original.fingerprint) == 64
    moved = copy / "lymphoid" / original.paths[0].name
    moved.rename(copy / "tumour" / moved.name)
    relabelled = load_dataset(copy).fingerprint
    (copy / "tumour" / moved.name).write_bytes(b"shorter")
    resized = load_dataset(copy).fingerprint
    turned = load_dataset(camelyon / "train", class_names=("tumour", "lymphoid")).fingerprint
    assert len({original.fingerprint, relabelled, resized, turned}) == 4


def test_check_names_every_trouble(patches):
    root = patches("a[10].png", "b[10].png", "c[11].png", "d[01].png")
    patches("e[10].png", side=48)
    (root / "d[01].png").write_bytes(b"no image at all")
    report = load_dataset(root).check()
    assert not report.ok
    assert report.count == 5
    assert report.positives == {"class_1": 4, "class_2": 2}
    assert report.label_histogram == {"10": 3, "11": 1, "01": 1}
    assert report.sizes == {(32, 32): 3, (48, 48): 1}
    assert report.odd_sized == ("e[10].png",)
    ((name, reason),) = report.unreadable
    assert name == "d[01].png"
    assert "expected a PNG" in reason
    text = str(report)
    assert "class_1: 4 positive" in text
    assert "odd size: e[10].png" in text
    assert "unreadable: d[01].png" in text


def test_check_of_good_data(camelyon):
    report = load_dataset(camelyon / "train").check()
    assert report.ok
    assert report.sizes == {(128, 128): 6}
    assert report.odd_sized == report.unreadable == report.notices == ()


def test_dataset_is_frozen_and_subsets(camelyon):
    dataset = load_dataset(camelyon / "train")
    with pytest.raises(ValueError, match="read-only"):
        dataset.labels[0, 0] = 0
    part = dataset.subset([4, 0])
    assert part.names == (dataset.names[4], dataset.names[0])
    assert part.labels.tolist() == [[0, 1], [1, 0]]
    assert dataset.subset(dataset.labels[:, 1] == 1).names == dataset.names[3:]
    assert part.fingerprint != dataset.fingerprint
    with pytest.raises(DatasetError, match="labels of shape"):
        ImageLevelDataset(dataset.paths, dataset.labels[:2], dataset.class_names, dataset.names)
