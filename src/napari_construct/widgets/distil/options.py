"""The form of a distillation's settings."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QFormLayout, QWidget

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.stains import NUCLEAR_STAINS, shows
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.distil.channels import ChannelsField
from napari_construct.widgets.distil.rows import ROWS
from napari_construct.widgets.parts.options import DeviceForm

_STUDENT_TIP = "The one channel that the student sees, as a rule the nuclear one"
_TEACHER_TIP = (
    "The channels that the teacher sees: nuclear, then membrane. Auto: the first ones, as many as the "
    "teacher looks at"
)


class DistilOptions(DeviceForm[DistilConfig]):
    """Edits a :class:`~napari_construct.crossmodal.config.DistilConfig` and the device."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(DistilConfig(), ROWS, parent)
        self._names: tuple[str, ...] = ()

    def placeChannels(self, target: QFormLayout) -> None:
        """Put the channels into another form; this one edits them."""
        student = ChannelsField(("nuclei",), parent=target.parentWidget())
        teacher = ChannelsField(("nuclei", "membranes"), "auto", parent=target.parentWidget())
        self.addField("channels", "Student sees", _STUDENT_TIP, student, target)
        self.addField("teacher_channels", "Teacher sees", _TEACHER_TIP, teacher, target)

    def showNames(self, names: Sequence[str]) -> None:
        """Show the channels of other images; of the student's, those that they lack are replaced."""
        changed, self._names = self._names != tuple(names), tuple(names)
        for key in ("channels", "teacher_channels"):
            self.field(key).setNames(names)
        if not changed or not names:
            return
        student, teacher = self.field("channels"), self.field("teacher_channels")
        nuclear = [i for i, name in enumerate(names) if shows(name, NUCLEAR_STAINS)]
        if not _there(names, student.get()) or (student.get() == (0,) and nuclear):
            student.put((nuclear[0] if nuclear else 0,))
        if not _there(names, teacher.get()):
            teacher.put(())

    def channelProblem(self) -> str:
        """Why the channels do not fit the images; empty if they do."""
        config = self.known()
        if config is None or not self._names:
            return ""
        try:
            for what, chosen in (("student", config.channels), ("teacher", config.teacher_channels)):
                for which in chosen:
                    channel_index(self._names, which, f"channel for the {what}")
        except ConfigurationError as error:
            return str(error)
        return ""


def _there(names: Sequence[str], channels: Sequence[int | str]) -> bool:
    try:
        return all(channel_index(names, which, "channel") >= 0 for which in channels)
    except ConfigurationError:
        return False
