"""Small tables, as text and as HTML that follows the notebook's theme."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """\
<style>
.astra-shown {
  --line: var(--jp-border-color2, var(--vscode-editorWidget-border, rgba(128, 128, 128, .35)));
  --quiet: var(--jp-ui-font-color2, var(--vscode-descriptionForeground, inherit));
  color: var(--jp-content-font-color1, var(--vscode-editor-foreground, inherit));
  font-size: var(--jp-ui-font-size1, var(--vscode-editor-font-size, 13px));
  line-height: 1.4; max-width: 100%; overflow-x: auto;
}
.astra-shown .head { overflow-wrap: anywhere; font-weight: 600; }
.astra-shown .note { color: var(--quiet); overflow-wrap: anywhere; }
.astra-shown.astra-shown.astra-shown table {
  border-collapse: collapse; border: 0; margin: .4em 0 .2em; table-layout: auto; width: auto;
  font-size: inherit; color: inherit;
}
.astra-shown.astra-shown.astra-shown tr { background: none; border: 0; }
.astra-shown.astra-shown.astra-shown th, .astra-shown.astra-shown.astra-shown td {
  border: 0; border-bottom: 1px solid var(--line); padding: .25em 1em .25em 0;
  text-align: left; vertical-align: middle; white-space: nowrap; max-width: none;
}
.astra-shown.astra-shown.astra-shown tbody tr:last-child td { border-bottom: 0; }
.astra-shown.astra-shown.astra-shown th { color: var(--quiet); font-weight: 400; }
.astra-shown.astra-shown.astra-shown tbody tr:hover td { background: var(--jp-layout-color2,
  var(--vscode-list-hoverBackground, rgba(128, 128, 128, .12))); }
.astra-shown.astra-shown.astra-shown img {
  height: 48px; width: auto; max-width: none; margin: 0; display: block; border-radius: 2px;
}
.astra-shown.astra-shown.astra-shown .number {
  text-align: right; font-variant-numeric: tabular-nums;
}
.astra-shown.astra-shown.astra-shown td.words { white-space: normal; min-width: 12em; }
</style>"""
# A class name repeated three times overrides the notebook's own table styles.


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A cell with an image; empty in text tables."""

    url: str
    """A public https URL."""


Cell = str | Picture


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table in an object's repr: a title, a few facts, rows and notes.

    Examples
    --------
    >>> print(Table(title="2 bands", columns=("band", "m"), rows=(("red", "10"), ("SCL", "20"))))
    2 bands
      band  m
      red   10
      SCL   20
    """

    title: str

    columns: tuple[str, ...]

    rows: Sequence[tuple[Cell, ...]]
    """One cell per column."""

    facts: tuple[str, ...] = ()
    """A few words each, in one line under the title; only in HTML."""

    notes: tuple[str, ...] = ()
    """Sentences under the table; only in HTML."""

    figure: str = ""
    """HTML between the facts and the rows, which is not escaped; only in HTML."""

    numbers: Collection[str] = ()
    """Columns that are right-aligned."""

    words: Collection[str] = ()
    """Columns whose text may wrap."""

    head: bool = True
    """False leaves out the column names in text."""

    def __str__(self) -> str:
        rows = [self.columns] * self.head + [
            tuple(cell if isinstance(cell, str) else "" for cell in row) for row in self.rows
        ]
        shown = [i for i in range(len(self.columns)) if any(row[i] for row in rows)]
        widths = {i: max(len(row[i]) for row in rows) for i in shown}
        lines = ["  ".join(row[i].ljust(widths[i]) for i in shown) for row in rows]
        return "\n".join([self.title, *(f"  {line}".rstrip() for line in lines)])

    def html(self) -> str:
        """Return an HTML fragment with all text escaped; it is readable without its style."""
        facts = " · ".join(fact for fact in self.facts if fact)
        parts = [
            f'{_STYLE}<div class="astra-shown"><div class="head">{escape(self.title)}</div>',
            f'<div class="note">{escape(facts)}</div>' if facts else "",
            self.figure,
            f"<table><thead>{self._row(self.columns, 'th')}</thead><tbody>",
            *(self._row(row, "td") for row in self.rows),
            "</tbody></table>",
            *(f'<div class="note">{escape(note)}</div>' for note in self.notes),
            "</div>",
        ]
        return "".join(parts)

    def _row(self, cells: tuple[Cell, ...], tag: str) -> str:
        html = "".join(
            f"<{tag}{self._class(name)}>{_content(cell)}</{tag}>"
            for name, cell in zip(self.columns, cells, strict=True)
        )
        return f"<tr>{html}</tr>"

    def _class(self, column: str) -> str:
        if column in self.numbers:
            return ' class="number"'
        return ' class="words"' if column in self.words else ""


def _content(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    source = escape(cell.url, quote=True)
    return f'<img src="{source}" alt="" loading="lazy" referrerpolicy="no-referrer">'
