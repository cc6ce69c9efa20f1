"""Post: what the organisation has received, counted and kept.

What for: the record of the receiving side. For each notice how many messages came, how many different ones, how many
twice, what was refused; for each person the mail itself until they have decided what to do about it; letters counted
apart.

Promises: a message is counted before its 250 is said. The mail a person answers is the very mail that reached them.
Limits: of a mail only the fields and the body a mail program looks at are kept, compressed against the first mail of
the same notice and language: about 400 octets a person and notice, given back once the person has answered. A mail
belongs to a notice by its Message-ID (`n<notice>.r<round>.s<sequence>.…`); sequence 0, an In-Reply-To field or another
form make it a letter.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MESSAGE_ID = re.compile(rb"^message-id:\s*<([^<>\s]+)>", re.I | re.M)
NOTICE_ID = re.compile(rb"n(\d{1,10})\.r(\d{1,3})\.s(\d{1,10})\.")
REVERSE_PATH = re.compile(r"b-n(\d{1,10})-", re.I)
ANSWERED = re.compile(rb"^in-reply-to:", re.I | re.M)
KEPT_FIELDS = frozenset(
    b"from to subject date message-id reply-to references mime-version content-type content-transfer-encoding "
    b"auto-submitted list-id".split()
)
DICTIONARY_OCTETS = 32_768  # zlib's window, RFC 1950 §2.2


@dataclass(frozen=True, slots=True)
class Held:
    """A mail in somebody's mailbox: its envelope and its packed octets."""

    reverse_path: str
    round_no: int
    wants_success: bool
    packed: bytes
    dictionary: bytes

    def octets(self) -> bytes:
        """Unpack the kept fields and the body as they arrived."""
        return zlib.decompressobj(zdict=self.dictionary).decompress(self.packed)


@dataclass(slots=True)
class NoticePost:
    """What came of one notice."""

    accepted: int = 0
    doubled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_paths: set[str] = field(default_factory=set)  # reverse paths of what was refused for good
    deferred: Counter[str] = field(default_factory=Counter)
    message_ids: set[bytes] = field(default_factory=set)
    mailboxes: dict[int, Held] = field(default_factory=dict)
    dictionaries: dict[str, bytes] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Count accepted messages, different Message-IDs, messages beyond the first of each, refusals and deferrals."""
        return {
            "accepted": self.accepted,
            "distinct": len(self.message_ids),
            "doubled": self.doubled,
            "refused": self.refused.total(),
            "deferred": self.deferred.total(),
        }


class Post:
    """Everything received; written by the server's thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.notices: dict[int, NoticePost] = {}
        self.letters: Counter[int] = Counter()
        self.letter_ids: set[bytes] = set()

    def refuse(self, reverse_path: str, reply: str) -> None:
        """Count a refusal; its notice is the one the reverse-path names (0 when it names none)."""
        found = REVERSE_PATH.match(reverse_path)
        with self._lock:
            notice = self._notice(int(found[1]) if found else 0)
            (notice.refused if reply[0] == "5" else notice.deferred)[reply[:9]] += 1
            if reply[0] == "5":
                notice.refused_paths.add(reverse_path.lower())

    def accept(
        self, *, reverse_path: str, octets: bytes, recipients: Sequence[tuple[int, str]], wants_success: bool = False
    ) -> None:
        """Count a message and put it before its `recipients`, pairs of person number and language."""
        head = octets.partition(b"\r\n\r\n")[0]
        found = MESSAGE_ID.search(head)
        name = found[1] if found else b""
        parts = NOTICE_ID.match(name)
        with self._lock:
            if parts is None or parts[3] == b"0" or ANSWERED.search(head):
                self.letters.update(number for number, _ in recipients)
                self.letter_ids.add(name)
                return
            notice = self._notice(int(parts[1]))
            notice.accepted += 1
            if name in notice.message_ids:
                notice.doubled += 1
                return
            notice.message_ids.add(name)
            reduced = _reduced(head, octets)
            for number, language in recipients:
                dictionary = notice.dictionaries.setdefault(language, reduced[-DICTIONARY_OCTETS:])
                packer = zlib.compressobj(zdict=dictionary)
                packed = packer.compress(reduced) + packer.flush()
                notice.mailboxes[number] = Held(reverse_path, int(parts[2]), wants_success, packed, dictionary)

    def take(self, notice_no: int) -> dict[int, Held]:
        """Hand over the mails of a notice nobody has looked at yet, by person number, and forget them."""
        with self._lock:
            notice = self._notice(notice_no)
            fresh, notice.mailboxes = notice.mailboxes, {}
            return fresh

    def counts(self) -> dict[str, dict[str, int]]:
        """Count by notice id, as `summary.json` writes it."""
        with self._lock:
            return {f"n{number}": notice.counts() for number, notice in sorted(self.notices.items())}

    def _notice(self, number: int) -> NoticePost:
        return self.notices.setdefault(number, NoticePost())


def _reduced(head: bytes, octets: bytes) -> bytes:
    lines = re.split(rb"\r\n(?![ \t])", head)
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() in KEPT_FIELDS]
    return b"\r\n".join(kept) + octets[len(head) :]
