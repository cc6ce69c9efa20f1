"""Read an answer against what was asked, or say that a person has to.

What for: a million replies say YES, a choice or five bullets in a hundred ways; the rest is for people. An answer is
taken only from a closed list of words and sentences (data/<language>.toml, reviewed) and only when nothing remains
beside it once greeting, thanks, politeness, name and signature are set aside. Negation, condition, question, irony,
somebody else's name, a second choice: all of these leave words over or leave a mark, and the answer is `unclear`. Our
own quoted words are gone before (`newtext`).

Promises: never raises; linear; silence and an empty text are `none`, never an answer. Evidence are spans of the text
that was cut.

Sources: the rules of an election are stated in docs/reading.md; RFC 5322 §3.6.5 for "Re:".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.reading.ask import Ask, AskType
from postmuster.reading.doubts import doubts_of, holds_choice, is_bare
from postmuster.reading.items import Items, find_items
from postmuster.reading.machine import addresses_program, words_address_program
from postmuster.reading.names import NO_TAIL, NOBODY, find_tail, read_author
from postmuster.reading.newtext import NewText
from postmuster.reading.pieces import (
    Meaning,
    Phrases,
    Piece,
    cover,
    phrases_for,
    pieces_of,
    sentences,
)
from postmuster.reading.words import Vocabulary, fold, load_vocabulary, tokens


class AnswerType(StrEnum):
    """What a reply answers."""

    ACKNOWLEDGE = "acknowledge"
    ELECTION = "election"
    REPORT = "report"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    QUESTION = "question"
    NOT_MINE = "not_mine"
    NONE = "none"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with why it was read so and where it stands (spans of the text that was cut)."""

    type: AnswerType
    choice: str | None = None
    items: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    evidence: tuple[tuple[int, int], ...] = ()
    confidence: float = 1.0


