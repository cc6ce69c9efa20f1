"""Compose mail: a revision is compiled once for each language, and for one person only octets are joined.

What for: `compile_mail` prepares all that is the same for everyone; `CompiledMail.write` makes the whole message for one
person, signed when there is a signer. A wording without HTML gives a plain text/plain mail, as letters are.

Promises
- One From, one To with one mailbox, one Subject, Date, Message-ID; CRLF line ends; DKIM-Signature first.
- No value can leave its place: in the text it is one line without controls, in the HTML its markup is escaped as well, in
  the Subject it is part of one field. A value is cut at MAX_VALUE_CHARS; a placeholder without a value stops the message.
- Everything is ASCII but for an address whose local part is not (RFC 6532), so that a relay needs SMTPUTF8 for those only.
- What was put in reads back: text, HTML and subject decode to the wording with its values, with one line end at the end.

Why quoted-printable, and nothing else. A body in 8bit must be re-encoded by any relay whose next hop lacks 8BITMIME, and
that breaks the signature (RFC 6376 §5.3 asks for 7bit). Base64 would be smaller for scripts other than Latin, but has to
be encoded anew for each person, and content filters hold it against a text. Quoted-printable lets every piece be encoded
by itself: the constant ones once, the values per person between soft breaks. Cyrillic and Chinese pay for it with up to
three octets for each of UTF-8. Lines are not "flowed" (RFC 3676): a paragraph is one line, as its author wrote it, which
soft breaks carry unharmed; the trailing spaces that mark flowed text are just what relays alter.

The body is its own relaxed canonical form (see `quoted_printable`), so it is hashed as it stands; a body without
placeholders is hashed once for all.

Limits: see `limits`. Only one line for a value: what has several is put into the wording (`placeholders.escaped`) and
compiled. Message-ID is not folded, because a field whose first line is empty is lost by some readers.

Errors: `Defect` for what the caller must never pass, `Permanent` for a wording beyond the limits.

Sources: RFC 5322, 2045, 2046 §5.1.4, 3282 (Content-Language), 5646 (language tags), 6376.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from html import escape
from typing import Final

from postmuster.base.errors import Defect, Permanent
from postmuster.mail.address import Mailbox, one_line
from postmuster.mail.dkim import DkimSigner, SigningPlan, hash_body, relaxed_field, without_empty_end
from postmuster.mail.fields import MAX_IDENTIFIER_OCTETS, write_date, write_mailbox, write_text
from postmuster.mail.limits import (
    MAX_FILLED_SUBJECT_CHARS,
    MAX_MESSAGE_ID_OCTETS,
    MAX_PART_CHARS,
    MAX_PLACEHOLDERS,
    MAX_SUBJECT_CHARS,
    MAX_UNSTRUCTURED_CHARS,
    MAX_VALUE_CHARS,
)
from postmuster.mail.placeholders import names_in, pieces_of
from postmuster.mail.quoted_printable import SOFT_BREAK, write_lines, write_value

_OURS: Final = frozenset(
    (
        "from", "sender", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "mime-version", "dkim-signature",
        "content-type", "content-transfer-encoding", "content-language", "content-disposition", "return-path", "received",
    )
)  # fmt: skip
_FIELD_NAME: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,75}"
)  # RFC 5322 §3.6.8 allows more; nothing we write needs it
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]++@[!-;=?A-~]++>")
_ADDRESS_ALONE: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*+")
_LINE_ENDS: Final = re.compile(r"\r\n?")
_CONTROLS: Final = dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F), "")
# Values that stand as they are in all three places: most of them.
_PLAIN_VALUE: Final = re.compile(r"(?=.{1,70}\Z)[!#$%(-\-/-;?-EG-~][!#$%(-;?-~]*+(?: [!#$%(-;?-~]++)*+")
_BOUNDARY_CHARS: Final = 32

_PLAIN_FIELDS: Final = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
_HTML_FIELDS: Final = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"


@dataclass(frozen=True, slots=True)
class Wording:
    """What a mail says in one language, with placeholders; "{{" is a plain brace. `html` may be empty."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What differs from one person to the next. `fields` are further ones, such as In-Reply-To.

    A `reply_to` that is text is an ASCII address alone, in its one spelling: those of a round are written as text, and
    reading each into a mailbox and back took a tenth of an unsigned copy's time.
    """

    to: Mailbox = field(repr=False)
    message_id: str
    date: datetime
    reply_to: Mailbox | str | None = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Template:
    """Constant pieces and, between them, empty ones with the key of what goes there. Joining them takes a third of `%`."""

    pieces: tuple[str, ...]
    slots: tuple[tuple[int, str], ...]

    def fill(self, values: Mapping[str, str]) -> str:
        pieces = list(self.pieces)
        for place, key in self.slots:
            pieces[place] = values[key]
        return "".join(pieces)


# Header and body; then, for a signature, the plan, the fields in relaxed form, the body's hash and the time in seconds.
_Draft = tuple[str, bytes, SigningPlan | None, str, str, int]


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """A wording made ready for its people. Made by `compile_mail`."""

    placeholders: frozenset[str]
    _keys: tuple[tuple[str, str, str], ...] = field(repr=False)  # the name in the subject, in the text, in the HTML
    _from: str = field(repr=False)
    _subject: _Template = field(repr=False)
    _constant_subject: str = field(repr=False)  # the whole field, where it is the same for all
    _tail: str = field(repr=False)  # the fields that are the same for all, and the empty line
    _tail_names: tuple[str, ...]
    _body: _Template = field(repr=False)
    _constant_body: bytes | None = field(repr=False)
    _body_hash: str | None = field(repr=False)
    _signer: DkimSigner | None
    _plans: tuple[SigningPlan, ...] = field(repr=False)  # without and with Reply-To
    _from_relaxed: str = field(repr=False)
    _subject_relaxed: str = field(repr=False)
    _tail_relaxed: str = field(repr=False)

    def write(self, copy: Copy) -> bytes:
        """Write the whole message for one person.

        Raises `Defect` when a placeholder has no value or the copy holds what cannot be written.
        """
        return self.write_all((copy,))[0]

    def write_all(self, copies: Iterable[Copy]) -> list[bytes]:
        """Write the messages for several people, each as `write` does.

        First all are filled, then all are signed, because a signature drives everything else out of the processor's
        nearest cache: batches of 64 take 4 % less time with RSA and 8 % less with Ed25519 than one by one.
        """
        drafts = [self._draft(copy) for copy in copies]
        return [
            (signature + head).encode() + body
            for signature, (head, body, *_) in zip(_sign(drafts), drafts, strict=True)
        ]

    def _draft(self, copy: Copy) -> _Draft:
        if _MESSAGE_ID.fullmatch(copy.message_id) is None or len(copy.message_id) > MAX_MESSAGE_ID_OCTETS:
            raise Defect("A message was not written because its Message-ID is not one; mend the caller.")
        values = self._values(copy.values)
        to = write_mailbox("To", copy.to)
        subject = self._constant_subject or _write_subject(self._subject.fill(values))
        date, at_s = write_date(copy.date)
        reply_to = _write_reply_to(copy.reply_to)
        further_names = _checked_names(copy.fields, self._tail_names) if copy.fields else ()
        further = [_write_further(name, value) for name, value in copy.fields]
        body = self._constant_body
        if body is None:
            body = self._body.fill(values).encode("ascii")
        head = (
            f"{self._from}{to}{subject}{date}Message-ID: {copy.message_id}\r\n{reply_to}{''.join(further)}{self._tail}"
        )
        if self._signer is None:
            return head, body, None, "", "", at_s
        plan = self._plans[bool(reply_to)]
        if further:
            plan = _plan(self._signer, further_names, self._tail_names, has_reply_to=bool(reply_to))
        relaxed = (
            f"{self._from_relaxed}{relaxed_field(to)}{self._subject_relaxed or relaxed_field(subject)}"
            f"date:{date[6:]}message-id:{copy.message_id}\r\n"
            f"{relaxed_field(reply_to) if reply_to else ''}{''.join(map(relaxed_field, further))}{self._tail_relaxed}"
        )
        return head, body, plan, relaxed, self._body_hash or hash_body(without_empty_end(body)), at_s

    def _values(self, given: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, text_key, html_key in self._keys:
            try:
                value = given[name]
            except KeyError:
                raise Defect("A message was not written because a placeholder has no value; mend the caller.") from None
            values[name], values[text_key], values[html_key] = _write_value(value)
        return values


def _sign(drafts: Sequence[_Draft]) -> list[str]:
    """The signatures of drafts in their order; those of one plan, which is nearly always all, are made together."""
    by_plan: dict[int, list[int]] = {}
    for place, draft in enumerate(drafts):
        by_plan.setdefault(id(draft[2]), []).append(place)
    signatures = [""] * len(drafts)
    for places in by_plan.values():
        plan = drafts[places[0]][2]
        if plan is not None:
            written = plan.sign_all([drafts[place][3:] for place in places])
            for place, signature in zip(places, written, strict=True):
                signatures[place] = signature
    return signatures


def _write_reply_to(reply_to: Mailbox | str | None) -> str:
    if reply_to is None:
        return ""
    if isinstance(reply_to, Mailbox):
        return write_mailbox("Reply-To", reply_to)
    if _ADDRESS_ALONE.fullmatch(reply_to) is None:
        raise Defect("A message was not written because its Reply-To is no plain address; mend the caller.")
    return f"Reply-To: {reply_to}\r\n"


@lru_cache(maxsize=1_024)
def _write_value(value: str) -> tuple[str, str, str]:
    """Return a value for the subject, for the text and for the HTML. What many people share is written once."""
    if _PLAIN_VALUE.fullmatch(value) is not None:
        return value, value, value
    value = one_line(value, MAX_VALUE_CHARS)
    return value, write_value(value), write_value(escape(value))


def compile_mail(
    *,
    header_from: Mailbox,
    wording: Wording,
    language: str,
    fields: Sequence[tuple[str, str]] = (),
    signer: DkimSigner | None,
    boundary_seed: bytes,
) -> CompiledMail:
    """Prepare a wording for its people.

    `language` is a tag of RFC 5646; `fields` are the same in every copy, in ASCII, such as List-Id; `boundary_seed` may
    be anything that tells one revision from another.

    Raises `Permanent` for a wording that is too long, `Defect` for fields or a language that cannot be written.
    """
    _check(wording, language)
    tail_names = (*_checked_names(fields, ()), "MIME-Version", "Content-Language")
    tail = [_write_fixed(name, value) for name, value in fields]
    tail += ["MIME-Version: 1.0\r\n", f"Content-Language: {language}\r\n"]
    content_fields, body = _compile_body(wording, boundary_seed)
    tail += content_fields
    tail_names += tuple(written.partition(":")[0] for written in content_fields)
    subject = _template([(plain, name or "") for plain, name in pieces_of(wording.subject)])
    constant_subject = "" if subject.slots else _write_subject(subject.fill({}))
    constant_body = None if body.slots else body.fill({}).encode("ascii")
    names = sorted({name for part in (wording.subject, wording.text, wording.html) for name in names_in(part)})
    header_from_field = write_mailbox("From", header_from)
    return CompiledMail(
        placeholders=frozenset(names),
        _keys=tuple((name, f"{name}.text", f"{name}.html") for name in names),
        _from=header_from_field,
        _subject=subject,
        _constant_subject=constant_subject,
        _tail="".join(tail) + "\r\n",
        _body=body,
        _constant_body=constant_body,
        _tail_names=tail_names,
        _signer=signer,
        _plans=tuple(_plan(signer, (), tail_names, has_reply_to=has) for has in (False, True)) if signer else (),
        _body_hash=hash_body(without_empty_end(constant_body)) if constant_body is not None else None,
        _from_relaxed=relaxed_field(header_from_field),
        _subject_relaxed=relaxed_field(constant_subject) if constant_subject else "",
        _tail_relaxed="".join(map(relaxed_field, tail)),
    )


def _plan(
    signer: DkimSigner, further_names: tuple[str, ...], tail_names: tuple[str, ...], *, has_reply_to: bool
) -> SigningPlan:
    reply_to = ("Reply-To",) if has_reply_to else ()
    return signer.plan(("From", "To", "Subject", "Date", "Message-ID", *reply_to, *further_names, *tail_names))


def _check(wording: Wording, language: str) -> None:
    if _LANGUAGE.fullmatch(language) is None:
        raise Defect("No mail was composed because its language is not a tag of RFC 5646; mend the caller.")
    if len(wording.subject) > MAX_SUBJECT_CHARS:
        raise Permanent(
            f"No mail was composed because its subject has over {MAX_SUBJECT_CHARS} characters; shorten it."
        )
    if max(len(wording.text), len(wording.html)) > MAX_PART_CHARS:
        raise Permanent(f"No mail was composed because its body has over {MAX_PART_CHARS} characters; shorten it.")
    if any(len(pieces_of(part)) - 1 > MAX_PLACEHOLDERS for part in (wording.text, wording.html)):
        raise Permanent(f"No mail was composed because its body has over {MAX_PLACEHOLDERS} placeholders; use fewer.")


def _checked_names(fields: Sequence[tuple[str, str]], taken: Sequence[str]) -> tuple[str, ...]:
    """A second field of the same name would be one that readers may disagree about."""
    seen = {name.lower() for name in taken}
    for name, _ in fields:
        lowered = name.lower()
        if lowered in seen or lowered in _OURS or _FIELD_NAME.fullmatch(name) is None:
            raise Defect(
                "A message was not written because of a field given twice or not the caller's; mend the caller."
            )
        seen.add(lowered)
    return tuple(name for name, _ in fields)


def _write_fixed(name: str, value: str) -> str:
    if not (value.isascii() and value.isprintable() and value.strip()):
        raise Defect("No mail was composed because a fixed field has no text or not only ASCII; mend the caller.")
    return _write_further(name, value)


def _write_further(name: str, value: str) -> str:
    return write_text(name, value, max_chars=MAX_UNSTRUCTURED_CHARS, max_word_octets=MAX_IDENTIFIER_OCTETS)


def _write_subject(text: str) -> str:
    return write_text("Subject", text, max_chars=MAX_FILLED_SUBJECT_CHARS)


def _compile_body(wording: Wording, boundary_seed: bytes) -> tuple[list[str], _Template]:
    """Return the fields that describe the content, and the body."""
    text = _compile_part(wording.text, "text")
    if not wording.html:
        return [f"{line}\r\n" for line in _PLAIN_FIELDS.split("\r\n")[:-1]], _template(text)
    html = _compile_part(wording.html, "html")
    mark = sha256(b"\0".join([boundary_seed, *(piece.encode() for pair in (*text, *html) for piece in pair)]))
    boundary = f"=_{mark.hexdigest()[:_BOUNDARY_CHARS]}"  # RFC 2045 §6.7 (5): quoted-printable never holds "=_"
    body = _template(
        [
            (f"--{boundary}\r\n{_PLAIN_FIELDS}\r\n", ""),
            *text,
            (f"\r\n--{boundary}\r\n{_HTML_FIELDS}\r\n", ""),
            *html,
            (f"\r\n--{boundary}--\r\n", ""),
        ]
    )
    return [f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'], body


def _compile_part(text: str, part: str) -> list[tuple[str, str]]:
    """Encode what is constant; each value stands on lines of its own between soft breaks."""
    text = _LINE_ENDS.sub("\n", text).translate(_CONTROLS).rstrip("\n") + "\n"
    pieces: list[tuple[str, str]] = []
    break_first = ""
    for plain, name in pieces_of(text):
        lines = write_lines(plain)
        if name is None:
            pieces.append((break_first + lines, ""))
        else:
            is_in_line = lines != "" and not lines.endswith("\r\n")
            pieces.append((break_first + lines + (SOFT_BREAK if is_in_line else ""), f"{name}.{part}"))
            break_first = SOFT_BREAK
    return pieces


def _template(pairs: Sequence[tuple[str, str]]) -> _Template:
    """Join (constant, key of the value behind it or nothing) into as few pieces as can be."""
    pieces = [""]
    slots = []
    for constant, key in pairs:
        pieces[-1] += constant
        if key:
            slots.append((len(pieces), key))
            pieces += ["", ""]
    return _Template(tuple(pieces), tuple(slots))
