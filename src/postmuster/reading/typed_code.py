"""A confirmation code that a person typed, and nothing beside it that says anything else.

What for: the code confirms what has effect in law, so it counts only as a person's own new words. What was quoted, cut as
a signature, stands in the subject or was sent by a program is not looked at here at all. Beside the code may stand what
stands beside an answer (greeting, thanks, name, signature), yes and its kin, or the choice itself; anything else, and our
own letter sent back without marks, makes it no confirmation.

Promises: pure; never raises; linear. Limits: those of `mail.confirmation` and `newtext`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from postmuster.mail.confirmation import find_codes
from postmuster.reading.answer import AnswerType, read_answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.newtext import NewText

_LEAST_CONFIDENCE: Final = 0.8  # as for an election
_DOUBTS: Final = ("?", "？", "...", "…", "~")
_YES: Final = Ask(AskType.ACKNOWLEDGE)


def typed_code(new: NewText, ask: Ask, *, choice: str, author: str = "") -> str | None:
    """Return the one code that a person typed, or None. `ask` is the notice's, `choice` what the person chose before."""
    if new.confidence < _LEAST_CONFIDENCE or new.inside_quote or any(sign in new.new_text for sign in _DOUBTS):
        return None
    codes = {new.new_text[start:end] for start, end in find_codes(new.new_text)}
    if len(codes) != 1:
        return None
    [code] = codes
    rest = _without(new, code)
    said = read_answer(rest, "", _YES, author=author).type
    if said in (AnswerType.NONE, AnswerType.ACKNOWLEDGE):
        return code
    chosen = read_answer(rest, "", ask, author=author)
    return code if chosen.type is AnswerType.ELECTION and chosen.choice == choice else None


def _without(new: NewText, code: str) -> NewText:
    lines = tuple((start, line.replace(code, " " * len(code)).strip(" :.,-")) for start, line in new.lines)
    return replace(new, new_text="\n".join(line for _, line in lines), lines=lines)
