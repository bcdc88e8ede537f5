"""The page of a report: one HTML file that needs no other and no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape

from napari_construct.evaluation.report.markdown import remarks
from napari_construct.evaluation.report.table import Content, Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1100px;
       margin: 2rem auto; padding: 0 1rem; }
.key:first-child { margin-left: .3rem }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.4rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0 }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #eee }
th { vertical-align: bottom; border-bottom: 2px solid #999; font-weight: 600 }
th:first-child, td:first-child { text-align: left }
tr.sum td { font-weight: 600; background: #f6f6f6 }
.scroll, figure { overflow-x: auto } .note { color: #555; max-width: 52rem; font-size: .9rem }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0 }
.tile { border: 1px solid #ddd; border-radius: 6px; padding: .5rem 1rem; min-width: 9rem }
.tile b { display: block; font-size: 1.5rem } .tile span { color: #555; font-size: .85rem }
.row { display: flex; flex-wrap: wrap; gap: 1.4rem } figure { margin: .6rem 0 }
.example { display: flex; flex-wrap: wrap; gap: .6rem; margin-bottom: 1.2rem }
.example figure { margin: 0; width: 24%; min-width: 180px; overflow: visible }
.example img { width: 100%; box-sizing: border-box; border: 1px solid #ddd; image-rendering: auto }
figcaption { font-size: .85rem; color: #555 } .name { font-weight: 600; word-break: break-all }
.key { display: inline-block; width: .8rem; height: .8rem; border: 1px solid #999; margin: 0 .3rem 0 .8rem }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .8rem }
"""


def page(content: Content, said: str, sections: Sequence[str], *, title: str = "Evaluation") -> str:
    """The whole page.

    Parameters
    ----------
    content : mapping
        ``failures``, ``notices`` and ``record`` are read.
    said : str
        The sentence below the title.
    sections : sequence of str
        HTML.
    title : str
        Above all of it.
    """
    parts = list(sections)
    for head, lines in remarks(content):
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        parts.append(f"<h2>{head}</h2><ul>{items}</ul>")
    record = escape(json.dumps(content["record"], indent=2, ensure_ascii=False))
    parts.append(f"<h2>How it was made</h2><details><summary>Record</summary><pre>{record}</pre></details>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{escape(said)}</p>" + "\n".join(parts) + "</body></html>\n"
    )


def html_table(table: Table) -> str:
    """A table without its title."""
    plain = len(table.rows) - table.strong
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.columns)
    body = "".join(
        f"<tr{'' if i < plain else ' class=sum'}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for i, row in enumerate(table.rows)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def section(table: Table, plot: str = "") -> str:
    """A table below its title, a plot below its note."""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    figure = f"<figure>{plot}</figure>" if plot else ""
    return f"<h2>{escape(table.title)}</h2>{html_table(table)}{note}{figure}"


def tiles(found: Iterable[tuple[str, str]]) -> str:
    """Numbers that are asked for first, each with what it is."""
    shown = "".join(
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}, %</span></div>'
        for number, what in found
    )
    return f'<div class="tiles">{shown}</div>'


def example(name: str, said: str, pictures: Iterable[tuple[str, str, bytes]]) -> str:
    """Pictures of one image in a row: each a caption, a kind ("jpeg", "png") and its bytes."""
    figures = "".join(
        f'<figure><img alt="{escape(what)} of {escape(name)}" '
        f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{escape(what)}</figcaption></figure>"
        for what, kind, data in pictures
    )
    return f'<p class="name">{escape(name)}: {escape(said)}</p><div class="example">{figures}</div>'
