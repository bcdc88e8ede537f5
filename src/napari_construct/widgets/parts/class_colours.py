"""The colours of classes by their names: the same in every dock and with every model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from napari_construct.classes import OKABE_ITO, ClassTable, TissueClass, hex_of
from napari_construct.widgets.layers import METADATA_KEY, class_colormap, label_colormap
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.preferences import Preferences, preferences

_NAME: Final = "class colours"
_GIVEN, _SEEN = "given", "seen"


def in_known_colours(table: ClassTable, chosen: Preferences | None = None) -> ClassTable:
    """A model's classes in the colours that the user gave these names, or first saw them in.

    Classes that are new here get the colour of the model, or of the palette of the preferences, and keep it.
    Where two classes of the table would have one colour, the one that the user gave keeps it, then the one
    seen first; the other gets a free colour of the palette in this table.
    """
    chosen = chosen or preferences()
    own = chosen.coloured(table)
    given, seen = _kept(_GIVEN), _kept(_seen_in(chosen))
    first = {tissue.name: given.get(_key(tissue), seen.get(_key(tissue), tissue.colour)) for tissue in own}
    order = sorted(
        own, key=lambda t: (_key(t) not in given, _key(t) not in seen)
    )  # stable: then as in the table
    colours: dict[str, str] = {}
    for tissue in order:
        colours[tissue.name] = _free(first[tissue.name], colours.values(), [*first.values()])
    _keep(_seen_in(chosen), {_key(t): colours[t.name] for t in own if _key(t) not in seen} | seen)
    return ClassTable(classes=tuple(t.model_copy(update={"colour": colours[t.name]}) for t in own))


def give_colours(before: ClassTable | None, after: ClassTable) -> None:
    """Remember the colours that the user changed."""
    former = {tissue.name: tissue.colour for tissue in before or ()}
    changed = {_key(t): t.colour for t in after if former.get(t.name, t.colour) != t.colour}
    if changed:
        _keep(_GIVEN, _kept(_GIVEN) | changed)


def dress(layer: Any) -> None:
    """Give a new result the known colours of its classes."""
    known = layer.metadata.get(METADATA_KEY, {})
    if known.get("kind") == "cam":
        colour = _known(str(known.get("class")))
        if colour is not None:
            layer.colormap = class_colormap(colour)
    elif known.get("classes"):
        table = _table_of(layer, known["classes"])
        dressed = in_known_colours(table)
        if dressed != table:
            layer.colormap = label_colormap(dressed)


def _table_of(layer: Any, names: Collection[str]) -> ClassTable:
    classes = []
    for value, name in enumerate(names, start=1):
        rgba = layer.get_color(value)
        shown = rgba is not None and bool(rgba[3])
        colour = hex_of([round(255 * float(c)) for c in rgba[:3]]) if shown else OKABE_ITO[0]
        classes.append(TissueClass(name=name, colour=colour, shown=shown))
    return ClassTable(classes=tuple(classes))


def _known(name: str) -> str | None:
    key = name.casefold()
    return _kept(_GIVEN).get(key) or _kept(_seen_in(preferences())).get(key)


def _free(wanted: str, taken: Collection[str], others: Collection[str]) -> str:
    """A colour, or where it is taken the first of the palette that neither is taken nor wanted."""
    if wanted not in taken:
        return wanted
    free = [colour for colour in OKABE_ITO if colour not in taken and colour not in others]
    return free[0] if free else wanted


def _key(tissue: TissueClass) -> str:
    return tissue.name.casefold()


def _seen_in(chosen: Preferences) -> str:
    """Colours seen with a palette are those of that palette."""
    return f"{_SEEN}, {chosen.palette}"


def _kept(part: str) -> dict[str, str]:
    found = Memory(_NAME).load().get(part)
    if not isinstance(found, dict):
        return {}
    return {str(name): colour for name, colour in found.items() if _is_colour(colour)}


def _keep(part: str, colours: dict[str, str]) -> None:
    memory = Memory(_NAME)
    kept = memory.load()
    if kept.get(part) != colours:
        memory.keep(kept | {part: colours})


def _is_colour(text: object) -> bool:
    return isinstance(text, str) and len(text) == 7 and text.startswith("#")
