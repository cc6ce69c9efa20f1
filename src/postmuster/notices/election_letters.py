"""The letters that tell a person where their election stands: one for each state, and two about a code or a mail too late.

What for: whoever chooses is told at each step what was understood, what happens next, who decides and until when, how to
take the choice back, and that saying nothing has no consequence. The words are generated, belong to the approved revision
(`content.digest` covers each of them) and are plain text only.

Promises: pure; of what the person wrote a letter repeats only a choice that the notice itself offers; the code stands in
the text alone, never in a subject. `{code}`, `{until}`, `{left}` and `{because}` are filled for each person.
Sources: 5 CFR 715.202 (withdrawal); RFC 3834 (responses to single mails).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from postmuster.mail.compose import Wording
from postmuster.notices.terms import NoticeContent
from postmuster.notices.wording import WITHDRAW_WORDS, contact_sentence, say, text_of

# Each letter with the sentences it is made of, in order; those of the second list are chosen by `reason`.
_MADE_OF: Final[dict[str, tuple[str, ...]]] = {
    "needs_confirmation": (
        "received", "open_to_you", "confirm", "code", "code_holds", "then", "unconfirmed", "take_back",
    ),
    "waits_for_page": ("received", "not_proven", "page", "take_back"),
    "not_eligible": ("received", "not_open", "ask_us"),
    "under_review": ("confirmed", "decided_until", "take_back"),
    "escalated": ("overdue", "take_back"),
    "recorded": ("recorded", "recorded_until"),
    "declined": ("declined", "ask_us"),
    "lapsed": ("lapsed", "choose_again"),
    "withdrawn": ("withdrawn",),
    "superseded": ("superseded",),
    "exported": ("exported",),
    "wrong_code": ("wrong_code", "code_again"),
    "too_late": ("too_late",),
}  # fmt: skip
_REASONS: Final[dict[str, tuple[str, ...]]] = {
    "not_eligible": ("not_in_roster", "employment_class", "status", "component"),
    "lapsed": ("time", "tries"),
}
LETTERS: Final = tuple(_MADE_OF)
PERSONAL: Final = ("code", "until", "left", "because")  # placeholders besides those of every letter
_CODE: Final = "    {code}"


def election_letter(content: NoticeContent, language: str, *, letter: str, choice: str, reason: str = "") -> Wording:
    """Return one of `LETTERS` in one of `terms.LANGUAGES`, placeholders still in place.

    `reason` says why somebody is not eligible, or why a choice lapsed. Raises KeyError for a letter or reason not known.
    """
    paragraphs = (
        say(language, "letter", "hello"),
        *(_sentence(content, language, key, choice, reason) for key in _MADE_OF[letter]),
        contact_sentence(content, language, "letter"),
        say(language, "letter", "check"),
    )
    subject = content.subject.best(language, content.language)
    heading = say(language, "election", "subject").replace("{subject}", subject)
    return Wording(subject=heading, text="\n\n".join(paragraphs) + "\n", html="")


def every_election_letter(content: NoticeContent, language: str) -> Iterator[Wording]:
    """Yield each letter that an election can cause; used to fix them with the revision."""
    for letter in LETTERS:
        for choice in content.ask.choices:
            for reason in _REASONS.get(letter, ("",)):
                yield election_letter(content, language, letter=letter, choice=choice, reason=reason)


def _sentence(content: NoticeContent, language: str, key: str, choice: str, reason: str) -> str:
    if key == "code":
        return _CODE
    if key == "not_open":
        return say(language, "election", "not_open", why=say(language, "election", f"why_{reason}"))
    if key == "lapsed":
        key = f"lapsed_{reason}"
    return say(
        language,
        "election",
        key,
        choice=choice,
        decided_by=text_of(content.ask.decided_by, content, language),
        decision_days=str(content.ask.decision_days),
        office=content.contact.office,
        answer_days=str(content.contact.answer_days),
        withdraw=WITHDRAW_WORDS,
    )
