"""Tag lists: the form that DKIM and ARC fields and their keys in the DNS are written in.

What for: `dkim_key`, `dkim_check` and `arc` read with it.

Promises: never raises; linear; at most `MAX_TAGS` tags. A list with a tag twice, without a name or without "=" is no
list at all: two readers could take it for two different things.

Sources: RFC 6376 §3.2 (tag lists), RFC 8617 §4.1 (the same for ARC).
"""

from binascii import Error as EncodingFault
from binascii import a2b_base64, b2a_base64
from typing import Final

MAX_TAGS: Final = 50  # ours: RFC 6376 and its successors define fewer than twenty

Tags = dict[bytes, bytes]


def read_tags(text: bytes) -> Tags | None:
    """Return the tags with their values, white space around both gone; None when it is no tag list."""
    pieces = text.split(b";", MAX_TAGS)
    if not pieces[-1].strip():
        pieces.pop()
    if not pieces or len(pieces) > MAX_TAGS:
        return None
    tags: Tags = {}
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        name = name.strip()
        if not equals or name in tags or not name.replace(b"_", b"").isalnum():
            return None
        tags[name] = value.strip()
    return tags


def without_value(field: bytes, tag: bytes) -> bytes:
    """Return a tag list as it stands in a field, the value of one tag left out, as it is when the field is signed.

    Source: RFC 6376 §3.7.
    """
    head, colon, text = field.partition(b":")
    pieces = text.split(b";")
    for number, piece in enumerate(pieces):
        name, equals, _ = piece.partition(b"=")
        if equals and name.strip() == tag:
            pieces[number] = name + equals
            break
    return head + colon + b";".join(pieces)


def read_base64(text: bytes) -> bytes | None:
    """Return the octets of a value in base64, white space allowed anywhere; None for anything but the one spelling they have.

    A second spelling (bits behind the end, padding left out) would be a second name for the same signature.
    """
    written = b"".join(text.split())
    try:
        octets = a2b_base64(written, strict_mode=True)
    except (EncodingFault, ValueError):
        return None
    return octets if octets and b2a_base64(octets, newline=False) == written else None
