"""What is fuzzed: one target for each public function of `mail` and `reading` that takes octets or text from outside.

A target takes octets and returns nothing. It fails by any exception, or by an `AssertionError` of its own where a function
promises more than a value (places within the text, text that can be written down, the same value twice).

Most targets are made from the function's own types: octets are cut at `SEPARATOR` into as many pieces as it has arguments,
and each piece becomes what its argument is declared to be. A function that is added is fuzzed from that day. Those that
promise more, or have a dialog, are written out below; those left out stand in `LEFT_OUT` with the reason.
"""

# ruff: noqa: S101 - an assertion is how a target says that a promise is broken

from __future__ import annotations

import functools
import importlib
import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import postmuster.mail
import postmuster.reading
from postmuster.mail.address import parse_addr_spec
from postmuster.mail.authentication import authenticate
from postmuster.mail.cms import read_cms
from postmuster.mail.decoding import decode_text, unfold_flowed
from postmuster.mail.header_block import index_fields, split_fields
from postmuster.mail.html_text import read_html
from postmuster.mail.kind import classify
from postmuster.mail.lmtp import DeliveryReply, LmtpServer
from postmuster.mail.message import Limits, Message, parse
from postmuster.mail.reply_code import ReplyReader
from postmuster.mail.smtp import Envelope, SmtpClient
from postmuster.mail.uuencode import cut_encoded_files
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.names import Author, read_author
from postmuster.reading.newtext import NewText, cut
from postmuster.reading.pieces import Phrases, phrases_for
from postmuster.reading.reading import Reading, as_json, read
from postmuster.reading.sent import SentWords, our_spans, sent_words
from postmuster.reading.sent_mail import Sent
from postmuster.reading.sheet import Sheet
from postmuster.reading.spans import remaining_lines
from postmuster.reading.words import Vocabulary, Words, load_vocabulary, load_words

SEPARATOR: Final = b"\x1e"
NOW: Final = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
KEY: Final = b"k" * 32
ASKS: Final = (
    Ask(AskType.ELECTION, ("Resign", "Stay")),
    Ask(AskType.REPORT, items=3),
    Ask(AskType.ACKNOWLEDGE),
    Ask(AskType.NONE),
)
SMALL: Final = Limits(
    size_octets=2_000,
    parts=4,
    depth=3,
    delimiters=20,
    header_octets=200,
    headers_octets=400,
    text_octets=400,
    texts_octets=500,
    text_chars=300,
    decompressed_octets=400,
)
Target = Callable[[bytes], None]

# Modules that only write what is ours, or that read our own files.
_OURS: Final = frozenset(
    {"batch_signing", "compose", "dkim", "fields", "limits", "phrases", "placeholders", "quoted_printable", "smtp_auth"}
)
_DIGITS: Final = "takes digits that were found already; fuzzed through find_personal"
LEFT_OUT: Final[Mapping[str, str]] = {
    "mail.submission.has_only_whole_line_ends": "takes what we wrote",
    "mail.submission.stuff_dots": "takes what we wrote",
    "mail.token.find_token": "given a name and a separator of ours; fuzzed with them as mail.token",
    "reading.machine.words_address_program": "takes words that were cut already; addresses_program goes through it",
    "reading.names.is_tail_line": "takes a line with words in it; fuzzed through find_tail",
    "reading.items.find_items": "takes lines that were cut already; fuzzed through read_answer",
    "reading.personal_numbers.is_luhn": _DIGITS,
    "reading.personal_numbers.is_card": _DIGITS,
    "reading.personal_numbers.is_nhs": _DIGITS,
    "reading.personal_numbers.is_ssn": _DIGITS,
}
_WRITERS: Final = ("write_", "load_", "signed_", "encoded_")


# ---- targets made from types


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _words(octets: bytes) -> tuple[str, ...]:
    return tuple(_text(octets).split())


@functools.lru_cache(maxsize=4)
def _message(octets: bytes) -> Message:
    return parse(octets)


