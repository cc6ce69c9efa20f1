"""An IMAP4rev1 server on loopback, as small as it can be and still be one: what the client library says to it is real.

It knows LOGIN, AUTHENTICATE PLAIN, CAPABILITY, STARTTLS, SELECT, EXAMINE, UID SEARCH, UID FETCH, UID STORE, UID MOVE, EXPUNGE,
NOOP and LOGOUT, keeps numbers (UID), flags and dates, and writes down every command. A test makes it misbehave with `rule`,
which sees each command first: octets it returns are said instead of the answer, `HANG_UP` ends the connection.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

USER, PASSWORD = "ann", 'correct "horse" \\ battery'
HANG_UP = b"\0hang up"
ARRIVED = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
_COMMAND = re.compile(rb"(\S+) (UID )?(\S+) ?(.*)", re.DOTALL)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)')

Rule = Callable[[bytes], "bytes | None"]


@dataclass
class Stored:
    """One mail in a folder."""

    uid: int
    octets: bytes
    flags: set[str] = field(default_factory=set)
    arrived_at: datetime = ARRIVED
    stated_octets: int | None = None  # what the server claims

    @property
    def size(self) -> int:
        return len(self.octets) if self.stated_octets is None else self.stated_octets


@dataclass
class Folder:
    """A folder with its numbers."""

    uid_validity: int = 7
    mails: list[Stored] = field(default_factory=list)
    next_uid: int = 1
    is_read_only: bool = False

    def add(self, octets: bytes, *, arrived_at: datetime = ARRIVED, stated_octets: int | None = None) -> Stored:
        made = Stored(self.next_uid, octets, set(), arrived_at, stated_octets)
        self.mails.append(made)
        self.next_uid += 1
        return made

    def renumber(self) -> None:
        """As after a restore of the server: other numbers, another UIDVALIDITY."""
        self.uid_validity += 1
        for mail in self.mails:
            mail.uid = self.next_uid
            self.next_uid += 1


class ImapServer:
    """Listens on a free port of 127.0.0.1 until it is closed."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, is_implicit: bool = True, capabilities: str = "MOVE"
    ) -> None:
        self.folders: dict[str, Folder] = {"INBOX": Folder()}
        self.capabilities = capabilities
        self.rule: Rule = lambda command: None
        self.heard: list[bytes] = []
        self.before_tls: list[bytes] = []
        self.after_starttls = b""
        self._tls, self._is_implicit = tls, is_implicit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._lines: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def inbox(self) -> Folder:
        return self.folders["INBOX"]

    def said(self, verb: str) -> list[bytes]:
        """The commands heard that begin so."""
        return [one for one in self.heard if one.startswith(verb.encode())]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(10)
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> ImapServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines.append(line)
            thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls is not None and self._is_implicit:
                line = self._tls.wrap_socket(line, server_side=True)
            session = _Session(self, line)
            try:
                session.talk()
            finally:
                session.close()
        line.close()

    def begin_tls(self, line: socket.socket) -> socket.socket:
        assert self._tls is not None
        return self._tls.wrap_socket(line, server_side=True)

    @property
    def offers_starttls(self) -> bool:
        return self._tls is not None and not self._is_implicit


