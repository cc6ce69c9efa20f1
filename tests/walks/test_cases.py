"""Cases: one officer at a time, a decision with its effect, a second one where it weighs, and every look accounted for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from postmuster.access.actions import add_officer
from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.cli import case as command
from postmuster.control.states import Lane
from postmuster.jobs import cases as journey
from postmuster.notices.wording import words_in
from postmuster.organisation.people import Person
from postmuster.outbound.values import RoundRef
from postmuster.replies import cases, queries
from postmuster.replies.queries import Reader
from postmuster.reports import queries as reports

from .muster import GUARDED_DOMAIN, Muster
from .relay import LittleRelay

if TYPE_CHECKING:
    from postmuster.replies.cases import Decided

WAIT_S = 20.0
TERM_S = 1_800
OFFER_SUBJECT = "Re: A voluntary offer to leave service by 30 September"
UNCLEAR = "Well, yes, but what I wrote last week still holds."


@pytest.fixture
def desk(muster: Muster) -> Muster:
    """The muster with a second reviewer."""
    add(muster, "rex", Role.REVIEWER)
    return muster


def add(muster: Muster, handle: str, role: Role, component: str = "") -> None:
    add_officer(
        handle=handle, name=handle, address="", roles=[role], component_path=component, by="ove", now=muster.desk.now
    )


def reader(handle: str) -> Reader:
    return cases.reader(acting(handle))


def unclear(muster: Muster, of: RoundRef, who: Person, text: str = UNCLEAR, **how: Any) -> int:
    """A reply that nobody but a person can read; returns its case."""
    muster.hear(muster.reply(of, who, text, **how))
    return newest_case()


def newest_case() -> int:
    return int(sql.value("SELECT max(id) FROM replies_case"))


def decide(muster: Muster, case_no: int, *words: str, by: str = "rae", because: str = "") -> Decided:
    return journey.decide(case_no, words, because=because, reader=reader(by), desk=muster.desk)


def confirm(muster: Muster, case_no: int, *, by: str = "rex") -> Decided:
    return journey.confirm(case_no, reader=reader(by), desk=muster.desk)


def undo(muster: Muster, case_no: int, *, by: str = "rex") -> Decided:
    return journey.undo(case_no, because="a mistake", reader=reader(by), desk=muster.desk)


def claim(muster: Muster, case_no: int, by: str = "rae") -> None:
    cases.claim(case_no, reader=reader(by), term_s=TERM_S, now=muster.desk.now)


def look(muster: Muster, case_no: int, by: str = "rae", **how: Any) -> journey.Shown:
    return journey.look(case_no, because=how.pop("because", ""), reader=reader(by), desk=muster.desk, **how)


def state(case_no: int) -> str:
    return queries.case(case_no).state


def acts(*kinds: str) -> list[dict[str, Any]]:
    """What the ledger has of cases, in order: kind, actor, subject, facts."""
    return [
        {
            "kind": kind,
            "actor": actor,
            "subject": subject,
            "facts": json.loads(facts) if isinstance(facts, str) else facts,
        }
        for kind, actor, subject, facts in sql.rows(
            "SELECT kind, actor, subject, facts FROM ledger_entry WHERE kind LIKE 'case %%' ORDER BY id"
        )
        if not kinds or kind in kinds
    ]


def answers(muster: Muster, of: RoundRef, who: Person) -> list[tuple[str, str, str]]:
    """A person's answers: type, choice, state. One reply can have two: as it was read, and as it was decided."""
    return sorted(muster.answers(of, who))


def answers_shown(muster: Muster, of: RoundRef) -> dict[str, int]:
    found = reports.notice_figures(of.notice_no, now=muster.desk.now).to_json()["answers"]
    assert isinstance(found, dict)
    return {str(name): int(count) for name, count in found.items() if count}


# ---- the queue and claims


def test_the_queue_is_the_oldest_first_by_reason_and_by_component(desk: Muster) -> None:
    of = desk.begin()
    ann, bea, cyd = desk.people(3)
    first, second = unclear(desk, of, ann), unclear(desk, of, bea)
    question = unclear(desk, of, cyd, "What is this for? Whom can I ask?")
    assert [one.case_no for one in queries.cases()] == [first, second, question]
    assert [one.case_no for one in queries.cases(reason="question")] == [question]
    component = queries.case(second).component_no
    listed = [one.case_no for one in queries.cases(components=[component or 0])]
    assert second in listed
    assert all(queries.case(one).component_no == component for one in listed)


