"""The two parts of a mail say the same, and nothing in them is fetched, clicked or run."""

from __future__ import annotations

import html
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.html_text import html_to_text, read_html
from postmuster.mail.placeholders import BLOCK_PLACEHOLDERS, fill, names_in, problems_in
from postmuster.notices.body import body_faults, markdown_html, markdown_text, render
from postmuster.notices.terms import LANGUAGES

from .samples import KINDS, read, rehearsal_notice

MARKDOWN = """# Title {name}

Dear *{name}* of **{component}**,
this line goes on.

- one
- two
  - deeper

3. three
4. four

> said before

| who | when |
|-----|------|
| Ada | {deadline} |

See [the page](https://a.example/x?a=1&b=2) or <https://b.example>, write to <c@d.example>. A {{ brace & <b>raw</b>.

```
{name} code
```
"""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_markdown_becomes_readable_text() -> None:
    assert markdown_text(MARKDOWN) == "\n\n".join(
        [
            "Title {name}\n============",
            "Dear {name} of {component}, this line goes on.",
            "- one\n- two\n  - deeper",
            "3. three\n4. four",
            "    said before",
            "who | when\nAda | {deadline}",
            "See the page (https://a.example/x?a=1&b=2) or https://b.example, write to c@d.example. A {{ brace & <b>raw</b>.",
            "    {name} code",
        ]
    )


def test_html_has_real_headings_lists_and_tables_and_no_attribute() -> None:
    page = markdown_html(MARKDOWN)
    for tag in ("<h1>", "<em>{name}</em>", "<strong>{component}</strong>", "<ol>", "<table>", "<th>who</th>", "<pre>"):
        assert tag in page
    assert re.findall(r"<[a-z0-9]+ [^>]*>", page) == []
    assert "&lt;b&gt;raw&lt;/b&gt;" in page
    assert "<a" not in page


@pytest.mark.parametrize(
    "markdown",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](data:text/html,<script>)", '<a href="//e.example">x</a>',
     "<img src=x onerror=alert(1)>", '[x]: https://e.example "t"\n\n[x]', "&lt;script&gt;alert(1)&lt;/script&gt;"],
)  # fmt: skip
def test_nothing_in_a_body_can_run_or_be_clicked(markdown: str) -> None:
    page = markdown_html(markdown)
    assert re.search(r"<(script|a|img|iframe|style|link)\b|<[^>]* (href|src|on\w+)=", page) is None


def test_a_soft_line_break_between_chinese_characters_is_no_space() -> None:
    assert markdown_text("请回复\n本邮件 yes\nno") == "请回复本邮件 yes no"
    assert "请回复本邮件 yes no" in markdown_html("请回复\n本邮件 yes\nno")


def test_placeholders_survive_to_both_parts_and_braces_stay_doubled() -> None:
    wording = render(read(body=b"Dear *{name}*, {{ by {deadline} for {component}\n"), "en")
    for part in (wording.text, wording.html):
        assert names_in(part) == set(BLOCK_PLACEHOLDERS)
        assert problems_in(part, BLOCK_PLACEHOLDERS) == []
        assert "{{" in part
    assert "<em>{name}</em>" in wording.html


def test_values_with_markup_stay_words_when_they_are_escaped() -> None:
    values = dict.fromkeys(BLOCK_PLACEHOLDERS, "<b>&{name}</b>")
    page = fill(render(read(), "en").html, values, html.escape)
    assert "<b>" not in page
    assert "<b>&{name}</b>" in html_to_text(page)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_have_the_same_words(kind: str, language: str) -> None:
    wording = render(rehearsal_notice(kind), language)
    assert _words(html_to_text(wording.html)) == _words(wording.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_declares_its_language_and_fetches_nothing(language: str) -> None:
    page = render(rehearsal_notice("offer"), language).html
    assert f'<html lang="{language}">' in page
    assert read_html(page).links == ()
    assert re.search(r"<(img|script|style|link|iframe|a)\b|url\(|@import|https?:", page) is None
    assert page.count("<h2") >= 4


def test_text_and_background_differ_enough_to_be_read() -> None:
    css = (resources.files("postmuster.notices") / "wording" / "mail.css").read_text("utf-8")
    texts = re.findall(r"(?<![-\w])color: (#[0-9a-f]{6})", css)
    backgrounds = set(re.findall(r"background-color: (#[0-9a-f]{6})", css))
    assert texts
    assert backgrounds == {"#ffffff"}
    for text in texts:
        assert (1.0 + 0.05) / (_luminance(text) + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("markdown", "line", "column", "words"),
    [
        ("a\nb {nmae}", 2, 3, "{nmae} is not a placeholder"),
        ("a { b", 1, 3, "a lone {"),
        ("ok\n\n\n![x](y)", 4, 1, "an image"),
        ("ab\u200bc", 1, 3, "invisible"),
        ("{notice_id}", 1, 1, "not a placeholder"),
    ],
)
def test_a_fault_is_said_with_line_and_column(markdown: str, line: int, column: int, words: str) -> None:
    assert [(at, column_at) for at, column_at, sentence in body_faults(markdown) if words in sentence] == [
        (line, column)
    ]


_MARKS = st.text(alphabet="ab {}[]()*_`#<>&;!|-+1.\\\n\t:/123x字", max_size=80)


@given(_MARKS)
def test_what_is_accepted_can_always_be_filled(markdown: str) -> None:
    if body_faults(markdown):
        return
    values = dict.fromkeys(BLOCK_PLACEHOLDERS, "x")
    fill(markdown_text(markdown), values)
    page = markdown_html(markdown)
    fill(page, values, html.escape)
    assert re.search(r"<[a-z0-9]+ [^>]*>|<a\b|<script", page) is None
    assert names_in(page) == names_in(markdown_text(markdown))


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_bodies(markdown: str) -> None:
    body_faults(markdown)
    markdown_text(markdown)
    markdown_html(markdown)
