"""Two worker processes find what one process finds, byte for byte, also when one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from napari_construct import segment_slide
from napari_construct.cluster.cluster import Cluster
from napari_construct.cluster.connecting import reach_scheduler
from napari_construct.cluster.gpus import card_of_worker
from napari_construct.data.slides.slide import open_slide
from napari_construct.events import Event, run
from napari_construct.exceptions import CheckpointError, ConfigurationError, ConstructError, WorkersLostError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.slides.segment import segment_slide_steps

QUICK = {"tile": 256, "overlap": 64}


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Doing:
    """A job of tests."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, predictor: Predictor, item: object) -> object:
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "own":
            raise ConfigurationError("expected this, got that; do so")
        if item == "other":
            raise KeyError("strange")
        return os.getpid(), predictor.name, item


@pytest.fixture(scope="session")
def alone(slide_file: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_construct.inference.slides.job.SHARD", 512)
        patch.setattr("napari_construct.inference.slides.shards.BLOCK", 256)
        result = segment_slide(
            slide_file, model, folder=tmp_path_factory.mktemp("alone"), probabilities=True, **QUICK
        )
    return content(result.path)


def processes() -> list[psutil.Process]:
    """The worker processes that this one started, those that do the work."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_two_workers_write_the_bytes_of_one_process(
    slide_file: Path,
    model: Predictor,
    cluster: Cluster,
    alone: dict[str, bytes],
    small_shards: None,
    tmp_path: Path,
) -> None:
    events: list[Event] = []
    result = segment_slide(
        slide_file,
        model,
        folder=tmp_path,
        workers=cluster,
        probabilities=True,
        progress=events.append,
        **QUICK,
    )
    assert content(result.path) == alone
    tiles = [event for event in events if event.stage == "tiles"]
    assert sorted({event.done for event in tiles}) == list(range(tiles[0].total + 1))
    assert events[-1].done == events[-1].total > 1


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(
    slide_file: Path,
    model: Predictor,
    cluster: Cluster,
    alone: dict[str, bytes],
    small_shards: None,
    tmp_path: Path,
) -> None:
    killed: list[int] = []

    def kill(event: Event) -> None:
        wanted = {0: ("tiles", 3), 1: ("refine", 2)}.get(len(killed))
        if wanted is not None and event.stage == wanted[0] and event.done >= wanted[1]:
            victim = next(p for p in processes() if p.pid not in killed)
            victim.send_signal(signal.SIGKILL)
            killed.append(victim.pid)

    result = segment_slide(
        slide_file, model, folder=tmp_path, workers=cluster, probabilities=True, progress=kill, **QUICK
    )
    assert len(killed) == 2
    assert content(result.path) == alone


@pytest.mark.slow
def test_a_run_with_workers_goes_on_where_another_was_cancelled(
    slide_file: Path,
    model: Predictor,
    cluster: Cluster,
    alone: dict[str, bytes],
    small_shards: None,
    tmp_path: Path,
) -> None:
    settings = model.resolved(segment_settings())
    with open_slide(slide_file) as slide:
        steps = segment_slide_steps(
            slide, model, settings, folder=tmp_path, probabilities=True, workers=cluster
        )
        for event in steps:
            if event.stage == "refine" and event.total > 1 and event.done == 2:
                break
        steps.close()
        again: list[Event] = []
        result = run(
            segment_slide_steps(slide, model, settings, folder=tmp_path, probabilities=True), again.append
        )
    assert content(result.path) == alone
    assert max(event.total for event in again if event.stage == "refine") < 4


@pytest.mark.slow
def test_a_killed_run_with_workers_goes_on(
    slide_file: Path, alone: dict[str, bytes], small_shards: None, model: Predictor, tmp_path: Path
) -> None:
    """The process that gives the work is killed: its workers end, and what was written counts."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, napari_construct as n\n"
        "from napari_construct.inference.slides import job, shards\n"
        "job.SHARD, shards.BLOCK = 512, 256\n"
        "def tell(event):\n"
        "    print(event.stage, event.done, event.total, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    with n.Cluster(workers=2) as cluster:\n"
        "        n.segment_slide(sys.argv[1], folder=sys.argv[2], workers=cluster, probabilities=True,\n"
        "                        device='cpu', progress=tell, tile=256, overlap=64)\n",
        encoding="utf-8",
    )
    folder = tmp_path / "out"
    command = [sys.executable, str(program), str(slide_file), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        for line in client.stdout:
            if line.startswith("refine 1 4"):
                break
        workers = psutil.Process(client.pid).children(recursive=True)
        client.send_signal(signal.SIGKILL)
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    result = segment_slide(slide_file, model, folder=folder, probabilities=True, **QUICK)
    assert content(result.path) == alone


def segment_settings() -> object:
    from napari_construct.inference.settings import SegmentSettings

    return SegmentSettings(**QUICK)


def test_results_come_in_order_from_several_processes(cluster: Cluster, model: Predictor) -> None:
    found = [one for one in cluster.results(Doing("order"), model, range(20)) if one is not None]
    assert [item for _, _, item in found] == list(range(20))
    assert {name for _, name, _ in found} == {"lymph-node"}
    assert os.getpid() not in {pid for pid, _, _ in found}


def test_errors_are_our_own(cluster: Cluster, model: Predictor) -> None:
    with pytest.raises(ConfigurationError, match=r"^expected this, got that; do so$"):
        list(cluster.results(Doing("own"), model, [1, "own", 2]))
    with pytest.raises(ConstructError, match=r"a worker could not do its part .KeyError: 'strange'"):
        list(cluster.results(Doing("other"), model, ["other"]))


@pytest.mark.slow
def test_a_part_that_kills_its_workers_is_given_up(cluster: Cluster, model: Predictor) -> None:
    with pytest.raises(WorkersLostError, match="lost one after another at the same part"):
        list(cluster.results(Doing("die"), model, ["die"]))
    found = [one for one in cluster.results(Doing("after"), model, [1]) if one is not None]
    assert found[0][2] == 1


def test_models_that_workers_cannot_load_are_refused(cluster: Cluster, model: Predictor) -> None:
    changed = model.calibrated(model.calibration)
    with pytest.raises(CheckpointError, match="loaded from a file"):
        list(cluster.results(Doing("changed"), changed, [1]))


def test_either_workers_or_a_scheduler() -> None:
    with pytest.raises(ConfigurationError, match="got both"):
        Cluster(2, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(ConfigurationError, match="got neither"):
        Cluster()
    with pytest.raises(ConfigurationError, match="1 to 1024 workers, got 0"):
        Cluster(0)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_construct.cluster.cluster.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"napari-construct\[cluster\]"):
        Cluster(2)


def test_schedulers_that_cannot_be_used_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"tcp://127\.0\.0\.1:9: expected a dask scheduler"):
        reach_scheduler("tcp://127.0.0.1:9", patience=0.5)
    with pytest.raises(ConfigurationError, match="nonsense://there: expected a dask scheduler"):
        reach_scheduler("nonsense://there", patience=0.5)


