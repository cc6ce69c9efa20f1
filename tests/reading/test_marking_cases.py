"""Markings: three hundred cases and traps of our own, kept as data, and our own wording however it was wrapped."""

from __future__ import annotations

import re
import textwrap
import time
from pathlib import Path

import pytest

from postmuster.reading.markings import MAX_HITS, Tier, find_markings

_ESCAPE = re.compile(r"\\n|\\u([0-9a-f]{4})")


def _cases() -> list[tuple[str, str]]:
    lines = (Path(__file__).parent / "data_markings.txt").read_text(encoding="utf-8").splitlines()
    cases = (line.partition(" | ") for line in lines if line and not line.startswith("#"))
    return [
        (tier, _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "\n", text)) for tier, _, text in cases
    ]


def _gravest(text: str) -> str:
    where, _, value = text.partition(": ")
    if where == "subject":
        hits = find_markings("", subject=value)
    elif where == "file":
        hits = find_markings("", file_names=[value])
    elif where == "label":
        hits = find_markings("", labels=[value])
    else:
        hits = find_markings(text)
    return min((hit.tier for hit in hits if hit.tier is not Tier.C), default="-")


@pytest.mark.parametrize(("tier", "text"), _cases())
def test_each_case_is_hit_at_its_tier_and_no_trap_is_hit(tier: str, text: str) -> None:
    assert _gravest(text) == tier


def test_there_are_three_hundred_cases_and_half_of_them_are_traps() -> None:
    tiers = [tier for tier, _ in _cases()]
    assert len(set(_cases())) == len(tiers) >= 300
    assert tiers.count("-") >= 150
    assert tiers.count("A") + tiers.count("B") >= 150


@pytest.mark.parametrize(
    "trap", [text for tier, text in _cases() if tier == "-" and ": " not in text and "\n" not in text]
)
def test_a_trap_stays_a_trap_in_the_middle_of_a_mail(trap: str) -> None:
    found = find_markings(f"Hello,\n\nmy week was good.\n\n> {trap}\n\nJane\n")
    assert [hit for hit in found if hit.tier is not Tier.C] == []


OURS = (
    "Dear colleague,\n\nplease say in five bullets what you did. Send no text that bears SECRET//NOFORN, no page that bears"
    " CUI//SP-PRVCY or the line\n\nUNCLASSIFIED//FOUO\n\nand no attachment. If in doubt, write to the office of examples first.\n"
)


@pytest.mark.parametrize("width", [30, 42, 55, 72, 120])
@pytest.mark.parametrize("mark", ["> ", ">> ", "| ", ""])
def test_our_own_wording_is_exempt_however_it_was_wrapped(width: int, mark: str) -> None:
    lines = [
        line
        for paragraph in OURS.split("\n")
        for line in textwrap.wrap(paragraph, width, break_on_hyphens=False) or [""]
    ]
    quoted = "\n".join(mark + line for line in lines)
    assert find_markings(f"Yes.\n\nJane\n\n{quoted}", ours=OURS) == ()


@pytest.mark.parametrize("line", ["SECRET//NOFORN", "CUI//SP-PRVCY", "UNCLASSIFIED//FOUO", "(S//NF) my first item"])
def test_the_same_words_from_the_writer_are_not_exempt(line: str) -> None:
    quoted = "\n".join("> " + each for each in OURS.split("\n"))
    found = find_markings(f"{line}\n\nMy week is below.\n\n{quoted}", ours=OURS)
    assert [hit.start for hit in found] == [0]


def test_many_words_in_sentences_do_not_push_a_marking_out() -> None:
    text = "We spoke of NOFORN and of CUI.\n" * 500 + "SECRET//NOFORN\n"
    assert Tier.A in {hit.tier for hit in find_markings(text)}
    assert len(find_markings(text)) <= 3 * MAX_HITS


@pytest.mark.parametrize("at", [0, 3_900, 3_999, 4_000, 7_700, 50_000])
def test_a_portion_mark_is_found_wherever_it_stands_in_a_long_line(at: int) -> None:
    words = "word " * 20_000
    found = find_markings(f"{words[:at]} (S//NF) {words[at:]}")
    assert {hit.tier for hit in found} == {Tier.A}


@pytest.mark.parametrize(
    "piece",
    ["SECRET ", "SECRET\n", "(S) ", "(S) a\n", "CUI//A\n", ":(C)", "classified by: x\n", "\u200b", "S E C R E T\n"],
)
def test_a_monster_is_read_in_linear_time(piece: str) -> None:
    begun = time.process_time()
    find_markings(piece * (200_000 // len(piece)), ours=OURS)
    assert time.process_time() - begun < 2
