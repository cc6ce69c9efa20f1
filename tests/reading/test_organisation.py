"""Replies of the simulated organisation, which shares no code with the reader: its programs, nine languages, every class.

What counts: no answer is read that was not given. What goes to a person is no mistake; there must be little of it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from postmuster.mail.kind import classify
from postmuster.mail.message import parse
from postmuster.organisation.dice import Dice
from postmuster.organisation.programs import Draft, programs, write_reply
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.statements import Ask as TheirAsk
from postmuster.organisation.statements import state
from postmuster.organisation.truth import Truth
from postmuster.organisation.wording import wording
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import read_message

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "pl", "zh", "ja")
ASKS = (
    (TheirAsk("acknowledge"), Ask(AskType.ACKNOWLEDGE), (Truth.YES, Truth.YES_VARIANT)),
    (TheirAsk("election", ("Resign",)), Ask(AskType.ELECTION, ("Resign",)), (Truth.RESIGN, Truth.RESIGN_UNCLEAR)),
    (TheirAsk("report", (), 5), Ask(AskType.REPORT, items=5), (Truth.REPORT, Truth.REPORT_SHORT)),
)
ANYTIME = (Truth.DECLINE, Truth.QUESTION, Truth.WITHDRAW, Truth.NOT_MINE, Truth.UNCLEAR)
TEMPLATE = """Dear {name},

This is an offer to the people of {component}.

Reply to this mail with one of these choices, alone on the first line:

Resign

Reply to this mail with the word YES. Nothing else is needed. To take a choice back, reply with these words: I withdraw.

If all of your work is sensitive, this one sentence is a complete answer: All of my activities are sensitive.

Until when: {deadline}

Contact: Ada Drafter, Office of Staff Affairs, staff@muster.example, +1 202 555 0143
"""
FILLED = TEMPLATE.format(name="Jana Muster", component="Office of Water", deadline="6 March 2024, 17:00 (UTC+1)")
NOON = datetime(2024, 3, 5, 12, 0, tzinfo=UTC)
MAIL = ReceivedMail(
    from_name="Office of Staff Affairs",
    from_address="staff@muster.example",
    to="Jana Muster <jana@agency.example>",
    reply_address="r-token@muster.example",
    subject="An offer",
    date=NOON,
    message_id="<n1.r1.s2.x@muster.example>",
    references="<n1.r1.s2.x@muster.example>",
    text=FILLED,
    html="".join(f"<p>{paragraph}</p>" for paragraph in FILLED.split("\n\n")),
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_reply_of_any_program_is_read_as_what_it_is_not(language: str) -> None:
    words = wording(language)
    tally: Counter[str] = Counter()
    for program in programs():
        for theirs, ask, own in ASKS:
            for truth in (*own, *ANYTIME):
                dice = Dice("reading", program.name, language, theirs.kind, truth.value)
                said, expected = state(truth, theirs, words, dice, "Jana Muster")
                draft = Draft(
                    name="Jana Muster",
                    address="Jana Muster <jana@agency.example>",
                    domain="agency.example",
                    title=words.titles[0],
                    component="Office of Water",
                    language=words,
                    at=NOON,
                    said=said,
                    mail=MAIL,
                    to="r-token@muster.example",
                    disclaimer=words.disclaimer if dice.chance(0.3) else "",
                )
                message = parse(write_reply(program, draft, dice))
                answer = read_message(message, classify(message), ask=ask, sent_text=f"An offer\n\n{TEMPLATE}").answer
                right = answer.type in {str(each) for each in (expected.answer, *expected.also_answers)}
                right = right and (not expected.items or len(answer.items) == expected.items)
                assert right or answer.type == "unclear", (program.name, truth, said.text(), answer)
                tally[str(right)] += 1
    assert tally["True"] >= 0.9 * tally.total(), tally
