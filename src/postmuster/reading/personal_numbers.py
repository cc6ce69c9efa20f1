"""Numbers that prove themselves: payment cards, bank accounts, US social security numbers, health numbers.

What for: a checksum tells a card from a tracking number. Whether a text holds one is asked by `reading.personal`.

Promises: never raises on ASCII digits and letters; linear. A number that fails here is not personal data of its kind.

Sources: ISO/IEC 7812-1 Annex B (Luhn) and the ranges the card schemes publish; ISO 13616 and ISO 7064 (IBAN, mod 97-10);
SSA numbering rules of 2011 (areas never given); IRS Publication 1915 (taxpayer numbers that begin with 9); NHS Data
Dictionary (mod 11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

IBAN_LENGTH: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18,
    "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24,
    "TR": 26, "UA": 29, "VG": 24, "XK": 20,
}  # fmt: skip
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, its digits added
# First and last number of a range, how many digits the numbers of that range have.
_ISSUERS: Final = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),  # Diners Club
    ("3095", "3095", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("620", "629", (16, 17, 18, 19)),  # UnionPay
    ("5018", "5020", (13, 16, 17, 18, 19)),  # Maestro
    ("5038", "5038", (13, 16, 17, 18, 19)),
    ("5893", "5893", (13, 16, 17, 18, 19)),
    ("6304", "6304", (13, 16, 17, 18, 19)),
    ("6759", "6763", (13, 16, 17, 18, 19)),
)
_WIDE: Final = "０１２３４５６７８９＠（）－／．＋　" + "٠١٢٣٤٥٦٧٨٩" + "۰۱۲۳۴۵۶۷۸۹"
_NARROW: Final = str.maketrans(_WIDE, "0123456789@()-/.+ " + "0123456789" + "0123456789")


def narrowed(text: str) -> str:
    """Return a text with full-width, Arabic and Persian digits, and what stands between them, in ASCII; places stay."""
    return text.translate(_NARROW) if any(char in text for char in _WIDE) else text


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others. Source: ISO/IEC 7812-1 Annex B."""
    single = sum(map(int, digits[-1::-2]))
    return (single + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether digits are the number of a payment card: a range that was given out, its length, the check digit."""
    known = any(first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in _ISSUERS)
    return known and len(set(digits)) > 1 and is_luhn(digits)


def card_end(written: str) -> int:
    """Return where a card number that stands at the start of `written` ends, or 0. The longest is taken."""
    for end in _group_ends(written):
        digits = "".join(char for char in written[:end] if char.isdigit())
        if len(digits) < 13:
            break
        if is_card(digits):
            return end
    return 0


def _group_ends(written: str) -> Iterator[int]:
    """Where groups of digits end, the last one first."""
    for end in range(len(written), 0, -1):
        if written[end - 1].isdigit() and (end == len(written) or not written[end].isdigit()):
            yield end


def is_iban(characters: str) -> bool:
    """Whether the check digits of an account number without spaces hold. Source: ISO 13616, ISO 7064 mod 97-10."""
    turned = characters[4:] + characters[:4]
    if not (turned.isascii() and turned.isalnum()):
        return False
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def iban_end(text: str, start: int) -> int:
    """Return where the account number that begins at `start` with its country ends, or 0. Spaces and dashes may stand in it."""
    length = IBAN_LENGTH.get(text[start : start + 2].upper())
    if length is None:
        return 0
    characters: list[str] = []
    at = start
    while at < len(text) and len(characters) < length:
        if text[at] != "-" and not text[at].isspace():
            characters.append(text[at].upper())
        at += 1
    whole = "".join(characters)
    followed = text[at : at + 1].isalnum()
    return at if len(whole) == length and not followed and is_iban(whole) else 0


def is_ssn(digits: str) -> bool:
    """Whether nine digits may be a US social security or taxpayer number."""
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if area >= 900:  # taxpayer numbers
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666) and group != 0 and serial != 0


def is_nhs(digits: str) -> bool:
    """Whether ten digits are a number of the British health service. Source: NHS Data Dictionary (mod 11)."""
    rest = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9])) % 11
    return (11 - rest) % 11 == int(digits[9]) and len(set(digits)) > 1