_MADE: Final[Mapping[Any, Callable[[bytes], Any]]] = {
    bytes: bytes,
    str: _text,
    bytes | None: lambda octets: octets or None,
    str | None: lambda octets: _text(octets) or None,
    bool: lambda octets: len(octets) % 2 == 1,
    tuple[str, ...]: _words,
    Sequence[str]: _words,
    Iterable[str]: _words,
    Collection[str]: _words,
    list[str]: lambda octets: list(_words(octets)),
    frozenset[str]: lambda octets: frozenset(_words(octets)),
    tuple[bytes, ...]: lambda octets: tuple(octets.split(b"\n")),
    tuple[tuple[int, str], ...]: lambda octets: remaining_lines(_text(octets), ()),
    list[tuple[str, str]]: lambda octets: split_fields(octets)[0],
    dict[str, tuple[str, ...]]: lambda octets: index_fields(split_fields(octets)[0]),
    Message: _message,
    Author: lambda octets: read_author(_text(octets)),
    NewText: lambda octets: cut(_text(octets)),
    Sheet: lambda octets: Sheet(_text(octets)),
    SentWords: lambda octets: sent_words(_text(octets)),
    Reading: lambda octets: read(octets, ask=ASKS[len(octets) % 4]),
    Ask: lambda octets: ASKS[len(octets) % 4],
    date | None: lambda _: NOW.date(),
    datetime | None: lambda _: NOW,
    datetime: lambda _: NOW,
    Words: lambda _: load_words(),
    Vocabulary: lambda _: load_vocabulary(),
    Phrases: lambda octets: phrases_for(ASKS[len(octets) % 4]),
}
_FROM_OUTSIDE: Final = (bytes, str, Message, NewText, Sheet, tuple[str, ...], tuple[tuple[int, str], ...])


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for package in (postmuster.mail, postmuster.reading):
        for found in pkgutil.iter_modules(package.__path__):
            if found.name in _OURS:
                continue
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            for name, value in vars(module).items():
                is_own = isinstance(value, types.FunctionType) and value.__module__ == module.__name__
                if is_own and not name.startswith(("_", *_WRITERS)):
                    yield f"{package.__name__.removeprefix('postmuster.')}.{found.name}.{name}", value


