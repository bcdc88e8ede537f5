"""YAML of plain values: no tags, no objects, no expansion of aliases without bound.

The library's own loader builds nested values by recursion, dates from anything that looks like one, and names
that are numbers or lists. Here its events are taken one by one, so every bound is checked before anything is
built, and only texts, numbers, truth values, nulls, lists and mappings come out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.foreign import passed_on, quoted
from napari_construct.reading.texts.text import at, read_text, unreadable
from napari_construct.reading.texts.values import (
    DEEPEST,
    LONGEST_NUMBER,
    UnusableError,
    check_values,
    integer,
    number,
    too_deep,
    too_many,
)
from napari_construct.types import PathLike

if TYPE_CHECKING:
    from yaml.events import Event, ScalarEvent

LARGEST_YAML: Final = 2**18
"""Bytes; the parser reads about 100 kB a second."""

MOST_YAML: Final = 100_000
"""Values, those that aliases repeat counted every time."""

_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset({"yes", "true", "on"})


def read_yaml(
    path: PathLike,
    *,
    what: str = "YAML",
    largest: int = LARGEST_YAML,
    error: type[ConstructError] = ConfigurationError,
) -> Any:
    """The value of a YAML file; parameters and errors as of :func:`~.text.read_text` and
    :func:`parse_yaml`.
    """
    return parse_yaml(read_text(path, what=what, largest=largest, error=error), at(path), what, error)


def parse_yaml(
    text: str, where: str, what: str = "YAML", error: type[ConstructError] = ConfigurationError
) -> Any:
    """The value of a YAML text with one document; dates and times stay text, names are text as written.

    Parameters
    ----------
    text : str
        The document.
    where, what, error
        Place and expectation of the error message, and its class.

    Raises
    ------
    ConstructError
        If it is no YAML, has tags of objects, a name twice, aliases within what an alias repeats, or what
        :func:`~.values.check_values` refuses.
    """
    import yaml

    try:
        value = _built(text)
        check_values(value, most=MOST_YAML)
    except yaml.MarkedYAMLError as found:
        mark = found.problem_mark
        place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        said = passed_on(ValueError(found.problem or "damaged"))
        raise error(unreadable(where, what, f"text that is no YAML: {said}{place}")) from found
    except (yaml.YAMLError, RecursionError) as found:
        raise error(unreadable(where, what, found)) from found
    except UnusableError as found:
        raise error(unreadable(where, what, str(found))) from found
    return value


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; ``count`` values within it so far."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    name: str | None = None
    merged: list[Any] = field(default_factory=list)
    count: int = 1
    aliases: bool = False


def _built(text: str) -> Any:
    import yaml
    from yaml import events

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(loader(""))
    documents = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, events.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise UnusableError("several documents (---)")
        builder.take(event)
    return builder.result


class _Builder:
    """The value of a stream of events."""

    def __init__(self, resolver: Any) -> None:
        self.result: Any = None
        self._resolver = resolver
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, bool]] = {}

    def take(self, event: Event) -> None:
        from yaml import events

        if isinstance(event, events.MappingStartEvent | events.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, events.MappingEndEvent | events.SequenceEndEvent):
            done = self._open.pop()
            if isinstance(done.value, dict):
                for other in done.merged:
                    for name, item in other.items():
                        done.value.setdefault(name, item)
            if done.anchor:
                self._anchors[done.anchor] = done.value, done.count, done.aliases
            self._add(done.value, done.count, aliases=done.aliases)
        elif isinstance(event, events.AliasEvent):
            self._alias(event.anchor or "")
        elif isinstance(event, events.ScalarEvent):
            if self._wants_name():
                self._open[-1].name = event.value
                return
            value = self._scalar(event)
            if event.anchor:
                self._anchors[event.anchor] = value, 1, False
            self._add(value, 1)

    def _start(self, event: Any) -> None:
        from yaml import events

        mapping = isinstance(event, events.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if mapping else "seq")):
            raise UnusableError(f"the tag {quoted(event.tag)}, where plain values were expected")
        if self._wants_name():
            raise UnusableError("a list or mapping as a name")
        if len(self._open) >= DEEPEST:
            raise too_deep()
        self._open.append(_Open({} if mapping else [], event.anchor))

    def _alias(self, anchor: str) -> None:
        if self._wants_name():
            raise UnusableError(f"the alias {quoted(anchor)} as a name")
        if anchor not in self._anchors:
            raise UnusableError(f"the alias {quoted(anchor)} of nothing that ended before it")
        value, count, aliases = self._anchors[anchor]
        if aliases:
            raise UnusableError(f"the alias {quoted(anchor)} of aliases")
        self._add(value, count, aliases=True)

    def _wants_name(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].name is None

    def _add(self, value: Any, count: int, *, aliases: bool = False) -> None:
        if not self._open:
            self.result = value
            return
        into = self._open[-1]
        into.count += count
        into.aliases = into.aliases or aliases
        if into.count > MOST_YAML:
            raise too_many(MOST_YAML)
        if isinstance(into.value, list):
            into.value.append(value)
            return
        name, into.name = into.name or "", None
        if name == "<<":
            into.merged += _mappings(value)
        elif name in into.value:
            raise UnusableError(f"the name {quoted(name)} twice")
        else:
            into.value[name] = value

    def _scalar(self, event: ScalarEvent) -> Any:
        from yaml.nodes import ScalarNode

        tag = event.tag
        if tag in (None, "!"):
            tag = self._resolver.resolve(ScalarNode, event.value, event.implicit)
        kind, text = tag.removeprefix(_TAG), event.value
        if kind in ("str", "timestamp", "value", "merge"):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind in ("int", "float"):
            return _number(text, kind)
        raise UnusableError(f"the tag {quoted(tag)}, where plain values were expected")


def _mappings(value: Any) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in found):
        raise UnusableError("<< with something that is no mapping")
    return found


def _number(text: str, kind: str) -> Any:
    bare = text.replace("_", "").lower()
    if len(bare) > LONGEST_NUMBER or ":" in bare:  # numbers to the base of sixty are times of the day
        raise UnusableError(f"the number {quoted(text, 40)}; put it in quotation marks if it is a text")
    try:
        if kind == "float":
            return number(bare.replace(".inf", "inf").replace(".nan", "nan"))
        sign = -1 if bare.startswith("-") else 1
        digits = bare.lstrip("+-")
        if digits.startswith(("0x", "0b")):
            return integer(str(sign * int(digits[:66], 0)))
        if len(digits) > 1 and digits.startswith("0"):
            return integer(str(sign * int(digits[:66], 8)))
        return integer(bare)
    except ValueError as error:
        if isinstance(error, UnusableError):
            raise
        raise UnusableError(f"the number {quoted(text, 40)}") from error
