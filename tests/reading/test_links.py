"""Links: what they say, where they lead, and which of them are flagged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.html_text import read_html
from postmuster.reading.links import MAX_LINKS, LinkFlag, flag_of, read_links


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://bank.example/login", "https://evil.example.org/login"),
        ("www.bank.example", "http://203.0.113.7/"),
        ("bank.example", "https://bank.example.evil.example.org/"),
        ("bank.example/a?b", "https://example.org/"),
        ("boss@example.org", "mailto:someone@evil.example"),
        ("HTTPS://BANK.EXAMPLE", "https://evil.example"),
    ],
)
def test_a_link_that_says_another_host_than_it_leads_to_is_flagged(text: str, target: str) -> None:
    assert flag_of(text, target) is LinkFlag.OTHER_HOST


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("here", "https://pages.example/a"),
        ("https://pages.example/a", "https://pages.example/a?utm=1"),
        ("pages.example", "https://www.pages.example/"),
        ("https://www.pages.example", "https://pages.example/"),
        ("report.pdf", "https://files.example/report.pdf"),
        ("version 2.4.1", "https://pages.example/"),
        ("2.4.1", "https://pages.example/"),
        ("jane@example.org", "mailto:jane@example.org?subject=Hello"),
        ("+1 202 555 0143", "tel:+12025550143"),
        ("", "https://pages.example/"),
        ("logo", "cid:image001"),
        ("top", "#top"),
        ("relative", "page.html"),
        ("e.g.", "https://pages.example/"),
        (
            "https://pages.example/a",
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fpages.example%2Fa&data=05",
        ),
        ("pages.example", "https://urldefense.com/v3/__https://pages.example/a__;!!abc"),
    ],
)
def test_a_link_that_leads_where_it_says_is_not_flagged(text: str, target: str) -> None:
    assert flag_of(text, target) is None


def test_a_gateway_does_not_hide_where_a_link_leads() -> None:
    wrapped = "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Fa&data=05"
    assert flag_of("https://pages.example/a", wrapped) is LinkFlag.OTHER_HOST


def test_a_name_before_the_host_and_a_link_that_runs_something_are_flagged() -> None:
    assert flag_of("click", "https://bank.example@evil.example/") is LinkFlag.USER_INFO
    assert flag_of("click", "javascript:alert(1)") is LinkFlag.NOT_WEB
    assert flag_of("click", " data:text/html,x") is LinkFlag.NOT_WEB
    assert flag_of("click", "file:///etc/passwd") is LinkFlag.NOT_WEB
    assert flag_of("click", "https://user@pages.example/") is None


def test_links_of_the_page_come_first_and_the_text_adds_what_it_does_not_have() -> None:
    page = read_html('<a href="https://evil.example/">https://bank.example</a>')
    links = read_links(page, "see https://pages.example/a. and https://evil.example/")
    assert [(link.text, link.target, link.flag) for link in links] == [
        ("https://bank.example", "https://evil.example/", LinkFlag.OTHER_HOST),
        ("https://pages.example/a", "https://pages.example/a", None),
    ]


def test_there_is_a_limit_of_links() -> None:
    assert (
        len(read_links(None, " ".join(f"https://h{number}.example/" for number in range(MAX_LINKS + 50)))) == MAX_LINKS
    )


@given(st.text(max_size=200), st.text(max_size=200) | st.text(st.sampled_from("https:/@.?#[]ab"), max_size=60))
def test_any_link_is_flagged_or_not(text: str, target: str) -> None:
    assert flag_of(text, target) in (None, *LinkFlag)