def _made_from_types(function: Callable[..., Any]) -> Target | None:
    """Return the target of a function all of whose arguments can be made out of octets, else None."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a type that is imported for the checker only
        return None
    by_place: list[Callable[[bytes], Any]] = []
    by_name: dict[str, Callable[[bytes], Any]] = {}
    outside = False
    for parameter in inspect.signature(function).parameters.values():
        make = _MADE.get(hints.get(parameter.name))
        if make is None:
            if parameter.default is inspect.Parameter.empty:
                return None
            continue
        outside = outside or hints[parameter.name] in _FROM_OUTSIDE
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            by_name[parameter.name] = make
        else:
            by_place.append(make)
    if not outside:
        return None

    def call(data: bytes) -> None:
        pieces = iter(data.split(SEPARATOR, len(by_place) + len(by_name) - 1))
        positional = [make(next(pieces, b"")) for make in by_place]
        found = function(*positional, **{name: make(next(pieces, b"")) for name, make in by_name.items()})
        if isinstance(found, Iterator):
            list(found)

    return call


# ---- targets that promise more


def _assert_can_be_written(text: str) -> None:
    text.encode("utf-8")


def _parse(data: bytes) -> None:
    found = parse(data)
    assert found == parse(data)
    _assert_can_be_written(found.text)
    for part in found.parts:
        _assert_can_be_written(part.filename or "")
    crlf = parse(data.replace(b"\r", b"").replace(b"\n", b"\r\n"))
    assert crlf.text == parse(data.replace(b"\r", b"")).text


def _parse_small(data: bytes) -> None:
    found = parse(data, SMALL)
    assert len(found.parts) <= SMALL.parts
    assert len(found.text) <= SMALL.text_chars + len("\n…")
    assert all(part.depth <= SMALL.depth for part in found.parts)


def _read(data: bytes, *, file_kind: str = "mail") -> None:
    ours, _, theirs = data.rpartition(SEPARATOR)
    sent = Sent(_text(ours), "An offer", ASKS[len(ours) % 4]) if ours else None
    reading = read(theirs, file_kind=file_kind, sent=sent, ask=None if ours else ASKS[len(theirs) % 4])
    shown = as_json(reading)
    json.dumps(shown).encode("ascii")
    _assert_can_be_written(shown["text"])
    size = len(shown["text"])
    for span in (*shown["elided"], *shown["personal"]):
        assert 0 <= span["start"] <= span["end"] <= size, span
    for start, end in shown["answer"]["evidence"]:
        assert 0 <= start <= end <= size
    assert 0 <= shown["answer"]["confidence"] <= 1


def _authenticate(data: bytes) -> None:
    record, _, raw = data.rpartition(SEPARATOR)
    authenticate(
        raw,
        parse(raw),
        txt=lambda _: _text(record) or None,
        authserv_id=("mx.example", "filter.example"),
        internal_hops=("192.0.2.0/28 home.example", "mail.example"),
        trusted_sealers=("sealer.example",),
        now=NOW,
    )


def _cut(data: bytes) -> None:
    ours, _, theirs = data.rpartition(SEPARATOR)
    text = _text(theirs)
    found = cut(text, sent=_text(ours) or None, author="Finn Muster <finn@home.example>")
    assert all(0 <= span.start <= span.end <= len(text) for span in found.elided)
    assert 0 <= found.confidence <= 1


def _our_spans(data: bytes) -> None:
    ours, _, theirs = data.rpartition(SEPARATOR)
    text = _text(theirs)
    assert all(0 <= start <= end <= len(text) for start, end in our_spans(text, 0, len(text), sent_words(_text(ours))))


def _html(data: bytes) -> None:
    found = read_html(_text(data), 500)
    assert len(found.text) <= 500 or not found.is_whole


def _decode_text(data: bytes) -> None:
    label, _, content = data.rpartition(SEPARATOR)
    _assert_can_be_written(decode_text(content, _text(label) or None)[0])


def _flowed(data: bytes) -> None:
    text = _text(data)
    unfold_flowed(text, delete_space=True)
    unfold_flowed(text, delete_space=False)


def _uuencoded(data: bytes) -> None:
    kept, files = cut_encoded_files(data, 5)
    assert len(files) <= 5
    assert len(kept) + sum(len(file.content) for file in files) <= len(data)


def _cms(data: bytes) -> None:
    found = read_cms(data, 1_000)
    assert found.defect is not None or found.content is None or len(found.content) <= max(len(data), 1_000)


def _chunks(data: bytes) -> Iterator[bytes]:
    """Cut octets as a network does: the separator is where a piece ends."""
    yield from data.split(SEPARATOR)


def _lmtp(data: bytes) -> None:
    server = LmtpServer(hostname="mx.agency.example", max_size_octets=2_000)
    for chunk in _chunks(data):
        server.receive(chunk)
        while server.unanswered:
            server.answer([DeliveryReply.ACCEPTED])
        assert server.take_output().isascii()


def _smtp(data: bytes) -> None:
    client = SmtpClient("mx.agency.example")
    sender, recipient = parse_addr_spec("b@agency.example"), parse_addr_spec("finn@home.example")
    for number, chunk in enumerate(_chunks(data)):
        client.submit(number, Envelope(str(sender), str(recipient)), b"Subject: x\r\n\r\nx\r\n")
        client.receive(chunk)
        client.take_output()
    client.lost()


def _replies(data: bytes) -> None:
    reader = ReplyReader()
    for chunk in _chunks(data):
        reader.read(chunk)


def _token(data: bytes) -> None:
    token = importlib.import_module("postmuster.mail.token")
    text = _text(data)
    token.find_token(text)
    for purpose in token.Purpose:
        token.read_token(purpose, text, {1: KEY}, 20_000)
    token.read_message_id(text, [KEY], domain="agency.example")
    token.check_code_holds(text, token.DeliveryRef(1, 1, 1), [KEY])


_WRITTEN_OUT: Final[Mapping[str, Target]] = {
    "mail.message.parse": _parse,
    "mail.message.parse within small limits": _parse_small,
    "mail.kind.classify": lambda data: str(classify(parse(data))).encode() and None,
    "mail.authentication.authenticate": _authenticate,
    "mail.html_text.read_html": _html,
    "mail.decoding.decode_text": _decode_text,
    "mail.decoding.unfold_flowed": _flowed,
    "mail.uuencode.cut_encoded_files": _uuencoded,
    "mail.cms.read_cms": _cms,
    "mail.lmtp.LmtpServer": _lmtp,
    "mail.smtp.SmtpClient": _smtp,
    "mail.reply_code.ReplyReader": _replies,
    "mail.token": _token,
    "reading.newtext.cut": _cut,
    "reading.sent.our_spans": _our_spans,
    "reading.reading.read": _read,
    "reading.reading.read of a text": functools.partial(_read, file_kind="text"),
    "reading.reading.read of a page": functools.partial(_read, file_kind="html"),
}


def targets() -> dict[str, Target]:
    """Return all targets by name, in order."""
    found: dict[str, Target] = {}
    for name, function in _functions():
        if name in LEFT_OUT:
            continue
        target = _WRITTEN_OUT.get(name) or _made_from_types(function)
        if target is not None:
            found[name] = target
    return dict(sorted({**found, **_WRITTEN_OUT}.items()))
