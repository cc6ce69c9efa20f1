"""Loading a feed: people.csv becomes the next numbered version of the roster, whole or not at all.

The file is streamed by COPY into a temporary table (COPY into a table with row-level security is refused by the server);
duplicates, shrinkage and changes are then found by statements over whole tables, `sql/load.sql`. Entries that say the same
as before are not touched, so that a version costs what changed. All of it is one transaction, under one lock.

Rejects: the good lines are loaded and the others reported, as long as rejects are few; a person whose line was rejected
keeps the entry they had, unless somebody else has its address now, because one bad cell is no farewell.

Errors: `Refused` with what was found; the roster then is as it was. Memory: blocks of the file, one entry per component.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from django.db import connection, transaction

from postmuster.base import sql
from postmuster.base.errors import Defect, Refused
from postmuster.ledger import actions as ledger
from postmuster.roster import shrinkage
from postmuster.roster.delta import ComponentDelta, Delta, Progress, Stage
from postmuster.roster.feed import BLOCK_OCTETS, Fault, Row, read_feed
from postmuster.roster.models import Version
from postmuster.roster.rejects import duplicate
from postmuster.roster.rejects_file import RejectsFile

MAX_REJECT_PERCENT: Final = 1  # of the lines that are not empty; more need to be allowed
MAX_COMPONENTS: Final = 100_000  # ours: more are a sign that another column was taken for the component
SHRINKS_NAMED: Final = 5  # ours: as many are named in the sentence of a refusal
PROGRESS_EVERY_LINES: Final = 20_000
_LOAD_LOCK: Final = 0x504D5253  # any fixed number: one load in the database at a time
_NOT_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})  # files of the zone database that name no zone

Tell = Callable[[Progress], None]


def load_feed(
    path: Path,
    *,
    actor: str,
    now: datetime,
    rejects: Path,
    allow_shrink: Collection[str] = (),
    allow_rejects: bool = False,
    progress: Tell = lambda _: None,
) -> Delta:
    """Make the people of `path` the next version of the roster.

    `allow_shrink` names components (with all beneath them) that may lose more than 5 % of their people; "/" is the whole
    roster. `rejects` is written when a line was left out, also when the load is refused.
    Raises `Refused` for a file that cannot be read or believed, too many rejects, shrinkage, or another load under way.
    Ledger: `roster loaded`, with the file's digest and counts.
    """
    with _opened(path) as file, RejectsFile(rejects) as left_out:
        loading = _Loading(file, left_out, progress)
        with sql.guarded(), transaction.atomic():
            counts = loading.read(allow_rejects)
            loading.refuse_shrinkage(counts, allow_shrink)
            delta = loading.write(counts, actor=actor, now=now)
            facts = {
                "version": delta.version,
                "file_sha256": loading.digest.hexdigest(),
                **{
                    key: getattr(delta, key)
                    for key in ("people", "joined", "left", "moved", "changed", "kept", "rejected")
                },
                "shrink_allowed": len(set(allow_shrink)),
                "rejects_allowed": allow_rejects,
            }
            ledger.append(kind="roster loaded", actor=actor, subject=f"roster:{delta.version}", facts=facts, now=now)
    return delta


class _Counts:
    """People per component before and after, all of them and those not separated."""

    def __init__(self) -> None:
        named = sql.load("roster")
        before = sql.rows(named["counts_before"])
        after = sql.rows(named["counts_after"], {"limit": MAX_COMPONENTS + 1})
        if len(after) > MAX_COMPONENTS:
            raise Refused(
                f"The feed names more than {MAX_COMPONENTS:,} components; nothing was loaded; "
                "see that the component column holds paths such as Agency/Bureau."
            )
        after += sql.rows(named["counts_kept"])
        self.before, self.present_before = _summed(before)
        self.after, self.present_after = _summed(after)


class _Loading:
    """One load, step by step; the steps are called in the order they stand in."""

    def __init__(self, file: BinaryIO, left_out: RejectsFile, progress: Tell) -> None:
        self._file = file
        self._left_out = left_out
        self._progress = progress
        self._sql = sql.load("roster")
        self._octets = 0
        self._total_octets = _size(file)
        self._lines = 0
        self.digest = hashlib.sha256()

    def read(self, allow_rejects: bool) -> _Counts:
        """Copy the file into the database, find duplicates, and refuse what has too many rejects or no people."""
        if not sql.value(self._sql["lock_load"], {"lock": _LOAD_LOCK}):
            raise Refused("Another roster is being loaded; nothing was loaded; wait until it is done and try again.")
        sql.execute(self._sql["plan_for_whole_tables"])
        sql.execute(self._sql["make_tables"])
        self._copy()
        self._tell(Stage.COMPARING)
        sql.execute(self._sql["analyze_feed"])
        self._reject_duplicates()
        good = int(sql.value(self._sql["count_good"]))
        self._refuse_rejects(good, allow_rejects)
        sql.execute(self._sql["find_kept"])
        return _Counts()

    def refuse_shrinkage(self, counts: _Counts, allowed: Collection[str]) -> None:
        """Refuse a feed that takes too many people out of a component that is not in `allowed`."""
        known = shrinkage.with_ancestors(counts.before.keys() | counts.after.keys())
        strangers = [f"“{path}”" for path in allowed if path not in known]
        if strangers:
            raise Refused(
                f"No component is called {', '.join(strangers[:SHRINKS_NAMED])}; nothing was loaded; "
                "write it as the roster does."
            )
        found = shrinkage.shrinking(counts.present_before, counts.present_after, frozenset(allowed))
        if found:
            raise Refused(_shrink_sentence(found))

    def write(self, counts: _Counts, *, actor: str, now: datetime) -> Delta:
        """Write the version and what changed."""
        self._tell(Stage.WRITING)
        sql.execute(self._sql["add_components"])
        sql.execute(self._sql["add_people"])
        sql.execute(self._sql["find_closing"])
        by_component, totals = self._changes(counts)
        version = Version.objects.create(
            loaded_at=now,
            loaded_by=actor,
            source_digest=self.digest.digest(),
            people=sum(counts.after.values()),
            joined=sum(part.joined for part in by_component),
            left=totals["left"],
            moved=totals["moved"],
            changed=totals["changed"],
            kept=sql.value(self._sql["count_kept"]),
            rejected=self._left_out.count,
        )
        sql.execute(self._sql["close_entries"], {"version": version.pk})
        opened = sql.execute(self._sql["open_entries"], {"version": version.pk})
        if opened != version.joined + version.moved + version.changed:
            raise Defect("The changes of a roster do not add up; nothing was loaded; please report it.")
        sql.execute(self._sql["drop_tables"])
        return Delta(
            version=int(version.pk),
            people=version.people,
            joined=version.joined,
            left=version.left,
            moved=version.moved,
            changed=version.changed,
            kept=version.kept,
            rejected=version.rejected,
            rejects_file=self._left_out.name if self._left_out.count else None,
            by_component=by_component,
        )

    def _copy(self) -> None:
        connection.ensure_connection()
        left_out, telling = self._left_out, itertools.cycle([*([False] * (PROGRESS_EVERY_LINES - 1)), True])
        with connection.connection.cursor() as cursor, cursor.copy(self._sql["copy_feed"]) as copy:
            write = copy.write_row
            for item, tell_now in zip(read_feed(self._blocks(), zones=_zones()), telling, strict=False):
                if isinstance(item, Row):
                    write(item)
                elif isinstance(item, Fault):
                    raise Refused(f"{item.found}; nothing was loaded; {item.remedy}.")
                else:
                    left_out.add(item)
                    if item.person_id:
                        write((item.line_no, item.person_id, *_UNREAD))
                self._lines += 1
                if tell_now:
                    self._tell(Stage.READING)

    def _blocks(self) -> Iterator[bytes]:
        try:
            while block := self._file.read(BLOCK_OCTETS):
                self.digest.update(block)
                self._octets += len(block)
                yield block
        except OSError as error:
            raise Refused(
                f"The feed could not be read to its end ({error.strerror}); nothing was loaded; try again."
            ) from None

    def _reject_duplicates(self) -> None:
        found = 0
        for what, statement in (("person_id", "find_duplicate_people"), ("address", "find_duplicate_addresses")):
            number = sql.execute(self._sql[statement])
            if number:
                sql.execute(self._sql["reject_duplicates"], {"what": what})
            found += number
        shown = sql.rows(self._sql["duplicates"], {"limit": self._left_out.room}) if found else []
        for line_no, what, first in shown:
            self._left_out.add(duplicate(line_no, what, first))
        self._left_out.add_uncounted(found - len(shown))

    def _refuse_rejects(self, good: int, allowed: bool) -> None:
        rejected = self._left_out.count
        listed = f"; see {self._left_out.name}" if rejected else ""
        if not good:
            raise Refused(f"The feed has no line that names a person; nothing was loaded{listed}; give one that does.")
        if rejected * 100 > (good + rejected) * MAX_REJECT_PERCENT and not allowed:
            raise Refused(
                f"{rejected:,} of {good + rejected:,} lines were rejected, more than {MAX_REJECT_PERCENT} %; nothing was "
                f"loaded{listed}; mend them, or load the others with --allow-rejects."
            )

    def _changes(self, counts: _Counts) -> tuple[tuple[ComponentDelta, ...], Counter[str]]:
        """What changed by component, from the entries closed and the counts: who is new is the difference."""
        totals: Counter[str] = Counter()
        gains: defaultdict[str, Counter[str]] = defaultdict(Counter)
        losses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for change, path_before, path, number in sql.rows(self._sql["changes"]):
            totals[change] += number
            losses[path_before][change] += number
            if path is not None:
                gains[path][change] += number
        by_component = []
        for path in sorted(counts.before.keys() | counts.after.keys()):
            before, people = counts.before.get(path, 0), counts.after.get(path, 0)
            left, moved_out, moved_in = losses[path]["left"], losses[path]["moved"], gains[path]["moved"]
            joined = people - before + left + moved_out - moved_in
            by_component.append(
                ComponentDelta(path, before, people, joined, left, moved_in, moved_out, gains[path]["changed"])
            )
        return tuple(by_component), totals

    def _tell(self, stage: Stage) -> None:
        self._progress(Progress(stage, self._octets, self._total_octets, self._lines))


_UNREAD: Final = (None,) * (len(Row._fields) - 2)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Refused(f"The feed {path} cannot be read ({error.strerror}); nothing was loaded; give another.") from None


def _size(file: BinaryIO) -> int:
    """The file's octets; 0 for a pipe."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _NOT_PLACES


def _summed(rows: list[sql.Row]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    people: Counter[str] = Counter()
    present: Counter[str] = Counter()
    for path, number, number_present in rows:
        people[path] += number
        present[path] += number_present
    return people, present


def _shrink_sentence(found: tuple[shrinkage.Shrink, ...]) -> str:
    named = [
        f"“{shrink.path}”{' with all beneath it' if shrink.subtree else ''} from {shrink.before:,} to {shrink.after:,}"
        for shrink in found[:SHRINKS_NAMED]
    ]
    more = f" and {len(found) - SHRINKS_NAMED:,} more" if len(found) > SHRINKS_NAMED else ""
    return (
        f"The feed shrinks by more than {shrinkage.MAX_SHRINK_PERCENT} %: {', '.join(named)}{more}; nothing was loaded; "
        "see that the export is whole, or name each that may shrink with --allow-shrink COMPONENT."
    )
