"""HTML without a way to forget the escaping: what is not `Markup` is text.

For: the report page. Promises: a `str` given as a child or as an attribute is escaped, always; only this file and
`textures`/`charts` (for their own drawings) make `Markup`. Void elements are written so that the page also parses as XML.
Limits: no parser, no templates; elements are made inside out, and one page is held in memory.

Source: HTML Living Standard §13.1; WCAG 2.2, 1.3.1 (captions, scopes) and 2.1.1 (what scrolls can be reached by keyboard).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from postmuster.reports.words import shown

_VOID: Final = frozenset({"meta", "br", "hr", "col", "link"})


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is finished and safe."""

    html: str

    def __bool__(self) -> bool:
        return bool(self.html)


Content = str | Markup | None
NOTHING: Final = Markup("")


def markup(content: Content) -> Markup:
    """Escape text, let markup through, make nothing of None."""
    if isinstance(content, Markup):
        return content
    return Markup(escape(shown(content))) if content else NOTHING


def joined(contents: Iterable[Content]) -> Markup:
    return Markup("".join(markup(content).html for content in contents))


def element(tag: str, *contents: Content, **attributes: str | bool | None) -> Markup:
    """Make `<tag>`; `class_` is `class`, `aria_label` is `aria-label`; None and False leave an attribute out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(name.rstrip("_") if value is True else shown(str(value)))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{joined(contents).html}</{tag}>")


def name_of(text: str) -> Markup:
    """Show a name from outside in its own direction, so that it cannot turn the words around it."""
    return element("bdi", text)


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; `number` sets it flush right, `unit` is a class for the page's styles."""

    label: Content
    number: bool = True


def table(
    *,
    id: str,
    caption: Content,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Content]],
    total: Sequence[Content] | None = None,
) -> Markup:
    """Make a data table whose first cell names each row, in a frame that scrolls by itself on narrow screens."""
    head = element("tr", joined(element("th", c.label, scope="col", class_="n" if c.number else None) for c in columns))
    body = joined(_row(columns, row) for row in rows)
    foot = element("tfoot", _row(columns, total)) if total else NOTHING
    whole = element(
        "table", element("caption", caption, id=f"{id}-caption"), element("thead", head), element("tbody", body), foot
    )
    return element("div", whole, class_="scroll", tabindex="0", role="group", aria_labelledby=f"{id}-caption")


def _row(columns: Sequence[Column], cells: Sequence[Content]) -> Markup:
    first, *others = cells
    return element(
        "tr",
        element("th", first, scope="row", class_="n" if columns[0].number else None),
        joined(
            element("td", cell, class_="n" if column.number else None)
            for column, cell in zip(columns[1:], others, strict=True)
        ),
    )
