"""A notice is read whole, or every reason why not is said at once."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.assessments.kinds import AskType
from postmuster.assessments.table import MAX_FAULTS, Refusals
from postmuster.notices.body import MAX_BODY_OCTETS
from postmuster.notices.content import canonical, claims_of, digest, read_notice, reasons_static
from postmuster.notices.terms import LANGUAGES, PERSON_ZONE

from .samples import BODY, ELECTION, KINDS, TEST, changed, read, refused, rehearsal_notice, without

NOW = datetime.datetime(2027, 3, 1, 9, tzinfo=datetime.UTC)
REPORT = (('"test"', '"report"'), ('type = "acknowledge"', 'type = "report"\nitems = 5'))
OFFER = (('"test"', '"offer"'), ('type = "acknowledge"', ELECTION))
REQUIRED = (
    ("voluntary = true", "voluntary = false"),
    ('citation = "Order 12-3"', 'citation = "Order 12-3"\nmay_instruct = true'),
)


def test_a_sound_notice_is_read() -> None:
    content = read()
    assert content.ask.type is AskType.ACKNOWLEDGE
    assert content.deadline is not None
    assert content.deadline.zone == PERSON_ZONE
    assert content.audience.subtree
    assert content.voluntary is True
    assert content.contact.answer_days == 5
    assert content.bodies == (("en", BODY.decode()),)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    windows = read("\ufeff" + TEST.replace("\n", "\r\n"), b"\xef\xbb\xbf" + BODY.replace(b"\n", b"\r\n"))
    assert digest(windows) == digest(read())


@pytest.mark.parametrize(
    ("replacements", "key", "words"),
    [
        ([('"test"', '"tset"')], "kind", "did you mean test"),
        ([('kind = "test"\n', "")], "kind", "is missing"),
        ([('kind = "test"', 'kind = "test"\nlanguage = "nl"')], "language", "must be one of en"),
        ([("{name}", "{nmae}")], "subject", "not a placeholder"),
        ([("Test for {name}", "x" * 121)], "subject", "longer than 120"),
        ([("Test for {name}", "a\\nBcc: b")], "subject", "control"),
        ([("Test for {name}", "a\\u202eb")], "subject", "invisible"),
        ([('"employee"', '"employe"')], "audience.classes", "did you mean employee"),
        ([('classes = ["employee"]\n', "")], "audience.classes", "is missing"),
        ([("Agency of Rivers", "/Agency of Rivers")], "audience.components", "single slashes"),
        ([("Agency of Rivers", "Agency//Rivers")], "audience.components", "single slashes"),
        ([('["Agency of Rivers"]', "[]")], "audience.components", "is missing"),
        ([("classes =", 'attributes.time_zone = ["Mars/Base"]\nclasses =')], "audience.attributes.time_zone", "not a zone"),
        ([("classes =", 'attributes.grade = ["7"]\nclasses =')], "audience.attributes.grade", "not a key known"),
        ([("2027-03-05T17:00:00", '"Friday"')], "deadline.at", "must be a date and a time"),
        ([("2027-03-05T17:00:00", "2027-03-05")], "deadline.at", "must be a date and a time"),
        ([("2027-03-05T17:00:00", "0227-03-05T17:00:00")], "deadline.at", "outside the years"),
        ([("T17:00:00", 'T17:00:00Z\nzone = "Europe/Berlin"')], "deadline.zone", "has an offset"),
        ([("T17:00:00", 'T17:00:00\nzone = "EST time"')], "deadline.zone", "is not a zone"),
        ([("minutes = 60", "minutes = -1")], "deadline.grace_minutes", "whole number"),
        ([('citation = "Order 12-3"', "")], "authority.citation", "is missing"),
        ([('phone = "+1 555 0100"', "")], "contact.phone", "is missing"),
        ([('phone = "+1 555 0100"', 'phone = "ask me"')], "contact.phone", "not a telephone"),
        ([("staff@agency.example", "staff at agency")], "contact.address", "not a mail address"),
        ([('type = "acknowledge"', "")], "ask.type", "is missing"),
        ([('type = "acknowledge"', ELECTION)], "ask.type", "it may ask acknowledge or none"),
        ([('type = "acknowledge"', 'type = "acknowledge"\nitems = 5')], "ask.items", "report; take it out"),
        ([*OFFER, ('choices = ["Resign"]', "")], "ask.choices", "is missing"),
        ([*OFFER, ('["Resign"]', '["Resign", "RESIGN"]')], "ask.choices", "differ in case"),
        ([*OFFER, ('["Resign"]', '["Withdraw"]')], "ask.choices", "take an answer back"),
        ([*OFFER, ('decided_by = "your personnel office"\n', "")], "ask.decided_by", "is missing"),
        ([*OFFER, ("decision_days = 10", "")], "ask.decision_days", "is missing"),
        ([*REPORT, ("items = 5", "")], "ask.items", "is missing"),
        ([*REPORT, ("items = 5", "items = 21")], "ask.items", "from 1 to 20"),
        ([("voluntary = true\n", "")], "voluntary", "is missing"),
        ([("voluntary = true", "voluntary = false")], "voluntary", "only who employs people"),
        (REQUIRED, "requirement", "cite what requires an answer"),
        ([*REQUIRED, ("[sender]", '[requirement]\nconsequence = "a talk"\n[sender]')], "requirement", "a consequence without"),
        ([("[sender]", '[requirement]\ncitation = "Order 9"\n[sender]')], "requirement", "not required; take it out"),
        ([('data = ["the answer"]', "data = []")], "privacy.data", "is missing"),
        ([("sharing = []\n", "")], "privacy.sharing", "is missing"),
        ([('machine_sorting = "rules"', 'machine_sorting = "magic"')], "privacy.machine_sorting", "must be one of"),
        ([("days = 90", "days = 0")], "retention.days", "whole number"),
        ([("reach-test", "Reach Test")], "assessment.slug", "lower-case"),
        ([('"Office of Staff Affairs"\nlocal', '"hr@other.example"\nlocal')], "sender.name", "is no address"),
        ([('"staff-affairs"', '"Staff..Affairs"')], "sender.local_part", "lower-case"),
        ([("voluntary = true", "voluntary = true\nvolontary = true")], "volontary", "did you mean `voluntary`"),
    ],
)  # fmt: skip
def test_a_fault_names_its_key_and_what_to_do(replacements: list[tuple[str, str]], key: str, words: str) -> None:
    reasons = refused(changed(*replacements))
    assert any(f"`{key}" in reason and words in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    "table", ["sender", "ask", "audience", "authority", "contact", "privacy", "retention", "assessment"]
)
def test_a_missing_table_is_one_reason_among_the_others(table: str) -> None:
    assert any(f"`{table}` is missing" in reason for reason in refused(without(table)))


def test_all_faults_are_said_at_once_each_with_its_line() -> None:
    text = changed(("days = 90", "days = 0"), ('"employee"', '"worker"'), ("Order 12-3", ""))
    reasons = refused(text, b"a\n{who}\n")
    lines = text.split("\n")
    for wrong in ("days = 0", 'classes = ["worker"]', 'citation = ""'):
        line = lines.index(wrong) + 1
        assert any(reason.startswith(f"notice.toml line {line}:") for reason in reasons), (wrong, reasons)
    assert any(reason.startswith("body.md line 2 column 1: {who}") for reason in reasons)


def test_wrong_toml_is_said_together_with_what_is_wrong_in_the_bodies() -> None:
    reasons = refused("kind = ", b"{nobody}")
    assert any("is not TOML" in reason for reason in reasons)
    assert any("body.md line 1 column 1" in reason for reason in reasons)


def test_the_list_of_faults_has_an_end() -> None:
    reasons = refused(TEST, b"{x}\n" * 500)
    assert len(reasons) == MAX_FAULTS + 1
    assert "more faults" in reasons[-1]


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        ({}, "body.md: is missing"),
        ({"es": b"Hola"}, "body.md: is missing"),
        ({"": b"Hi", "en": b"Hi"}, "in this language already"),
        ({"": b"Hi", "nl": b"Hoi"}, "without generated words"),
        ({"": b"\xff\xfe"}, "not UTF-8"),
        ({"": b"x" * (MAX_BODY_OCTETS + 1)}, "longer than"),
        ({"": b" \n"}, "is empty"),
        ({"": b"a\x00b"}, "control"),
        ({"": b"![logo](https://a.example/x.png)"}, "an image"),
        ({"": b"[x](https://a.example/{name})"}, "address of a link"),
        ({"": b"&#123;salary}"}, "character reference"),
        ({"": b"Hi", "es": b"Hola"}, "is not written in es"),
    ],
)
def test_a_body_that_cannot_be_sent_is_refused(bodies: dict[str, bytes], words: str) -> None:
    content = read_notice(TEST.encode(), bodies)
    assert isinstance(content, Refusals)
    assert any(words in reason for reason in content), list(content)


def test_a_text_in_a_language_without_a_body_is_refused() -> None:
    reasons = refused(changed(('"Test for {name}"', '{ en = "Test", es = "Prueba" }')))
    assert any("`subject` is written in es, in which there is no body" in reason for reason in reasons)


def test_a_deadline_that_is_used_must_be_there() -> None:
    reasons = refused(changed(('start = "deadline"', 'start = "release"'), text=without("deadline")))
    assert any("the body in en has {deadline}" in reason for reason in reasons)


def test_an_offer_and_a_report_need_a_deadline() -> None:
    for kind in (OFFER, REPORT):
        reasons = refused(changed(*kind, text=without("deadline")), b"Hi")
        assert any("`deadline` is missing" in reason for reason in reasons)


def test_a_consequence_of_none_is_none() -> None:
    table = '[requirement]\ncitation = "Order 9"\nconsequence = "none"\n[sender]'
    content = read(changed(*REQUIRED, ("[sender]", table)))
    assert content.requirement is not None
    assert not content.requirement.consequence
    assert claims_of(content).consequence is None
    assert claims_of(content).voluntary is False


def test_an_announcement_asks_nothing_and_claims_nothing() -> None:
    text = changed(
        ('"test"', '"announcement"'), ("voluntary = true\n", ""), ("acknowledge", "none"), ('["the answer"]', "[]"),
        ('purpose = "to see whom mail reaches"\n', ""),
    )  # fmt: skip
    claims = claims_of(read(text))
    assert claims.ask is AskType.NONE
    assert claims.voluntary is None
    assert claims.data == ()


@pytest.mark.parametrize(
    ("replacements", "now", "words"),
    [
        ([], NOW, None),
        ([], datetime.datetime(2027, 3, 5, 3, 0, tzinfo=datetime.UTC), "has passed for the easternmost zones"),
        ([("T17:00:00", "T17:00:00Z")], datetime.datetime(2027, 3, 5, 16, 59, tzinfo=datetime.UTC), None),
        ([("T17:00:00", "T17:00:00Z")], datetime.datetime(2027, 3, 5, 17, 0, tzinfo=datetime.UTC), "has passed"),
        ([("2027-03-05", "2037-03-05")], NOW, "check its year"),
        ([('start = "deadline"', 'start = "release"'), ("days = 90", "days = 2")], NOW, "destroyed before"),
    ],
)
def test_a_well_written_notice_can_still_be_too_late(
    replacements: list[tuple[str, str]], now: datetime.datetime, words: str | None
) -> None:
    reasons = reasons_static(read(changed(*replacements)), now)
    assert (words is None) == (not reasons)
    assert words is None or words in reasons[0]


def test_the_digest_does_not_depend_on_the_order_of_keys_or_on_comments() -> None:
    turned = changed(('schedule = "R-1"\ndays = 90', 'days = 90 # a comment\nschedule = "R-1"'))
    assert digest(read(turned)) == digest(read())
    assert re.fullmatch("[0-9a-f]{64}", digest(read()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Test for", "Tests for"), ("days = 90", "days = 91"), ('"employee"', '"employee", "judge"'), ("60", "61"),
        ("the answer", "an answer"), ("+1 555 0100", "+1 555 0101"), ("Order 12-3", "Order 12-4"),
    ],
)  # fmt: skip
def test_the_digest_changes_with_the_content(old: str, new: str) -> None:
    assert digest(read(changed((old, new)))) != digest(read())


def test_the_digest_changes_with_one_character_of_a_body() -> None:
    assert digest(read(body=BODY + b".")) != digest(read())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_approved_holds_every_generated_word_of_every_language(kind: str) -> None:
    fixed = canonical(rehearsal_notice(kind)).decode()
    signs = ("How to answer", "Cómo responder", "Comment répondre", "So antworten Sie", "Como responder",
             "Come rispondere", "Jak odpowiedzieć", "如何回复",
             "We understood that you withdraw", "先前的答复不再有效")  # fmt: skip
    assert [sign for sign in signs if sign not in fixed] == []
    assert len(rehearsal_notice(kind).bodies) == len(LANGUAGES)


@given(st.binary(max_size=400), st.dictionaries(st.text(max_size=8), st.binary(max_size=200), max_size=3))
def test_any_octets_give_a_content_or_reasons(toml: bytes, bodies: dict[str, bytes]) -> None:
    content = read_notice(toml, bodies)
    assert isinstance(content, Refusals)
    assert all(reason.isprintable() for reason in content), list(content)


@given(st.data())
def test_any_damage_to_a_sound_file_gives_a_content_or_reasons(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEST)))
    to = data.draw(st.integers(at, min(len(TEST), at + 40)))
    put = data.draw(st.text(max_size=12))
    content = read_notice((TEST[:at] + put + TEST[to:]).encode("utf-8", "replace"), {"": BODY})
    assert list(content) if isinstance(content, Refusals) else digest(content)
