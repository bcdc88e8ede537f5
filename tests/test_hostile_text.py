"""Every loader of text that people and other programs write: a value or one of our own short errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.cli._merged import merged
from napari_construct.data.label_table import read_table
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.encoders.entries import read_entries
from napari_construct.exceptions import ConstructError
from napari_construct.export.own_files import is_own
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.results.read import load_result, reader_of
from napari_construct.settings import Settings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig

Load = Callable[[Path], Any]

HOSTILE = st.sampled_from(
    [
        None, True, -1, 0, 1e308, 2**63, 10**30, "", "x" * 100_000, "\x1b[31m", "a\nb", "../../x", "NaN",
        "2024-01-31",
        [], {}, [[]], {"self": 1}, [1] * 1000, {"": ""}, [None], {"a": {"b": {"c": []}}}, "\u202e", "é" * 70,
    ]
)  # fmt: skip
KEYS = st.sampled_from(["self", "cls", "__class__", "fields", "/", "", "model_config", "x" * 10_000, "\x1b"])

SETTINGS: tuple[type[Settings], ...] = (
    BatchSettings,
    DownloadSettings,
    PrototypeSettings,
    SecondStageConfig,
    SegmentSettings,
    TrainingConfig,
    ZeroShotSettings,
)


@st.composite
def changed(draw: Callable[[Any], Any], good: Any) -> Any:
    """A good value, of which one part is replaced, removed, or given a further name."""
    value = json.loads(json.dumps(good))
    place = value
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    action = draw(st.integers(0, 3))
    if action == 0:
        return draw(HOSTILE)
    if action == 1 and isinstance(place, dict):
        place[draw(KEYS)] = draw(HOSTILE)
    elif action == 2 and isinstance(place, dict | list) and place:
        del place[key]
    elif isinstance(place, dict | list) and place:
        place[key] = draw(HOSTILE)
    return value


def refused_shortly(load: Callable[[], Any]) -> None:
    try:
        load()
    except ConstructError as error:
        assert len(str(error)) <= 1000, str(error)  # noqa: PT017
        assert "\x1b" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_settings(kind: type[Settings], data: Any) -> None:
    good: Any = {"classes": "a;b", "encoder": "mini"} if kind is ZeroShotSettings else {}
    base = kind.checked(**good)
    text = json.dumps(data.draw(changed(base.model_dump(mode="json"))))
    refused_shortly(lambda: merged(base, {}, text))
    refused_shortly(lambda: kind.checked(**{data.draw(KEYS): data.draw(HOSTILE)}))


RECORD: dict[str, Any] = {
    "format": "napari-construct result",
    "files": {"mask": "m_mask.tif", "record": "m.json"},
    "colours": {"tumour": "#FF0000", "stroma": "#00FF00"},
    "input": {"mpp": 0.5, "name": "m.png"},
    "presence": {"tumour": {"present": True, "score": 0.9}, "stroma": {"present": False, "score": 0.1}},
    "areas": [{"class": "tumour", "pixels": 3}],
}
TABLE: list[Any] = [{"name": "tumour", "prompt": "x", "colour": "#FF0000", "shown": True}, {"name": "stroma"}]
CATALOGUE: dict[str, Any] = {
    "encoder": [
        {
            "id": "ours", "loader": "timm", "note": "x", "source": "https://x", "licence": "MIT",
            "licence_terms": "free", "citation": "x", "repository": "a/b", "files": [{"name": "w.bin"}],
        }
    ]
}  # fmt: skip
CONFIG: dict[str, Any] = {"epochs": 3, "model": {"encoder": "mini"}, "weights": {"distillation": 0.5}}


def load_record(path: Path) -> None:
    is_own(path)
    reader_of(path)
    mask = path.with_name("m_mask.tif")
    if not mask.exists():
        tifffile.imwrite(mask, np.zeros((4, 4), np.uint8), description=json.dumps({"classes": {"1": "a"}}))
    found = load_result(path)
    assert found.labels.shape == (4, 4)


LOADERS: dict[str, tuple[Load, str, Any]] = {
    "training, JSON": (TrainingConfig.load, "c.json", CONFIG),
    "training, YAML": (TrainingConfig.load, "c.yaml", CONFIG),
    "classes, JSON": (ClassTable.load, "t.json", TABLE),
    "classes, CSV": (ClassTable.load, "t.csv", "name,prompt,colour\ntumour,x,#FF0000\nstroma,,\n"),
    "labels": (read_table, "l.csv", "path,tumour,stroma\na.png,1,0\n"),
    "catalogue, JSON": (read_entries, "e.json", CATALOGUE),
    "catalogue, TOML": (read_entries, "e.toml", '[[encoder]]\nid = "x"\nfiles = [{name = "a"}]\n'),
    "record": (load_record, "m.json", RECORD),
}


MARKS = ['"', ",", "\n", "\x1b", "\0", "1" * 5000, "[", "=", "é"]


@pytest.mark.parametrize("name", LOADERS)
@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files(name: str, tmp_path: Path, data: Any) -> None:
    load, file, good = LOADERS[name]
    if isinstance(good, str):
        content = list(good)
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] = data.draw(
                st.sampled_from(['"', ",", "\n", "\x1b", "\0", "1" * 5000, "[", "=", "é"])
            )
        raw = "".join(content).encode()
    else:
        raw = json.dumps(data.draw(changed(good))).encode()
    path = tmp_path / file
    path.write_bytes(raw)
    refused_shortly(lambda: load(path))
    path.write_bytes(data.draw(st.binary(max_size=100)) + raw[: data.draw(st.integers(0, len(raw)))])
    refused_shortly(lambda: load(path))


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        "9" * 100_000,
        "- " * 100_000,
        "a." * 100_000,
        '"' + "x" * 2**21,
        "\ufeff",
        " " * 2**21,
    ],
    ids=range(8),
)
def test_large_or_deep(name: str, text: str, tmp_path: Path) -> None:
    load, file, _ = LOADERS[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(ConstructError) as caught:
        load(tmp_path / file)
    assert len(str(caught.value)) < 1000


@given(
    st.text(max_size=200)
    | st.sampled_from(["[" * 10**5, '{"classes":' * 1000, "{}", '{"classes": {"a": 1}}', "9" * 5000])
)
@settings(max_examples=150, deadline=None)
def test_text_of_a_class_table_or_of_settings(text: str) -> None:
    refused_shortly(lambda: ClassTable.from_json(text))
    refused_shortly(lambda: merged(SegmentSettings(), {}, "{" + text))


@pytest.mark.parametrize(
    "description",
    ["[" * 10_000, '{"classes": 3}', '{"classes": {"1": "a"}, "mpp": "x"}', '{"classes": {"x": "a"}}',
     "{}", '{"classes": {"1": "\\ud800"}}', '{"classes": {"99999999999999999999": "a"}}',
     '{"classes": {}}', "\x1b"],
)  # fmt: skip
def test_descriptions_of_masks(description: str, tmp_path: Path) -> None:
    path = tmp_path / "x_mask.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description=description, metadata=None)
    reader_of(path)
    is_own(path)
    refused_shortly(lambda: load_result(path))
