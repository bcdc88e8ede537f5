"""What a teacher is shown of an image: its roles' channels, each normalised by its percentiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_construct.crossmodal.protocol import TeacherSpec, TeacherView
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import normalised_channel
from napari_construct.exceptions import ConfigurationError


def teacher_view(
    image: ChannelImage,
    spec: TeacherSpec,
    channels: Sequence[int | str],
    name: str,
) -> TeacherView:
    """The view of one image.

    Parameters
    ----------
    image : ChannelImage
        (c, h, w) channels.
    spec : TeacherSpec
        Says which roles the teacher looks at.
    channels : sequence of int or str
        The channels of these roles, in their order; empty takes the first ones, or all where the teacher
        names no roles.
    name : str
        Of the image.

    Raises
    ------
    ConfigurationError
        If the image lacks a channel, or there are more or fewer than roles.
    """
    chosen = [channel_index(image.names, which, f"{name}: channel for the teacher") for which in channels]
    if not chosen:
        chosen = list(range(len(image.names)))[: len(spec.channels) or None]
    if spec.channels and len(chosen) != len(spec.channels):
        raise ConfigurationError(
            f"{name}: expected {len(spec.channels)} channel(s) for the teacher {spec.id} "
            f"({', '.join(spec.channels)}), got {len(chosen)} of {', '.join(image.names)}; name them in this "
            "order (--teacher-channels)"
        )
    planes = [normalised_channel(image, i) for i in chosen]
    roles = spec.channels or tuple(image.names[i] for i in chosen)
    return TeacherView(np.stack(planes), roles, image.mpp, name)


class DatasetViews:
    """What a teacher is shown of every image of a dataset; loaded when it is asked for.

    Parameters
    ----------
    dataset : CellDataset
        The images.
    spec : TeacherSpec
        Of the teacher.
    channels : sequence of int or str
        As of :func:`teacher_view`.
    """

    def __init__(self, dataset: CellDataset, spec: TeacherSpec, channels: Sequence[int | str]) -> None:
        self.dataset, self.spec, self.channels = dataset, spec, tuple(channels)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> TeacherView:
        image, name = self.dataset.load(index).image, self.dataset.names[index]
        return teacher_view(image, self.spec, self.channels, name)
