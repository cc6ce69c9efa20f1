"""Our own mail, quoted in the ways of the big programs: its words are never an answer, the person's always are."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from postmuster.mail.html_text import html_to_text
from postmuster.reading.answer import AnswerType, read_answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.newtext import cut

SENT = """An offer

This is an offer from the Office of Personnel to its people.

If you choose to take part, reply to this mail and type the word Resign.

Resign

I choose to resign.

Reply with the word YES when this mail has reached you. All of my activities are sensitive.

- Item one
- Item two

It is voluntary. If you do nothing, nothing happens to you. The offer ends on 6 March 2024 at 17:00 in your own zone.

Contact: Office of Personnel, +1 202 555 0143, contact@example.org"""
ELECTION = Ask(AskType.ELECTION, ("Resign",))
YES = Ask(AskType.ACKNOWLEDGE)
FIELDS = (
    "From: Office of Personnel <hr@example.org>\nSent: Tuesday, March 5, 2024 10:00 AM\nTo: Jane Doe\nSubject: An offer"
)
ON = "On Tue, Mar 5, 2024 at 10:00 AM Office of Personnel <hr@example.org> wrote:"
WRAPPED = "\n".join(textwrap.fill(line, 60) for line in SENT.split("\n"))


def marked(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def badly_wrapped(text: str) -> str:
    """Marks first, then a program breaks the long lines without them."""
    return "\n".join(textwrap.fill(f"> {line}", 48) for line in text.split("\n"))


def html(text: str) -> str:
    paragraphs = "".join(f"<p>{line}</p>" for line in text.split("\n") if line)
    page = f'<div>{{}}</div><div class="gmail_quote">{ON}<br><blockquote class="gmail_quote">{paragraphs}</blockquote></div>'
    return html_to_text(page.replace("{}", "MINE"))


PROGRAMS: dict[str, Callable[[str], str]] = {
    "gmail": lambda own: f"{own}\n\n{ON}\n\n{marked(WRAPPED)}\n",
    "gmail html": lambda own: html(SENT).replace("MINE", own),
    "apple mail": lambda own: (
        f"{own}\n\n> On Mar 5, 2024, at 10:00 AM, Office <hr@example.org> wrote:\n>\n{marked(SENT)}"
    ),
    "thunderbird below": lambda own: f"On 05/03/2024 10:00, Office of Personnel wrote:\n{marked(WRAPPED)}\n\n{own}",
    "outlook": lambda own: f"{own}\n\n{FIELDS}\n\n{SENT}",
    "outlook web": lambda own: f"{own}\n________________________________\n{FIELDS}\n\n{SENT}",
    "outlook 2003": lambda own: f"{own}\n\n-----Original Message-----\n{FIELDS}\n\n{SENT}",
    "yahoo": lambda own: (
        f"{own}\n\nOn Tuesday, March 5, 2024 at 10:00:00 AM EST, Office <hr@example.org> wrote:\n\n{SENT}"
    ),
    "outlook mobile": lambda own: f"{own}\n\nGet Outlook for iOS\n{'_' * 32}\n{FIELDS}\n\n{WRAPPED}",
    "lotus notes": lambda own: f"{own}\n\n{badly_wrapped(SENT)}",
    "german outlook": lambda own: (
        f"{own}\n\nVon: HR <hr@example.org>\nGesendet: Dienstag, 5. März 2024 10:00\nAn: Jane\nBetreff: Angebot\n\n{SENT}"
    ),
    "qq": lambda own: f"{own}\n\n------------------ 原始邮件 ------------------\n发件人: hr@example.org\n\n{SENT}",
    "forwarded to us": lambda own: f"{own}\n\n---------- Forwarded message ---------\n{FIELDS}\n\n{SENT}",
}
UNKNOWN: dict[str, Callable[[str], str]] = {
    "no announcement": lambda own: f"{own}\n\n{SENT}",
    "below without marks": lambda own: f"{SENT}\n\n{own}",
    "unknown language": lambda own: f"{own}\n\nNi 5 Maret 2024 10:00, hr@example.org awitwa:\n\n{WRAPPED}",
    "unknown fields": lambda own: f"{own}\n\nKutoka: hr@example.org\nImetumwa: 5 Machi 2024\nKwa: Jane\n\n{SENT}",
    "unknown fields with our subject": lambda own: (
        f"{own}\n\nKutoka: hr@example.org\nImetumwa: 5 Machi 2024\nMada: An offer\n\n{SENT}"
    ),
    "other marks": lambda own: f"{own}\n\n" + "\n".join(f"| {line}" for line in SENT.split("\n")),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("sent", [None, SENT], ids=["unknown", "known"])
def test_our_quoted_words_are_no_answer(program: str, sent: str | None) -> None:
    for own in ("", "Hello,\n\nThank you."):
        new = cut(PROGRAMS[program](own), sent=sent)
        for ask in (ELECTION, YES, Ask(AskType.REPORT, items=2)):
            answer = read_answer(new, "Re: An offer", ask, sent_subject="An offer")
            assert answer.type is AnswerType.NONE, (own, answer, new.new_text)


@pytest.mark.parametrize("program", UNKNOWN)
def test_our_known_words_are_no_answer_however_they_are_quoted(program: str) -> None:
    new = cut(UNKNOWN[program](""), sent=SENT)
    for ask in (ELECTION, YES, Ask(AskType.REPORT, items=2)):
        assert read_answer(new, "Re: An offer", ask, sent_subject="An offer").type is AnswerType.NONE, new.new_text


@pytest.mark.parametrize("program", [*PROGRAMS, *UNKNOWN])
def test_the_answer_beside_the_quote_is_read(program: str) -> None:
    wrap = PROGRAMS.get(program) or UNKNOWN[program]
    new = cut(wrap("Resign\n\nThanks,\nJane Doe"), sent=SENT)
    answer = read_answer(new, "Re: An offer", ELECTION, sent_subject="An offer")
    assert (answer.type, answer.choice) == (AnswerType.ELECTION, "Resign"), new.new_text
    new = cut(wrap("Yes."), sent=SENT)
    assert read_answer(new, "Re: An offer", YES, sent_subject="An offer").type is AnswerType.ACKNOWLEDGE


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_answer_is_read_without_knowing_what_was_sent(program: str) -> None:
    new = cut(PROGRAMS[program]("Yes."))
    assert read_answer(new, "Re: An offer", YES).type is AnswerType.ACKNOWLEDGE


def test_an_answer_typed_into_a_quote_without_marks_goes_to_a_person_when_it_is_an_election() -> None:
    quote = SENT.replace("It is voluntary.", "Resign\n\nIt is voluntary.")
    new = cut(f"{FIELDS}\n\n{quote}", sent=SENT)
    assert new.new_text == "Resign"
    assert read_answer(new, "Re: An offer", ELECTION).type is AnswerType.UNCLEAR


def test_a_colleague_quoted_above_our_words_does_not_answer() -> None:
    text = f"{FIELDS.replace('hr@', 'colleague@')}\n\nResign\n\n{FIELDS}\n\n{SENT}"
    assert cut(text, sent=SENT).new_text == ""


def test_a_sentence_we_offered_counts_when_the_person_types_it() -> None:
    new = cut(f"All of my activities are sensitive.\n\n{ON}\n\n{marked(SENT)}", sent=SENT)
    answer = read_answer(new, "Re: An offer", Ask(AskType.REPORT, items=5))
    assert (answer.type, answer.reasons) == (AnswerType.REPORT, ("all_sensitive",))


@pytest.mark.parametrize("typed", ["YES", "Resign", "Yes, I received it.", "*Ja*"])
@pytest.mark.parametrize("ask", [YES, ELECTION], ids=["acknowledge", "election"])
def test_an_answer_typed_into_marked_lines_goes_to_a_person(typed: str, ask: Ask) -> None:
    lines = SENT.split("\n")
    for at in (3, 5, 13):
        text = f"{ON}\n\n" + marked("\n".join([*lines[:at], "", typed, "", *lines[at:]]))
        found = read_answer(cut(text, sent=SENT), "Re: An offer", ask, sent_subject="An offer")
        assert (found.type, found.reasons) == (AnswerType.UNCLEAR, ("words_inside_quote",)), at


@pytest.mark.parametrize(
    "quoted", [marked(SENT), marked(WRAPPED), badly_wrapped(SENT)], ids=["whole", "wrapped", "badly"]
)
def test_our_own_mail_alone_in_marked_lines_is_no_answer(quoted: str) -> None:
    for text in (quoted, f"{ON}\n\n{quoted}", f"{ON}\n\n{quoted}\n\n-- \nJane Doe"):
        assert read_answer(cut(text, sent=SENT), "Re: An offer", YES, sent_subject="An offer").type is AnswerType.NONE
