"""Recognise OpenPGP in a text: what is signed in clear is read without its frame; what is encrypted is only named.

Promises: linear; never raises. No signature is checked.

Source: RFC 9580 §6.2 (armor), §7 (cleartext signatures).
"""

from __future__ import annotations

from typing import Final

_SIGNED: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"
_END: Final = "-----END PGP SIGNATURE-----"
_ENCRYPTED: Final = "-----BEGIN PGP MESSAGE-----"
MAX_CHARS_ABOVE: Final = 200  # ours: what stands above a frame that is around the whole text: a greeting of a gateway


def is_signed(text: str) -> bool:
    """Whether a text begins with a cleartext signature's frame."""
    return text[:MAX_CHARS_ABOVE].lstrip().startswith(_SIGNED)


def is_encrypted(text: str) -> bool:
    """Whether a text begins with an encrypted message."""
    return text[:MAX_CHARS_ABOVE].lstrip().startswith(_ENCRYPTED)


def unwrap_signed(text: str) -> str:
    """Return a text without the frame of the first cleartext signature in it; what stands outside of it stays."""
    start = text.find(_SIGNED)
    if start < 0 or (start and text[start - 1] != "\n"):
        return text
    begin = text.find("\n\n", start)  # below the frame's own fields
    stop = text.find("\n" + _SIGNATURE, begin + 1) if begin >= 0 else -1
    if stop < 0:
        return text
    end = text.find(_END, stop)
    after = text[end + len(_END) :] if end >= 0 else ""
    lines = text[begin + 2 : stop].split("\n") if stop > begin + 1 else []
    signed = "\n".join(line.removeprefix("- ") for line in lines)
    return text[:start] + signed + after
