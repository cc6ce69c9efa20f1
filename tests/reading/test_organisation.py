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
from postmuster.organisation.programs import Draft, Program, programs, write_reply
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.statements import Ask as TheirAsk
from postmuster.organisation.statements import state
from postmuster.organisation.truth import Expected, Truth
from postmuster.organisation.wording import wording
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import read_message

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "pl", "zh", "ja")
ASKS = (
    (TheirAsk("acknowledge"), Ask(AskType.ACKNOWLEDGE), (Truth.YES, Truth.YES_VARIANT)),
    (TheirAsk("election", ("Resign",)), Ask(AskType.ELECTION, ("Resign",)), (Truth.RESIGN, Truth.RESIGN_UNCLEAR)),
    (TheirAsk("report", (), 5), Ask(AskType.REPORT, items=5), (Truth.REPORT, Truth.REPORT_SHORT)),
)
ANYTIME = (Truth.DECLINE, Truth.QUESTION, Truth.WITHDRAW, Truth.NOT_MINE, Truth.UNCLEAR, Truth.INSTRUCTIONS)
PLAIN = (Truth.YES, Truth.YES_VARIANT, Truth.RESIGN, Truth.REPORT, Truth.REPORT_SHORT, Truth.DECLINE)
NAMES = (
    "Jana Muster",
    'Denis "Den" Verfère',
    "Thornford, Ben",
    "Ada Coldley",
    "Grace O'Neil",
    "王 小明",
    "Óscar Galamar",
)
OFFICES = ("Office of Water", "Directorate", "Bureau of Rain", "Coastal Office")
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


@pytest.mark.parametrize("known", [True, False], ids=["our mail known", "our mail unknown"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_reply_of_any_program_is_read_as_what_it_is_not(language: str, known: bool) -> None:
    tally: Counter[tuple[Truth, bool]] = Counter()
    for program in programs() if known else programs()[::4]:
        for theirs, ask, own in ASKS:
            for truth in (*own, *ANYTIME):
                dice = Dice("reading", program.name, language, theirs.kind, truth.value, known)
                raw, expected = _written(program, theirs, truth, language, dice)
                message = parse(raw)
                sent = f"An offer\n\n{TEMPLATE}" if known else None
                reading = read_message(message, classify(message), ask=ask, sent_text=sent)
                answer = reading.answer
                right = answer.type in {str(each) for each in (expected.answer, *expected.also_answers)}
                right = right and (not expected.items or len(answer.items) == expected.items)
                assert right or answer.type == "unclear", (program.name, truth, reading.new.new_text, answer)
                tally[truth, right] += 1
    plain = sum(count for (truth, _), count in tally.items() if truth in PLAIN)
    to_a_person = {truth: count for (truth, right), count in tally.items() if not right}
    assert sum(to_a_person.get(truth, 0) for truth in PLAIN) <= 0.03 * plain, to_a_person
    assert sum(to_a_person.values()) <= 0.03 * tally.total(), to_a_person


def _written(program: Program, theirs: TheirAsk, truth: Truth, language: str, dice: Dice) -> tuple[bytes, Expected]:
    """Write one reply: the author, office and notice differ from reply to reply."""
    words, name = wording(language), dice.pick(NAMES)
    said, expected = state(truth, theirs, words, dice, name)
    draft = Draft(
        name=name,
        address="jana@agency.example",
        domain="agency.example",
        title=dice.pick(words.titles),
        component=dice.pick(OFFICES),
        language=words,
        at=NOON,
        said=said,
        mail=MAIL,
        to="r-token@muster.example",
        disclaimer=dice.pick(("", "own", "bottom")),
    )
    return write_reply(program, draft, dice), expected
