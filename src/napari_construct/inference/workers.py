"""Other processes that do parts of a job; :class:`~napari_construct.Cluster` is some."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from napari_construct.inference.activation.loaded_network import LoadedNetwork

Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


@runtime_checkable
class Job(Protocol[Item_contra, Result_co]):
    """What is to be done with each item; plain data that another process can be sent.

    Doing an item twice must do no harm: that of a lost worker is done again.

    Attributes
    ----------
    key : str
        Another for every job; a worker keeps the job by it, and with that the files that it opened.
    """

    @property
    def key(self) -> str: ...

    def __call__(self, predictor: Any, item: Item_contra) -> Result_co:
        """Do one item with the worker's model."""
        ...


@runtime_checkable
class Workers(Protocol):
    """Who does jobs elsewhere."""

    def results(self, job: Any, predictor: LoadedNetwork, items: Iterable[Any]) -> Generator[Any, None, None]:
        """Results in the order of the items, a few of which are done ahead; None while one is waited for.

        Closing the generator cancels what was not finished.
        """
        ...
