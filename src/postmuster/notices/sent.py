"""Our own text as it was sent, for telling it from what a person wrote.

What for: a reply often holds our whole mail again. Whoever reads replies takes these words away first, so that a
choice which stands in our own sentence is never read as a person's. Both parts are given, because mail programs quote
either, and they break lines differently.

Promises: pure; the text part comes first, then the words of the HTML part.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import lru_cache

from postmuster.mail.html_text import html_to_text
from postmuster.mail.placeholders import fill
from postmuster.notices.body import render
from postmuster.notices.terms import NoticeContent


def sent_text(content: NoticeContent, language: str, values: Mapping[str, str] | None = None) -> str:
    """Return subject, text part and the words of the HTML part of a notice in one of `terms.LANGUAGES`.

    With `values` the placeholders are filled as in the person's mail; without, they stand where the values were.
    Raises KeyError when `values` lacks one that the notice uses.
    """
    if values is None:
        return _unfilled(content, language)
    wording = render(content, language)
    words = html_to_text(fill(wording.html, values, html.escape))
    return f"{fill(wording.subject, values)}\n\n{fill(wording.text, values)}\n{words}\n"


@lru_cache(maxsize=256)
def _unfilled(content: NoticeContent, language: str) -> str:
    """Return it with placeholders; kept, because each of many replies is read against the same text."""
    wording = render(content, language)
    return f"{wording.subject}\n\n{wording.text}\n{html_to_text(wording.html)}\n"
