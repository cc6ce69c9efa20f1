"""The private letter to a person whose reply holds what should not be sent by mail.

What for: whoever sent a classified text or somebody's card number learns it, alone and at once, with the way to have it
destroyed. It says of what kind the thing is and never what it is, because a letter travels as the reply did. The words are
generated, belong to the approved revision (`content.digest` covers each of them) and are plain text only.

Promises: pure; nothing of the reply is repeated. Marks in tier C and what everybody puts below a mail (an address, a
telephone number) cause no letter.
Sources: 32 CFR 2001.48 (loss or possible compromise of classified information); 5 U.S.C. 552a(e)(10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from postmuster.mail.compose import Wording
from postmuster.notices.terms import NoticeContent
from postmuster.notices.wording import contact_sentence, say
from postmuster.reading.reading import Reading

MARKINGS: Final = ("classified", "controlled")
GRAVE: Final = ("us_ssn", "card", "iban", "passport", "medical_record", "secret")  # secret: a password, key or token
_TIERS: Final = {"A": "classified", "B": "controlled"}


def what_to_tell(reading: Reading) -> tuple[str, ...]:
    """The kinds of what was found in a reply that its writer is told of, in a fixed order."""
    if not (reading.markings or reading.personal or reading.secrets):
        return ()
    found = {_TIERS.get(str(marking.tier), "") for marking in reading.markings}
    found |= {str(hit.kind) for hit in reading.personal}
    found |= {"secret"} if reading.secrets else set()
    return tuple(kind for kind in (*MARKINGS, *GRAVE) if kind in found)


def screened_letter(content: NoticeContent, language: str, *, found: Sequence[str]) -> Wording:
    """Return the letter about these kinds in one of `terms.LANGUAGES`, placeholders still in place."""
    kinds = "\n".join(f"- {say(language, 'screened', kind)}" for kind in found)
    is_held = any(kind in MARKINGS for kind in found)
    paragraphs = (
        say(language, "letter", "hello"),
        say(language, "screened", "automatic"),
        say(language, "screened", "found"),
        kinds,
        say(language, "screened", "held" if is_held else "covered"),
        say(language, "screened", "purge"),
        say(language, "screened", "mistaken"),
        contact_sentence(content, language, "letter"),
        say(language, "letter", "check"),
    )
    subject = content.subject.best(language, content.language)
    heading = say(language, "screened", "subject").replace("{subject}", subject)
    return Wording(subject=heading, text="\n\n".join(paragraphs) + "\n", html="")


def every_screened_letter(content: NoticeContent, language: str) -> Iterator[Wording]:
    """Yield letters that have between them every word of those that can be sent; used to fix them with the revision."""
    yield screened_letter(content, language, found=MARKINGS)
    yield screened_letter(content, language, found=GRAVE)
