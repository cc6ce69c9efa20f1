"""Doubts about an election: why a choice that stands alone is for a person all the same.

What for: nothing remains beside the choice, and still the text may mean something else: struck out, asked, in irony, in
quotation marks, said to somebody, taken back in the signature, behind an empty box.

Promises: linear; never raises. A doubt sends an answer to a person, it never changes it.
Limits: 4,000 characters of a signature. Irony without any mark is not found; the confirmation of every election is for that.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from postmuster.reading.newtext import NewText
from postmuster.reading.pieces import Meaning, Phrases, Piece
from postmuster.reading.words import load_vocabulary, tokens

_LEAST_FOR_ELECTION: Final = 0.8  # below this confidence of the cut an election is for a person
_SENTENCE_ENDS: Final = (".", "!", "。", "！")
_NUMBER: Final = re.compile(r"\bno\.? ?\d", re.IGNORECASE)
_SMILEY: Final = re.compile(r"[:;=][-'o^]?[)(DPpSs/\\|](?!\w)")
# A box that may be ticked or not, "no" and "not equal" as signs: none of them is a word, all of them say something.
_SIGN: Final = re.compile(r"[\[\]{}<>|\\/^=%$#&+¬≠×÷±\u2200-\u23ff\u2500-\u25ff]")
_QUOTE_MARKS: Final = '"“”„‟«»‘‹›「」『』'


def doubts_of(new: NewText, pieces: list[Piece], answers: list[Piece], phrases: Phrases, *, struck: bool) -> list[str]:
    """Return why a choice that stands alone is not taken all the same."""
    reasons = []
    if new.confidence < _LEAST_FOR_ELECTION:
        reasons.append("uncertain_cut")
    if struck or "~" in new.new_text:
        reasons.append("struck_text")
    if "?" in new.new_text or "？" in new.new_text:
        reasons.append("question")
    if "..." in new.new_text or "…" in new.new_text or _SMILEY.search(new.new_text):
        reasons.append("irony")
    if holds_choice(new.signature, phrases):
        reasons.append("choice_in_signature")
    if holds_choice(new.notices, phrases):
        reasons.append("choice_in_notice")
    polite = load_vocabulary().polite
    if any(piece.choices and (piece.words[0] in polite or " ".join(piece.words[:2]) in polite) for piece in answers):
        reasons.append("asks_somebody")  # "please resign"
    elif any(_tells_somebody(before, piece) for before, piece in pairwise(pieces)):
        reasons.append("asks_somebody")  # "Dear Bob, resign"
    if new.signature and _puts_a_condition(new.signature):
        reasons.append("words_in_signature")
    if any(set(_SIGN.findall(piece.line)).difference(*piece.choices) for piece in answers):
        reasons.append("unknown_sign")
    for piece in answers:
        bare = piece.line.strip().rstrip(".!, ")
        inner = bare[1:-1] if bare[:1] in _QUOTE_MARKS and bare[-1:] in _QUOTE_MARKS else bare
        if any(mark in inner for mark in _QUOTE_MARKS):
            reasons.append("quoted_words")
            break
    return reasons


def _tells_somebody(before: Piece, piece: Piece) -> bool:
    """Whether a bare choice is said to somebody who is called by name in the same sentence."""
    same = before.row == piece.row and before.mark[:1] not in _SENTENCE_ENDS
    named = same and bool((before.meaning or 0) & Meaning.NAMED)
    return named and is_bare(piece)


def is_bare(piece: Piece) -> bool:
    """Whether a piece is a choice and not a word more."""
    return len(piece.choices) == 1 and piece.words == tuple(tokens(piece.choices[0]))


def _puts_a_condition(signature: str) -> bool:
    """Whether a line of a signature says what names, titles and addresses do not: no, if, but, only ("No. 5" is a number)."""
    known = load_vocabulary()
    for line in signature[:4_000].split("\n"):
        words = tokens(line)
        found = [word for word in words if word in known.conditions]
        is_number = found == ["no"] and _NUMBER.search(line) is not None
        if (found and not is_number) or " ".join(words) in known.decline:
            return True
    return False


def holds_choice(cut: str | None, phrases: Phrases) -> bool:
    """Whether what was cut off holds a word of a choice."""
    return bool(cut) and not phrases.choice_words.isdisjoint(tokens((cut or "")[:4_000]))
