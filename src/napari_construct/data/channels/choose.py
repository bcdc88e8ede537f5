"""Which channel is meant: by position or by name."""

from __future__ import annotations

from collections.abc import Sequence

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.names import named, normal


def channel_index(names: Sequence[str], which: int | str, what: str) -> int:
    """Position of a channel that is named or counted.

    Names are compared without regard to case: the whole name first, then a number as a position, then a part
    of the name that occurs in one channel only.

    Parameters
    ----------
    names : sequence of str
        Of the channels there are.
    which : int or str
        Position from 0, or name.
    what : str
        What the channel is for, as the error says it: "nuclear channel".

    Raises
    ------
    ConfigurationError
        If there is no such channel, or several; it lists those there are.
    """
    if isinstance(which, bool) or not isinstance(which, int | str):
        raise _none(names, which, what)
    if isinstance(which, str):
        found = _by_name(names, which, what)
        if found is not None:
            return found
        raise _none(names, which, what)
    if not 0 <= which < len(names):
        raise _none(names, which, what)
    return which


def channel_indices(names: Sequence[str], which: Sequence[int | str], what: str) -> tuple[int, ...]:
    """Positions of several channels, each once.

    Raises
    ------
    ConfigurationError
        If none is asked for, one twice, or as of :func:`channel_index`.
    """
    if isinstance(which, str) or not which:
        raise ConfigurationError(
            f"{what}: expected names or numbers of channels, got {quoted(which)}; choose among {_list(names)}"
        )
    found = tuple(channel_index(names, one, what) for one in which)
    if len(set(found)) < len(found):
        raise ConfigurationError(
            f"{what}: expected every channel once, got {', '.join(quoted(one) for one in which)}, which name "
            f"one of them twice; choose among {_list(names)}"
        )
    return found


def _by_name(names: Sequence[str], which: str, what: str) -> int | None:
    wanted = _plain(which)
    plain = [_plain(name) for name in names]
    same = [i for i, name in enumerate(plain) if name == wanted]
    if not same and wanted.isdecimal() and len(wanted) < 6 and int(wanted) < len(names):
        return int(wanted)
    found = same or [i for i, name in enumerate(plain) if wanted and wanted in name]
    if len(found) > 1:
        raise ConfigurationError(
            f"{what}: expected one channel, got {quoted(which)}, which is {len(found)} of them "
            f"({', '.join(map(str, found))}); give its number: {_list(names)}"
        )
    return found[0] if found else None


def _plain(name: str) -> str:
    return normal(name).casefold().strip()


def _none(names: Sequence[str], which: object, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: expected one of the channels {_list(names)}, got {quoted(which)}; give a name or a number"
    )


def _list(names: Sequence[str]) -> str:
    return named([f"{i} {name}" if name != str(i) else name for i, name in enumerate(names)], 40)
