"""Find a teacher and load it.

Reading the catalogue is cheap; a library is imported when a teacher needs it. Nothing is downloaded: missing
weights raise an error that says how to get them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.entries import Loader, TeacherEntry, entries
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.places import is_folder
from napari_construct.types import PathLike

_Load = Callable[[TeacherEntry, Path | None, str, dict[str, Any]], Teacher]

OWN_SUFFIX: Final = ".construct"


def find_teacher(name: str) -> TeacherEntry:
    """The entry of an id.

    Raises
    ------
    ConfigurationError
        If there is none; the message suggests a similar id.
    """
    known = {entry.id: entry for entry in entries()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else "choose one of these"
    raise ConfigurationError(
        f"expected a teacher ({', '.join(known)}), a folder of its outputs or a {OWN_SUFFIX} file, got "
        f"{quoted(name)}; {hint}"
    )


def load_teacher(
    name: PathLike, weights: PathLike | None = None, device: str = "auto", **settings: Any
) -> Teacher:
    """Load a teacher, frozen.

    Parameters
    ----------
    name : str or path
        An id of the catalogue; or a folder of stored outputs, or the file of a teacher of ours.
    weights : path, optional
        Its file of weights; of "precomputed" the folder, of "channel_unet" the ``.construct`` file. By
        default the file of the catalogue's name in ``teachers/ID`` of the weights folder, or where its own
        library keeps it.
    device : str
        "auto", or a device of torch.
    **settings
        Of the teacher: :class:`~.segment_anything.SamSettings`, :class:`~.cellpose_sam.CellposeSettings`,
        :class:`~.cellsam.CellSamSettings`, :class:`~.precomputed.PrecomputedSettings`.

    Raises
    ------
    ConfigurationError
        If the teacher, a setting or the device is unknown, or its library is not installed.
    CheckpointError
        If the weights are absent, damaged or of another network.
    DatasetError
        If a folder of outputs holds none.
    """
    if weights is None and is_folder(name):
        name, weights = "precomputed", name
    elif weights is None and Path(name).suffix == OWN_SUFFIX:
        name, weights = "channel_unet", name
    entry = find_teacher(str(name))
    return _LOADERS[entry.loader](entry, None if weights is None else Path(weights), device, settings)


def _precomputed(entry: TeacherEntry, folder: Path | None, _: str, settings: dict[str, Any]) -> Teacher:
    from napari_construct.crossmodal.teachers.precomputed import PrecomputedSettings, PrecomputedTeacher

    if folder is None:
        raise ConfigurationError(
            "precomputed: expected the folder of the outputs, got none; name it in the place of the weights"
        )
    return PrecomputedTeacher(entry.spec, folder, PrecomputedSettings.checked(**settings))


def _segment_anything(
    entry: TeacherEntry, weights: Path | None, device: str, settings: dict[str, Any]
) -> Teacher:
    from napari_construct.crossmodal.teachers.segment_anything import SamSettings, load_sam

    return load_sam(entry, weights, device, SamSettings.checked(**settings))


def _cellpose_sam(
    entry: TeacherEntry, weights: Path | None, device: str, settings: dict[str, Any]
) -> Teacher:
    from napari_construct.crossmodal.teachers.cellpose_sam import CellposeSettings, load_cellpose_sam

    return load_cellpose_sam(entry, weights, device, CellposeSettings.checked(**settings))


def _cellsam(entry: TeacherEntry, weights: Path | None, device: str, settings: dict[str, Any]) -> Teacher:
    from napari_construct.crossmodal.teachers.cellsam import CellSamSettings, load_cellsam

    return load_cellsam(entry, weights, device, CellSamSettings.checked(**settings))


def _channel_unet(
    entry: TeacherEntry, weights: Path | None, device: str, settings: dict[str, Any]
) -> Teacher:
    from napari_construct.crossmodal.teachers.channel_unet import load_channel_unet

    return load_channel_unet(entry, weights, device, settings)


_LOADERS: Final[dict[Loader, _Load]] = {
    "segment_anything": _segment_anything,
    "cellsam": _cellsam,
    "cellpose_sam": _cellpose_sam,
    "channel_unet": _channel_unet,
    "precomputed": _precomputed,
}
