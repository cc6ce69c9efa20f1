"""Letters to one person: the receipt for an answer, and the mark of a proof copy.

What for: whoever answers is told, in their language, what was understood, who decides on it and by when, or that
nothing is to be decided. The words are generated, belong to the approved revision (`content.digest` covers each of
them) and are plain text only.

Promises: pure; a receipt repeats nothing that the person wrote except a choice that the notice itself offered; it
never says just that an answer will come.
Sources: 5 CFR 715.202 (withdrawal); RFC 3834 (responses to single mails).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from postmuster.assessments.kinds import AskType
from postmuster.mail.compose import Wording
from postmuster.notices.terms import NoticeContent
from postmuster.notices.wording import contact_sentence, say, text_of

ANSWER_TYPES: Final = (
    "acknowledge", "election", "report", "decline", "withdraw", "question", "not_mine", "none", "unclear",
)  # fmt: skip
_ALWAYS_WITH_PERSON = frozenset({"question", "not_mine", "unclear"})
_SETTLED = frozenset({"acknowledge", "report", "decline", "withdraw"})
_NOT_AGAIN = frozenset({"question", "not_mine", "none"})
_PROOF = "[PROOF] "


@dataclass(frozen=True, slots=True)
class Understood:
    """What a reply was read as: one of `ANSWER_TYPES`, and what goes with it.

    `items`: how many report items were understood. `with_person`: the reply is before a person as well.
    """

    type: str
    choice: str = ""
    items: int = 0
    late: bool = False
    with_person: bool = False


def receipt(content: NoticeContent, language: str, *, understood: Understood) -> Wording:
    """Return the receipt for one answer in one of `terms.LANGUAGES`, placeholders still in place.

    A type that is not known, or a choice the notice does not offer, is receipted as unclear.
    """
    subject = content.subject.best(language, content.language)
    paragraphs = (
        say(language, "letter", "hello"),
        *_what(content, language, _sound(content, understood)),
        contact_sentence(content, language, "letter"),
        say(language, "letter", "check"),
    )
    # The subject keeps its placeholders, so it is put in as it is and not as plain text.
    heading = say(language, "letter", "subject").replace("{subject}", subject)
    return Wording(subject=heading, text="\n\n".join(paragraphs) + "\n", html="")


def every_receipt(content: NoticeContent, language: str) -> Iterator[Wording]:
    """Yield each receipt a notice can cause, as far as its words differ; used to fix them with the revision."""
    for kind in ANSWER_TYPES:
        choices = content.ask.choices if kind == "election" else ("",)
        counts = range(content.ask.items + 1) if kind == "report" else (0,)
        for choice in choices:
            for items in counts:
                for late, with_person in ((False, False), (True, True)):
                    yield receipt(content, language, understood=Understood(kind, choice, items, late, with_person))


def proof_mark(subject: str) -> str:
    """Return a subject marked as that of a proof copy."""
    return subject if subject.startswith(_PROOF) else _PROOF + subject


def _sound(content: NoticeContent, understood: Understood) -> Understood:
    known = understood.type in ANSWER_TYPES
    if known and (understood.type != "election" or understood.choice in content.ask.choices):
        return understood
    return Understood("unclear", late=understood.late, with_person=True)


def _what(content: NoticeContent, language: str, understood: Understood) -> Iterator[str]:
    kind = understood.type
    office = content.contact.office
    days = str(content.contact.answer_days)
    if kind == "election":
        decided_by, decision_days = text_of(content.ask.decided_by, content, language), str(content.ask.decision_days)
        choice = understood.choice
        yield say(language, "letter", "election", choice=choice, decided_by=decided_by, days=decision_days)
    elif kind == "report":
        yield _report(content, language, understood.items)
    else:
        yield say(language, "letter", kind, office=office, days=days)
    if kind == "decline" and content.voluntary:
        yield say(language, "answer", "voluntary")
    late = understood.late and content.deadline is not None
    if kind in _SETTLED and not late and not understood.with_person:
        yield say(language, "letter", "settled")
    if understood.with_person and kind not in _ALWAYS_WITH_PERSON:
        yield say(language, "letter", "person", office=office, days=days)
    if late:
        yield say(language, "letter", "late", decider=_decider(content, language), days=days)
    if content.asks and kind not in _NOT_AGAIN:
        yield say(language, "letter", "again")


def _report(content: NoticeContent, language: str, items: int) -> str:
    if items < 1:
        return say(language, "letter", "report_whole")
    asked = max(content.ask.items, 1)
    numbers = "1" if items == 1 else f"1–{items}"
    return say(language, "letter", "report", asked=str(asked), items=str(items), range=numbers)


def _decider(content: NoticeContent, language: str) -> str:
    if content.ask.type is AskType.ELECTION:
        return text_of(content.ask.decided_by, content, language)
    return content.contact.office
