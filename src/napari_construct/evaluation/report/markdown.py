"""A report as Markdown, for a pull request or a notebook."""

from __future__ import annotations

from collections.abc import Iterable

from napari_construct.evaluation.report.table import Content, Table
from napari_construct.evaluation.report.tables import all_tables


def markdown(content: Content, extra: tuple[Table, ...] = ()) -> str:
    """All tables of a report in GitHub's Markdown, with models above and failures below.

    Parameters
    ----------
    content : mapping
        Of :func:`~napari_construct.evaluation.report.summary.summary`.
    extra : tuple of Table
        Shown first, for example those of a preset.
    """
    return document(content, heading(content), (*extra, *all_tables(content)))


def document(content: Content, said: str, tables: Iterable[Table]) -> str:
    """A sentence and tables, then what could not be scored and the notices of ``content``."""
    blocks = ["# Evaluation", _escaped(said)]
    blocks += [markdown_table(table) for table in tables]
    for title, lines in remarks(content):
        blocks.append("\n".join([f"## {title}", "", *(f"- {_escaped(line)}" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def heading(content: Content) -> str:
    """Which models, on how many images, and how the masks were read."""
    names = ", ".join(model["name"] for model in content["models"])
    many = len(content["models"])
    images = len(content["images"])
    first = content["record"].get("masks", {}).get("first_class", 0)
    zero = ", 0 unlabelled" if first else ""
    return (
        f"{'Model' if many == 1 else f'{many} models'} {names} on {images} image{'s'[: images != 1]}. In the "
        f"masks, value {first} is the first class{zero}."
    )


def remarks(content: Content) -> list[tuple[str, list[str]]]:
    """Images that were not scored, and notices."""
    failures = [f"{failure['image']}: {failure['error']}" for failure in content["failures"]]
    found = [("Images that were not scored", failures), ("Notices", list(content["notices"]))]
    return [(title, lines) for title, lines in found if lines]


def markdown_table(table: Table) -> str:
    """A table below its title; summing rows are bold, the note stands below."""
    plain = len(table.rows) - table.strong
    lines = [
        f"## {table.title}",
        "",
        _row(table.columns),
        _row(("---", *("---:" for _ in table.columns[1:]))),
        *(
            _row(
                row if i < plain else tuple(cell and f"**{cell}**" for cell in map(_escaped, row)), i < plain
            )
            for i, row in enumerate(table.rows)
        ),
    ]
    return "\n".join(lines + (["", table.note] if table.note else []))


def _row(cells: tuple[str, ...], escape: bool = True) -> str:
    return f"| {' | '.join(map(_escaped, cells) if escape else cells)} |"


def _escaped(text: str) -> str:
    """Text whose bars, stars and brackets are not read as Markdown."""
    for mark in ("\\", "|", "*", "_", "<", "[", "`"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
