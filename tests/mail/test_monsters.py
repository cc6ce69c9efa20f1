"""No mail, however large or strange, makes more work than the limits allow, and what was left out is said.

Sizes are asserted, not seconds: what is kept is within the limits, and how often Python works on a mail is counted
in lines executed, which grow with the limits and not with the mail.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from postmuster.mail.html_text import MAX_MARKUP, read_html
from postmuster.mail.message import Limits, Message, parse
from postmuster.reading.ask import Ask, parse_ask
from postmuster.reading.reading import read

HEAD = b"From: Finn <finn@home.example>\nSubject: Re: a test\nMIME-Version: 1.0\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n"
LIMITS = Limits()
SMALL = Limits(
    size_octets=2_000_000,
    parts=20,
    depth=5,
    delimiters=200,
    header_octets=4_000,
    headers_octets=16_000,
    text_octets=20_000,
    texts_octets=40_000,
    text_chars=15_000,
    decompressed_octets=20_000,
)


def lines_run(work: Callable[[], Any]) -> int:
    """Count the lines of Python that a piece of work runs."""
    count = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


MONSTERS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "one long line": (lambda n: HEAD + b"\n" + b"YES " * (n // 4), "text longer than the limit"),
    "quoted lines": (lambda n: HEAD + b"\n" + b"> quoted\n" * (n // 9), "text longer than the limit"),
    "flowed lines": (
        lambda n: HEAD + b"Content-Type: text/plain; format=flowed\n\n" + b"> quoted \n" * (n // 10),
        "text longer than the limit",
    ),
    "a table": (
        lambda n: HEAD + b"Content-Type: text/html\n\n<table>" + b"<tr><td>a</td></tr>" * (n // 19),
        "text longer than the limit",
    ),
    "parts": (lambda n: MIXED + b"--b\n\nx\n" * (n // 7) + b"--b--\n", "too many parts"),
    "parts within parts": (
        lambda n: (
            HEAD
            + b"".join(
                b"Content-Type: multipart/mixed; boundary=%d.\n\n--%d.\n" % (depth, depth) for depth in range(n // 60)
            )
        ),
        "parts nested too deeply",
    ),
    "delimiters that are none": (lambda n: MIXED + b"--b\n\n" + b"\n--bb" * (n // 5), "too many delimiter lines"),
    "fields": (
        lambda n: HEAD + b"".join(b"X-%d: y\n" % number for number in range(n // 10)) + b"\nYES",
        "header longer than the limit",
    ),
    "a long field": (lambda n: b"To: " + b"a" * n + b"\n" + HEAD + b"\nYES", "header longer than the limit"),
    "fields of parts": (
        lambda n: MIXED + (b"--b\n" + b"X:y\n" * 800 + b"\nx\n") * (n // 3_200),
        "header longer than the limit",
    ),
    "encoded files": (
        lambda n: HEAD + b"\n" + b"begin 644 a\n#6453\n`\nend\n" * (n // 24),
        "too many parts",
    ),
    "leaves of text": (
        lambda n: MIXED + (b"--b\n\n" + b"x" * 10_000 + b"\n") * min(n // 10_000, 18),
        "text longer than the limit",
    ),
}


def assert_bounded(found: Message, limits: Limits) -> None:
    assert len(found.parts) <= limits.parts
    assert all(part.depth <= limits.depth for part in found.parts)
    assert sum(len(name) + len(value) for name, value in found.fields) <= limits.header_octets
    assert len(found.text) <= limits.text_chars + len("\n…")
    assert sum(len((part.text or "").removesuffix("\n…")) for part in found.parts) <= limits.texts_octets


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_is_cut_and_says_so(name: str) -> None:
    make, defect = MONSTERS[name]
    found = parse(make(400_000), SMALL)
    assert defect in found.defects
    assert_bounded(found, SMALL)


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_four_times_as_large_makes_no_more_work(name: str) -> None:
    make, _ = MONSTERS[name]
    small, large = make(200_000), make(800_000)
    parse(small, SMALL)
    assert lines_run(lambda: parse(large, SMALL)) <= lines_run(lambda: parse(small, SMALL)) * 1.3 + 2_000


def test_a_mail_of_25_megabytes_is_read() -> None:
    attachment = b"--b\nContent-Type: image/jpeg; name=a.jpg\nContent-Transfer-Encoding: base64\n\n"
    found = parse(MIXED + b"--b\n\nYES\n" + attachment + (b"QUFB" * 19 + b"\n") * 325_000 + b"--b--\n")
    assert (found.text, found.defects) == ("YES", ())
    assert [(part.filename, part.size_octets) for part in found.attachments] == [("a.jpg", 325_000 * 57)]


def test_a_hundred_thousand_quoted_lines_leave_what_stands_above_them() -> None:
    found = parse(HEAD + b"\nYES\n\n" + b"> quoted line of text\n" * 100_000)
    assert found.text.startswith("YES\n\n> quoted")
    assert found.defects == ("text longer than the limit",)


def test_a_field_of_ten_megabytes_leaves_room_for_the_fields_below_it() -> None:
    found = parse(b"To: " + b"a@x.example, " * 800_000 + b"\n" + HEAD + b"\nYES")
    assert (found.subject, found.text, found.unreadable) == ("Re: a test", "YES", False)
    assert found.defects == ("header longer than the limit",)


def test_a_body_without_its_blank_line_is_found_under_a_long_header() -> None:
    found = parse(HEAD + b"".join(b"X-%d: y\n" % n for n in range(300)) + b"YES, I do\n" + b"x\n" * 9_000, SMALL)
    assert found.text.startswith("YES, I do\nx\n")


def test_markup_ends_at_its_limit() -> None:
    page = read_html("YES" + "<li>x" * (MAX_MARKUP + 10))
    assert not page.is_whole
    assert page.text.startswith("YES\n- x")
    assert page.text.count("x") <= MAX_MARKUP
    assert read_html("YES" + "<li>x" * 10).is_whole


def test_markup_that_is_not_read_is_said_to_be() -> None:
    found = parse(HEAD + b"Content-Type: text/html\n\nYES" + b"<b>" * (MAX_MARKUP + 10))
    assert found.text == "YES\n…"
    assert found.defects == ("HTML longer than the limit",)


def test_a_page_that_was_cut_within_a_tag_does_not_end_like_a_whole_one() -> None:
    page = b"<p>Resign</p><p title=x>if I am paid</p>"
    found = parse(HEAD + b"Content-Type: text/html\n\n" + page, Limits(text_octets=20))
    assert found.text == "Resign\n…"


def test_a_text_that_was_cut_does_not_end_like_a_whole_one() -> None:
    found = parse(HEAD + b"\nResign" + b" " * 100 + b"\nif I am paid", Limits(text_octets=10))
    assert found.parts[0].text == "Resign    \n…"


def test_a_choice_above_what_is_not_read_goes_to_a_person() -> None:
    head = HEAD + b"Content-Type: text/html\n\n"
    choice = parse_ask("election:Resign")
    assert isinstance(choice, Ask)
    assert read(head + b"<p>Resign</p>", ask=choice).answer.type == "election"
    cut = read(head + b"<p>Resign</p>" + b"<b></b>" * MAX_MARKUP + b"<p>if I am paid</p>", ask=choice)
    assert cut.new.new_text.startswith("Resign")
    assert cut.answer.type == "unclear"
