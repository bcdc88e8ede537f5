"""A batch in several processes: images of one run, and shares of a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct import segment_folder
from napari_construct.batch.ledger import read_ledger
from napari_construct.batch.runner import ItemChanged, run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.share import Share, locked_for
from napari_construct.batch.sources import find_sources
from napari_construct.cluster.cluster import Cluster
from napari_construct.data.images import read_image
from napari_construct.events import Event, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings

QUICK = BatchSettings(segment=SegmentSettings(tile=128, overlap=32, crf=None, mpp=0.5))


@pytest.fixture
def folder(camelyon: Path, tmp_path: Path) -> Path:
    """Three images, a broken one, and a stack of two planes."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    tissue = read_image(path).pixels[64:192, 64:192]
    root = tmp_path / "images"
    root.mkdir()
    for i in range(3):
        Image.fromarray(np.roll(tissue, 20 * i, 0)).save(root / f"{i}.png")
    (root / "broken.png").write_bytes((root / "0.png").read_bytes()[:2000])
    tifffile.imwrite(root / "stack.tif", np.stack([tissue, tissue[::-1]]), photometric="rgb")
    return root


def masks(output: Path) -> dict[str, np.ndarray]:
    return {path.name: tifffile.imread(path) for path in sorted(output.glob("*_mask.tif"))}


def assert_same(one: Path, other: Path) -> None:
    found, expected = masks(one), masks(other)
    assert found.keys() == expected.keys()
    assert len(found) == 6
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)


def test_images_are_done_by_several_processes(
    folder: Path, model: Predictor, cluster: Cluster, tmp_path: Path
) -> None:
    events: list[Event] = []
    sources = find_sources([folder])
    report = run(run_batch_steps(sources, model, QUICK, tmp_path / "two", workers=cluster), events.append)
    alone = run(run_batch_steps(sources, model, QUICK, tmp_path / "one"))
    assert [entry.state for entry in report.entries] == [entry.state for entry in alone.entries]
    assert [entry.areas for entry in report.entries] == [entry.areas for entry in alone.entries]
    assert [entry.error for entry in report.failed] == [entry.error for entry in alone.failed] != []
    assert_same(tmp_path / "two", tmp_path / "one")
    changes = [event for event in events if isinstance(event, ItemChanged)]
    assert [event.done for event in changes if event.entry.state != "running"] == [1, 2, 3, 4, 5, 6]
    again = run(run_batch_steps(sources, model, QUICK, tmp_path / "two"))
    assert len(again.resumed) == 5


@pytest.mark.slow
def test_a_killed_worker_loses_no_image(
    folder: Path, model: Predictor, cluster: Cluster, tmp_path: Path
) -> None:
    import psutil

    killed: list[int] = []

    def kill(event: Event) -> None:
        if not killed and isinstance(event, ItemChanged):
            children = psutil.Process().children(recursive=True)
            victim = next(child for child in children if "spawn_main" in " ".join(child.cmdline()))
            victim.send_signal(signal.SIGKILL)
            killed.append(victim.pid)

    sources = find_sources([folder])
    report = run(run_batch_steps(sources, model, QUICK, tmp_path / "two", workers=cluster), kill)
    assert killed
    assert len(report.done) == 5
    run(run_batch_steps(sources, model, QUICK, tmp_path / "one"))
    assert_same(tmp_path / "two", tmp_path / "one")


