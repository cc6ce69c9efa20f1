"""From a drafter's Markdown to the two parts of a mail.

What for: each revision is compiled once per language into a plain text part and an HTML part that say the same: the
drafter's body, then the generated block of `wording`. Placeholders stay in both parts until a mail is composed for
one person.

Promises: pure; raw HTML in Markdown is shown as it was typed; the HTML passes a sanitiser that knows no attribute, so
it has no link to click, no image, no script and nothing that is fetched: a link is written out, its words and then
its address. Styles are inline, text and background differ by 4.5:1 or more, the language is declared, headings are
headings.
Limits: `MAX_BODY_OCTETS` a body; the worst Markdown found within it takes a second. Lines of the text part are as
long as their paragraph; the composer encodes them for transport.
Sources: CommonMark 0.31; WCAG 2.1 §1.4.3, §3.1.1.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import Final

import css_inline
import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from postmuster.assessments.table import hides
from postmuster.mail.compose import Wording
from postmuster.mail.placeholders import names_in, problems_in
from postmuster.notices.terms import NoticeContent
from postmuster.notices.wording import Block, Heading, Items, Paragraph, statement

MAX_BODY_OCTETS: Final = 32_768  # own limit: a page of text has 3,000 octets, and it is sent to everyone
RULE: Final = "* * *"
_INDENT = "    "
_TAGS = frozenset({
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "br", "hr",
    "table", "thead", "tbody", "tr", "th", "td",
})  # fmt: skip
_WIDE = frozenset({"W", "F"})


def render(content: NoticeContent, language: str) -> Wording:
    """Compile a notice in one of `terms.LANGUAGES`: body and generated block, placeholders still in place."""
    markdown = content.body_in(language)
    subject = content.subject.best(language, content.language)
    blocks = statement(content, language)
    text = f"{markdown_text(markdown)}\n\n{RULE}\n\n{blocks_text(blocks)}\n"
    page = _page(language, subject, markdown_html(markdown), blocks_html(blocks))
    return Wording(subject=subject, text=text, html=page)


def markdown_text(markdown: str) -> str:
    """Return Markdown as plain text: paragraphs one line each, links written out, lists and tables kept readable."""
    return "\n\n".join(_blocks_of(SyntaxTreeNode(_tokens(markdown))))


def markdown_html(markdown: str) -> str:
    """Return Markdown as an HTML fragment without attributes."""
    parser = _parser()
    return nh3.clean(parser.renderer.render(_tokens(markdown), parser.options, {}), tags=set(_TAGS), attributes={})


def body_faults(markdown: str) -> list[tuple[int, int, str]]:
    """Return (line, column, sentence) for everything that keeps a body from being sent; both count from 1."""
    found = list(problems_in(markdown))
    for number, line in enumerate(markdown.split("\n"), start=1):
        column = next((at for at, sign in enumerate(line, start=1) if hides(sign, many_lines=True)), 0)
        if column:
            found.append((number, column, "there is a control or invisible character; take it out."))
    for block in _parser().parse(markdown):
        begins = block.map[0] + 1 if block.map else 1
        found.extend((begins, 1, sentence) for sentence in _inline_faults(block.children or ()))
    if found:
        return sorted(found)
    text = markdown_text(markdown)
    if problems_in(text):
        return [(1, 1, "a brace is written as a character reference; write {{ for a plain brace.")]
    return [] if text.strip() else [(1, 1, "the body is empty.")]


def blocks_text(blocks: Iterable[Block]) -> str:
    """Return generated blocks as plain text."""
    written = []
    for block in blocks:
        match block:
            case Heading(text):
                written.append(_underlined(text))
            case Paragraph(text):
                written.append(text)
            case Items(items):
                written.append("\n".join(f"- {item}" for item in items))
    return "\n\n".join(written)


def blocks_html(blocks: Iterable[Block]) -> str:
    """Return generated blocks as an HTML fragment."""
    written = []
    for block in blocks:
        match block:
            case Heading(text):
                written.append(f"<h2>{html.escape(text)}</h2>")
            case Paragraph(text):
                written.append(f"<p>{html.escape(text)}</p>")
            case Items(items):
                rows = "".join(f"<li>{html.escape(item)}</li>" for item in items)
                written.append(f"<ul>{rows}</ul>")
    return "\n".join(written)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)


@lru_cache(maxsize=1)
def _style() -> str:
    return (resources.files("postmuster.notices") / "wording" / "mail.css").read_text("utf-8")


def _page(language: str, subject: str, body: str, block: str) -> str:
    title = html.escape(subject)
    page = (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_style()}</style></head>\n"
        f"<body><main>\n{body}</main>\n<footer>\n{block}\n</footer></body></html>\n"
    )
    return _inliner().inline(page)


def _tokens(markdown: str) -> list[Token]:
    """Parse Markdown; links, images and soft line breaks inside it have become text."""
    tokens = _parser().parse(markdown)
    for token in tokens:
        if token.children:
            token.children = list(_as_text(token.children))
    return tokens


def _as_text(children: Sequence[Token]) -> Iterator[Token]:
    link, label = "", ""
    for at, child in enumerate(children):
        if child.type == "link_open":
            link, label = _address(str(child.attrGet("href") or "")), ""
        elif child.type == "link_close":
            if link not in label:
                yield _text(f" ({link})")
            link = ""
        elif child.type == "image":
            yield _text(child.content)
        elif child.type == "softbreak":
            yield _text("" if _wide_around(children, at) else " ")
        else:
            label += child.content
            yield child


def _text(content: str) -> Token:
    token = Token("text", "", 0)
    token.content = content
    return token


def _address(href: str) -> str:
    return re.sub("^mailto:", "", href).replace("{", "{{")


def _wide_around(children: Sequence[Token], at: int) -> bool:
    """Say whether a line break stands between two characters of a script that is written without spaces."""
    before, after = children[at - 1].content[-1:], children[at + 1].content[:1] if at + 1 < len(children) else ""
    return all(sign and unicodedata.east_asian_width(sign) in _WIDE for sign in (before, after))


def _inline_faults(children: Sequence[Token]) -> Iterator[str]:
    for child in children:
        if child.type == "image":
            yield "there is an image; a notice is text, so that everyone can read it and nothing is fetched."
        elif child.type == "link_open" and names_in(
            str(child.attrGet("href") or "").replace("%7B", "{").replace("%7D", "}")
        ):
            yield "there is a placeholder in the address of a link; take it out."


def _blocks_of(node: SyntaxTreeNode) -> Iterator[str]:
    for child in node.children:
        yield _block(child)


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "heading":
            return _underlined(_inline(node))
        case "bullet_list" | "ordered_list":
            return _list(node)
        case "blockquote":
            return _indented("\n\n".join(_blocks_of(node)), _INDENT)
        case "fence" | "code_block":
            return _indented(node.content.rstrip("\n"), _INDENT)
        case "hr":
            return RULE
        case "table":
            return "\n".join(_row(row) for part in node.children for row in part.children)
        case _:
            return _inline(node)


def _list(node: SyntaxTreeNode) -> str:
    number = int(str(node.attrs.get("start", 1)))
    lines = []
    for at, item in enumerate(node.children):
        mark = "- " if node.type == "bullet_list" else f"{number + at}. "
        text = "\n".join(_blocks_of(item))
        lines.append(mark + _indented(text, " " * len(mark)).lstrip(" "))
    return "\n".join(lines)


def _row(row: SyntaxTreeNode) -> str:
    return " | ".join(_inline(cell) for cell in row.children)


def _inline(node: SyntaxTreeNode) -> str:
    """Return the words under a node, without marks of emphasis."""
    if node.type in {"hardbreak", "softbreak"}:
        return "\n"
    if node.type in {"text", "code_inline"}:
        return node.content
    return "".join(_inline(child) for child in node.children)


def _indented(text: str, by: str) -> str:
    return "\n".join(by + line if line else line for line in text.split("\n"))


def _underlined(text: str) -> str:
    width = sum(2 if unicodedata.east_asian_width(sign) in _WIDE else 1 for sign in text)
    return f"{text}\n{'=' * min(width, 60)}"