class _Session:
    """One connection."""

    def __init__(self, server: ImapServer, line: socket.socket) -> None:
        self._server, self._line = server, line
        self._file = line.makefile("rb")
        self._folder: Folder | None = None
        self._is_hidden = not server.offers_starttls
        self._is_read_only = False

    def talk(self) -> None:
        self._say(b"* OK IMAP4rev1 at your service")
        while line := self._file.readline():
            tag, uid, verb, rest = _parts(line.rstrip(b"\r\n"))
            command = b" ".join(filter(None, (uid + verb, rest)))
            (self._server.heard if self._is_hidden else self._server.before_tls).append(command)
            instead = self._server.rule(command)
            if instead == HANG_UP:
                break
            if instead is not None:
                self._line.sendall(instead.replace(b"TAG", tag))
                continue
            said = self._do(tag, (uid + verb).decode("ascii"), rest)
            if said:
                self._say(tag + b" " + said)
            if verb == b"LOGOUT":
                break

    def close(self) -> None:
        self._file.close()
        self._line.close()

    def _say(self, line: bytes) -> None:
        self._line.sendall(line + b"\r\n")

    def _do(self, tag: bytes, verb: str, rest: bytes) -> bytes:
        name = "_" + verb.lower().replace(" ", "_")
        method: Callable[[bytes, bytes], bytes] | None = getattr(self, name, None)
        return method(tag, rest) if method else b"BAD unknown command"

    # ---- any state

    def _capability(self, tag: bytes, rest: bytes) -> bytes:
        more = "STARTTLS LOGINDISABLED" if not self._is_hidden else self._server.capabilities
        self._say(f"* CAPABILITY IMAP4rev1 {more}".encode())
        return b"OK done"

    def _noop(self, tag: bytes, rest: bytes) -> bytes:
        return b"OK done"

    def _logout(self, tag: bytes, rest: bytes) -> bytes:
        self._say(b"* BYE")
        return b"OK done"

    def _starttls(self, tag: bytes, rest: bytes) -> bytes:
        self._line.sendall(tag + b" OK go\r\n" + self._server.after_starttls)
        self._file.close()
        self._line = self._server.begin_tls(self._line)
        self._file = self._line.makefile("rb")
        self._is_hidden = True
        return b""

    # ---- who is there

    def _login(self, tag: bytes, rest: bytes) -> bytes:
        user, password = (_unquoted(match) for match in _QUOTED.finditer(rest))
        return self._admit(user, password)

    def _authenticate(self, tag: bytes, rest: bytes) -> bytes:
        self._say(b"+ ")
        _, user, password = base64.b64decode(self._file.readline()).split(b"\0")
        return self._admit(user, password)

    def _admit(self, user: bytes, password: bytes) -> bytes:
        is_right = (user.decode(), password.decode()) == (USER, PASSWORD)
        return b"OK in" if is_right else b"NO the password of " + user + b" is wrong"

    # ---- a folder

    def _select(self, tag: bytes, rest: bytes, *, examine: bool = False) -> bytes:
        folder = self._server.folders.get(_unquoted(next(_QUOTED.finditer(rest))).decode())
        if folder is None:
            return b"NO no such folder"
        self._folder = folder
        self._is_read_only = examine or folder.is_read_only
        self._say(f"* {len(folder.mails)} EXISTS".encode())
        self._say(b"* FLAGS (\\Seen \\Deleted)")
        self._say(f"* OK [UIDVALIDITY {folder.uid_validity}] numbers".encode())
        self._say(f"* OK [UIDNEXT {folder.next_uid}] next".encode())
        return b"OK [READ-ONLY] opened" if self._is_read_only else b"OK [READ-WRITE] opened"

    def _examine(self, tag: bytes, rest: bytes) -> bytes:
        return self._select(tag, rest, examine=True)

    def _uid_search(self, tag: bytes, rest: bytes) -> bytes:
        match = re.fullmatch(rb"UID (\S+)", rest)
        assert match is not None
        found = b" ".join(str(mail.uid).encode() for mail in self._named(match[1]))
        self._say(b"* SEARCH" + (b" " + found if found else b""))
        return b"OK done"

    def _uid_fetch(self, tag: bytes, rest: bytes) -> bytes:
        numbers, _, wanted = rest.partition(b" ")
        for mail in self._named(numbers):
            number = self._open.mails.index(mail) + 1
            if body := re.fullmatch(rb"\(UID BODY\.PEEK\[\]<0\.(\d+)>\)", wanted):
                octets = mail.octets[: int(body[1])]
                self._say(f"* {number} FETCH (UID {mail.uid} BODY[]<0> {{{len(octets)}}}".encode())
                self._line.sendall(octets)
                self._say(b")")
            elif wanted == b"(UID RFC822.SIZE INTERNALDATE)":
                date = mail.arrived_at.strftime("%d-%b-%Y %H:%M:%S %z")
                self._say(f'* {number} FETCH (UID {mail.uid} RFC822.SIZE {mail.size} INTERNALDATE "{date}")'.encode())
            else:
                return b"BAD not known here"
        return b"OK done"

    def _uid_store(self, tag: bytes, rest: bytes) -> bytes:
        match = re.fullmatch(rb"(\S+) \+FLAGS \((.*)\)", rest)
        if match is None or self._is_read_only:
            return b"NO not here"
        for mail in self._named(match[1]):
            mail.flags |= set(match[2].decode().split())
            self._say(f"* {self._open.mails.index(mail) + 1} FETCH (FLAGS ({' '.join(sorted(mail.flags))}))".encode())
        return b"OK done"

    def _uid_move(self, tag: bytes, rest: bytes) -> bytes:
        numbers, _, name = rest.partition(b" ")
        target = self._server.folders.get(_unquoted(next(_QUOTED.finditer(name))).decode())
        if target is None:
            return b"NO [TRYCREATE] no such folder"
        for mail in self._named(numbers):
            self._open.mails.remove(mail)
            target.add(mail.octets)
        return b"OK done"

    def _expunge(self, tag: bytes, rest: bytes) -> bytes:
        self._open.mails[:] = [mail for mail in self._open.mails if "\\Deleted" not in mail.flags]
        return b"OK done"

    @property
    def _open(self) -> Folder:
        assert self._folder is not None
        return self._folder

    def _named(self, numbers: bytes) -> list[Stored]:
        """The mails of a set of numbers; `*` is the newest, and a range may be written backwards (RFC 3501 §9)."""
        newest = self._open.mails[-1].uid if self._open.mails else 0
        wanted = []
        for part in numbers.split(b","):
            ends = [newest if end == b"*" else int(end) for end in part.split(b":")]
            wanted.append((min(ends), max(ends)))
        return [mail for mail in self._open.mails if any(low <= mail.uid <= high for low, high in wanted)]


def _parts(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    match = _COMMAND.fullmatch(line)
    return (match[1], match[2] or b"", match[3].upper(), match[4]) if match else (b"*", b"", b"", b"")


def _unquoted(match: re.Match[bytes]) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", match[1]) if match[1] is not None else match[2]
