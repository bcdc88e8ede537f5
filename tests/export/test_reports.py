"""Reports replace earlier reports only, and nothing that is read in the same run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.export.record import write_record
from napari_construct.export.reports import is_own_report, marked, refuse_inputs, refuse_other_reports


def test_what_is_marked_is_ours_under_any_name(tmp_path: Path) -> None:
    for name in ("scores.json", "scores.txt", "scores"):
        write_record(tmp_path / name, marked({"x": "ä" * 5000}))
        refuse_other_reports([tmp_path / name])


def test_a_report_is_ours_however_long_it_is(tmp_path: Path) -> None:
    write_record(tmp_path / "scores.json", marked({"images": [0] * 1_100_000}))
    assert is_own_report(tmp_path / "scores.json")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"results": [], "failed": []}),
        json.dumps({"checkpoint": "m", "calibration": {}, "calibration_f1": 0.5}),
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title></head>',
        "# Evaluation\n\nModel lymph-node on 2 images.\n",
        "## Ablation\n\n| variant |",
    ],
)
def test_reports_of_earlier_versions_are_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "a").write_text(content, encoding="utf-8")
    assert is_own_report(tmp_path / "a")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"type": "FeatureCollection", "features": []}',
        b'{"checkpoint": "mine", "metrics": {}, "epoch": 3}',
        b'{"format": "napari-construct result", "files": {}}',  # a record is no report
        b'{"a": ' + b"[" * 100_000,
        b'{"results": [], "failed": [], "failed": []}',
        b"\xff\xfe\0",
        b"# My notes\n",
        b"<!DOCTYPE html>\n<html><title>Evaluation</title>",
    ],
)
def test_files_of_others_stay(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"a\.json.*choose another name, or move it away"):
        refuse_other_reports([tmp_path / "free", path])


def test_a_pipe_and_a_link_to_nothing_are_not_ours(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "unplugged")
    for name in ("pipe", "link"):
        with pytest.raises(ConfigurationError):
            refuse_other_reports([tmp_path / name])


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "path"])
def test_no_output_is_an_input(tmp_path: Path, way: str) -> None:
    path, target = tmp_path / "a", tmp_path / "b"
    path.write_text("a")
    (tmp_path / "sub").mkdir()
    if way == "link":
        target.symlink_to(path)
    elif way == "hard link":
        os.link(path, target)
    else:
        target = path if way == "itself" else tmp_path / "sub" / ".." / "a"
    with pytest.raises(ConfigurationError, match="none of the inputs"):
        refuse_inputs([tmp_path / "free", target], [tmp_path / "absent", path])
    refuse_inputs([tmp_path / "free"], [path])
