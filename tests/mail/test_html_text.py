"""HTML becomes what its reader sees, with what is quoted marked as quoted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.html_text import MAX_QUOTE_DEPTH, html_to_text, read_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("YES", "YES"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("a\n  b\t c", "a b c"),
        ("a&nbsp;b &amp; c &lt;d&gt; &#8364;", "a b & c <d> €"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<ol><li>one<li>two</ol>", "1. one\n2. two"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<b>bo</b>ld", "bold"),
        ("a < b and c > d", "a < b and c > d"),
        ("YES<hr>below", "YES\n---\nbelow"),
    ],
)
def test_blocks_become_lines(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<head><title>t</title><style>x</style></head><body>YES",
        "<script>document.write('NO')</script>YES",
        "<!-- NO -->YES",
        "<!--[if mso]><p>NO</p><![endif]-->YES",
        "<div style='display:none'>NO</div>YES",
        '<span style="DISPLAY : NONE">NO</span>YES',
        "<div hidden>NO</div>YES",
        "<textarea>NO</textarea>YES",
        "<!DOCTYPE html>YES",
        "<?xml version='1.0'?>YES",
        "<img alt='NO' src='http://tracker.example/'>YES",
        "<div style='display:none'><div>NO</div>NO</div>YES",
    ],
)
def test_what_a_browser_does_not_show_is_not_in_the_text(html: str) -> None:
    assert html_to_text(html) == "YES"


@pytest.mark.parametrize(
    "html",
    [
        "YES<blockquote>old<br>words</blockquote>",
        "YES<blockquote type='cite' class='x'><div>old</div><div>words</div></blockquote>",
        "YES<div class='yahoo_quoted'>old<br>words</div>",
        "YES<div id='replyforwardcontainer'>old<br>words</div>",
    ],
)
def test_what_is_quoted_is_marked(html: str) -> None:
    assert [line for line in html_to_text(html).split("\n") if line.strip("> ")] == ["YES", "> old", "> words"]


def test_quotes_within_quotes_are_marked_by_their_depth() -> None:
    assert html_to_text("<blockquote>a<blockquote>b</blockquote>c</blockquote>d").replace("\n>\n", "\n").split("\n")[
        :2
    ] == ["> a", "> > b"]


def test_the_depth_of_marks_is_bounded() -> None:
    text = html_to_text("<blockquote>" * 1_000 + "x")
    assert max(line.count(">") for line in text.split("\n")) == MAX_QUOTE_DEPTH


def test_an_answer_between_two_quotes_is_not_quoted() -> None:
    lines = html_to_text("<blockquote>a?</blockquote><div>YES</div><blockquote>b?</blockquote>").split("\n")
    assert "YES" in lines


def test_links_are_returned_and_never_followed() -> None:
    found = read_html('go <a href="https://a.example/?x=1&amp;y=2">here</a> or <a name=x>there</a>')
    assert found.text == "go here or there"
    assert [(link.text, link.target) for link in found.links] == [("here", "https://a.example/?x=1&y=2")]


def test_a_sign_within_a_quoted_value_does_not_end_a_tag() -> None:
    assert html_to_text('<div title="a > b">YES</div>') == "YES"


@pytest.mark.parametrize("digits", ["1" * 5_000, "9" * 8, "x" + "f" * 5_000, "1" * 2_000_000])
def test_a_number_that_no_character_has_is_one_unknown_character(digits: str) -> None:
    assert html_to_text(f"YES&#{digits};") == "YES\ufffd"
    assert all(link.target in ("\ufffd", "") for link in read_html(f'<a href="&#{digits};">x</a>').links)


def test_the_text_ends_at_its_limit() -> None:
    assert len(html_to_text("<p>word</p>" * 10_000, 1_000)) <= 1_000


PIECES = [
    *(
        "<p>",
        "</p>",
        "<blockquote>",
        "</blockquote>",
        "<!--",
        "-->",
        "<",
        ">",
        '"',
        "<script>",
        "</script",
        "&",
        "&#x110000;",
    ),
    *(
        "<li>",
        "<ol>",
        "</ol>",
        "<a href=",
        "<pre>",
        "</pre>",
        "<br",
        "\x00",
        "x",
        " ",
        "<div style='display:none'>",
        "</div>",
    ),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_no_markup_raises(pieces: list[str]) -> None:
    text = read_html("".join(pieces)).text
    assert "<script" not in text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    read_html(text)
