"""Read a mail: any octets in, one value out.

What for: everything that comes in (replies, reports, automatic answers, attacks) is read here once, and nowhere else.

Promises: `parse` never raises, whatever it is given, and works in time linear in the size and bounded by `Limits`;
what is wrong with a mail is a defect (a fixed phrase) on the value. LF, CRLF and lone CR line ends read the same.
Nothing is fetched, nothing is executed.

Limits: one constant each in `Limits`; past one the reading goes on without the rest and says so in a defect. What stands
in a mail without MIME (uuencoded files, winmail.dat) or in a wrapper (S/MIME, OpenPGP) is read by `uuencode`, `tnef`, `cms`
and `pgp`.

How: an own reader over octets, standard decoders below it; docs/decisions/0002-mail-parser.md has the choice and its
measurements. Sources: RFC 5322 (fields), RFC 2045–2047 (MIME), RFC 2183 (disposition), RFC 2231, RFC 3676, RFC 7103
(what broken mail looks like).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from postmuster.mail.cms import CMS_TYPES, CmsKind
from postmuster.mail.decoding import decode_words
from postmuster.mail.header_block import read_date, read_identifiers, words_charset
from postmuster.mail.mime_tree import MimeWalk, content_type
from postmuster.mail.part import Limits, Part
from postmuster.mail.pgp import is_encrypted, is_signed

__all__ = ["Limits", "Message", "Part", "Wrapping", "decode_words", "parse", "read_date"]


class Wrapping(StrEnum):
    """A cryptographic wrapper around the whole mail. Sources: RFC 8551 §3, RFC 3156."""

    SMIME_SIGNED = "smime-signed"
    SMIME_ENCRYPTED = "smime-encrypted"
    PGP_SIGNED = "pgp-signed"
    PGP_ENCRYPTED = "pgp-encrypted"


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as read.

    `fields` keeps the header fields in order: unfolded, octets decoded, encoded words as they came (`decode_words` reads them).
    Message identifiers have no angle brackets. `date` always has a zone. `text` is the body as the author's program showed it:
    the text/plain leaves, the text of an HTML leaf where it has no plain alternative.
    """

    fields: tuple[tuple[str, str], ...]
    subject: str
    header_from: str
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: datetime | None
    text: str
    text_source: str
    html: str | None
    parts: tuple[Part, ...]
    defects: tuple[str, ...]
    unreadable: bool
    media_type: str = "text/plain"
    params: Mapping[str, str] = field(default_factory=dict)
    wrapping: Wrapping | None = None
    index: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def field(self, name: str) -> str | None:
        """Return the top-most field of this name, whatever its case, or None."""
        found = self.index.get(name.lower())
        return found[0] if found else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every field of this name, top-most first."""
        return self.index.get(name.lower(), ())

    @property
    def attachments(self) -> tuple[Part, ...]:
        """The leaves that are not the mail's own text."""
        return tuple(part for part in self.parts if part.attached)


_KNOWN_FIELDS = frozenset(
    [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "received",
        "return-path",
        "content-type",
        "mime-version",
        "reply-to",
        "sender",
        "in-reply-to",
        "references",
        "delivered-to",
        "authentication-results",
        "dkim-signature",
        "auto-submitted",
        "list-id",
    ]
)


_LIMITS = Limits()


def parse(raw: bytes, limits: Limits = _LIMITS) -> Message:
    """Read one mail. `raw` may be anything. Never raises.

    Sources: RFC 5322, RFC 2045, RFC 7103.
    """
    walk = MimeWalk(raw, limits)
    fields, index, body = walk.header(0, len(walk.octets))
    walk.words_charset = words_charset(index)
    media_type, params = content_type(index, "text/plain")
    chosen = walk.entity(index, body, len(walk.octets), path="", depth=0, default="text/plain")
    text, source = walk.text_of(chosen)
    html = [
        part.text
        for part in walk.parts
        if part.media_type == "text/html" and part.text is not None and not part.attached
    ]
    get = index.get
    subject = get("subject", ("",))[0]
    wrapping = _wrapping(media_type, params, walk.parts[chosen[0]].text or "" if chosen else "", walk.cms)
    if wrapping is Wrapping.PGP_ENCRYPTED:
        walk.defects.append("encrypted with OpenPGP, not read")
    own_id = read_identifiers(get("message-id", ()))
    return Message(
        fields=tuple(fields),
        subject=decode_words(subject).strip() if "=?" in subject else subject,
        header_from=get("from", ("",))[0],
        message_id=own_id[0] if own_id else None,
        in_reply_to=read_identifiers(get("in-reply-to", ())),
        references=read_identifiers(get("references", ())),
        date=read_date(get("date", ("",))[0]),
        text=text,
        text_source=source,
        html="\n".join(html) if html else None,
        parts=tuple(walk.parts),
        defects=tuple(dict.fromkeys(walk.defects)),
        unreadable=_KNOWN_FIELDS.isdisjoint(index),
        media_type=media_type,
        params=params,
        wrapping=wrapping,
        index=index,
    )


_OPAQUE = {CmsKind.SIGNED: Wrapping.SMIME_SIGNED, CmsKind.ENCRYPTED: Wrapping.SMIME_ENCRYPTED, CmsKind.COMPRESSED: None}


def _wrapping(media_type: str, params: Mapping[str, str], text: str, cms: CmsKind | None) -> Wrapping | None:
    if media_type == "multipart/signed":
        pgp = "pgp" in params.get("protocol", "").lower()
        return Wrapping.PGP_SIGNED if pgp else Wrapping.SMIME_SIGNED
    if media_type == "multipart/encrypted":
        return Wrapping.PGP_ENCRYPTED
    if media_type in CMS_TYPES:
        if cms in _OPAQUE:
            return _OPAQUE[cms]
        signed = params.get("smime-type", "").lower() == "signed-data"
        return Wrapping.SMIME_SIGNED if signed else Wrapping.SMIME_ENCRYPTED
    if is_signed(text):
        return Wrapping.PGP_SIGNED
    return Wrapping.PGP_ENCRYPTED if is_encrypted(text) else None