_REPLY_PREFIX: Final = re.compile(
    r"\s*+(?:re|aw|fw|fwd|sv|vs|antw|antwort|wg|tr|rv|rif|ref|res|enc|odp|pd|ynt|vá|továbbítás|i|r|"
    r"回复|回覆|答复|转发|轉寄|返信|転送|отв|ответ|на)(?:\[\d{1,3}\])?\s*+[:：]\s*+",
    re.IGNORECASE,
)
_KINDS: Final = {
    "withdraw": str(AnswerType.WITHDRAW),
    "not_mine": str(AnswerType.NOT_MINE),
    "question": str(AnswerType.QUESTION),
    "sensitive": "all_sensitive",
    "leave": "on_leave",
    "by_component": "answered_by_component",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What the pieces of a text say, taken together."""

    pieces: list[Piece]
    answers: list[Piece]  # covered, and more than politeness
    special: dict[str, Piece]  # sentences by what they begin with
    rest: list[Piece]  # what remains


def read_answer(
    new: NewText, subject: str, ask: Ask, *, sent_subject: str | None = None, author: str = "", struck: bool = False
) -> Answer:
    """Read `new` against `ask`. `author` is the From field; `struck` says that the mail has struck-out text. Never raises."""
    phrases = phrases_for(ask)
    names = read_author(author).without(phrases.choice_words)
    tail = find_tail(new.lines, phrases.choice_words, names)
    if ask.type is AskType.REPORT and not tail.is_no_list:
        tail = NO_TAIL
    lines = new.lines[: len(new.lines) - tail.lines]
    found = _sort(pieces_of(lines, phrases, names))
    if ask.type is not AskType.NONE and _is_for_programs(new, found, subject, tail.lines):
        return Answer(AnswerType.UNCLEAR, reasons=("addresses_a_program",))
    if not found.answers and not found.special and not found.rest:
        if new.inside_quote and ask.type is not AskType.NONE:
            return Answer(AnswerType.UNCLEAR, reasons=("words_inside_quote",))
        return _from_subject(subject, ask, phrases, new, sent_subject)
    if ask.type is AskType.NONE:
        return _unasked(found)
    if ask.type is AskType.REPORT:
        return _report(found, lines, ask)
    if found.special or found.rest:
        return _mixed(found)
    answer = _covered(found, ask)
    if answer.type is not AnswerType.ELECTION:
        return answer
    reasons = doubts_of(new, found.pieces, found.answers, phrases, struck=struck)
    if tail.lines and names and not tail.names_author:
        reasons.append("another_name")
    elif tail.lines and not tail.opens_with_author and (names or not tail.set_off):
        reasons.append("unknown_last_line")
    reasons += _contradiction(subject, phrases, sent_subject, answer.choice)
    return Answer(AnswerType.UNCLEAR, reasons=tuple(reasons), evidence=answer.evidence) if reasons else answer


def _is_for_programs(new: NewText, found: _Found, subject: str, tail: int) -> bool:
    """Whether the text, the names below it, the signature or the subject speak to a program."""
    ends = [line for _, line in new.lines[len(new.lines) - tail :]]
    ends += (new.signature or "")[:4_000].split("\n")
    return addresses_program(new.new_text, found.pieces) or any(
        words_address_program(tuple(tokens(line))) for line in [_bare_subject(subject), *ends] if line
    )


def _sort(pieces: list[Piece]) -> _Found:
    answers: list[Piece] = []
    special: dict[str, Piece] = {}
    rest: list[Piece] = []
    known = load_vocabulary()
    for group in sentences(pieces):
        begun = [piece for piece in group if piece.meaning is None or piece.meaning & ~_FILLING]
        kind = _kind_of(begun, group, known) if begun else None
        if kind is not None:
            special.setdefault(kind, begun[0])
            answers += [piece for piece in begun if not piece.remains]
            continue
        answers += [piece for piece in begun if not piece.remains]
        rest += [piece for piece in begun if piece.remains]
    return _Found(pieces, answers, special, rest)


_FILLING: Final = Meaning.FILL | Meaning.GREETING | Meaning.NAMED


def _kind_of(begun: list[Piece], group: list[Piece], known: Vocabulary) -> str | None:
    """Return what a sentence begins with, apart from politeness: a withdrawal, a question, … None when nothing is known of it."""
    asks = any("?" in piece.mark or "？" in piece.mark for piece in group)
    if not any(piece.remains for piece in begun):
        return AnswerType.QUESTION if asks else None
    words = begun[0].words
    longest = known.longest_opening.get(words[0], 0)
    if longest > len(words):  # an opening may run over a comma
        words = tuple(word for piece in begun for word in piece.words)
    for length in range(min(longest, len(words)), 0, -1):
        kind = known.openings.get(" ".join(words[:length]))
        if kind == "withdraw" and not asks:
            said = {word for piece in begun for word in piece.words}
            return _KINDS[kind] if known.doubt.isdisjoint(said) else None  # "I withdraw it unless …"
        if kind is not None:
            return str(AnswerType.QUESTION) if asks else _KINDS[kind]
    return AnswerType.QUESTION if asks else None


def _covered(found: _Found, ask: Ask) -> Answer:
    """Read a text of which nothing remains."""
    total, choices = 0, list[str]()
    for piece in found.answers:
        total |= piece.meaning or 0
        choices += piece.choices
    evidence = tuple((piece.start, piece.end) for piece in found.answers)
    kinds = total & (Meaning.YES | Meaning.DECLINE | Meaning.CHOICE)
    if kinds == Meaning.YES | Meaning.CHOICE and _opens_with_yes(found.answers):
        kinds = Meaning.CHOICE
    if kinds == Meaning.DECLINE:
        return Answer(AnswerType.DECLINE, reasons=("declined",), evidence=evidence)
    if kinds == Meaning.YES and ask.type is AskType.ACKNOWLEDGE:
        return Answer(AnswerType.ACKNOWLEDGE, evidence=evidence)
    if kinds == Meaning.CHOICE and len(set(choices)) == 1:
        return Answer(AnswerType.ELECTION, choice=choices[0], evidence=evidence)
    if len(set(choices)) > 1:
        reason = "two_choices"
    elif kinds == Meaning.YES:
        reason = "yes_without_choice"
    else:
        reason = "contradicts_itself"
    return Answer(AnswerType.UNCLEAR, reasons=(reason,), evidence=evidence)


def _opens_with_yes(answers: list[Piece]) -> bool:
    """Whether a text is "Yes, I resign": the word alone, once, in front."""
    first, *others = answers
    is_word = " ".join(first.words) in load_vocabulary().frame_starts
    if len(first.words) == 1 and not any(is_bare(piece) for piece in others):
        is_word = True  # "OK, I resign"; "OK, resign" may be said to somebody
    alone = (first.meaning or 0) & ~Meaning.FRAME_START == Meaning.YES and is_word and first.mark in (",", "，", "、")
    return alone and not any((piece.meaning or 0) & Meaning.YES for piece in others)


def _mixed(found: _Found) -> Answer:
    """Read a text with sentences of other kinds, or with words that remain."""
    evidence = tuple((piece.start, piece.end) for piece in [*found.special.values(), *found.answers][:20])
    kinds = set(found.special)
    if found.answers:
        reasons = (
            ("words_remain",) if found.rest and not kinds else tuple(sorted({"not_the_answer_alone", *map(str, kinds)}))
        )
        return Answer(AnswerType.UNCLEAR, reasons=reasons, evidence=evidence)
    confidence = 0.7 if found.rest else 0.9
    if kinds == {AnswerType.WITHDRAW}:
        return Answer(AnswerType.WITHDRAW, evidence=evidence, confidence=confidence)
    if AnswerType.NOT_MINE in kinds and kinds <= {AnswerType.NOT_MINE, AnswerType.QUESTION}:
        return Answer(AnswerType.NOT_MINE, evidence=evidence, confidence=confidence)
    if kinds == {AnswerType.QUESTION}:
        return Answer(AnswerType.QUESTION, evidence=evidence, confidence=confidence)
    if kinds:
        return Answer(AnswerType.UNCLEAR, reasons=tuple(sorted(map(str, kinds))), evidence=evidence)
    rest = tuple((piece.start, piece.end) for piece in found.rest[:20])
    return Answer(AnswerType.UNCLEAR, reasons=("no_known_answer",), evidence=rest)


def _unasked(found: _Found) -> Answer:
    """Where nothing was asked, a question or a misdirected mail is still one, and everything else is no answer."""
    answer = _mixed(found) if found.special else Answer(AnswerType.NONE)
    wanted = (AnswerType.QUESTION, AnswerType.NOT_MINE, AnswerType.WITHDRAW)
    return answer if answer.type in wanted else Answer(AnswerType.NONE, reasons=("nothing_was_asked",))


_COMPLETE: Final = {
    "all_sensitive": AnswerType.REPORT,
    "on_leave": AnswerType.DECLINE,
    "answered_by_component": AnswerType.DECLINE,
}


_SAYS_OTHERWISE: Final = frozenset({AnswerType.WITHDRAW, AnswerType.NOT_MINE, AnswerType.QUESTION})


def _report(found: _Found, lines: tuple[tuple[int, str], ...], ask: Ask) -> Answer:
    """Read a report: items, or a complete answer in fixed words."""
    first = next((n for n, (_, line) in enumerate(lines) if line and not _is_preface(line, found.pieces)), len(lines))
    last = len(lines)
    while last > first and (not lines[last - 1][1] or _is_preface(lines[last - 1][1], found.pieces)):
        last -= 1
    items = find_items(lines[first:last])
    complete = [kind for kind in found.special if kind in _COMPLETE]
    if not items.marked or len(items.texts) < 2:
        if len(complete) == 1 and len(found.special) == 1 and not found.rest and not found.answers:
            piece = found.special[complete[0]]
            return Answer(_COMPLETE[complete[0]], reasons=(complete[0],), evidence=((piece.start, piece.end),))
        if found.special and (found.special.keys() & _SAYS_OTHERWISE or not _is_list(items, ask)):
            return _mixed(found)
        if not found.rest and not found.special:
            return _short_report(found)
    if not _is_list(items, ask):
        return Answer(AnswerType.UNCLEAR, items=items.texts, reasons=("no_list",), evidence=items.spans)
    reasons = []
    if len(items.texts) != ask.items:
        reasons.append("fewer_items" if len(items.texts) < ask.items else "more_items")
    if not items.marked:
        reasons.append("list_without_marks")
    confidence = 1.0 if items.marked and not reasons else 0.8
    return Answer(AnswerType.REPORT, None, items.texts, tuple(reasons), items.spans, confidence)


def _short_report(found: _Found) -> Answer:
    answer = _covered(found, Ask(AskType.REPORT))
    reasons = answer.reasons if answer.type is AnswerType.DECLINE else ("yes_without_report",)
    kind = answer.type if answer.type is AnswerType.DECLINE else AnswerType.UNCLEAR
    return Answer(kind, reasons=reasons, evidence=answer.evidence)


def _is_list(items: Items, ask: Ask) -> bool:
    """Whether items are a list.

    Marked: two, or the one asked for. Lines or paragraphs without marks: as many as were asked for, or at least three
    and at most four more, none of them speaks to the reader, and none is a paragraph of short lines; otherwise they may
    as well be a letter.
    """
    count = len(items.texts)
    if items.marked:
        return count >= min(2, ask.items)
    if count < 2 or items.ragged or not (count == ask.items or 3 <= count <= ask.items + 4):
        return False
    return not any(text.endswith(("?", "？")) or _speaks_to_reader(tokens(text)) for text in items.texts)


def _speaks_to_reader(words: list[str]) -> bool:
    """Whether words say "you" anywhere, or begin with "please" (a Chinese sign for it is a part of other words)."""
    known = load_vocabulary()
    return not (known.you - known.polite).isdisjoint(words) or (bool(words) and words[0] in known.you)


def _is_preface(line: str, pieces: list[Piece]) -> bool:
    """Whether a line above or below the items is none: politeness, or the sentence that announces them."""
    own = [piece for piece in pieces if piece.line is line]
    if own and all(piece.meaning is not None and not piece.meaning & ~_FILLING for piece in own):
        return True
    return line.rstrip().endswith((":", "：")) and len(line) < 200


def _bare_subject(subject: str) -> str:
    subject = subject[:1_000]
    for _ in range(10):
        found = _REPLY_PREFIX.match(subject)
        if found is None:
            break
        subject = subject[found.end() :]
    return subject.strip()


def _from_subject(subject: str, ask: Ask, phrases: Phrases, new: NewText, sent_subject: str | None) -> Answer:
    """Read the subject of a mail that says nothing else. What may be our own subject is no answer."""
    if holds_choice(new.signature, phrases):
        return Answer(AnswerType.UNCLEAR, reasons=("choice_in_signature",))
    reason = ("nothing_new",)
    bare = _bare_subject(subject)
    ours = _bare_subject(sent_subject) if sent_subject is not None else None
    if not bare or (ours is not None and fold(bare) == fold(ours)):
        return Answer(AnswerType.NONE, reasons=reason)
    if ask.type not in (AskType.ACKNOWLEDGE, AskType.ELECTION):
        return Answer(AnswerType.NONE, reasons=reason)
    meaning, choices = cover(tuple(tokens(bare)), bare, phrases, NOBODY)
    wanted = Meaning.YES if ask.type is AskType.ACKNOWLEDGE else Meaning.CHOICE
    if meaning is None or not meaning & wanted:
        return Answer(AnswerType.NONE, reasons=reason)
    is_reply = bare != subject.strip()
    doubtful = "?" in bare or "..." in bare or meaning & (Meaning.DECLINE | (Meaning.YES if choices else 0))
    if doubtful or len(set(choices)) > 1 or (is_reply and ours is None):
        return Answer(AnswerType.UNCLEAR, reasons=("subject_only",))
    if ask.type is AskType.ACKNOWLEDGE:
        return Answer(AnswerType.ACKNOWLEDGE, reasons=("subject_only",), confidence=0.9)
    return Answer(AnswerType.ELECTION, choices[0], reasons=("subject_only",), confidence=0.9)


def _contradiction(subject: str, phrases: Phrases, sent_subject: str | None, choice: str | None) -> list[str]:
    """Say when a subject the person changed says something else than the text."""
    if sent_subject is None:
        return []
    bare, ours = _bare_subject(subject), _bare_subject(sent_subject)
    added = fold(bare).replace(fold(ours), " ") if ours else fold(bare)
    words = tokens(added)
    if not words:
        return []
    meaning, choices = cover(tuple(words), added, phrases, NOBODY)
    denied = meaning is not None and bool(meaning & Meaning.DECLINE)
    other = any(each != choice for each in choices)
    negated = meaning is None and bool(load_vocabulary().doubt & set(words))
    return ["subject_contradicts"] if denied or other or negated or "?" in added else []
