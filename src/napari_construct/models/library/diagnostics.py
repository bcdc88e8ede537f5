"""Diagnostics of an installation, for bug reports.

It shows no token and no user name: only whether there is a token, and paths with ~ for the home folder.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from napari_construct import __version__
from napari_construct.encoders.catalogue.lookup import bundled_entries, user_entries
from napari_construct.encoders.catalogue.overview import overview, size_text
from napari_construct.encoders.folders import HOME, models_folder, user_catalogues, weights_folder
from napari_construct.exceptions import ConstructError
from napari_construct.reading.foreign import harmless, without_secrets

PACKAGES: Final = (
    "torch", "torchvision", "timm", "open_clip_torch", "segmentation-models-pytorch", "transformers",
    "tokenizers", "safetensors", "huggingface_hub", "numpy", "scipy", "napari", "npe2", "qtpy", "PyQt6",
    "PySide6", "openslide-python", "pydensecrf2",
)  # fmt: skip
_SETTINGS: Final = (HOME, "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HOME", "HTTPS_PROXY", "CUDA_VISIBLE_DEVICES",
                    "OMP_NUM_THREADS", "QT_API")  # fmt: skip

Report = Mapping[str, Mapping[str, str]]
"""Sections of named facts, in the order they are shown."""


def diagnose(*, online: bool = False) -> Report:
    """Facts about this installation.

    Parameters
    ----------
    online : bool
        Whether to contact the hub; otherwise nothing leaves the computer.

    Returns
    -------
    mapping of str to mapping of str to str
        Section, name, fact. A failure becomes a fact; nothing is raised.
    """
    return {
        "software": _software(),
        "machine": _machine(),
        "folders": _folders(),
        "hub": _hub(online=online),
        "encoders": _encoders(),
        "models": _models(),
    }


def as_text(report: Report) -> str:
    """The report as plain lines, ready to be pasted."""
    width = max(len(name) for facts in report.values() for name in facts)
    lines: list[str] = []
    for section, facts in report.items():
        lines += [section.upper(), *(f"  {name:<{width}}  {fact}" for name, fact in facts.items())]
    return "\n".join(lines)


def _software() -> dict[str, str]:
    found = {"napari-construct": __version__, "python": platform.python_version()}
    absent = []
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            absent.append(name)
    return found | {"absent": ", ".join(absent) or "none"}


def _machine() -> dict[str, str]:
    import torch

    facts = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": f"{os.cpu_count()}, torch uses {torch.get_num_threads()}",
        "memory": _memory(),
    }
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(i)
        name = torch.cuda.get_device_name(i)
        facts[f"cuda:{i}"] = f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    built = torch.version.cuda or getattr(torch.version, "hip", None) or "none"
    facts["accelerator"] = (
        "mps"
        if torch.backends.mps.is_available()
        else f"{torch.cuda.device_count()} (torch for CUDA {built})"
    )
    return facts


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"


def _folders() -> dict[str, str]:
    from huggingface_hub import constants

    weights = weights_folder()
    facts = {
        "package": shown(Path(__file__).parents[2]),
        "python": shown(Path(sys.executable)),
        "weights": f"{shown(weights)} ({_state(weights)})",
        "models": f"{shown(models_folder())} ({_state(models_folder())})",
        "hub cache": shown(Path(constants.HF_HUB_CACHE)),
    }
    facts["free space"] = _free_space(weights)
    facts |= {name: _without_secrets(os.environ[name]) for name in _SETTINGS if os.environ.get(name)}
    return facts


def _state(folder: Path) -> str:
    existing = _existing(folder)
    if os.path.islink(folder) and existing != folder:  # noqa: PTH114 - a refusal is no error here
        return "a link to nothing"
    if existing == folder and not folder.is_dir():
        return "not a folder"
    access = "writable" if os.access(existing, os.W_OK) else "not writable"
    return access if existing == folder else f"not made yet, {access}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there; ``os.path`` takes a refusal for absence."""
    return next((p for p in (folder, *folder.parents) if os.path.exists(p)), Path(folder.anchor))  # noqa: PTH110


def _free_space(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(_existing(folder)).free / 2**30:.1f} GiB"
    except OSError as error:
        return f"unknown ({error.strerror or error})"


def _hub(*, online: bool) -> dict[str, str]:
    from huggingface_hub import constants

    from napari_construct.encoders.hub.token import stored_token

    facts = {
        "address": _without_secrets(constants.ENDPOINT),
        "offline mode": "on" if constants.HF_HUB_OFFLINE else "off",
        "token": _without_home(stored_token()),
    }
    if online:
        facts["answers"] = _answers()
    return facts


def _answers() -> str:
    from napari_construct.encoders.catalogue.lookup import find_entry
    from napari_construct.encoders.hub.client import check_access

    public, gated = check_access(find_entry("quiltnet-b-16")), check_access(find_entry("conch"))
    return f"public files: {public or 'yes'}; CONCH: {gated or 'yes, access granted'}"


def _encoders() -> dict[str, str]:
    facts = {"bundled entries": str(sum(not entry.hidden for entry in bundled_entries()))}
    try:
        own = user_entries()
        place = next((p for p in user_catalogues() if p.is_file()), user_catalogues()[0])
        facts["your entries"] = f"{len(own)} in {shown(place)}" if own else f"none ({shown(place)})"
        for status in overview():
            if status.state == "installed" and status.location is not None:
                facts[status.entry.id] = f"{size_text(status.size)} in {shown(status.location.parent)}"
    except (ConstructError, OSError) as error:
        facts["your entries"] = _without_home(str(error))
    return facts


def _models() -> dict[str, str]:
    from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_any
    from napari_construct.models.checkpoints.locations import bundled_models, imported_models

    facts = {}
    for name, path in (imported_models() | bundled_models()).items():
        try:
            checkpoint = load_any(path)
            if isinstance(checkpoint, ChannelCheckpoint):
                channels = harmless(", ".join(checkpoint.channels))
                facts[name] = f"readable; {checkpoint.config.encoder} for the channels {channels}"
                continue
            facts[name] = f"readable; encoder {checkpoint.config.encoder} {checkpoint.encoder_hash[:12]}"
        except (ConstructError, OSError, MemoryError) as error:
            facts[name] = _without_home(str(error))
    return facts or {"none": "expected at least the bundled model; reinstall napari-construct"}


def shown(path: Path) -> str:
    """A path with the home folder as ~."""
    return _without_home(str(path))


def _without_secrets(text: str) -> str:
    """A setting as it is, but for names, passwords and tokens in an address."""
    return without_secrets(_without_home(text))


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
