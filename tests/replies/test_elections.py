"""Elections where no mail is needed: their arrows, for whom an offer is open, and the code that no table holds."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base import sql
from postmuster.base.errors import Defect, Refused
from postmuster.base.sql import Collision
from postmuster.mail.address import AddrSpec
from postmuster.mail.confirmation import confirmation_holds, find_codes, write_confirmation
from postmuster.mail.placeholders import BLOCK_PLACEHOLDERS, names_in, problems_in
from postmuster.mail.token import DeliveryRef, Purpose, check_code_holds, signed_prefix, write_check_code
from postmuster.notices.content import read_notice
from postmuster.notices.election_letters import LETTERS, PERSONAL, every_election_letter
from postmuster.notices.files import collect_bodies
from postmuster.notices.terms import LANGUAGES, NoticeContent
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.newtext import cut
from postmuster.reading.typed_code import typed_code
from postmuster.replies import election_queries as queries
from postmuster.replies import elections
from postmuster.replies.election_states import BEGINS, DECIDABLE, ELECTION_ARROWS, LISTED, ElectionState, Ineligible
from postmuster.replies.election_values import Move, NewElection
from postmuster.replies.eligibility import ineligible
from postmuster.roster.queries import PersonEntry
from postmuster.roster.states import EmploymentClass, Status

if TYPE_CHECKING:
    from conftest import Database

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
REF = DeliveryRef(7, 1, 300)
ENDS = datetime(2027, 3, 8, 10, 0, tzinfo=UTC)
NOW = datetime(2027, 3, 1, 10, 0, tzinfo=UTC)
OFFER = Path(__file__).parents[2] / "src/postmuster/rehearsal/notices/offer"


def offer(more: str = "") -> NoticeContent:
    content = read_notice((OFFER / "notice.toml").read_bytes() + more.encode(), collect_bodies(OFFER))
    assert isinstance(content, NoticeContent), content
    return content


def person(**changes: Any) -> PersonEntry:
    given = PersonEntry(
        1, "E1", AddrSpec("ann", "agency.example"), "ann@agency.example", "Ann", 3, "Agency of Rivers/Bureau of Locks",
        EmploymentClass.EMPLOYEE, "", "UTC", "en", Status.ACTIVE, None,
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


# ---- arrows


def test_no_clock_leads_to_recorded_and_nothing_is_recorded_that_was_not_confirmed() -> None:
    into = {before for before, afters in ELECTION_ARROWS.items() if ElectionState.RECORDED in afters}
    assert into == {ElectionState.UNDER_REVIEW, ElectionState.ESCALATED}
    asked = {ElectionState.NEEDS_CONFIRMATION, ElectionState.WAITS_FOR_PAGE}
    assert {b for b, a in ELECTION_ARROWS.items() if ElectionState.UNDER_REVIEW in a} == asked
    assert {b for b, a in ELECTION_ARROWS.items() if ElectionState.EXPORTED in a} == {ElectionState.RECORDED}


def test_a_state_is_never_entered_twice_so_that_each_is_told_once() -> None:
    def reachable(state: ElectionState, seen: frozenset[ElectionState]) -> None:
        assert state not in seen
        for after in ELECTION_ARROWS[state]:
            reachable(after, seen | {state})

    for begins in BEGINS:
        reachable(begins, frozenset())


def test_who_has_not_confirmed_is_in_no_list() -> None:
    assert not LISTED & {ElectionState.NEEDS_CONFIRMATION, ElectionState.WAITS_FOR_PAGE, ElectionState.LAPSED}
    assert DECIDABLE <= LISTED


# ---- for whom an offer is open


@pytest.mark.parametrize(
    ("more", "changes", "why"),
    [
        ("", {}, None),
        ("", {"status": Status.ON_LEAVE}, None),
        ("", {"status": Status.SEPARATED}, Ineligible.STATUS),
        ("", {"employment_class": EmploymentClass.JUDGE}, Ineligible.EMPLOYMENT_CLASS),
        ('classes = ["detailee"]', {}, Ineligible.EMPLOYMENT_CLASS),
        ('statuses = ["active"]', {"status": Status.ON_LEAVE}, Ineligible.STATUS),
        ('except_components = ["Agency of Rivers"]', {}, Ineligible.COMPONENT),
        ('except_components = ["Agency of Rivers/Bureau of Lock"]', {}, None),
        ('except_components = ["Agency of Rivers/Bureau of Locks"]', {}, Ineligible.COMPONENT),
    ],
)
def test_eligible_is_who_fits_the_notices_terms_by_todays_roster(
    more: str, changes: dict[str, Any], why: Ineligible | None
) -> None:
    content = offer(f"\n[election]\n{more}\n" if more else "")
    assert ineligible(content, person(**changes)) is why
    assert ineligible(content, None) is Ineligible.NOT_IN_ROSTER


def test_terms_of_an_election_belong_to_a_notice_that_asks_for_one() -> None:
    toml = (OFFER.parent / "test" / "notice.toml").read_text(encoding="utf-8") + "\n[election]\nconfirm_days = 2\n"
    found = read_notice(toml.encode(), collect_bodies(OFFER.parent / "test"))
    assert "no election is asked for" in str(found)
    wrong = (OFFER / "notice.toml").read_text(encoding="utf-8") + "\n[election]\nwithdraw_days = 0\nclasses = []\n"
    found = read_notice(wrong.encode(), collect_bodies(OFFER))
    assert "withdraw_days" in str(found)
    assert "classes" in str(found)


# ---- the letters


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_is_complete_in_every_language_and_no_subject_holds_a_code(language: str) -> None:
    content = offer()
    found = list(every_election_letter(content, language))
    assert len(found) >= len(LETTERS)
    for wording in found:
        assert problems_in(wording.text, (*BLOCK_PLACEHOLDERS, *PERSONAL)) == []
        assert problems_in(wording.subject) == []
        assert {"name", "notice_id", "check_code"} <= names_in(wording.text)
        assert "staff-affairs@agency.example" in wording.text
    assert sum("code" in names_in(wording.text) for wording in found) == 1
    assert len({wording.text for wording in found}) == len(found)


# ---- the code


def test_the_code_has_a_purpose_of_its_own_and_is_bound_to_election_delivery_and_end() -> None:
    code = write_confirmation(5, REF, ENDS, KEY)
    assert signed_prefix(Purpose.CONFIRM) not in {signed_prefix(one) for one in Purpose if one is not Purpose.CONFIRM}
    others = {
        write_confirmation(6, REF, ENDS, KEY),
        write_confirmation(5, DeliveryRef(7, 1, 301), ENDS, KEY),
        write_confirmation(5, DeliveryRef(8, 1, 300), ENDS, KEY),
        write_confirmation(5, REF, ENDS + timedelta(seconds=1), KEY),
        write_confirmation(5, REF, ENDS, OTHER_KEY),
    }
    assert len(others | {code}) == 6
    assert not check_code_holds(code, REF, [KEY])
    assert not confirmation_holds(write_check_code(REF, KEY), 5, REF, ENDS, [KEY])
    assert find_codes(write_check_code(REF, KEY)) == ()


@given(
    number=st.integers(0, 2**64 - 1),
    seq=st.integers(0, 2**32 - 1),
    case=st.sampled_from((str.upper, str.lower)),
    joint=st.sampled_from(("-", " ", "", "\u2011", "\u00a0")),
)
def test_a_code_holds_in_any_spelling_and_is_found_in_a_text(number: int, seq: int, case: Any, joint: str) -> None:
    ref = DeliveryRef(1, 1, seq)
    typed = case(write_confirmation(number, ref, ENDS, KEY)).replace("-", joint)
    assert confirmation_holds(typed, number, ref, ENDS, [OTHER_KEY, KEY])
    assert find_codes(f"Dear all, {typed}.") == ((10, 10 + len(typed)),)


@given(st.text(max_size=80))
def test_no_text_makes_the_readers_of_a_code_raise(text: str) -> None:
    assert not confirmation_holds(text, 5, REF, ENDS, [KEY])
    for start, end in find_codes(text):
        assert len(text[start:end]) >= 12


def test_a_number_too_large_for_its_field_is_a_defect_when_written_and_no_code_when_read() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        write_confirmation(2**64, REF, ENDS, KEY)
    assert not confirmation_holds("PPPP-QQQQ-RRRR", 2**64, REF, ENDS, [KEY])


@given(at=st.integers(0, 13), to=st.sampled_from("34679CDFGHJKMNPQRTWXY"))
def test_a_code_altered_in_one_character_does_not_hold(at: int, to: str) -> None:
    code = write_confirmation(5, REF, ENDS, KEY)
    altered = code[:at] + to + code[at + 1 :]
    assert confirmation_holds(altered, 5, REF, ENDS, [KEY]) is (altered == code)


CODE = "7KMN-34CD-XYPQ"
ELECTION = Ask(AskType.ELECTION, ("Resign", "Stay"))


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.lower(),
        f"Yes, {CODE}",
        f"Guten Tag,\n\n{CODE}\n\nVielen Dank",
        f"Resign {CODE}",
        f"{CODE}.",
        f"\n\n{CODE}\n\n-- \nAnn",
    ],
)
def test_a_code_alone_or_beside_what_says_nothing_else_is_typed(text: str) -> None:
    assert (typed_code(cut(text), ELECTION, choice="Resign") or "").upper() == CODE


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"> {CODE}",
        f"-- \n{CODE}",
        f"Stay {CODE}",
        f"Resign or Stay {CODE}",
        f"not {CODE}",
        f"Nein {CODE}",
        f"{CODE}?",
        f"{CODE} ...",
        f"{CODE} PPPP-QQQQ-RRRR",
        f"I withdraw {CODE}",
        f"Your code is {CODE}",
        f"Code: {CODE} (from my colleague)",
        f"X{CODE}",
        f"{CODE}9",
        "ABCDE-FGHJK",
    ],
)
def test_a_code_beside_anything_else_is_not_typed(text: str) -> None:
    assert typed_code(cut(text), ELECTION, choice="Resign") is None


# ---- the rows


def _answer(person_no: int = 9) -> int:
    reply = sql.value(
        "INSERT INTO replies_reply (mail_no, item_no, kind, subkind, notice_no, round_no, seq, person_no, component_no, "
        "matched_by, reason, grade, language, late, accepted_at, digested_at) VALUES ((SELECT count(*) FROM replies_reply), 1, "
        "'reply', '', 1, 1, 1, %s, 3, 'token', '', 'A', 'en', false, %s, %s) RETURNING id",
        (person_no, NOW, NOW),
    )
    return int(
        sql.value(
            "INSERT INTO replies_answer (reply_id, notice_no, person_no, component_no, type, choice, items, confidence, reasons, "
            "state, accepted_at) VALUES (%s, 1, %s, 3, 'election', 'Resign', 0, 1, '[]', 'needs_confirmation', %s) RETURNING id",
            (reply, person_no, NOW),
        )
    )


def _begin(state: ElectionState = ElectionState.NEEDS_CONFIRMATION, *, person_no: int = 9) -> Move:
    new = NewElection(
        _answer(person_no), DeliveryRef(1, 1, 1), person_no, 3, "Resign", "A", state, "", NOW, NOW + timedelta(days=7)
    )
    [move] = elections.begin([new], now=NOW)
    return move


def test_an_election_begins_only_where_one_begins(database: Database) -> None:
    with pytest.raises(Defect):
        _begin(ElectionState.RECORDED)
    assert sql.value("SELECT count(*) FROM replies_election") == 0


def test_no_step_is_made_that_is_not_drawn(database: Database) -> None:
    begun = _begin().election
    for to in set(ElectionState) - ELECTION_ARROWS[begun.state]:
        with pytest.raises(Refused):
            elections.move(begun, to, now=NOW)
    assert queries.election(begun.election_no).state is begun.state


def test_of_two_hands_that_move_one_election_the_second_is_refused(database: Database) -> None:
    begun = _begin().election
    elections.move(begun, ElectionState.LAPSED, now=NOW, reason="time")
    with pytest.raises(Refused, match="moved meanwhile"):
        elections.move(begun, ElectionState.UNDER_REVIEW, now=NOW)


def test_a_person_has_one_standing_election_a_notice(database: Database) -> None:
    _begin(person_no=8)
    begun = _begin().election
    sql.execute("UPDATE replies_answer SET state = 'superseded' WHERE id = %s", (begun.answer_no,))
    with pytest.raises(Collision):
        _begin()


def test_an_election_that_no_longer_stands_leaves_its_answer_uncounted(database: Database) -> None:
    begun = _begin().election
    moved = elections.move(begun, ElectionState.UNDER_REVIEW, now=NOW, confirmed_at=NOW).election
    moved = elections.move(moved, ElectionState.RECORDED, now=NOW, recorded_at=NOW, withdraw_until=NOW).election
    state = "SELECT state FROM replies_answer WHERE id = %s"
    assert sql.value(state, (begun.answer_no,)) == "counted"
    other = _begin(person_no=10).election
    elections.move(other, ElectionState.LAPSED, now=NOW, reason="time")
    assert sql.value(state, (other.answer_no,)) == "not_counted"
    assert moved.is_bound(NOW + timedelta(seconds=1))
    assert not moved.is_bound(NOW)


def test_what_waits_for_unread_mail_is_not_due(database: Database) -> None:
    begun = _begin().election
    late = NOW + timedelta(days=8)
    assert queries.due(late, 10) == [begun.election_no]
    database.connect("intake").execute(
        "INSERT INTO inbound_mail (item_no, accepted_at, octets, state, attempts, fence) VALUES (1, %s, 1, 'waiting', 0, 0)",
        (NOW + timedelta(days=6),),
    )
    assert queries.due(late, 10) == []
