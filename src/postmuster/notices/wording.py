"""The words around a notice that nobody who drafts one can take away.

What for: every notice ends with the same block: how to answer, voluntary or required and what silence means, until
when, who writes on what authority, what happens to the answer, whom to ask, and how to check that the mail is
genuine. The words stand in `wording/<language>.toml`; this module picks and fills them from the notice and its
privacy elements.

Promises: pure apart from reading its own data files once; what a drafter wrote is put in as plain text, so that no
brace, mark or address in it can become a placeholder, a link or markup. No sentence holds a link or presses for time.
Sources: 5 U.S.C. 552a(e)(3) (authority, purpose, routine uses, effect of not answering); OMB M-03-22 §II.C.1.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from postmuster.assessments.kinds import AskType
from postmuster.assessments.table import Texts
from postmuster.mail.placeholders import fill_known
from postmuster.notices.terms import LANGUAGES, NoticeContent

# Said in these words whatever the notice's language: the reader of replies is sure to know them.
SENSITIVE_SENTENCE = "All of my activities are sensitive."
WITHDRAW_WORDS = "I withdraw"
DECLINE_WORDS = "I decline to answer"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside the generated block."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[str, ...]


Block = Heading | Paragraph | Items


@lru_cache(maxsize=len(LANGUAGES))
def words_in(language: str) -> Mapping[str, Mapping[str, str]]:
    """Return all generated words of a language, by section and key. Raises KeyError for a language without them."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (resources.files("postmuster.notices") / "wording" / f"{language}.toml").read_text("utf-8")
    sections = tomllib.loads(text)
    return {name: {key: str(value) for key, value in section.items()} for name, section in sections.items()}


def say(language: str, section: str, key: str, **values: str) -> str:
    """Return one sentence with `values` put in as plain text; the placeholders for each person stay."""
    return fill_known(words_in(language)[section][key], values)


def text_of(texts: Texts, content: NoticeContent, language: str) -> str:
    """Return an author's text in `language` without the full stop that the sentence around it brings."""
    return bare(texts.best(language, content.language))


def bare(text: str) -> str:
    """Return a text without its final full stop."""
    return text.rstrip(" .。")


def contact_sentence(content: NoticeContent, language: str, section: str) -> str:
    """Name the person, office, address and telephone number to ask."""
    contact = content.contact
    return say(
        language,
        section,
        "contact",
        contact=contact.name,
        office=contact.office,
        address=contact.address,
        phone=contact.phone,
    )


def statement(content: NoticeContent, language: str) -> tuple[Block, ...]:
    """Return the generated block of a notice in one language.

    Source: 5 U.S.C. 552a(e)(3).
    """
    return (
        Heading(say(language, "answer", "heading")),
        *_how_to_answer(content, language),
        Heading(say(language, "office", "heading")),
        *_office(content, language),
        Heading(say(language, "privacy", "heading")),
        *_privacy(content, language),
        Heading(say(language, "genuine", "heading")),
        Paragraph(say(language, "genuine", "check")),
    )


def _how_to_answer(content: NoticeContent, language: str) -> Iterator[Block]:
    if content.asks:
        yield from _ask(content, language)
        yield Paragraph(say(language, "answer", "joiner").join(_duty(content, language)))
    else:
        yield Paragraph(say(language, "answer", "none"))
    if content.deadline is not None:
        yield Paragraph(say(language, "answer", "until" if content.asks else "date"))


def _ask(content: NoticeContent, language: str) -> Iterator[Block]:
    ask = content.ask
    if ask.type is AskType.ACKNOWLEDGE:
        yield Paragraph(say(language, "answer", "acknowledge"))
        return
    if ask.type is AskType.ELECTION:
        yield Paragraph(say(language, "answer", "election"))
        yield Items(tuple(fill_known("{choice}", {"choice": choice}) for choice in ask.choices))
        decided_by = text_of(ask.decided_by, content, language)
        days = str(ask.decision_days)
        words = {"decided_by": decided_by, "days": days, "withdraw": WITHDRAW_WORDS}
        yield Paragraph(say(language, "answer", "election_effect", **words))
        terms = content.election
        confirm_days, withdraw_days = str(terms.confirm_days), str(terms.withdraw_days)
        yield Paragraph(say(language, "election", "terms", confirm_days=confirm_days, withdraw_days=withdraw_days))
    else:
        yield Paragraph(say(language, "answer", "report", items=str(ask.items)))
        yield Paragraph(say(language, "answer", "report_sensitive", sentence=SENSITIVE_SENTENCE))
    if content.voluntary:
        yield Paragraph(say(language, "answer", "decline", decline=DECLINE_WORDS))


def _duty(content: NoticeContent, language: str) -> Iterator[str]:
    requirement = content.requirement
    if content.voluntary or requirement is None:
        yield say(language, "answer", "voluntary")
    else:
        yield say(language, "answer", "required", citation=bare(requirement.citation))
        if requirement.consequence:
            consequence = text_of(requirement.consequence, content, language)
            yield say(language, "answer", "consequence", consequence=consequence)
        else:
            yield say(language, "answer", "no_consequence")
    if not content.authority.may_instruct:
        yield say(language, "answer", "request")


def _office(content: NoticeContent, language: str) -> Iterator[Block]:
    authority = content.authority
    text = text_of(authority.text, content, language)
    sender = bare(content.sender.name)
    yield Paragraph(say(language, "office", "authority", sender=sender, text=text, citation=bare(authority.citation)))
    yield Paragraph(contact_sentence(content, language, "office"))
    yield Paragraph(say(language, "office", "questions", days=str(content.contact.answer_days)))


def _privacy(content: NoticeContent, language: str) -> Iterator[Block]:
    if not content.collects:
        yield Paragraph(say(language, "privacy", "nothing"))
    yield Items(tuple(_privacy_elements(content, language)))


def _privacy_elements(content: NoticeContent, language: str) -> Iterator[str]:
    separator = say(language, "privacy", "separator")
    if content.data:
        data = separator.join(text_of(item, content, language) for item in content.data)
        yield say(language, "privacy", "data", list=data)
    if content.purpose:
        yield say(language, "privacy", "purpose", purpose=text_of(content.purpose, content, language))
    if content.sharing:
        sharing = separator.join(text_of(item, content, language) for item in content.sharing)
        yield say(language, "privacy", "sharing", list=sharing)
    else:
        yield say(language, "privacy", "sharing_none")
    term = content.retention
    values = {"days": str(term.days), "schedule": bare(term.schedule), "authority": bare(term.authority)}
    yield say(language, "privacy", f"keep_{term.start}", **values)
    yield say(language, "privacy", f"sorting_{content.machine_sorting}")
    yield say(language, "privacy", "assessment", slug=content.assessment.slug)
