"""Whether this database is the one that was confirmed (P13).

For whom: `up`, each worker as it starts, and `check`. A database that was restored from a dump or a base backup, or is found
at another path, machine, server or system identifier, is held: nothing leaves until an operator says that it is the one.

What is compared. In the database: the newest identity row, that is the cluster's system identifier, the database's oid, the
place, the machine, and a random epoch. In the key folder, which no dump contains: the same epoch; the transaction that wrote
the identity row (a row that a restore wrote has another one); and a mark, the newest ledger entry seen and a digest of its
salt (a base backup put back has not that entry, or another one under its number).

Promises. What differs and the hold are one transaction, and a second look adds nothing. A mark is only moved forward, and
only in a database that contains it. Where neither side knows anything the database is enrolled; where one side does not, it
is held; a database without a single act may be begun anew. Confirming draws a new epoch, so that every other copy is held.
Limits: work done in the last minute before a base backup that is put back is within the mark's reach only if a mark was
written after it. A clone of a whole machine, key folder included, looks the same from inside.

Sources: PostgreSQL: pg_control_system(), system column xmin; machine-id(5), which asks not to show the id itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.control import actions, queries
from postmuster.control.authority import CONFIRM_COMMAND
from postmuster.control.models import Identity, Lift
from postmuster.control.queries import StandingStop
from postmuster.control.states import Cause, HoldKind, Lane
from postmuster.ledger import actions as ledger

FILE_NAME: Final = "identity.json"
MACHINE_ID: Final = Path("/etc/machine-id")
EPOCH_OCTETS: Final = 16
_LOCK: Final = 0x504D_4944  # any fixed number: one process looks at a time
_FOUND: Final = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       host(inet_server_addr()), current_setting('port')
"""
_RECORDED: Final = """
SELECT system_identifier, database_oid, place, machine, epoch, xmin::text FROM control_identity ORDER BY id DESC LIMIT 1
"""
_NEWEST_ENTRY: Final = "SELECT id, salt FROM ledger_entry ORDER BY id DESC LIMIT 1"
_HELD: Final = "it is held, and nothing leaves, until `" + CONFIRM_COMMAND + "`"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What only the caller knows: the embedded server's data folder and key folder; `place` is empty for another's server."""

    place: str
    key_dir: Path


@dataclass(frozen=True, slots=True)
class Known:
    """One side's knowledge of which database it is."""

    system_identifier: str
    database_oid: int
    place: str
    machine: str

    def words(self) -> str:
        """For people: where and which."""
        machine = f" on machine {self.machine[:8]}" if self.machine else ""
        return f"{self.place}{machine}, cluster {self.system_identifier}, database {self.database_oid}"


@dataclass(frozen=True, slots=True)
class KeyNote:
    """What stands in the key folder."""

    epoch: str
    written_by: str  # the transaction that wrote the identity row
    entry_no: int = 0  # the newest ledger entry seen; 0: none
    proof: str = ""
    machine: str = ""  # where the machine has no id of its own


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What an operator confirmed."""

    before: str
    now: str
    differences: tuple[str, ...]
    lifted: tuple[int, ...]


def verify(where: Whereabouts, *, actor: str, now: datetime) -> tuple[str, ...]:
    """Compare; returns what is wrong, one sentence each, and then sending is held. Moves the mark where all is well.

    Ledger: `stop set`, for each of the two lanes. Raises `Refused` where the key folder cannot be used.
    """
    with sql.guarded(), transaction.atomic():
        sql.value("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        note, recorded = read_note(where.key_dir), _recorded()
        found = differences(recorded, _found(where, note), note)
        if found and ((note is None and recorded is None) or sql.row(_NEWEST_ENTRY) is None):
            _move_mark(where.key_dir, _enrol(where, note, reason="", actor=actor, now=now))
        elif found:
            _hold(found, actor=actor, now=now)
            return found
        elif note is not None:
            _move_mark(where.key_dir, note)
        return tuple(_still(stop) for stop in _holds()[:1])


def confirm(where: Whereabouts, *, reason: str, actor: str, now: datetime) -> Confirmed:
    """Write down that this database is the one, under a new epoch, and lift the hold. Ledger: `database confirmed`.

    Raises `Refused` without a reason, and where there is nothing to confirm.
    """
    if not reason.strip():
        raise Refused("Confirming a database needs a reason; nothing was changed; give one with --reason.")
    with sql.guarded(), transaction.atomic():
        sql.value("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        note, recorded = read_note(where.key_dir), _recorded()
        here = _found(where, note)
        found = differences(recorded, here, note)
        holds = _holds()
        if not found and not holds:
            raise Refused("This database is the one that was confirmed; nothing was changed; nothing is to be done.")
        actions.turn_generation()
        for stop in holds:
            Lift.objects.create(stop_id=stop.stop_no, reason=reason, lifted_by=actor, lifted_at=now)
            facts = {"stop": stop.stop_no}
            ledger.append(kind="stop lifted", actor=actor, subject="database", facts=facts, now=now)
        facts = {"differences": len(found), "lifted": len(holds)}
        ledger.append(kind="database confirmed", actor=actor, subject="database", facts=facts, now=now)
        before = recorded[0].words() if recorded else "none"
        _enrol(where, note, reason=reason, actor=actor, now=now)
    return Confirmed(before, here.words(), found, tuple(stop.stop_no for stop in holds))


def differences(recorded: tuple[Known, str, str] | None, here: Known, note: KeyNote | None) -> tuple[str, ...]:
    """What does not agree between the recorded identity (with its epoch and transaction), what is found, and the key folder."""
    if recorded is None and note is None:
        return ("This database was never enrolled.",)
    if recorded is None or note is None:
        lost = "The database has no identity" if recorded is None else f"The key folder has no {FILE_NAME}"
        return (f"{lost} although the other one does.",)
    known, epoch, written_by = recorded
    pairs = (
        ("cluster", known.system_identifier, here.system_identifier),
        ("database", str(known.database_oid), str(here.database_oid)),
        ("place", known.place, here.place),
        ("machine", known.machine[:8], here.machine[:8]),
    )
    found = [f"The {what} was {was} and is {is_}." for what, was, is_ in pairs if was != is_]
    if epoch != note.epoch:
        found.append("The epoch in the database is not the one in the key folder.")
    elif written_by != note.written_by:
        found.append("The database was written by a restore.")
    if note.entry_no and _proof(note.entry_no) != note.proof:
        found.append(
            f"The database does not contain ledger entry {note.entry_no}, which was seen: it is an older state."
        )
    return tuple(found)


def read_note(key_dir: Path) -> KeyNote | None:
    """What the key folder says; None where it says nothing. Raises `Refused` where the file is damaged."""
    file = key_dir / FILE_NAME
    try:
        given: dict[str, Any] = json.loads(file.read_text(encoding="ascii"))
        return KeyNote(
            str(given["epoch"]),
            str(given["written_by"]),
            int(given["entry_no"]),
            str(given["proof"]),
            str(given["machine"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            f"The file {file} could not be read; nothing was sent; put it back from a backup, or remove it and run "
            f"`{CONFIRM_COMMAND}`."
        ) from None


def _recorded() -> tuple[Known, str, str] | None:
    row = sql.row(_RECORDED)
    return (Known(str(row[0]), int(row[1]), str(row[2]), str(row[3])), str(row[4]), str(row[5])) if row else None


def _found(where: Whereabouts, note: KeyNote | None) -> Known:
    system, oid, address, port = sql.rows(_FOUND)[0]
    if where.place:
        return Known(str(system), int(oid), where.place, _machine(note))
    return Known(str(system), int(oid), f"server {address or 'on a local socket'}, port {port}", "")


def _machine(note: KeyNote | None) -> str:
    """A digest of the machine's id: it is not for showing. Without one, a number kept in the key folder."""
    try:
        own = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        own = ""
    if own:
        return hashlib.sha256(b"postmuster machine " + own.encode()).hexdigest()[:32]
    return note.machine if note else ""


