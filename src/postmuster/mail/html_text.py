"""Turn HTML into the text a reader sees, with quoted parts marked as quoted.

What for: a reply that came as HTML only is read like any other: blocks become lines, a `<blockquote>` (and the
containers in which mail programs put what they quote) becomes lines that begin with `> `, so that one reader of
quotes serves both. The lines a program writes above a quote ("On … wrote:", "From: …") stay as they are.

Promises: linear in the input, whatever its nesting or quoting; never raises; output at most `limit_chars`, after at
most `MAX_MARKUP` pieces of mark-up; `is_whole` says whether that was all. What a
browser does not show (comments, head, style, script, `display:none`) is not in the text. Nothing is fetched; a link's
target is returned, never followed.

Sources: WHATWG HTML §13.2 (tokens, simplified), the mark-up of mail programs as seen in the corpora.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

MAX_QUOTE_DEPTH = 10  # deeper quoting is written as this deep; each level costs two characters a line
MAX_OPEN_ELEMENTS = 500  # deeper elements lose their block structure, not their words
MAX_LINKS = 1_000
MAX_MARKUP = (
    100_000  # tags and comments read; a thread of fifty mails has under 20,000. What stands behind them is not read
)

_SKIPPED = frozenset(
    {
        "script",
        "style",
        "head",
        "title",
        "noscript",
        "template",
        "svg",
        "math",
        "object",
        "iframe",
        "textarea",
        "select",
    }
)
_RAW = frozenset({"script", "style", "title", "textarea", "iframe", "noscript"})
_VOID = frozenset(
    {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "wbr", "source", "track", "param"}
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
        "caption",
    ]
)
_SPACED = frozenset({"p", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "blockquote"})
# Containers that hold nothing but what is quoted. Those whose lines announce the quote (gmail_quote, divRplyFwdMsg, appendonsend,
# OutlookMessageHeader, moz-cite-prefix) stay unmarked: the answer may stand between their blockquotes.
_QUOTE_MARK = re.compile(
    r"""(?:class|id|name)\s*+=\s*+["']?(?:[^"'<>]{0,200}?[\s"'])?(?:x_)?"""
    r"""(?:yahoo_quoted|zmail_extra|quote["'\s>]|OLK_SRC_BODY_SECTION|protonmail_quote-body|replyforwardcontainer)""",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"display\s{0,5}:\s{0,5}none|mso-hide\s{0,5}:\s{0,5}all|\shidden(?:\s|=|$)", re.IGNORECASE)
_HREF = re.compile(r"""\bhref\s{0,9}=\s{0,9}(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\r\f]++")
_LONG_NUMBER = re.compile(r"&#[0-9]{8,}+;?")  # no character has such a number, and int() refuses the longest
_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9:]{0,40}")


def _unescape(text: str) -> str:
    """Read character references. Source: WHATWG HTML §13.2.5.72–80."""
    return unescape(_LONG_NUMBER.sub("\ufffd", text) if "&#" in text else text)


def _is_quote_mark(attributes: str) -> bool:
    lower = attributes.lower()
    named = "quote" in lower or "src_body" in lower or "zmail_extra" in lower or "replyforward" in lower
    return named and _QUOTE_MARK.search(attributes + ">") is not None


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads and what it says."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class HtmlText:
    """The text of an HTML document and its links; `is_whole` is false where it was longer than is read."""

    text: str
    links: tuple[Link, ...]
    is_whole: bool = True


def html_to_text(html: str, limit_chars: int = 1_000_000) -> str:
    """Return what a reader sees of an HTML document. Never raises."""
    return read_html(html, limit_chars).text


def read_html(html: str, limit_chars: int = 1_000_000) -> HtmlText:
    """Return the text and the links of an HTML document. Never raises."""
    page = _Page(limit_chars)
    at, no_more = 0, {">": False, "-->": False}
    for _ in range(MAX_MARKUP):
        opening = html.find("<", at)
        if opening < 0:
            page.words(html[at:])
            break
        if opening > at:
            page.words(html[at:opening])
        if page.full:
            break
        at = _markup(html, opening, page, no_more)
    else:
        page.full = at < len(html)
    return page.finish()


def _markup(html: str, at: int, page: _Page, no_more: dict[str, bool]) -> int:
    """Read the mark-up at `at`; return where the text goes on."""
    if html.startswith("<!--", at):
        end = -1 if no_more["-->"] else html.find("-->", at + 2)
        no_more["-->"] = end < 0
        if end >= 0:
            return end + 3
    name = _NAME.match(html, at + 1)
    if name is None and not html.startswith(("<!", "<?"), at):
        page.words("<")
        return at + 1
    end = -1 if no_more[">"] else html.find(">", at)
    if end < 0:
        no_more[">"] = True
        page.words("<" if name is None else "")
        return at + 1 if name is None else len(html)
    if name is None:
        return end + 1
    if html.count('"', at, end) % 2:  # a `>` within a quoted value
        quote = html.find('"', end, end + 100_000)
        beyond = html.find(">", quote, quote + 100_000) if quote >= 0 else -1
        end = beyond if beyond >= 0 else end
    tag = name[0].lower()
    page.tag(tag, html[name.end() : end])
    if tag in _RAW and page.skipping == tag:
        close = _raw_end(html, tag, end, no_more)
        page.tag("/" + tag, "")
        return close
    return end + 1


def _raw_end(html: str, tag: str, at: int, no_more: dict[str, bool]) -> int:
    """Return where a script, style or the like ends; the whole rest when it is never closed."""
    if no_more.get(tag):
        return len(html)
    found = re.compile(f"</{tag}", re.IGNORECASE).search(html, at)
    if found is None:
        no_more[tag] = True
        return len(html)
    end = html.find(">", found.end())
    return end + 1 if end >= 0 else len(html)


class _Page:
    """The text so far: finished lines, the line in work, the open elements."""

    __slots__ = (
        "full",
        "line",
        "lines",
        "link",
        "links",
        "lists",
        "open",
        "pre",
        "quotes",
        "room",
        "skip_depth",
        "skipping",
    )

    def __init__(self, limit_chars: int) -> None:
        self.room = limit_chars
        self.full = False
        self.lines: list[str] = []
        self.line: list[str] = []
        self.open: list[tuple[str, bool]] = []  # element, whether it quotes
        self.quotes = 0
        self.pre = 0
        self.lists: list[int] = []  # next number, or -1 for a bullet list
        self.skipping = ""
        self.skip_depth = 0
        self.link: tuple[str, int] | None = None
        self.links: list[Link] = []

    def words(self, text: str) -> None:
        if self.skipping or not text:
            return
        if "&" in text:
            text = _unescape(text)
        if self.pre:
            first, *rest = text.replace("\r", "").split("\n")
            self.line.append(first)
            for piece in rest:
                self.end_line()
                self.line.append(piece)
            return
        text = _SPACE.sub(" ", text)
        if text == " " and (not self.line or self.line[-1].endswith(" ")):
            return
        self.line.append(text)

    def end_line(self, *, keep_empty: bool = True) -> None:
        text = "".join(self.line)
        self.line = []
        if self.pre:
            text = text.rstrip()
        else:
            text = text.replace("\xa0", " ").replace("\u200b", "").replace("\ufeff", "").replace("\xad", "")
            text = " ".join(text.split(" ")).strip() if "  " not in text else re.sub(" {2,}", " ", text).strip()
        if not text and not keep_empty:
            return
        mark = "> " * min(self.quotes, MAX_QUOTE_DEPTH)
        text = (mark + text).rstrip() if mark else text
        self.room -= len(text) + 1
        if self.room < 0:
            self.full = True
            return
        self.lines.append(text)

    def break_block(self, *, spaced: bool = False) -> None:
        """End the block in work; a spaced one is set off by one empty line."""
        if self.line:
            self.end_line(keep_empty=False)
        if spaced and self.lines and self.lines[-1].strip("> "):
            self.end_line()

    def tag(self, tag: str, attributes: str) -> None:
        if self.skipping:
            self._skip(tag, attributes)
        elif tag == "br":
            self.end_line()
        elif tag[0] == "/":
            self._close(tag[1:])
        elif tag == "hr":
            self.break_block()
            self.words("---")
            self.end_line()
        elif tag not in _VOID:
            self._open(tag, attributes)

    def _skip(self, tag: str, attributes: str) -> None:
        if tag == self.skipping and not attributes.endswith("/"):
            self.skip_depth += 1
        elif tag == "/" + self.skipping:
            self.skip_depth -= 1
            if not self.skip_depth:
                self.skipping = ""
        elif tag == "body" and self.skipping == "head":
            self.skipping, self.skip_depth = "", 0

    def _open(self, tag: str, attributes: str) -> None:
        if tag in _SKIPPED or (attributes and _HIDDEN.search(attributes[:2000]) and tag not in ("html", "body", "p")):
            if not attributes.endswith("/"):
                self.skipping, self.skip_depth = tag, 1
            return
        if tag == "a":
            found = _HREF.search(attributes[:8000])
            self.link = (found[1] or found[2] or found[3] or "", len(self.line)) if found else None
            return
        if tag not in _BLOCKS:
            if tag in ("td", "th") and self.line:
                self.line.append(" ")
            return
        self.break_block(spaced=tag in _SPACED)
        quotes = tag == "blockquote" or bool(attributes and _is_quote_mark(attributes[:2000]))
        if len(self.open) < MAX_OPEN_ELEMENTS and not attributes.endswith("/"):
            self.open.append((tag, quotes))
            self.quotes += quotes
            self.pre += tag == "pre"
            if tag in ("ol", "ul"):
                self.lists.append(1 if tag == "ol" else -1)
        if tag == "li":
            self._bullet()

    def _bullet(self) -> None:
        number = self.lists[-1] if self.lists else -1
        if number > 0:
            self.lists[-1] += 1
        self.line.append(f"{number}. " if number > 0 else "- ")

    def _close(self, tag: str) -> None:
        if tag == "a":
            if self.link and len(self.links) < MAX_LINKS:
                target, start = self.link
                self.links.append(Link("".join(self.line[start:]).strip(), _unescape(target).strip()))
            self.link = None
            return
        if tag == "p" and not any(name == "p" for name, _ in self.open[-3:]):
            return
        if tag not in _BLOCKS:
            return
        self.break_block(spaced=tag in _SPACED)
        # Close what was left open within; a stray end tag closes nothing. Looking back a few elements keeps this linear.
        for back in range(1, min(len(self.open), 20) + 1):
            if self.open[-back][0] == tag:
                for name, quotes in self.open[-back:]:
                    self.quotes -= quotes
                    self.pre -= name == "pre"
                    if name in ("ol", "ul") and self.lists:
                        self.lists.pop()
                del self.open[-back:]
                return

    def finish(self) -> HtmlText:
        self.break_block()
        lines = self.lines
        while lines and not lines[-1]:
            lines.pop()
        return HtmlText("\n".join(lines).lstrip("\n"), tuple(self.links), not self.full)
