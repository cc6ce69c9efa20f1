"""Mail in files: a Maildir, an mbox file, a folder of .eml files, or one of them.

For `reply import`, which reads any of them once, and for `jobs.mailbox`, which empties a Maildir's `new` again and again.

Promises. Nothing is deleted and no octet of a mail is changed, line ends included: signatures cover them. A mail is read whole
only when its size is allowed; what is larger is passed over by its size, in an mbox line by line. Only plain files are opened.
A mail is marked as taken by moving it from `new` to `cur` with the mark S, the way mail programs do it; where it has gone
meanwhile, somebody else took it. Work is linear in the octets, memory is one mail and a list of names.

An mbox is split where a line begins "From " at the start of the file or below an empty line. Lines that were guarded by ">From "
stay as they are: whether ">" is the guard or the author's cannot be known.

Limits: `MAX_FILES` names of one folder; `LINE_OCTETS` of a line are read at once. An mbox or a folder of .eml files has no mark
of taken, so they are imported by hand and not emptied.

Sources: RFC 4155 (mbox, appendix A); the Maildir page of qmail (maildir(5)); RFC 5322 §2.1.1.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from postmuster.base.errors import Refused

MAX_FILES: Final = 5_000_000  # ours: names of one folder are held in memory, some 100 octets each
LINE_OCTETS: Final = 65_536
_SEPARATOR: Final = b"From "
_BLANK: Final = (b"\n", b"\r\n", b"")


@dataclass(frozen=True, slots=True)
class FiledMail:
    """One mail of a file or folder; `octets` is None when it is larger than was allowed."""

    octets: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """One mail in a Maildir's `new`."""

    path: Path
    octets: int
    arrived_at: datetime


def read_mailbox(path: Path, *, most: int) -> Iterator[FiledMail]:
    """Every mail of a Maildir, an mbox file, a folder of .eml files or one .eml file, each up to `most` octets.

    Raises `Refused` where it cannot be read to its end; what was given before is good.
    """
    try:
        if path.is_dir() and (path / "new").is_dir():
            yield from _files(_named(path / "new") + _named(path / "cur"), most)
        elif path.is_dir():
            yield from _files(sorted(islice(path.glob("**/*.eml"), MAX_FILES)), most)
        elif path.suffix == ".eml":
            path.stat()  # raises for one that is not there
            yield from _files([path], most)
        else:
            with path.open("rb") as file:
                yield from _split(file, most)
    except OSError as error:
        raise Refused(
            f"{path} could not be read to its end ({error.strerror}); what was read is kept; mend it, run again."
        ) from None


def waiting(maildir: Path) -> list[WaitingFile]:
    """What is new in a Maildir, oldest first. Raises `OSError` where the folder cannot be read."""
    found = []
    for path in _named(maildir / "new"):
        status = _status(path)
        if status is not None:
            found.append(WaitingFile(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return sorted(found, key=lambda one: (one.arrived_at, one.path.name))


def read_waiting(one: WaitingFile, *, most: int) -> bytes | None:
    """The mail; None when it is too large, or gone. Raises `OSError` where it may not be read."""
    try:
        return _read(one.path, most)
    except FileNotFoundError:
        return None


def mark_taken(one: WaitingFile) -> None:
    """Move a mail from `new` to `cur` as seen. Raises `OSError` where that cannot be done."""
    name = one.path.name.partition(":")[0]
    target = one.path.parent.parent / "cur" / f"{name}:2,S"
    if not target.exists():  # else it would be written over: that would be deleting
        try:
            one.path.rename(target)
        except FileNotFoundError:
            if not target.parent.is_dir():
                raise


def _named(folder: Path) -> list[Path]:
    """The files of a Maildir's folder by name, which begins with the second of delivery; hidden ones are not mail."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, MAX_FILES) if not entry.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def _files(paths: list[Path], most: int) -> Iterator[FiledMail]:
    for path in paths:
        if _status(path) is not None:
            yield FiledMail(_read(path, most))


def _status(path: Path) -> os.stat_result | None:
    """What a plain file is; None for anything else, such as a pipe, which would never end."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _read(path: Path, most: int) -> bytes | None:
    with path.open("rb") as file:
        octets = file.read(most + 1)
    return octets if len(octets) <= most else None


def _split(file: BinaryIO, most: int) -> Iterator[FiledMail]:
    """The mails of an mbox, without the line that separates them and the empty one above it."""
    mail: list[bytes] | None = None
    size, is_start, above = 0, True, b""
    while line := file.readline(LINE_OCTETS):
        if is_start and above in _BLANK and line.startswith(_SEPARATOR):
            if mail is not None:
                yield _joined(mail, size, most)
            mail, size = [], 0
        elif mail is None and not line.strip():
            pass  # empty lines before the first mail
        elif mail is None:
            raise OSError(0, "it is no mailbox")
        else:
            size += len(line)
            if size <= most + len(_BLANK[1]):  # the empty line above the next one is none of its octets
                mail.append(line)
        above = line if is_start else b"."
        is_start = line.endswith(b"\n")
    if mail is not None:
        yield _joined(mail, size, most)


def _joined(lines: list[bytes], size: int, most: int) -> FiledMail:
    if lines and lines[-1] in _BLANK:
        size -= len(lines[-1])
        lines = lines[:-1]
    return FiledMail(b"".join(lines) if size <= most else None)
