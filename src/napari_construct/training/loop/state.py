"""The state of a training run, from which it resumes exactly.

A file of its own beside the checkpoint (``NAME.construct.training``), written like a checkpoint:
safetensors and JSON, atomically, never pickle. Order and augmentation need no entry, as they are
functions of seed and step (:mod:`~napari_construct.training.randomness`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import Tensor

from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.models.checkpoints.archive import damaged, read_archive, write_archive
from napari_construct.settings import problem, with_new_names
from napari_construct.training.loop.identity import CONTENTS, KIND, present_identity
from napari_construct.training.loop.progress import Progress

FORMAT_VERSION: Final = 2

HARMLESS: Final = frozenset({"num_workers", "memory_limit_mb", "cache_folder", "cache_gb"})
"""Settings that may change on resume, because they change no number."""

_OLD_NAMES: Final = {"namings": "pseudo_label_rounds_done", "waited": "validations_since_best"}
"""Names of fields in earlier versions, each with the present one."""


def save_state(
    path: Path, progress: Progress, identity: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Write a state; a resumed run must have the same ``identity``."""
    manifest = {
        "format": KIND,
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "threads": torch.get_num_threads(),
        "progress": asdict(progress),
    }
    write_archive(path, manifest, tensors)


def load_state(
    path: Path, identity: Mapping[str, Any], names: frozenset[str], optional: frozenset[str]
) -> tuple[Progress, dict[str, dict[str, Tensor]], object]:
    """Read a state and compare it with the resuming run.

    Returns
    -------
    progress : Progress
    tensors : dict of str to dict of str to Tensor
    threads : int
        Number of the interrupted run; None in states of earlier versions.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or of a newer version.
    ConfigurationError
        If settings, classes, patches or encoder differ from those of the interrupted run.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: expected the state of an interrupted training run, found no file; "
            "start without resume, or check the output's path"
        )
    manifest, tensors = read_archive(
        path, kind=KIND, version=FORMAT_VERSION, required=names, optional=optional
    )
    try:
        progress = Progress(**with_new_names(manifest["progress"], _OLD_NAMES))
        stored = present_identity(manifest["identity"])
    except ValidationError as error:
        raise damaged(path, KIND, problem(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, KIND, error) from error
    _compare(path, stored, identity)
    _compare_contents(path, stored, identity)
    return progress, tensors, manifest.get("threads")


def _compare(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    old, new = _flat(stored), _flat(wanted)
    for name in sorted((old.keys() | new.keys()) - {CONTENTS}):
        if old.get(name) != new.get(name) and name.split(".")[-1] not in HARMLESS:
            raise ConfigurationError(
                f"{path}: expected {name} {old.get(name)!r} as in the interrupted run, got "
                f"{new.get(name)!r}; resume with the same settings and data, or start without resume"
            )


def _compare_contents(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if CONTENTS in stored and stored[CONTENTS] != wanted.get(CONTENTS):
        raise ConfigurationError(
            f"{path}: expected the patches of the interrupted run, got some that were changed since; put "
            "them back, or start without resume"
        )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return flat
