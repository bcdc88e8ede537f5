from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.data.labels.file_names import parse_labels


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500+12[1101].png", (1, 1, 0, 1)),  # BCSS-WSSS
        ("100000-23200-27920-[1 0 0 1].png", (1, 0, 0, 1)),  # LUAD-HistoSeg
        ("387709-22880-49280-[1, 0, 1].png", (1, 0, 1)),  # WSSS4LUAD
        ("x[1. 0. 1.].png", (1, 0, 1)),  # as NumPy prints floats
        ("x[1.0, 0.0, 1.0].png", (1, 0, 1)),
        ("x[1.5, 0.0].png", None),
        ("x[1-0-0-1].png", (1, 0, 0, 1)),
        ("x[1;0].png", (1, 0)),
        ("x[1_0].png", (1, 0)),
        ("x[ 1,0 ].tif", (1, 0)),
        ("x[10]_flipped.png", (1, 0)),
        ("x[10] (1).png", (1, 0)),
        ("x[10].ome.tif", (1, 0)),
        ("x[10]-aug2.JPG", (1, 0)),
        ("x[01][10].png", (1, 0)),
        ("x[10]_[3].png", (1, 0)),
        ("a.b[1].tif", (1,)),
        ("x_1010.png", None),
        ("x[12].png", None),
        ("[10]x.png", None),
        ("x[].png", None),
        ("x[,].png", None),
        ("x[1 2].png", None),
        ("x(10).png", None),
        ("x[٠١].png", None),
    ],
)
def test_parse_labels(name, labels):
    assert parse_labels(name) == labels


@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=30),
    st.sampled_from(["", " ", ", ", ",", "-", "_", "; "]),
    st.text(st.characters(categories=("L", "N"), include_characters="-_+. "), max_size=20),
    st.sampled_from(["", "_aug", " (2)", "-copy", ".ome"]),
    st.sampled_from([".png", ".tif", ".JPG"]),
)
def test_every_spelling(bits, separator, stem, suffix, ending):
    name = f"p{stem}[{separator.join(map(str, bits))}]{suffix}{ending}"
    assert parse_labels(name) == tuple(bits)
