from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.image_level import load_dataset
from napari_construct.exceptions import DatasetError


@pytest.fixture
def table(tmp_path):
    """Writes a table beside the patches 0.png and 1.png."""
    for i in range(2):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(tmp_path / f"{i}.png")

    def write(text, encoding="utf-8", name="labels.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    "column",
    ["Unnamed: 0", "", "index", "idx", "ID", "x", "Y", "row", "col", "fold", "Split", "is_train", "is train",
     "patient", "slide", "width", "height", "level", "mpp", "Barcode", "magnification", "x_min", "Slide-ID",
     "cv_fold", "x_coord", "tile_x", "sample_id", "row_id", "#", "n", "dataset"],
)  # fmt: skip
def test_columns_of_an_index_are_no_classes(table, column):
    dataset = load_dataset(table(f"{column},path,tumour,stroma\n0,0.png,1,0\n1,1.png,0,1\n"))
    assert dataset.class_names == ("tumour", "stroma")
    assert dataset.notices[0] == "classes read from the table: tumour, stroma"
    assert f"left out: {column or '(no name)'}; to use them, name the classes" in dataset.notices[1]
    if column:
        asked = load_dataset(table(f"{column},path,t\n0,0.png,1\n1,1.png,0\n"), class_names=(column, "t"))
        assert asked.labels.tolist() == [[0, 1], [1, 0]]


def test_a_table_of_an_index_alone_says_so(table):
    with pytest.raises(DatasetError, match=r"there are fold, path.*unless the classes are named"):
        load_dataset(table("fold,path\n0,0.png\n1,1.png\n"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path;a;b\n0.png;1;0\n1.png;0;1\n", "utf-8"),
        ("sep=;\r\npath;a;b\r\n0.png;1;0\r\n1.png;0;1\r\n", "utf-8-sig"),
        ("path\ta\tb\r\n0.png\t1\t0\r\n1.png\t0\t1\r\n", "utf-16"),
        ("Path,a,b\n0.png,1.0,0.0\n1.png,0.0,1.0\n,,\n", "utf-8-sig"),
        ("path;a;b\n0.png;1,0;0,0\n1.png;0,0;1,0\n", "utf-8"),
        ('"path","a","b"\n"0.png","True","false"\n"1.PNG","no","YES"\n', "utf-8"),
        ("path,a,b\n.\\0.png,x,\n./1.png,,x\n", "utf-8"),
    ],
)
def test_tables_as_programs_write_them(table, text, encoding):
    dataset = load_dataset(table(text, encoding))
    assert dataset.class_names == ("a", "b")
    assert dataset.labels.tolist() == [[1, 0], [0, 1]]


def test_an_empty_cell_is_absence_only_beside_an_x(table):
    said = load_dataset(table("path,a,b\n0.png,x,1\n1.png,,0\n")).notices
    assert "empty cells mean absent, where others hold an x: a" in said
    with pytest.raises(DatasetError, match="line 3: expected 0 or 1 for a, got ''; correct the label"):
        load_dataset(table("path,a\n0.png,1\n1.png,\n"))


def test_names_of_another_system(table, tmp_path):
    (tmp_path / "Präparat").mkdir()
    composed, decomposed = (unicodedata.normalize(form, "Präparat/ü") for form in ("NFC", "NFD"))
    (tmp_path / "Präparat").rmdir()
    (tmp_path / decomposed).parent.mkdir()
    (tmp_path / "0.png").rename(tmp_path / (decomposed + ".PNG"))
    backslashes = composed.replace("/", "\\")
    dataset = load_dataset(table(f"path,Drüse\n{backslashes}.png,1\n1.png,0\n"))
    assert dataset.names == ("1.png", f"{composed}.png")
    composed_column = unicodedata.normalize("NFC", "Drüse")
    for form in ("NFC", "NFD"):
        written = table(unicodedata.normalize(form, f"path,Drüse\n{composed}.png,1\n1.png,0\n"))
        assert load_dataset(written).class_names == (composed_column,)
        assert len(load_dataset(written, class_names=(unicodedata.normalize("NFD", "Drüse"),))) == 2


def test_absolute_paths(table, tmp_path):
    dataset = load_dataset(table(f"path,a\n{tmp_path / '0.png'},1\n1.png,0\n"))
    assert sorted(p.name for p in dataset.paths) == ["0.png", "1.png"]
    with pytest.raises(DatasetError, match=r"every patch once, got 1\.png"):
        load_dataset(table(f"path,a\n{tmp_path / '1.png'},1\n1.png,0\n"))


def test_class_names_with_commas(table):
    dataset = load_dataset(table('path,"stroma, loose","say ""hi"""\n0.png,1,0\n1.png,0,1\n'))
    assert dataset.class_names == ("stroma, loose", 'say "hi"')


def test_other_encodings_are_named(table):
    with pytest.raises(DatasetError, match="expected a table in UTF-8, got another encoding"):
        load_dataset(table("path,Drüse\n0.png,1\n", "latin-1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path," + ",".join(f"c{i}" for i in range(1001)) + "\n", "line 1: expected at most 1000 columns"),
        ("path,a\np.png," + "," * 200_000, "line 2: expected at most 1000 columns"),
        (
            'path,a\n"p.png,1\n' + "p.png,1\n" * 40_000,
            r"a cell of more than 131,072 letters \(is a quotation mark",
        ),
    ],
    ids=["columns", "separators", "quotation mark"],
)
def test_absurd_tables_are_refused_in_words(table, text, said):
    with pytest.raises(DatasetError, match=said):
        load_dataset(table(text))


@pytest.mark.parametrize("name", ["labels.txt", "labels.TSV", "LABELS", "labels.dat"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_under_any_name(table, name, encoding):
    path = table("path;gland;stroma\n0.png;1;0\n1.png;0;1\n", encoding=encoding)
    renamed = path.rename(path.with_name(name))
    assert load_dataset(renamed).class_names == ("gland", "stroma")


def test_an_image_is_no_table(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"a table of text \(\.csv, \.tsv, \.txt\), got another file"):
        load_dataset(tmp_path / "a.png")
