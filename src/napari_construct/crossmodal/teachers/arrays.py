"""A teacher whose outputs lie in memory, such as a layer of a viewer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherView
from napari_construct.crossmodal.teachers import map_kinds
from napari_construct.crossmodal.teachers.entries import entry_of
from napari_construct.crossmodal.teachers.from_instances import output_of
from napari_construct.data.cells.arrays import ArrayCells
from napari_construct.exceptions import InputError


class ArrayTeacher:
    """What a tool said of each image, by the image's name.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        (h, w) of each image: numbers of cells, a mask, or probabilities of foreground.
    content : {"probability", "labels", "mask"}
        What they are.
    name : str
        What errors call them, for example the layer's name.

    Attributes
    ----------
    identity : str
        SHA-256 over names and values.
    """

    def __init__(
        self, outputs: Mapping[str, NDArray[Any]], content: map_kinds.Kind, name: str = "output"
    ) -> None:
        self.spec = entry_of("precomputed").spec
        self.content, self._outputs, self._name = content, dict(outputs), name
        found = hashlib.sha256(f"arrays|{content}".encode())
        for key, values in self._outputs.items():
            found.update(f"\n{key}\0{values.dtype}{values.shape}".encode("utf-8", "surrogateescape"))
            found.update(np.ascontiguousarray(values).data)
        self.identity = found.hexdigest()

    def predict(self, view: TeacherView) -> TeacherOutput:
        """The output of an image.

        Raises
        ------
        InputError
            If there is none for it, or it is of another size.
        """
        values = self._outputs.get(view.name)
        if values is None:
            raise InputError(f"{view.name}: expected it in {self._name}, found nothing; choose another layer")
        shape, place = view.channels.shape[1:], Path(self._name)
        if values.shape != shape:
            raise InputError(
                f"{self._name}: expected {shape[0]} x {shape[1]} pixels as {view.name} has, got "
                f"{' x '.join(map(str, values.shape))}; choose the output for this image"
            )
        if self.content == "labels":
            return output_of(map_kinds.labels(values, place))
        read = map_kinds.mask if self.content == "mask" else map_kinds.probabilities
        return TeacherOutput(read(values, place))


def array_teacher(
    output: Any, cells: ArrayCells, content: map_kinds.Kind | None = None, *, name: str = "output"
) -> ArrayTeacher:
    """A teacher of one array over the same images.

    Parameters
    ----------
    output : array-like
        Of the shape of the images' arrays: numbers of cells, a mask, or probabilities of foreground.
    cells : ArrayCells
        The images.
    content : {"probability", "labels", "mask"}, optional
        What it is; by default as its values look.
    name : str
        What errors call it.

    Raises
    ------
    InputError
        If its shape is not that of the images.
    """
    shape, own = tuple(np.shape(cells.arrays[0])), tuple(np.shape(output))
    if own != shape:
        raise InputError(
            f"{name}: expected the shape of the images {shape}, got {own}; choose the output for these images"
        )
    parts = {key: cells.part(output, index) for index, key in enumerate(cells.names)}
    return ArrayTeacher(parts, content or _content(parts.values()), name)


def _content(parts: Iterable[NDArray[Any]]) -> map_kinds.Kind:
    """What the first part holds that is no plain mask, as of stored files."""
    for part in parts:
        found = map_kinds.kind_of(part)
        if found != "mask":
            return found
    return "mask"
