"""What a worker holds: one model, loaded once, and the jobs that it was sent."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any, Final

import torch
from distributed import Worker, WorkerPlugin, get_worker

from napari_construct import __version__
from napari_construct.cluster.gpus import card_of_worker
from napari_construct.exceptions import CheckpointError, ConstructError
from napari_construct.export.atomic import atomic
from napari_construct.inference.activation.loaded_network import LoadedNetwork
from napari_construct.inference.activation.loaded_with import LoadedWith
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.cells.loading import is_cell_model, load_cell_model
from napari_construct.inference.loading import load_model
from napari_construct.inference.workers import Job
from napari_construct.models.checkpoints.archive import file_hash

_JOBS_KEPT: Final = 4


def versions() -> dict[str, str]:
    """What must be the same in all processes for the same results."""
    return {"napari-construct": __version__, "torch": torch.__version__}


def has_file(path: Path, sha256: str) -> bool:
    """Whether a file is here, with these contents."""
    return path.is_file() and file_hash(path) == sha256


class ModelOnWorker(WorkerPlugin):  # type: ignore[misc]
    """A model on every worker, also on those that come later.

    Parameters
    ----------
    predictor : LoadedNetwork
        The same model in this process, loaded from files.
    name : str
        Of the plugin.
    content : bytes, optional
        Of the checkpoint, for workers that do not have the file.
    """

    def __init__(self, predictor: LoadedNetwork, name: str, content: bytes | None = None) -> None:
        if predictor.loaded_with is None or predictor.sha256 is None:
            raise CheckpointError(
                f"expected a model that was loaded from a file, got {predictor.name}, which was made or "
                "changed in memory; save it and load the file, so that workers can load the same"
            )
        self.name, self._content = name, content
        self._files: LoadedWith = predictor.loaded_with
        self._sha256, self._encoder = predictor.sha256, _encoder_of(predictor)

    @property
    def file(self) -> tuple[Path, str]:
        """The checkpoint and its SHA-256."""
        return self._files.path, self._sha256

    def setup(self, worker: Worker) -> None:
        """Take a graphics card, before the first use of any."""
        self._folder = Path(worker.local_directory)
        self._where = f"worker {worker.name} at {worker.address}"
        self._lock = Lock()
        self._predictor: LoadedNetwork | None = None
        self._jobs: OrderedDict[str, Job[Any, Any]] = OrderedDict()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        card = None if begun else card_of_worker(worker.name, visible, _cards())
        if card is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = card

    def do(self, job: Job[Any, Any], item: Any) -> Any:
        """One item of a job."""
        with self._lock:
            predictor, job = self._loaded(), self._known(job)
        torch.set_num_threads(1)  # of this thread: no number may depend on how many there are
        return job(predictor, item)

    def _known(self, job: Job[Any, Any]) -> Job[Any, Any]:
        """The job as it came first, whose files are open."""
        known = self._jobs.setdefault(job.key, job)
        while len(self._jobs) > _JOBS_KEPT:
            self._jobs.popitem(last=False)
        return known

    def _loaded(self) -> LoadedNetwork:
        if self._predictor is None:
            self._predictor = self._load()
        return self._predictor

    def _load(self) -> LoadedNetwork:
        path = self._file()
        loaded: LoadedNetwork
        if is_cell_model(path):
            loaded = load_cell_model(path, device=self._files.device)
        else:
            loaded = load_model(
                path,
                device=self._files.device,
                encoder_weights=self._files.encoder_weights,
                any_encoder=self._files.any_encoder,
            )
        if _encoder_of(loaded) != self._encoder:
            raise CheckpointError(
                f"{self._where}: expected the encoder of the process that gives the work, got another; use "
                "the same weights everywhere"
            )
        return loaded

    def _file(self) -> Path:
        path = self._files.path
        if has_file(path, self._sha256):
            return path
        if self._content is None:
            raise CheckpointError(
                f"{self._where}: expected the model {path} as on the machine that gives the work, got "
                f"{'another file' if path.exists() else 'no such file'}; keep models in a folder that all "
                "machines share"
            )
        own = self._folder / self._sha256 / path.name
        own.parent.mkdir(parents=True, exist_ok=True)
        with atomic(own) as temporary:
            temporary.write_bytes(self._content)
        if not has_file(own, self._sha256):
            raise CheckpointError(f"{self._where}: expected the bytes of {path.name}, got others; try again")
        self._content = None
        return own


def do(model: str, job: Job[Any, Any], item: Any) -> Any:
    """One item, in the worker that runs this."""
    plugin = get_worker().plugins.get(model)
    if not isinstance(plugin, ModelOnWorker):
        raise ConstructError("expected a worker with the model, got one without; start the command again")
    return plugin.do(job, item)


def _encoder_of(predictor: LoadedNetwork) -> str | None:
    return predictor.encoder_sha256 if isinstance(predictor, Predictor) else None


def _cards() -> int:
    return torch.cuda.device_count()
