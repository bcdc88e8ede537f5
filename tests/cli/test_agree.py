"""``napari-construct agree``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.export.geojson import write_geojson
from napari_construct.export.polygons import class_features
from napari_construct.export.tiff import write_mask

Call = Callable[..., Any]


def test_a_mask_and_what_a_person_outlined(call: Call, tmp_path: Path) -> None:
    labels = np.zeros((80, 90), np.uint8)
    labels[10:60, 10:60], labels[60:70] = 1, 2
    drawn = labels.copy()
    drawn[10:20, 10:60] = 0
    write_mask(tmp_path / "m_mask.tif", labels, ClassTable.from_names(("tumour", "stroma")), 0.5)
    write_geojson(
        tmp_path / "p.geojson", class_features(drawn, ClassTable.from_names(("Tumor", "Stroma", "x")))
    )
    ran = call(
        "agree", tmp_path / "m_mask.tif", tmp_path / "p.geojson", "--match", "tumour=Tumor", "--json", "-"
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert [one["name"] for one in found["classes"]] == ["tumour", "stroma"]
    assert found["classes"][0]["both"] == 2000
    assert found["classes"][1]["dice"] == 1
    assert found["accuracy"] == 1 - 500 / labels.size
    page = tmp_path / "page.html"
    shown = call("agree", tmp_path / "m_mask.tif", tmp_path / "p.geojson", "--html", page)
    assert shown.exit_code == 0
    assert "kappa" in shown.stdout
    assert "Only in m_mask.tif: tumour" in shown.stdout
    assert "Agreement" in page.read_text(encoding="utf-8")
    again = call("agree", tmp_path / "m_mask.tif", tmp_path / "p.geojson", "--html", page)
    assert again.exit_code == 0  # its own report is replaced


def test_what_is_wrong_is_said_in_a_line(call: Call, tmp_path: Path) -> None:
    write_mask(tmp_path / "m_mask.tif", np.ones((20, 20), np.uint8), ClassTable.from_names(("a",)), None)
    mask = tmp_path / "m_mask.tif"
    for more, said in (
        (("--match", "a"), "A=B"),
        (("--match", "z=a"), "one of a"),
        (("--leave-out", "q"), "got q"),
    ):
        ran = call("agree", mask, mask, *more)
        assert said in ran.output, ran.output
        assert ran.exit_code == 2
    (tmp_path / "n.geojson").write_text("[]")
    ran = call("agree", tmp_path / "n.geojson", tmp_path / "n.geojson")
    assert ran.exit_code == 2
    assert "objects with a class" in ran.output
    assert call("agree", mask, tmp_path / "none.geojson").exit_code == 2
