"""Two processes that share every batch take the steps of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from napari_construct.data.image_level import load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Event, StepDone, run
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.objective.shared_norm import SharedBatchNorm2d, share_norms
from napari_construct.training.processes import Processes

WORKER = textwrap.dedent("""
    import json, os, sys
    from napari_construct.data.image_level import load_dataset
    from napari_construct.encoders.networks.tiny import TinyEncoder
    from napari_construct.events import StepDone
    from napari_construct.training.config.config import TrainingConfig
    from napari_construct.training.loop.train import train_steps

    folder, config, output, log = sys.argv[1:]
    dataset = load_dataset(folder, class_names=("tumour", "lymphoid"))
    config = TrainingConfig.model_validate_json(config)
    parts = {"teacher": TinyEncoder(seed=4), "device": "cpu", "val": dataset}
    steps = train_steps(dataset, config, output=output, **parts)
    with open(log + os.environ["RANK"], "w") as stream:
        for event in steps:
            if isinstance(event, StepDone):
                stream.write(json.dumps(dict(event.losses)) + "\\n")
""")


def test_one_process_has_nobody_to_talk_to() -> None:
    alone, rows = Processes(), torch.ones(3, 2)
    assert alone.is_main
    assert alone.part(7) == slice(0, 7)
    assert alone.sum(rows) is rows
    assert alone.gather(rows) is rows
    assert alone.mean_weight(3, rows) == 1.0
    assert alone.broadcast({"a": 1}, torch.device("cpu")) == {"a": 1}


def test_parts_of_a_batch_cover_it() -> None:
    for length in range(9):
        slices = [Processes(rank, 3).part(length) for rank in range(3)]
        assert [i for s in slices for i in range(length)[s]] == list(range(length))
        sizes = [s.stop - s.start for s in slices]
        assert max(sizes) - min(sizes) <= 1


def test_shared_norms_are_batch_norms() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.BatchNorm2d(5), torch.nn.GELU())
    shared = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.BatchNorm2d(5), torch.nn.GELU())
    shared.load_state_dict(plain.state_dict())
    share_norms(shared, Processes())
    assert isinstance(shared[1], SharedBatchNorm2d)
    x = torch.randn(4, 3, 6, 6)
    for momentum in (0.1, None):
        plain[1].momentum = shared[1].momentum = momentum
        plain(x).square().sum().backward()
        shared(x).square().sum().backward()
    for (name, a), b in zip(plain.state_dict().items(), shared.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    for a, b in zip(plain.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plain.eval()(x), shared.eval()(x))


@pytest.mark.slow
def test_two_processes_train_as_one(camelyon: Path, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    """Also where the last batch has one patch, so that one process has none of it."""
    dataset = load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))
    config = tiny_config.changed(
        batch_size=5,
        epochs=2,
        average_from=0.5,
        contrast_pairs="labels",
        weights={"classification": 1.0, "distillation": 1.0, "contrast": 0.2, "diversity": 0.1},
        model=tiny_config.model.model_copy(update={"prototypes_per_class": 2}).model_dump(),
    )
    events: list[Event] = []
    alone = run(
        train_steps(dataset, config, teacher=TinyEncoder(seed=4), device="cpu", val=dataset), events.append
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        **os.environ, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    files = [str(tmp_path / "m"), str(tmp_path / "log")]
    arguments = [str(camelyon / "train"), config.model_dump_json(), *files]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=240) for worker in workers] == [0, 0]
    logs = [[json.loads(x) for x in (tmp_path / f"log{rank}").read_text().splitlines()] for rank in range(2)]
    assert logs[0] == logs[1], "both report the losses of the whole batch"
    wanted = [dict(e.losses) for e in events if isinstance(e, StepDone)]
    for a, b in zip(logs[0], wanted, strict=True):
        assert a == pytest.approx(b, rel=2e-4, abs=1e-5)
    together = load_checkpoint(tmp_path / "m.construct")
    for name, value in alone.head_state.items():
        if value.ndim > 1:  # biases before a norm have no gradient but rounding, which Adam enlarges
            torch.testing.assert_close(together.head_state[name], value, rtol=1e-2, atol=5e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log0", "log1", "m.construct"]
