"""Markings: the must-hit and the must-not-hit list, and our own wording."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.reading.markings import Tier, Where, find_markings
from postmuster.reading.newtext import cut


def tiers(text: str, **more: object) -> set[str]:
    return {hit.tier for hit in find_markings(text, **more) if hit.tier is not Tier.C}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        "TOP SECRET//SI//NOFORN",
        "TOP SECRET//HCS-P/SI-G/TK//ORCON/NOFORN",
        "SECRET//REL TO USA, FVEY",
        "SECRET//NOFORN",
        "CONFIDENTIAL//NOFORN",
        "(TS//SI//NF) The text of a paragraph.",
        "(S//NF) The text of a paragraph.",
        "(S//REL TO USA, GBR) The text of a paragraph.",
        "(C//NF)",
        "SECRET//RD-CNWDI",
        "//NATO SECRET",
        "//JOINT SECRET CAN GBR USA",
        "(//GBR S)",
        "S E C R E T SECTION 01 OF 02",
        "C O N F I D E N T I A L",
        "Classified By: J. Doe\nDerived From: X SCG",
        "**SECRET // NOFORN**",
        "SECRET／／NOFORN",
        "SEC\u200bRET//NOFORN",
        "SECRET\u00a0//\u00a0NOFORN",
        "> (S//NF) quoted by someone",
        "//COSMIC TOP SECRET",
        "[SEC=PROTECTED, CAVEAT=C:EXAMPLE]",
    ],
)
def test_classified_forms_are_tier_a(line: str) -> None:
    assert tiers(f"Hello,\n\n{line}\n\nmore words\n") == {"A"}
    assert "A" in tiers(line)


@pytest.mark.parametrize(
    "text",
    [
        "SECRET\n\nThe trip went well.\n\nSECRET",
        "CUI\n\nThe trip went well.",
        "CUI//SP-PRVCY",
        "CUI//SP-CTI/SP-PROPIN//FEDCON",
        "CONTROLLED//SP-PRVCY//NOFORN",
        "(CUI//SP-PRVCY) The text of a paragraph.",
        "UNCLASSIFIED//FOUO",
        "[SEC=OFFICIAL:Sensitive, ACCESS=Personal-Privacy]",
        "VS-NfD",
        "PROTECTED B",
        "NATO RESTRICTED",
        "(U) First paragraph.\n\n(S) Second paragraph.\n\n(C) Third paragraph.",
        "Controlled by: Office of Examples\nCUI Category: PRVCY\nPOC: somebody",
    ],
)
def test_forms_for_a_cleared_role_are_tier_b(text: str) -> None:
    assert tiers(text) == {"B"}


@pytest.mark.parametrize(
    "text",
    [
        "a top secret recipe for chili",
        "Top Secret America (book)",
        "SECRET SANTA sign-up",
        "Please join the SECRET SANTA sign-up on Friday",
        "Secret Service liaison",
        "Victoria's Secret",
        "client_secret=abc\nAWS_SECRET_KEY=xyz\n// SECRET: rotate keys",
        "https://vault.example//secret//nf",
        "employee(s), form(s), (s)he",
        "(C) 2025 Acme\n(c) copyright",
        "(A) first\n(B) second\n(C) third\n(S) fourth",
        "(S) for Sales, (U) for Upgrade",
        "(S) Smith to follow up",
        "CONFIDENTIALITY NOTICE: This e-mail is confidential.",
        "CONFIDENTIAL: intended only for the addressee",
        "Sensitivity: Company-Confidential",
        "CLASS:CONFIDENTIAL",
        "attorney-client privileged & confidential",
        "confidential secretary, confidential informant training",
        "CUI: C0011849",
        "cui bono",
        "NF-1 patients, NF kappa B",
        "SI units; part SI-G 4711",
        "TK-421, why are you not at your post",
        "see the ticket (TS-1042)",
        "the team site (TS) is down",
        "rel to last week",
        "RD = R&D; FRD = functional requirements document",
        "SAR: search and rescue",
        "FISA and LES in prose",
        "Declassify On: how to read it, a course",
        "took NOFORN and CUI marking training",
        "please do not send classified information",
        "the shelf label PROTECTED B is torn",
        "an SEC filing with SEC=10-K in it",
        "UNCLASSIFIED",
        "(U) one\n\n(U) two\n\n(U) three",
        "Controlled Unclassified Information (CUI) was the subject of the training",
        "Nothing special at all.",
        "",
    ],
)
def test_traps_are_not_hit(text: str) -> None:
    assert tiers(text) == set()


def test_a_subject_opens_with_its_own_portion_mark() -> None:
    hits = find_markings("", subject="Re: (S//NF) trip report")
    assert [(hit.tier, hit.where) for hit in hits] == [(Tier.A, Where.SUBJECT)]
    assert find_markings("", subject="[Contains CUI] my report")[0].tier is Tier.B


def test_a_file_name_and_a_label_field_are_read() -> None:
    hits = find_markings(
        "", file_names=["brief_S-NF.docx", "holiday.jpg"], labels=["VER=2018.4, NS=gov.au, SEC=SECRET"]
    )
    assert [(hit.tier, hit.where) for hit in hits] == [(Tier.B, Where.ATTACHMENT), (Tier.A, Where.HEADER)]
    assert find_markings("", labels=["VER=2018.4, NS=gov.au, SEC=OFFICIAL"]) == ()


def test_a_marking_in_a_quote_says_so() -> None:
    text = "My report is below.\n\n> (S//NF) quoted by someone\n> more"
    hits = find_markings(text, elided=cut(text).elided)
    assert [(hit.tier, hit.where) for hit in hits] == [(Tier.A, Where.QUOTE)]
    assert text[hits[0].start : hits[0].end] == "> (S//NF) quoted by someone"


def test_our_own_wording_is_exempt_and_a_marked_line_beside_it_is_not() -> None:
    ours = "Do not send classified text.\n\nUNCLASSIFIED//FOUO\n\nSend no mail that bears SECRET//NOFORN or the like."
    quoted = "\n".join(f"> {line}" for line in ours.split("\n"))
    assert tiers(quoted, ours=ours) == set()
    assert tiers(f"SECRET//NOFORN\n\n{quoted}", ours=ours) == {"A"}


@given(st.text(st.sampled_from("SECRET/ NOFORN(U)>CUI\n:*ＳＥＣ"), max_size=400) | st.text(max_size=300))
def test_any_text_gives_hits_within_it(text: str) -> None:
    for hit in find_markings(text, subject=text[:100], file_names=[text[:20]], labels=[text[:50]], ours=text[:80]):
        if hit.where in (Where.BODY, Where.QUOTE):
            assert 0 <= hit.start <= hit.end <= len(text)
