"""A share of a batch: one of several processes that work in one folder of results, each with its own ledger.

The ledger of a share lies beside that of the folder, and is locked by its process. All ledgers are read by
everybody; the next run without a share takes over what the shares found, and removes their ledgers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import locked_file, locked_folder, with_locks

MOST_SHARES: Final = 10_000
PATIENCE: Final = 20.0
"""Seconds for which a share waits for another that begins."""

_NAME: Final = re.compile(r"batch\.(\d+)-of-(\d+)\.jsonl")


@runtime_checkable
class _Image(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def stack(self) -> str: ...


AnySource = TypeVar("AnySource", bound=_Image)


@dataclass(frozen=True, slots=True)
class Share:
    """Share ``number`` of ``count``, from 1."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MOST_SHARES:
            raise ConfigurationError(
                f"expected a share such as 1/4, 2/4, 3/4 or 4/4, got {self.number}/{self.count}; the first "
                "number goes from 1 to the second (of SLURM: --array=1-4)"
            )

    @classmethod
    def parse(cls, text: str) -> Share:
        """From ``I/N``.

        Raises
        ------
        ConfigurationError
            If it is none.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
        if found is None:
            raise ConfigurationError(
                f"expected a share as I/N, such as 2/4, got {text[:40]!r}; in an array of SLURM "
                "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def ledger_name(self) -> str:
        """Of its ledger."""
        return f"batch.{self.number}-of-{self.count}.jsonl"

    def of(self, sources: Sequence[AnySource]) -> tuple[AnySource, ...]:
        """Every so manieth image; the planes of a stack stay together. May be none."""
        groups: dict[str, list[AnySource]] = {}
        for source in sources:
            groups.setdefault(f"stack {source.stack}" if source.stack else source.key, []).append(source)
        chosen = list(groups.values())[self.number - 1 :: self.count]
        return tuple(source for group in chosen for source in group)


def share_ledgers(folder: Path) -> list[Path]:
    """Ledgers of shares in a folder, the one that was written last at the end."""
    try:
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=lambda path: (path.lstat().st_mtime_ns, path.name))


@contextmanager
def locked_for(folder: Path, share: Share | None) -> Iterator[None]:
    """Hold a folder of results, or a share of it: several shares at once, or one run without.

    Raises
    ------
    ConfigurationError
        If another run holds the folder or the same share; without a share, if one is at work.
    ConstructError
        If the system refuses.
    """
    if share is None:
        with locked_folder(folder):
            for ledger in with_locks(folder):
                if _NAME.fullmatch(ledger.name):
                    with locked_file(ledger):
                        pass  # it was left behind by a kill
            yield
        return
    with locked_file(folder / share.ledger_name):
        with locked_folder(folder, PATIENCE):  # so that a run without a share is seen, and sees this one
            pass
        yield
