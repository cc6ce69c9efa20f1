"""Names below an answer: a block of them is no part of it, and whatever else stands there is."""

from __future__ import annotations

import pytest

from postmuster.reading.answer import Answer, AnswerType, read_answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.names import read_author
from postmuster.reading.newtext import cut

YES = Ask(AskType.ACKNOWLEDGE)
RESIGN = Ask(AskType.ELECTION, ("Resign",))
FIVE = Ask(AskType.REPORT, items=5)
AUTHORS = {
    "Ada Coldley": "Ada Coldley <ada.coldley@example.org>",
    "Thornford, Ben": '"Thornford, Ben" <ben@example.org>',
    'Denis "Den" Verfère': '"Denis \\"Den\\" Verfère" <d.verfere@example.org>',
    "王 小明": "王 小明 <wang@example.org>",
    "Dr. Hans-Peter von der Lühe": "Dr. Hans-Peter von der Lühe <luehe@example.org>",
    "Grace O'Neil": "Grace O'Neil <grace@example.org>",
    "Óscar Galamar": "Óscar Galamar <oscar@example.org>",
}
BLOCKS = [
    "{name}",
    "{name}\nHead of Section | Directorate\nTel. 555-0142",
    "{name}\nSenior Clerk | Bureau of Rain",
    "{name}\nAnalyst\nOffice of Water\n+1 202 555 0143\nwww.example.org",
    "{name}\nTopografía | Directorate\nada@example.org",
]


def answer(text: str, ask: Ask, author: str) -> Answer:
    return read_answer(cut(text, author=author), "Re: A mail", ask, sent_subject="A mail", author=author)


@pytest.mark.parametrize("name", AUTHORS)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_below_the_authors_name_is_no_part_of_an_answer(name: str, block: str) -> None:
    below = block.format(name=name)
    assert answer(f"Yes.\n\n{below}", YES, AUTHORS[name]).type is AnswerType.ACKNOWLEDGE
    assert answer(f"Hello,\n\nI choose to resign.\n\n{below}", RESIGN, AUTHORS[name]).type is AnswerType.ELECTION
    items = "Wrote a plan\nMet the council\nFiled the boxes\nRead the mail\nFixed gate four"
    report = answer(f"{items}\n\n{below}", FIVE, AUTHORS[name])
    assert (report.type, len(report.items)) == (AnswerType.REPORT, 5)


@pytest.mark.parametrize("name", AUTHORS)
def test_name_office_and_telephone_are_cut_as_a_signature(name: str) -> None:
    below = f"{name}\nHead of Section | Directorate\nTel. 555-0142"
    found = cut(f"Yes.\n\n{below}", author=AUTHORS[name])
    assert (found.new_text, found.signature) == ("Yes.", below)


@pytest.mark.parametrize(
    "text",
    [
        "Ada Coldley\nHead of Section | Directorate\nTel. 555-0142",  # nothing else: it may be the answer to something
        "Ada Coldley\n\nYes",
        "Yes.\n\nAda Coldley will call you.\nTel. 555-0142",
        "Yes.\n\nAda Coldley\nwould rather not, call 555-0142",
        "Yes.\n\nAda Coldley\nNot Really",
        "Yes.\n\nAda Coldley\nI take it back\nTel. 555-0142",
        "Yes.\n\nBen Thornford\nHead of Section | Directorate\nTel. 555-0142",  # somebody else
        "Yes\nAda Coldley\nTel. 555-0142",  # no line between
    ],
)
def test_what_may_be_more_than_a_signature_stays(text: str) -> None:
    assert cut(text, author=AUTHORS["Ada Coldley"]).new_text == text


@pytest.mark.parametrize(
    "below", ["Not Really", "No", "Never", "Unless Paid", "Ben Thornford", "Ada Coldley\nNot Really", "Ada Coldley\nNo"]
)
def test_an_election_with_anything_else_below_goes_to_a_person(below: str) -> None:
    assert answer(f"Resign\n\n{below}", RESIGN, AUTHORS["Ada Coldley"]).type is AnswerType.UNCLEAR


def test_a_name_below_that_names_the_choice_goes_to_a_person() -> None:
    found = answer("Resign\n\nAda Coldley\nResign Later | Office of Rain", RESIGN, AUTHORS["Ada Coldley"])
    assert found.type is AnswerType.UNCLEAR


@pytest.mark.parametrize(
    "shown", ["No Thanks <x@example.org>", "Not Really <x@example.org>", "Never Resign <x@example.org>"]
)
def test_a_display_name_that_says_something_is_no_name(shown: str) -> None:
    said = shown.partition(" <")[0]
    assert read_author(shown).display == () or said == "Never Resign"
    assert answer(f"Resign\n\n{said}", RESIGN, shown).type is AnswerType.UNCLEAR


@pytest.mark.parametrize("head", ["", "My report:\n\n", "Hello,\n\n"])
@pytest.mark.parametrize("mark", ["", "– ", "· ", "- "])
def test_short_capitalised_items_are_no_names(head: str, mark: str) -> None:
    items = "\n".join(
        f"{mark}{item}" for item in ("Budget Review", "Team Meeting", "Audit Reply", "Gate Four", "New Map")
    )
    for below in ("", "\n\nJane Doe", "\n\nAda Coldley\nHead of Section | Directorate\nTel. 555-0142"):
        found = answer(f"{head}{items}{below}", FIVE, AUTHORS["Ada Coldley"])
        assert (found.type, len(found.items)) == (AnswerType.REPORT, 5), (below, found)
