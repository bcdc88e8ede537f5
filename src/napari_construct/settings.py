"""The base of all settings: frozen, checked, and with one sentence for every mistake in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import cut, printable, quoted

LONGEST_PROBLEM: Final = 500
"""Characters of what is said of one mistake."""

_PLAIN_TYPES: Final = frozenset({"bool", "dict", "float", "int", "none", "str"})
_SHOULD: Final = re.compile(r"^\w+ should (be |have |match the |match |)")
_OUR_OWN: Final = "value_error"
_UNKNOWN: Final = "extra_forbidden"
_MISSING: Final = "missing"

Chosen = TypeVar("Chosen", bound="Settings")  # the tests' type checker knows no Self here


class Settings(BaseModel):
    """What a user chooses; the same object behind widget, command line, files and Python.

    It never changes: :meth:`changed` makes another one. Unknown names are errors. Made in the plain way,
    by calling the class, wrong values raise pydantic's ``ValidationError``, a ``ValueError``;
    :meth:`checked` and :meth:`changed` raise this package's own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    """Field names of earlier versions, each with the present one; files and records may still hold them."""

    @model_validator(mode="before")
    @classmethod
    def _with_new_names(cls, fields: Any) -> Any:
        return with_new_names(fields, cls.OLD_NAMES)

    @classmethod
    def renamed(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields under their present names, those of settings within them, too; values stay unchecked.

        Validation renames by itself. This is for fields that are merged or compared without it.
        """
        found: dict[str, Any] = dict(with_new_names(fields, cls.OLD_NAMES))
        for name in found.keys() & cls.model_fields.keys():
            inner = _settings_in(cls.model_fields[name].annotation)
            if inner is not None and isinstance(found[name], Mapping):
                found[name] = inner.renamed(found[name])
        return found

    @classmethod
    def checked(cls: type[Chosen], /, **fields: Any) -> Chosen:  # noqa: PYI019
        """Settings of names and values; what is left out has its default.

        Raises
        ------
        ConfigurationError
            If a name is unknown or a value impossible; the message names the setting.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise ConfigurationError(sentence(error, cls.__name__)) from error

    def changed(self: Chosen, /, **changes: Any) -> Chosen:  # noqa: PYI019
        """A copy with some fields changed and all of them checked.

        Raises
        ------
        ConfigurationError
            If a name is unknown or a value impossible; the message names the setting.
        """
        return self.checked(**self.model_dump() | self.renamed(changes))


def with_new_names(fields: Any, names: Mapping[str, str]) -> Any:
    """Rename the keys of a mapping.

    Parameters
    ----------
    fields : mapping
        Names and values. A field given under both its names keeps both, which is an error later.
    names : mapping of str to str
        Old names, each with the new one.
    """
    if not isinstance(fields, Mapping) or not names.keys() & fields.keys():
        return fields
    return {name if names.get(name) in fields else names.get(name, name): v for name, v in fields.items()}


def _settings_in(annotation: Any) -> type[Settings] | None:
    """The settings class of a field's type, such as "CRFParameters | None"."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for part in get_args(annotation) if (found := _settings_in(part))), None)


def sentence(error: ValidationError, settings: str) -> str:
    """What is wrong in settings, and where one finds what is allowed.

    Parameters
    ----------
    error : ValidationError
        Of pydantic.
    settings : str
        Name of the class.
    """
    first = error.errors()[0]
    if not first["loc"] and first["type"] == _OUR_OWN:  # settings that contradict each other
        return problem(error)
    said = f"setting {problem(error)}" if first["loc"] else problem(error)
    return said if first["type"] == _OUR_OWN else f"{said}; see {settings} for what is allowed"


def problem(error: ValidationError) -> str:
    """The first mistake alone: "tile: expected ..., got ..."; without a remedy, unless it names its own.

    Control characters are written out, and what was given is cut.
    """
    return cut(printable(" ".join(_problem(error).split())), LONGEST_PROBLEM)


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = _place(first)
    if first["type"] == _UNKNOWN:
        return f"{where}: expected a known name, got one that is not"
    if first["type"] == _MISSING:
        return f"{where}: expected a value, got none"
    if first["type"] == _OUR_OWN:
        text = str(first["ctx"]["error"])
        return f"{where}: {text}" if where else text
    if not _SHOULD.match(first["msg"]):  # "Invalid JSON: ..."
        return f"{where}: {first['msg']}" if where else first["msg"]
    # the branches of a union fail one by one; all that is said of this place belongs together
    same = [found for found in error.errors() if _place(found) == where]
    for found in same:
        if found["type"] == _OUR_OWN:  # says all itself
            return f"{where or 'settings'}: {found['ctx']['error']}"
    wanted = " or ".join(dict.fromkeys(_wanted(found["msg"]) for found in same))
    return f"{where or 'settings'}: expected {wanted}, got {quoted(first['input'])}"


def _place(found: Mapping[str, Any]) -> str:
    """Names of fields and numbers of items, without the types that pydantic names for a union."""
    loc = found["loc"]
    last = len(loc) - 1
    kept = [
        cut(str(part))
        for i, part in enumerate(loc)
        if not i or isinstance(part, int) or (i == last and found["type"] == _UNKNOWN) or _is_field(part)
    ]
    return ".".join(kept)


def _is_field(part: str) -> bool:
    return part.isidentifier() and part == part.lower() and part not in _PLAIN_TYPES


def _wanted(message: str) -> str:
    """What was expected, of "Input should be a valid number"."""
    text = _SHOULD.sub("", message)
    return f"a number {text}" if text.startswith(("greater", "less")) else text