def test_shares_are_written_side_by_side_and_joined(folder: Path, model: Predictor, tmp_path: Path) -> None:
    """Whatever the number of shares: a run goes on with what others did."""
    sources, output = find_sources([folder]), tmp_path / "out"
    first = run(run_batch_steps(sources, model, QUICK, output, share=Share(1, 2)))
    assert not (output / "batch.csv").exists()
    with locked_for(output, Share(1, 2)):
        second = run(run_batch_steps(sources, model, QUICK, output, share=Share(2, 2)))
        with pytest.raises(
            ConfigurationError, match=r"batch\.1-of-2\.jsonl: expected an output that no other"
        ):
            run(run_batch_steps(sources, model, QUICK, output))
    assert len(first.entries) + len(second.entries) == 6
    assert {"batch.1-of-2.jsonl", "batch.2-of-2.jsonl"} <= {path.name for path in output.iterdir()}
    third = run(run_batch_steps(sources, model, QUICK, output, share=Share(2, 3)))
    assert third.resumed == {entry.key for entry in third.done}
    joined = run(run_batch_steps(sources, model, QUICK, output))
    assert len(joined.resumed) == 5
    assert set(joined.stacks) == {"stack"}
    _, entries = read_ledger(output / "batch.jsonl")
    assert sorted(entries) == sorted(source.key for source in sources)
    assert not list(output.glob("batch.*-of-*.jsonl"))
    assert len((output / "batch.csv").read_text(encoding="utf-8").splitlines()) == 7
    run(run_batch_steps(sources, model, QUICK, tmp_path / "one"))
    assert_same(output, tmp_path / "one")


def test_a_share_waits_for_no_run_of_the_whole(
    folder: Path, model: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_construct.batch.share.PATIENCE", 0.1)
    with locked_for(tmp_path / "out", None), pytest.raises(ConfigurationError, match="no other run"):
        run(run_batch_steps(find_sources([folder]), model, QUICK, tmp_path / "out", share=Share(1, 2)))


def test_shares_of_another_model_are_refused(folder: Path, model: Predictor, tmp_path: Path) -> None:
    sources = find_sources([folder])
    run(run_batch_steps(sources, model, QUICK, tmp_path, share=Share(1, 2)))
    other = QUICK.changed(segment=QUICK.segment.changed(tile=256))
    with pytest.raises(ConfigurationError, match="different settings"):
        run(run_batch_steps(sources, model, other, tmp_path, share=Share(2, 2)))


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/99999"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a share"):
        Share.parse(text)


def test_planes_of_a_stack_stay_together(folder: Path) -> None:
    sources = find_sources([folder])
    shares = [Share(i, 3).of(sources) for i in (1, 2, 3)]
    assert sorted(source.key for share in shares for source in share) == sorted(s.key for s in sources)
    assert {len({source.stack for source in share if source.stack}) for share in shares} == {0, 1}
    assert sum(any(source.stack for source in share) for share in shares) == 1


def test_options_of_the_command_line(folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    for command in ("segment", "batch"):
        told = CliRunner().invoke(
            app, [command, str(folder / "0.png"), "-o", str(tmp_path), "--workers", "0"]
        )
        assert told.exit_code == 2
        assert "expected 1 to 1024 workers, got 0" in told.stderr
    told = CliRunner().invoke(app, ["batch", str(folder), "-o", str(tmp_path), "--share", "3/2"])
    assert told.exit_code == 2
    assert "expected a share such as 1/4" in told.stderr


@pytest.mark.slow
def test_an_array_of_slurm(folder: Path, model: Predictor, tmp_path: Path) -> None:
    """Two processes at once, told apart by their number in the array; then one that joins."""
    output, command = tmp_path / "out", [sys.executable, "-m", "napari_construct", "batch", str(folder)]
    command += ["--output", str(output), "--tile", "128", "--overlap", "32", "--no-crf", "--mpp", "0.5"]
    command += ["--device", "cpu"]
    script = 'exec "$@" --share "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"'
    array = [
        subprocess.Popen(
            ["sh", "-c", script, "sh", *command],
            env={**os.environ, "SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in (1, 2)
    ]
    said = [task.communicate()[0] for task in array]
    assert sorted(task.returncode for task in array) == [0, 1], said  # one has the broken image
    joined = segment_folder(folder, output, QUICK.changed(model="lymph-node"), model=model)
    assert len(joined.resumed) == 5
    run(run_batch_steps(find_sources([folder]), model, QUICK, tmp_path / "one"))
    assert_same(output, tmp_path / "one")