def _enrol(where: Whereabouts, note: KeyNote | None, *, reason: str, actor: str, now: datetime) -> KeyNote:
    """Write the identity on both sides: the file before the commit, so that a crash in between holds."""
    epoch = secrets.token_hex(EPOCH_OCTETS)
    base = replace(
        note or KeyNote("", ""), epoch=epoch, machine=(note.machine if note else "") or secrets.token_hex(16)
    )
    found = _found(where, base)
    Identity.objects.create(**asdict(found), epoch=epoch, reason=reason, confirmed_by=actor, confirmed_at=now)
    written_by = str(sql.rows(_RECORDED)[0][-1])
    made = replace(base, written_by=written_by, entry_no=0, proof="")
    _write_note(where.key_dir, made)
    return made


def _hold(found: tuple[str, ...], *, actor: str, now: datetime) -> None:
    """Close both lanes, unless a hold of this kind closes them already."""
    closed = {stop.lane for stop in _holds()}
    for lane in (Lane.BULK, Lane.LETTERS):
        if lane not in closed:
            actions.set_stop(
                notice_no=0,
                component_path="",
                lane=lane,
                cause=Cause.HOLD,
                kind=HoldKind.RESTORED,
                reason=f"This may not be the database that was confirmed. {found[0]}",
                actor=actor,
                now=now,
            )


def _holds() -> list[StandingStop]:
    return [stop for stop in queries.standing(0) if stop.kind == HoldKind.RESTORED]


def _still(stop: StandingStop) -> str:
    return f"Hold {stop.stop_no} stands since {stop.set_at:%Y-%m-%d %H:%M} UTC: {stop.reason}"


def sentence(found: tuple[str, ...]) -> str:
    """What an operator is told about what `verify` returned."""
    return f"{' '.join(found)} This may not be the database that was confirmed: {_HELD}."


def _move_mark(key_dir: Path, note: KeyNote) -> None:
    """Note the newest ledger entry. Only what is committed is seen: this transaction has added none."""
    row = sql.row(_NEWEST_ENTRY)
    if row is not None and int(row[0]) > note.entry_no:
        _write_note(key_dir, replace(note, entry_no=int(row[0]), proof=_digest(int(row[0]), row[1])))


def _proof(entry_no: int) -> str:
    row = sql.row("SELECT id, salt FROM ledger_entry WHERE id = %s", (entry_no,))
    return _digest(row[0], row[1]) if row else ""


def _digest(entry_no: int, salt: bytes) -> str:
    return hashlib.sha256(b"%d:" % entry_no + bytes(salt)).hexdigest()


def _write_note(key_dir: Path, note: KeyNote) -> None:
    """Write the file whole, for our eyes only, and see it on the disk."""
    aside = key_dir / f"{FILE_NAME}.{os.getpid()}"
    try:
        key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            json.dump(asdict(note), opened)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(key_dir / FILE_NAME)
    except OSError as error:
        raise Refused(
            f"The key folder {key_dir} could not be written to ({error.strerror}); nothing was changed; mend that."
        ) from None
