"""What a dock keeps of its last run for the next session: the settings, without those of the data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from napari_construct.exceptions import ConstructError
from napari_construct.settings import Settings
from napari_construct.widgets.parts.memory import Memory

Config = TypeVar("Config", bound=Settings)


class RunMemory(Generic[Config]):
    """Settings and device of the last run.

    Parameters
    ----------
    name : str
        Of the dock.
    start : callable
        Makes the settings that hold where nothing is kept.
    of_data : collection of str
        Fields that mean something else for other data; they start anew with these.
    """

    def __init__(self, name: str, start: Callable[[], Config], of_data: Collection[str]) -> None:
        self._memory, self._start, self._of_data = Memory(name), start, of_data

    def keep(self, config: Config, device: str, **more: Any) -> None:
        """A run begins."""
        kept = self._without_data(config.model_dump(mode="json"))
        self._memory.keep({"config": kept, "device": device, **more})

    def config(self) -> Config | None:
        """What the user prefers; None if it is of another version."""
        found = self.found("config")
        try:
            return self._start().changed(**self._without_data(found if isinstance(found, dict) else {}))
        except (ConstructError, TypeError):
            return None

    def device(self) -> str:
        return str(self._memory.load().get("device", "auto"))

    def found(self, name: str) -> Any:
        """What is kept under a name; None for nothing."""
        return self._memory.load().get(name)

    def _without_data(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """Plain settings without those of the data; earlier versions kept them, too."""
        return {name: value for name, value in plain.items() if name not in self._of_data}
