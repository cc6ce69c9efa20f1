"""A mailbox on another machine, read over IMAP: what is new in it, how large and how old, its octets, and the mark of taken.

For `jobs.mailbox`, which commits what it is given before it has anything marked. The library is imap-tools, on a line of ours
with an end to every answer (`imap_line`).

Promises. Nothing is ever deleted: no EXPUNGE is sent, not even the one with which the library ends a change of flags, and
moving is the server's own MOVE or none. Reading marks nothing (BODY.PEEK). Octets come as the server has them. Of a mail at
most one octet more than is allowed is asked for, so that none has to be received to be found too large. The password is said
behind TLS or to this machine only. Whatever a server says or does ends in a value or in a `MailboxTrouble`.

Limits: `ROWS` mails are described, `imap_line`'s constants hold each answer. A server that gives a mail no number (UID) that
holds, or no UIDVALIDITY, is unintelligible.

Sources: RFC 3501 (§2.3.1.1 UIDs, §6.4.5 partial fetch, §6.4.8 UID commands), RFC 6851 (MOVE), RFC 4959 and RFC 4616 (PLAIN),
RFC 8314 (TLS).
"""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from imap_tools import BaseMailBox
from imap_tools.errors import (
    ImapToolsError,
    MailboxFlagError,
    MailboxFolderSelectError,
    MailboxLoginError,
    MailboxMoveError,
)

from postmuster.inbound.imap_line import MAX_ANSWER_OCTETS, TLS_TROUBLE, ImapLine, tls_context
from postmuster.inbound.troubles import MailboxTrouble, Trouble

ROWS: Final = 200  # mails described by one command
LAST_UID: Final = 2**32 - 1  # RFC 3501 §9: nz-number
MOST_DIGITS: Final = 10  # of a number of 32 bits
LENIENT: Final = 4  # stated sizes are estimates on some servers; answers may be so many times as large
SEEN: Final = "\\Seen"

_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,19})\b")
_DATE = re.compile(
    rb'\bINTERNALDATE "([ 0-3]?\d)-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-(\d{4}) (\d\d):(\d\d):(\d\d) '
    rb'([+-])(\d\d)(\d\d)"'
)
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


class Security(StrEnum):
    """How the line is protected; `none` is for a server on this machine."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


class WhenTaken(StrEnum):
    """What is done with a mail once it is committed here."""

    SEEN = "seen"
    MOVE = "move"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class ImapAddress:
    """Where the mailbox is, who we are to it, and what is done with what was taken."""

    host: str
    port: int
    security: Security
    ca_file: str
    user: str
    password: str = field(repr=False)
    folder: str
    when_taken: WhenTaken
    taken_folder: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Listed:
    """One mail as the server describes it; `octets` and `arrived_at` are its word, None where it gave none."""

    uid: int
    octets: int | None
    arrived_at: datetime | None


class _NothingExpunged(BaseMailBox):
    """The library's mailbox on our line. It ends every change of flags with EXPUNGE, which would delete what others marked."""

    def __init__(self, line: ImapLine) -> None:
        self._line = line
        super().__init__()

    def _get_mailbox_client(self) -> ImapLine:
        return self._line

    def expunge(self) -> tuple[str, list[bytes]]:
        return "OK", []


class ImapMailbox:
    """One folder, opened. Every method raises `MailboxTrouble` for whatever goes wrong."""

    def __init__(self, box: BaseMailBox, line: ImapLine, address: ImapAddress) -> None:
        self._box, self._line, self._address = box, line, address
        given = line.response("UIDVALIDITY")[1]
        number = given[-1] if given else None
        if not isinstance(number, bytes) or not number.isdigit() or len(number) > MOST_DIGITS or not int(number):
            raise MailboxTrouble(Trouble.UNINTELLIGIBLE)
        self.uid_validity = int(number)
        """Changes when the server numbered its mails anew: numbers remembered from before mean nothing then."""

    def uids_after(self, last_uid: int) -> list[int]:
        """The numbers above `last_uid`, in order."""
        if last_uid >= LAST_UID:
            return []
        with self._understood():
            numbers = self._search(f"UID {last_uid + 1}:*")
        return sorted(uid for uid in numbers if last_uid < uid <= LAST_UID)  # `*` names the newest, however old it is

    def describe(self, uids: Sequence[int]) -> list[Listed]:
        """What the server says of these mails, in order, one of each; at most `ROWS`."""
        with self._understood():
            _, rows = self._line.uid("FETCH", _set(uids), "(UID RFC822.SIZE INTERNALDATE)")
        said = {int(match[1]): row for row in _lines(rows) if (match := _UID.search(row))}
        return [Listed(uid, _size(said.get(uid, b"")), _arrival(said.get(uid, b""))) for uid in uids]

    def octets(self, uids: Sequence[int], *, most: int, expected: int) -> dict[int, bytes]:
        """The mails, by number, each up to one octet more than `most`; what the server does not give is left out.

        `expected` is how many octets they have by its word.
        """
        self._line.may_send_octets = max(LENIENT * expected, most + 1) + MAX_ANSWER_OCTETS
        try:
            with self._understood():
                said, rows = self._line.uid("FETCH", _set(uids), f"(UID BODY.PEEK[]<0.{most + 1}>)")
        finally:
            self._line.may_send_octets = MAX_ANSWER_OCTETS
        return _bodies(rows) if said == "OK" else {}

    def has(self, uid: int) -> bool:
        """Whether the mail is in the folder."""
        with self._understood():
            return uid in self._search(f"UID {uid}")

    def mark(self, uids: Sequence[int]) -> None:
        """Do with these mails what is done with what was taken; marked twice is as marked once."""
        how, numbers = self._address.when_taken, [str(uid) for uid in uids]
        if how is WhenTaken.LEAVE or not numbers:
            return
        if how is WhenTaken.MOVE and "MOVE" not in self._line.capabilities:
            raise MailboxTrouble(Trouble.MARKING)  # the library would copy and delete
        with self._understood():
            if how is WhenTaken.MOVE:
                self._box.move(numbers, self._address.taken_folder)
            else:
                self._box.flag(numbers, SEEN, True)

    def _search(self, criteria: str) -> set[int]:
        """What a search finds, from every line of its answer: the library reads the first alone."""
        said, rows = self._line.uid("SEARCH", criteria)
        if said != "OK":
            raise ValueError("a search that is refused")
        return {int(text) for row in _lines(rows) for text in row.split() if len(text) <= MOST_DIGITS}

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        with _understood():
            yield
            self._line.forget()