@pytest.mark.parametrize(
    ("name", "visible", "count", "card"),
    [
        (0, None, 0, None),
        (1, None, 1, None),
        (0, None, 4, "0"),
        (5, None, 4, "1"),
        ("SLURMCluster-0-3", None, 2, "1"),
        (1, "GPU-aa, GPU-bb", 2, "GPU-bb"),
        (1, "3", 1, None),
        ("alice", None, 2, None),
    ],
)
def test_each_worker_has_its_card(name: object, visible: str | None, count: int, card: str | None) -> None:
    assert card_of_worker(name, visible, count) == card


@pytest.mark.slow
def test_a_scheduler_of_others(
    slide_file: Path,
    model: Predictor,
    alone: dict[str, bytes],
    small_shards: None,
    tmp_path: Path,
) -> None:
    """Scheduler and workers are programs of their own, one of them with another version."""
    file = tmp_path / "scheduler.json"
    options = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        [*options, "--no-dashboard", "--scheduler-file", str(file)], stderr=subprocess.DEVNULL
    ) as scheduler:
        try:
            address = address_in(file)
            with pytest.raises(ConfigurationError, match="expected a scheduler with workers"):
                reach_scheduler(address, come=0.2)
            stub = tmp_path / "old" / "napari_construct"
            stub.mkdir(parents=True)
            (stub / "__init__.py").write_text('__version__ = "0.0.1"', encoding="utf-8")
            with (
                worker(address, str(stub.parent), tmp_path),
                pytest.raises(ConfigurationError, match="expected workers with napari-construct"),
            ):
                reach_scheduler(address)
            with worker(address, os.pathsep.join(sys.path), tmp_path), Cluster(scheduler=address) as cluster:
                result = segment_slide(
                    slide_file, model, folder=tmp_path, workers=cluster, probabilities=True, **QUICK
                )
                assert content(result.path) == alone
        finally:
            scheduler.terminate()


def address_in(file: Path) -> str:
    import json
    import time

    for _ in range(600):
        if file.exists() and file.stat().st_size:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        time.sleep(0.1)
    raise TimeoutError


class worker:  # noqa: N801 - used as a function
    """A program that works for a scheduler."""

    def __init__(self, address: str, path: str, folder: Path) -> None:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        self.process = subprocess.Popen(
            [*command, "--no-nanny", "--no-dashboard", "--local-directory", str(folder)],
            env={**os.environ, "PYTHONPATH": path},
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> None:
        """Works."""

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