def test_next_gives_the_oldest_free_case_and_none_twice(desk: Muster) -> None:
    of = desk.begin()
    first, second = (unclear(desk, of, who) for who in desk.people(2))
    taken = [cases.claim_next(reader=reader(by), term_s=TERM_S, now=desk.desk.now) for by in ("rae", "rex", "rae")]
    assert [one and one.case_no for one in taken] == [first, second, None]
    assert [entry["subject"] for entry in acts("case claimed")] == [f"c{first}", f"c{second}"]


def test_two_officers_who_claim_the_same_case_at_once_get_it_once(desk: Muster) -> None:
    case_no = unclear(desk, desk.begin(), desk.people(1)[0])
    held, go, outcomes = threading.Event(), threading.Event(), dict[str, str]()

    def hold(execute: Callable[..., Any], text: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(text, params, many, context)
        if "UPDATE replies_case" in text and not held.is_set():
            held.set()
            assert go.wait(WAIT_S)
        return done

    def take(by: str, *wrappers: Callable[..., Any]) -> None:
        try:
            if wrappers:
                with connection.execute_wrapper(wrappers[0]):
                    claim(desk, case_no, by)
            else:
                claim(desk, case_no, by)
            outcomes[by] = "claimed"
        except Refused as error:
            outcomes[by] = error.sentence
        finally:
            connection.close()

    first = threading.Thread(target=take, args=("rae", hold))
    first.start()
    assert held.wait(WAIT_S)
    second = threading.Thread(target=take, args=("rex",))
    second.start()
    desk.until_someone_waits()
    go.set()
    first.join(WAIT_S)
    second.join(WAIT_S)
    assert outcomes["rae"] == "claimed"
    assert "claimed by another officer" in outcomes["rex"]
    assert queries.case(case_no).claimed_by == acting("rae").officer_no
    assert len(acts("case claimed")) == 1


def test_a_claim_keeps_others_off_until_its_term_is_over_or_it_is_given_back(desk: Muster) -> None:
    case_no = unclear(desk, desk.begin(), desk.people(1)[0])
    claim(desk, case_no)
    for attempt in (
        lambda: claim(desk, case_no, "rex"),
        lambda: look(desk, case_no, "rex"),
        lambda: decide(desk, case_no, "none", by="rex"),
    ):
        with pytest.raises(Refused, match="claimed by another officer"):
            attempt()
    desk.clock.advance(timedelta(seconds=TERM_S))
    claim(desk, case_no, "rex")
    with pytest.raises(Refused, match="claimed by another officer"):
        claim(desk, case_no)
    with pytest.raises(Refused, match="not claimed by rae"):
        cases.give_back(case_no, reader=reader("rae"), now=desk.desk.now)
    cases.give_back(case_no, reader=reader("rex"), now=desk.desk.now)
    claim(desk, case_no)
    assert sql.value("SELECT count(*) FROM replies_look") == 0


def test_only_reviewers_and_component_officers_work_on_cases(desk: Muster) -> None:
    unclear(desk, desk.begin(), desk.people(1)[0])
    for handle in ("ada", "ben", "ove", "pia"):
        with pytest.raises(Refused, match="does not hold the role"):
            reader(handle)


def test_a_component_officer_finds_and_moves_only_the_cases_of_their_component(desk: Muster) -> None:
    of = desk.begin()
    ann = desk.people(1)[0]
    other = next(one for one in desk.people(12) if one.component != ann.component)
    theirs, foreign = unclear(desk, of, ann), unclear(desk, of, other)
    desk.hear(desk.write(ann, UNCLEAR, "reply@replies.agency.example"))
    nobodys = newest_case()
    assert queries.case(nobodys).component_no is None
    add(desk, "col", Role.COMPONENT_OFFICER, ann.component)
    col = reader("col")
    assert [one.case_no for one in queries.cases(components=col.components)] == [theirs]
    for case_no in (foreign, nobodys):
        for attempt in (
            lambda no=case_no: claim(desk, no, "col"),
            lambda no=case_no: look(desk, no, "col"),
            lambda no=case_no: decide(desk, no, "none", by="col"),
            lambda no=case_no: undo(desk, no, by="col"),
            lambda no=case_no: confirm(desk, no, by="col"),
        ):
            with pytest.raises(Refused, match="of your components"):
                attempt()
    taken = [cases.claim_next(reader=col, term_s=TERM_S, now=desk.desk.now) for _ in range(2)]
    assert [one and one.case_no for one in taken] == [theirs, None]
    decide(desk, theirs, "acknowledge", by="col")
    assert ("acknowledge", "", "counted") in answers(desk, of, ann)
    assert sql.value("SELECT count(*) FROM replies_look") == 0


# ---- looking


def test_a_look_shows_the_new_text_redacted_and_is_entered_before_it_is_opened(
    desk: Muster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = desk.people(1)[0]
    case_no = unclear(
        desk, desk.begin(), ann, f"{UNCLEAR}\nCall me: +1 202 555 0143, or eve@evil.example.\n\n> quoted words"
    )
    opening = journey.vault.open_items
    entered = list[int]()

    def open_items(*given: Any) -> Any:
        other = desk.database.connect("application")  # sees what is committed alone
        found = other.execute(
            "SELECT (SELECT count(*) FROM replies_look), count(*) FROM ledger_entry WHERE kind = 'case looked at'"
        )
        row = found.fetchone()
        assert row is not None
        entered.extend(row)
        return opening(*given)

    monkeypatch.setattr(journey.vault, "open_items", open_items)
    shown = look(desk, case_no, because="the help desk asked")
    assert entered == [1, 1]
    assert UNCLEAR in shown.text
    assert "[telephone number]" in shown.text
    assert "[e-mail address]" in shown.text
    assert "0143" not in shown.text + shown.subject
    assert "evil" not in shown.text
    assert "quoted words" not in shown.text
    assert dict(shown.redacted) == {"phone": 1, "email": 1}
    assert shown.written_by == journey.THE_PERSON
    assert "quoted words" in look(desk, case_no, whole=True).text


def test_each_look_is_counted_for_the_person_with_who_when_and_why(
    desk: Muster, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = desk.people(1)[0]
    case_no = unclear(desk, desk.begin(), ann)
    look(desk, case_no)
    desk.clock.advance(timedelta(seconds=TERM_S))
    look(desk, case_no, "rex", because="ann called the help desk")
    found = queries.looks_at(desk.person_no(ann))
    assert [(one.officer_no, one.because, one.case_no) for one in found] == [
        (acting("rex").officer_no, "ann called the help desk", case_no),
        (acting("rae").officer_no, "to decide: unclear", case_no),
    ]
    assert found[0].at - found[1].at == timedelta(seconds=TERM_S)
    entries = acts("case looked at")
    assert [entry["facts"] for entry in entries] == [{"case": case_no}] * 2
    assert "help desk" not in json.dumps(acts())
    command.looks(ann.person_id, as_json=True)
    told = json.loads(capsys.readouterr().out)["looks"]
    assert [(one["officer"], one["case"]) for one in told] == [("rex", f"c{case_no}"), ("rae", f"c{case_no}")]
    desk.ledger_is_sound()


def test_a_decided_case_is_looked_at_again_only_for_a_reason(desk: Muster) -> None:
    case_no = unclear(desk, desk.begin(), desk.people(1)[0])
    decide(desk, case_no, "none")
    with pytest.raises(Refused, match="--why"):
        look(desk, case_no, "rex")
    assert look(desk, case_no, "rex", because="a complaint about the decision").text == UNCLEAR


def test_marked_text_is_shown_to_nobody(desk: Muster) -> None:
    of = desk.begin()
    case_no = unclear(desk, of, desk.people(1)[0], "TOP SECRET//NOFORN\n\nYES\n\nTOP SECRET//NOFORN")
    assert queries.case(case_no).reason == "marked"
    with pytest.raises(Refused, match="held for somebody cleared"):
        look(desk, case_no)
    assert sql.value("SELECT count(*) FROM replies_look") == 0
    decide(desk, case_no, "reported")
    assert state(case_no) == "decided"


def test_a_mail_that_nobody_screened_is_screened_before_it_is_shown_and_is_held_then(desk: Muster) -> None:
    of = desk.begin()
    [finn] = desk.people(1, domain=GUARDED_DOMAIN)
    case_no = unclear(desk, of, finn, "SECRET//NOFORN\n\nYES", signed=False)
    assert queries.case(case_no).reason == "other_author"
    shown = look(desk, case_no)
    assert (shown.is_held, shown.text, shown.subject) == (True, "", "")
    assert len(acts("case held")) == 1
    with pytest.raises(Refused, match="held for somebody cleared"):
        look(desk, case_no)
    assert desk.cases() == {"other_author": 1, "marked": 1}
    with pytest.raises(Refused, match="Nobody has seen the text"):
        decide(desk, case_no, "ours", "acknowledge")
    decide(desk, case_no, "forged")
    assert answers(desk, of, finn) == []


def test_nothing_is_shown_while_the_notice_takes_no_replies(desk: Muster) -> None:
    of = desk.begin()
    case_no = unclear(desk, of, desk.people(1)[0])
    desk.stop(notice_no=of.notice_no, lane=Lane.INTAKE)
    with pytest.raises(Refused, match="takes no replies now"):
        look(desk, case_no)
    assert sql.value("SELECT count(*) FROM replies_look") == 0


# ---- decisions and their effect


def test_a_decided_answer_counts_and_undoing_brings_back_what_stood_before(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    desk.hear(desk.reply(of, ann, "I decline to answer"))
    before = answers(desk, of, ann), answers_shown(desk, of)
    case_no = unclear(desk, of, ann)
    waiting = answers(desk, of, ann), answers_shown(desk, of)
    done = decide(desk, case_no, "acknowledge", because="a plain yes with a grumble")
    assert done.case.state == "decided"
    assert answers(desk, of, ann) == [
        ("acknowledge", "", "counted"),
        ("decline", "", "superseded"),
        ("unclear", "", "replaced"),
    ]
    counted = answers_shown(desk, of)
    assert counted != before[1]
    undo(desk, case_no)
    assert answers(desk, of, ann) == [("acknowledge", "", "undone"), *waiting[0]]
    assert answers_shown(desk, of) == waiting[1]
    assert (state(case_no), queries.case(case_no).decision) == ("open", "")
    decide(desk, case_no, "acknowledge")
    assert answers_shown(desk, of) == counted
    assert [entry["facts"].get("decision") for entry in acts("case decided", "case undone")] == ["acknowledge"] * 3
    said = [(one.kind, one.said, one.because) for one in queries.case_history(case_no)]
    assert ("decided", "acknowledge", "a plain yes with a grumble") in said
    assert ("undone", "acknowledge", "a mistake") in said


def test_the_latest_by_our_acceptance_stands_whenever_it_was_decided(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    older, newer = unclear(desk, of, ann), unclear(desk, of, ann, UNCLEAR + " Really.")
    decide(desk, newer, "acknowledge")
    decide(desk, older, "decline")
    assert answers(desk, of, ann) == [
        ("acknowledge", "", "counted"),
        ("decline", "", "superseded"),
        *[("unclear", "", "replaced")] * 2,
    ]
    undo(desk, newer)
    assert ("decline", "", "counted") in answers(desk, of, ann)
    undo(desk, older)
    assert [kind for kind, _, now in answers(desk, of, ann) if now == "counted"] == []


def test_an_answer_that_came_meanwhile_stands_and_undoing_leaves_it(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann)
    desk.hear(desk.reply(of, ann, "YES"))
    decide(desk, case_no, "decline")
    assert ("decline", "", "superseded") in answers(desk, of, ann)
    undo(desk, case_no)
    assert ("acknowledge", "", "counted") in answers(desk, of, ann)
    assert ("unclear", "", "with_person") in answers(desk, of, ann)


def test_none_and_an_answered_question_make_no_answer(desk: Muster) -> None:
    of = desk.begin()
    ann, bea = desk.people(2)
    decide(desk, unclear(desk, of, ann), "none")
    question = unclear(desk, of, bea, "What is this for? Whom can I ask?")
    decide(desk, question, "answered")
    assert answers(desk, of, ann) == [("unclear", "", "no_answer")]
    assert answers(desk, of, bea) == [("question", "", "no_answer")]
    assert not any("person" in name for name in answers_shown(desk, of))
    undo(desk, question)
    assert answers(desk, of, bea) == [("question", "", "with_person")]


@pytest.mark.parametrize(
    "words", [("perhaps",), ("election", "Resign"), ("report", "5"), ("acknowledge", "twice"), ("forged",), ()]
)
def test_what_is_not_in_the_vocabulary_or_was_not_asked_is_refused(desk: Muster, words: tuple[str, ...]) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann)
    with pytest.raises(Refused, match="nothing was decided"):
        decide(desk, case_no, *words)
    assert state(case_no) == "open"
    assert answers(desk, of, ann) == [("unclear", "", "with_person")]


def test_the_person_is_told_what_was_decided_and_that_it_was_taken_back(desk: Muster, relay: LittleRelay) -> None:
    of = desk.begin()
    ann, bea = desk.people(2)
    first, second = unclear(desk, of, ann), unclear(desk, of, bea)
    decide(desk, first, "acknowledge")
    decide(desk, second, "none")
    undo(desk, first)
    kinds = [(kind, person) for kind, _, person in desk.letters()]
    told = [("verdict", desk.person_no(who)) for who in (ann, bea, ann)]
    assert kinds == [("receipt", desk.person_no(ann)), ("receipt", desk.person_no(bea)), *told]
    desk.send_letters(desk=desk.through(relay))
    sent = [
        (one.recipient, str(message_from_bytes(one.octets).get_payload(decode=True), "utf-8")) for one in relay.taken
    ]
    assert len(sent) == 5
    for who, word in ((ann, "acknowledge"), (bea, "none"), (ann, "unclear")):
        sentence = words_in(who.language)["letter"][word].partition("{")[0]
        assert [text for recipient, text in sent if recipient == who.address and sentence in text]
    assert not [text for _, text in sent if UNCLEAR in text]
    assert sorted(recipient for recipient, _ in sent) == sorted([*[ann.address] * 3, *[bea.address] * 2])


def test_nobody_is_told_of_a_forged_mail_or_of_an_answer_that_a_later_one_replaced(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    [finn] = desk.people(1, domain=GUARDED_DOMAIN)
    decide(desk, unclear(desk, of, finn, "YES", signed=False), "forged")
    older = unclear(desk, of, ann)
    desk.hear(desk.reply(of, ann, "YES"))
    decide(desk, older, "decline")
    undo(desk, older)
    assert "verdict" not in [kind for kind, _, _ in desk.letters()]


# ---- two officers


def test_an_election_counts_for_nothing_before_a_second_officer_and_its_author_confirm_it(desk: Muster) -> None:
    of = desk.begin("offer")
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann, "Resign, I suppose, as you people want it so.", subject=OFFER_SUBJECT)
    with pytest.raises(Refused, match="one of the choices offered"):
        decide(desk, case_no, "election", "Stay")
    done = decide(desk, case_no, "election", "resign")
    assert (done.case.state, done.effect.answer_no) == ("proposed", None)
    assert [now for kind, _, now in answers(desk, of, ann) if kind == "election"] == []
    for attempt in (lambda: confirm(desk, case_no, by="rae"), lambda: claim(desk, case_no)):
        with pytest.raises(Refused, match="another officer has to confirm"):
            attempt()
    assert cases.claim_next(reader=reader("rae"), term_s=TERM_S, now=desk.desk.now) is None
    look(desk, case_no, "rex")
    confirm(desk, case_no)
    assert ("election", "Resign", "needs_confirmation") in answers(desk, of, ann)
    assert sql.value("SELECT count(*) FROM replies_answer WHERE state = 'counted'") == 0
    [(choice, began)] = sql.rows("SELECT choice, state FROM replies_election")
    assert choice == "Resign"
    assert began in ("needs_confirmation", "waits_for_page")
    assert [entry["kind"] for entry in acts("case proposed", "case decided")] == ["case proposed", "case decided"]
    assert "Resign" not in json.dumps(acts())


def test_a_second_officer_may_refuse_and_the_case_is_open_and_free_again(desk: Muster) -> None:
    of = desk.begin("offer")
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann, "Resign, I suppose, as you people want it so.", subject=OFFER_SUBJECT)
    decide(desk, case_no, "election", "Resign")
    with pytest.raises(Refused, match="not open but proposed"):
        decide(desk, case_no, "none", by="rex")
    cases.refuse(case_no, because="it is irony", reader=reader("rex"), now=desk.desk.now)
    assert state(case_no) == "open"
    with pytest.raises(Refused, match="Nothing is proposed"):
        confirm(desk, case_no)
    decide(desk, case_no, "none")
    assert [kind for kind, _, now in answers(desk, of, ann)] == ["unclear"]


def test_what_would_take_an_election_back_needs_two_and_undoing_lets_it_stand_again(desk: Muster) -> None:
    of = desk.begin("offer")
    [ann] = desk.people(1)
    desk.hear(desk.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    case_no = unclear(desk, of, ann, "Forget what I sent, if that is all right with my boss.", subject=OFFER_SUBJECT)
    assert decide(desk, case_no, "withdraw").case.state == "proposed"
    assert ("election", "Resign", "needs_confirmation") in answers(desk, of, ann)
    confirm(desk, case_no)
    assert ("election", "Resign", "withdrawn") in answers(desk, of, ann)
    assert ("withdraw", "", "counted") in answers(desk, of, ann)
    with pytest.raises(Refused, match="not decided"):
        undo(desk, unclear(desk, of, ann, "Hm, who knows what that means in the end.", subject=OFFER_SUBJECT))
    assert sql.rows("SELECT state FROM replies_election") == [("withdrawn",)]
    undo(desk, case_no)
    assert ("election", "Resign", "needs_confirmation") in answers(desk, of, ann)
    assert ("withdraw", "", "undone") in answers(desk, of, ann)
    assert len(sql.rows("SELECT 1 FROM replies_election")) == 2  # it begins anew, and has to be confirmed anew


def test_an_election_that_is_bound_is_moved_by_no_case(desk: Muster) -> None:
    of = desk.begin("offer")
    [ann] = desk.people(1)
    desk.hear(desk.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    case_no = unclear(desk, of, ann, "Forget what I sent, if that is all right with my boss.", subject=OFFER_SUBJECT)
    sql.execute("UPDATE replies_election SET state = 'exported'")
    sql.execute("UPDATE replies_answer SET state = 'counted' WHERE type = 'election'")
    decide(desk, case_no, "withdraw")
    with pytest.raises(Refused, match="bound"):
        confirm(desk, case_no)
    assert state(case_no) == "proposed"
    assert ("election", "Resign", "counted") in answers(desk, of, ann)
    cases.refuse(case_no, because="it is bound", reader=reader("rex"), now=desk.desk.now)
    decide(desk, case_no, "none")
    assert ("election", "Resign", "counted") in answers(desk, of, ann)


def test_a_late_election_is_kept_labelled_and_decided_by_two(desk: Muster) -> None:
    of = desk.begin("offer")
    ann, bea = desk.people(2)
    desk.clock.advance(timedelta(days=30))
    counts = unclear(desk, of, ann, "Resign", subject=OFFER_SUBJECT)
    too_late = unclear(desk, of, bea, "Resign", subject=OFFER_SUBJECT)
    assert queries.case(counts).late
    decide(desk, too_late, "too-late")
    assert answers(desk, of, bea) == [("election", "Resign", "no_answer")]
    assert decide(desk, counts, "counts").case.state == "proposed"
    confirm(desk, counts)
    assert ("election", "Resign", "needs_confirmation") in answers(desk, of, ann)
    assert sql.rows("SELECT DISTINCT late FROM replies_reply") == [(True,)]


def test_another_author_s_mail_counts_only_when_two_officers_say_it_is_the_person_s_own(desk: Muster) -> None:
    of = desk.begin()
    finn, gus = desk.people(2, domain=GUARDED_DOMAIN)
    ours = unclear(desk, of, finn, "YES", signed=False)
    forged = unclear(desk, of, gus, "YES", signed=False)
    assert look(desk, ours).written_by == journey.THE_PERSON
    decide(desk, forged, "forged")
    assert answers(desk, of, gus) == []
    assert decide(desk, ours, "ours", "acknowledge").case.state == "proposed"
    assert answers(desk, of, finn) == []
    confirm(desk, ours)
    assert answers(desk, of, finn) == [("acknowledge", "", "counted")]
    undo(desk, ours, by="rex")
    assert answers(desk, of, finn) == [("acknowledge", "", "undone")]


def test_whoever_decided_may_undo_within_their_term_and_later_only_another_officer(desk: Muster) -> None:
    of = desk.begin()
    ann, bea = desk.people(2)
    soon, later = unclear(desk, of, ann), unclear(desk, of, bea)
    decide(desk, soon, "none")
    decide(desk, later, "none")
    desk.clock.advance(timedelta(seconds=TERM_S - 1))
    undo(desk, soon, by="rae")
    desk.clock.advance(timedelta(seconds=1))
    with pytest.raises(Refused, match="term of rae"):
        undo(desk, later, by="rae")
    undo(desk, later, by="rex")
    assert [state(one) for one in (soon, later)] == ["open", "open"]
    with pytest.raises(Refused, match="needs a reason"):
        journey.undo(later, because=" ", reader=reader("rae"), desk=desk.desk)


def test_what_was_decided_to_be_nobody_of_ours_is_open_again_when_it_is_undone(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann, "You have the wrong person, I do not work for you.")
    assert queries.case(case_no).reason == "not_mine"
    decide(desk, case_no, "not-ours")
    assert answers(desk, of, ann) == [("not_mine", "", "no_answer")]
    undo(desk, case_no)
    assert answers(desk, of, ann) == [("not_mine", "", "with_person")]


def test_steps_and_looks_can_be_changed_by_nobody(desk: Muster) -> None:
    case_no = unclear(desk, desk.begin(), desk.people(1)[0])
    look(desk, case_no)
    decide(desk, case_no, "none")
    owner = desk.database.connect("owner")
    for statement in ("UPDATE replies_look SET because = ''", "DELETE FROM replies_case_step"):
        with pytest.raises(Exception, match=r"append-only|permission denied"):
            owner.execute(statement)


# ---- by command


def test_a_case_is_worked_through_by_command(desk: Muster) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    case_no = unclear(desk, of, ann, f"{UNCLEAR}\nMy number is +1 202 555 0143.")
    name = f"c{case_no}"
    claim(desk, case_no)
    refused = desk.command("case", "show", name, "--as", "rex")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "claimed by another officer" in refused.stderr
    shown = json.loads(desk.command("case", "show", name, "--as", "rae", "--json").stdout)
    assert UNCLEAR in shown["text"]
    assert "0143" not in json.dumps(shown)
    assert "acknowledge" in shown["decisions"]
    done = json.loads(
        desk.command("case", "decide", name, "acknowledge", "--as", "rae", "--reason", "yes", "--json").stdout
    )
    assert (done["state"], done["answer_state"], done["needs_second"]) == ("decided", "counted", False)
    history = json.loads(desk.command("case", "history", name, "--json").stdout)["history"]
    assert [(one["kind"], one["officer"]) for one in history] == [
        ("claimed", "rae"),
        ("looked_at", "rae"),
        ("decided", "rae"),
    ]


def test_a_list_tells_what_is_known_and_no_word_of_what_was_written(
    desk: Muster, capsys: pytest.CaptureFixture[str]
) -> None:
    of = desk.begin()
    [ann] = desk.people(1)
    name = f"c{unclear(desk, of, ann)}"
    add(desk, "col", Role.COMPONENT_OFFICER, "Nowhere")
    command.list_cases(as_json=True)
    command.show(name, as_json=True)
    command.list_cases(officer="col", as_json=True)
    command.list_cases(component=ann.component, as_json=True)
    listed, one, nothing, inside = map(json.loads, capsys.readouterr().out.splitlines())
    assert [row["case"] for row in listed] == [row["case"] for row in inside] == [one["case"]] == [name]
    assert nothing == []
    assert "wrote last week" not in json.dumps([listed, one])
    assert one["decisions"] == ["acknowledge", "decline", "withdraw", "none"]