@contextlib.contextmanager
def open_mailbox(address: ImapAddress) -> Iterator[ImapMailbox]:
    """Connect, log in and open the folder; read-only where nothing is to be marked."""
    with _understood():
        line = _connect(address)
    try:
        with _understood():
            line.refresh_capabilities()
            box = _NothingExpunged(line)
            _log_in(box, line, address)
            line.forget()
            line.refresh_capabilities()
            box.folder.set(address.folder, readonly=address.when_taken is WhenTaken.LEAVE)
            opened = ImapMailbox(box, line, address)
        yield opened
        with contextlib.suppress(OSError, imaplib.IMAP4.error, ValueError):
            line.logout()
    finally:
        line.shutdown()


def _connect(address: ImapAddress) -> ImapLine:
    try:
        tls = None if address.security is Security.NONE else tls_context(address.ca_file)
    except OSError:
        raise MailboxTrouble(Trouble.TLS) from None
    return ImapLine(
        address.host,
        address.port,
        timeout_s=address.timeout_s,
        tls=tls,
        starttls=address.security is Security.STARTTLS,
    )


def _log_in(box: BaseMailBox, line: ImapLine, address: ImapAddress) -> None:
    """PLAIN where it is offered, because it takes any letters; else LOGIN, which has none but ASCII's."""
    if "AUTH=PLAIN" in line.capabilities:
        try:
            box.login_utf8(address.user, address.password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise MailboxTrouble(Trouble.LOGIN) from None
    elif "LOGINDISABLED" in line.capabilities or not f"{address.user}{address.password}".isascii():
        raise MailboxTrouble(Trouble.LOGIN)
    else:
        box.login(address.user, address.password, initial_folder=None)


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Let nothing out but our own words: what the library raises repeats what the server said."""
    try:
        yield
    except MailboxTrouble:
        raise
    except TLS_TROUBLE:
        raise MailboxTrouble(Trouble.TLS) from None
    except MailboxLoginError:
        raise MailboxTrouble(Trouble.LOGIN) from None
    except MailboxFolderSelectError:
        raise MailboxTrouble(Trouble.FOLDER) from None
    except (MailboxFlagError, MailboxMoveError):
        raise MailboxTrouble(Trouble.MARKING) from None
    except imaplib.IMAP4.readonly:
        raise MailboxTrouble(Trouble.READ_ONLY) from None
    except OSError:
        raise MailboxTrouble(Trouble.UNREACHABLE) from None
    except (imaplib.IMAP4.error, ImapToolsError, ValueError, TypeError, LookupError, AttributeError):
        raise MailboxTrouble(Trouble.UNINTELLIGIBLE) from None  # the library met words it did not expect


def _set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))


def _lines(rows: Sequence[Any]) -> Iterator[bytes]:
    """The plain lines of an answer; a literal where none was asked for is passed over."""
    yield from (row for row in rows if isinstance(row, bytes))


def _bodies(rows: Sequence[Any]) -> dict[int, bytes]:
    """The mails of an answer by number. The number stands before or behind the literal, as the server likes."""
    found: dict[int, bytes] = {}
    waiting: bytes | None = None
    for row in rows:
        if isinstance(row, tuple) and len(row) == 2 and isinstance(row[0], bytes) and isinstance(row[1], bytes):
            number = _UID.search(row[0])
            waiting = None if number else row[1]
            if number:
                found[int(number[1])] = row[1]
        elif isinstance(row, bytes) and waiting is not None:
            number = _UID.search(row)
            if number:
                found[int(number[1])] = waiting
            waiting = None
    return found


def _size(row: bytes) -> int | None:
    match = _SIZE.search(row)
    return int(match[1]) if match else None


def _arrival(row: bytes) -> datetime | None:
    """When the server got it; None for a date that is none."""
    match = _DATE.search(row)
    if match is None:
        return None
    try:
        local = datetime(
            int(match[3]),
            _MONTHS.index(match[2]) + 1,
            int(match[1]),
            int(match[4]),
            int(match[5]),
            int(match[6]),
            tzinfo=UTC,
        )
        ahead = timedelta(hours=int(match[8]), minutes=int(match[9]))
        return local - ahead if match[7] == b"+" else local + ahead
    except (ValueError, OverflowError):
        return None
