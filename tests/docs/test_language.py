"""Pages are plain British English about the product alone. What holds for every file is in tests/architecture/test_house.py."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import Page, pages

PRAISE = (
    r"seamless|blazing|powerful|robust|cutting.edge|world.class|effortless|state.of.the.art|best.in.class|revolutionary|"
    r"leverag\w+"
)
AMERICAN = (
    r"organiz\w+|behavior\w*|color(?!-)|centers?|recogniz\w+|authoriz\w+|canceled|labeled|catalog|normaliz\w+|"
    r"summariz\w+|digitiz\w+"
)
LOOSE = r"soft bounce|hard bounce|blacklist\w*|whitelist\w*|e-mail blast|email blast"
PLANS = r"(?:design|style|facts|bench|peers|brief)\.md"
SPOKEN = r"\b(?:don't|doesn't|won't|can't|isn't|aren't|it's|we're|you're)\b"

RULES = {
    "praise": re.compile(rf"\b(?:{PRAISE})\b", re.IGNORECASE),
    "American spelling": re.compile(rf"\b(?:{AMERICAN})\b", re.IGNORECASE),
    "a word that the glossary replaces": re.compile(LOOSE, re.IGNORECASE),
    "a plan that readers do not have": re.compile(rf"(?<![\w-]){PLANS}"),
    "spoken English": re.compile(SPOKEN, re.IGNORECASE),
    "an address on the internet": re.compile(r"https?://(?!(?:[\w.-]+\.)?(?:example|invalid|localhost)\b)\S+"),
    "an exclamation": re.compile(r"[A-Za-z]!(?:\s|$)"),
}


def _found(rule: str, text: str) -> list[str]:
    return [match[0] for match in RULES[rule].finditer(text)]


def _own_words(one: Page) -> str:
    """Prose without code and without our own link to another page."""
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`\n]*`", "", one.prose))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_page_has(rule: str) -> None:
    assert [(one.name, found) for one in pages() if (found := _found(rule, _own_words(one)))] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("praise", "a powerful engine"),
        ("American spelling", "the organization"),
        ("a word that the glossary replaces", "a soft bounce"),
        ("a plan that readers do not have", "see design.md"),
        ("spoken English", "it doesn't"),
        ("an address on the internet", "https://somewhere.org/a"),
        ("an exclamation", "It works! "),
    ],
)
def test_each_rule_finds_what_it_is_for(rule: str, text: str) -> None:
    assert _found(rule, text)


def test_pages_are_made_of_lines_that_fit_on_a_screen() -> None:
    most = 170
    long = [
        (one.name, number)
        for one in pages()
        if one.name not in ("docs/notice-file.md", "docs/assessment-file.md", "docs/reading.md")
        for number, line in enumerate(one.prose.splitlines(), 1)
        if len(line) > most and not line.startswith("|")
    ]
    assert long == []
