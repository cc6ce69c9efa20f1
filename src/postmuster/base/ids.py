"""Public ids: how numbers of the database look to people and in mail.

A notice is `n12`, a reply `r345`, a case `c7`, a letter `l9`; the letter says what it is, the number is the row.
"""

from __future__ import annotations

from postmuster.base.errors import Refused


def notice_id(notice_no: int) -> str:
    return f"n{notice_no}"


def case_id(case_no: int) -> str:
    return f"c{case_no}"


def read_id(text: str, letter: str) -> int:
    """The row number of a public id such as `n12`; `Refused` says what such an id looks like."""
    digits = text.strip().lower().removeprefix(letter)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise Refused(f"“{text[:40]}” is not an id of this kind; it looks like {letter}12.")
    return int(digits)
