"""`postmuster check`: what is wrong with this installation, one named finding after the other.

Each finding is ok, warn (works, but somebody should know) or fail (a promise does not hold), with one sentence that says
what to do. A check that cannot be made is a failed check, never a silent one. To add one, write a function that takes
`Settings` and returns an outcome and a sentence, and put it in `CHECKS` under its name.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from postmuster.base import sql
from postmuster.base.clock import open_clock
from postmuster.base.errors import PostmusterError
from postmuster.mail import dkim
from postmuster.runtime import probe, roles
from postmuster.runtime.database import ready_models, server_of
from postmuster.settings import Settings, clock_path, database_url, keys
from postmuster.vault.keyring import read_keyring

ready_models()

from postmuster.jobs import mailbox_lag  # noqa: E402 - models exist only now
from postmuster.jobs.desk import relay_address  # noqa: E402
from postmuster.jobs.rest import resting  # noqa: E402
from postmuster.ledger import queries as ledger  # noqa: E402
from postmuster.outbound import queries as outbound  # noqa: E402
from postmuster.outbound.in_relay import DepthShare, depth_source  # noqa: E402
from postmuster.outbound.relay_values import Tls, weakness  # noqa: E402
from postmuster.reports import stalls  # noqa: E402
from postmuster.runtime import identity  # noqa: E402

GIBIBYTE = 1024**3
LOW_DISK_OCTETS = 5 * GIBIBYTE  # a million sealed replies of 4 KiB and their log fit in it
NO_DISK_OCTETS = (
    1 * GIBIBYTE
)  # below it PostgreSQL may stop within one checkpoint's write-ahead log (max_wal_size 2 GB)
MOST_UNNUMBERED = 10_000  # ledger entries; the sequencer numbers 1,000 a run, several runs a second


class Outcome(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    outcome: Outcome
    sentence: str


Verdict = tuple[Outcome, str]
Check = Callable[[Settings], Verdict]


def run_checks(settings: Settings, checks: Sequence[tuple[str, Check]] | None = None) -> list[Finding]:
    """Make every check, in order, after starting the embedded server. Never raises: what one runs into is its finding."""
    return [_made(name, check, settings) for name, check in (CHECKS if checks is None else checks)]


def server_runs(settings: Settings) -> Verdict:
    """Started for the other checks where it does not run."""
    if database_url():
        return Outcome.OK, "DATABASE_URL names a server that is not ours to start."
    server = server_of(settings)
    if server.is_running():
        return Outcome.OK, f"The embedded server runs in {server.place.root}."
    server.start()
    return Outcome.WARN, f"The embedded server in {server.place.root} did not run; it was started."


def _made(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, *check(settings))
    except PostmusterError as error:
        return Finding(name, Outcome.FAIL, error.sentence)
    except OSError as error:
        return Finding(name, Outcome.FAIL, f"It could not be checked ({error.strerror}); mend that and check again.")


def database(settings: Settings) -> Verdict:
    """Reachable, new enough, and every commit on the disk before it is believed."""
    version, number, *durable = sql.rows(_SQL["server"])[0]
    shown = "fsync {}, full_page_writes {}, synchronous_commit {}".format(*durable)
    if number < roles.OLDEST_SERVER:
        wanted = roles.OLDEST_SERVER // 10_000
        return Outcome.FAIL, f"PostgreSQL {version} is too old; move to {wanted} or later ({shown})."
    if durable[:2] != ["on", "on"] or durable[2] in ("off", "local"):
        return Outcome.FAIL, f"PostgreSQL {version} may lose what it committed: {shown}; set them on."
    return Outcome.OK, f"PostgreSQL {version}, {shown}."


def database_log(settings: Settings) -> Verdict:
    """Statements and failed values carry addresses; the server's log must not."""
    talkative = sql.rows(_SQL["talkative"])
    if talkative:
        said = ", ".join(f"{name} = {value}" for name, value in talkative)
        return Outcome.WARN, f"The server's log may repeat addresses ({said}); see docs/settings.md."
    return Outcome.OK, "The server logs no statements, parameters or failed values."


def database_roles(settings: Settings) -> Verdict:
    """The three roles are there, and none of them may pass row-level security."""
    names = {"names": list(roles.ROLES.values())}
    missing = sorted(set(names["names"]) - {row[0] for row in sql.rows(_SQL["present_roles"], names)})
    mighty = [row[0] for row in sql.rows(_SQL["mighty_roles"], names)]
    if missing:
        return Outcome.FAIL, f"Missing: {', '.join(missing)}; run `postmuster init`."
    if mighty:
        return Outcome.FAIL, f"May pass row-level security: {', '.join(mighty)}; take that right away."
    return Outcome.OK, "Owner, application and intake are there, none may pass row-level security."


def row_security(settings: Settings) -> Verdict:
    """Forced on every table, for the owner too."""
    open_tables = [row[0] for row in sql.rows(_SQL["open_tables"])]
    if open_tables:
        return Outcome.FAIL, f"Not forced on {', '.join(open_tables)}; run `postmuster init`."
    count = sql.value(_SQL["table_count"])
    return Outcome.OK, f"Forced on all {count} tables."


def schema(settings: Settings) -> Verdict:
    """Migrated to what this program expects."""
    with sql.guarded():
        executor = MigrationExecutor(connections["owner"])
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    connections["owner"].close()
    if missing:
        return Outcome.FAIL, f"{missing} migrations are missing; run `postmuster init`."
    return Outcome.OK, "The schema is up to date."


def database_identity(settings: Settings) -> Verdict:
    """The one that was confirmed, and not a restored or moved one (P13)."""
    found = identity.verify(settings, actor="check", now=open_clock(clock_path()).now())
    if found:
        return Outcome.FAIL, identity.told(found)
    return Outcome.OK, "It is the one that was confirmed."


def keyring(settings: Settings) -> Verdict:
    """Every epoch that something is sealed under is there, and the keys are nobody else's to read."""
    epochs = set(read_keyring(settings.key_dir).epochs)
    in_use = {int(row[0]) for row in sql.rows(_SQL["epochs_in_use"])}
    if in_use - epochs:
        lost = ", ".join(map(str, sorted(in_use - epochs)))
        return Outcome.FAIL, f"Master epoch {lost} is in use and not in the key folder; put it back."
    token = keys.read_token_keys(settings.key_dir)
    selectors = [one for one in (settings.relay.dkim_selector, settings.relay.dkim_second_selector) if one]
    for selector in selectors:
        pem = keys.read_dkim_key(settings.key_dir, selector)
        dkim.load_signer(pem, domain=settings.relay.dkim_domain, selector=selector)
    readable = _readable_by_others(settings.key_dir)
    if readable:
        return Outcome.FAIL, f"Others may read {', '.join(readable)}; run `chmod go=` on it."
    shown = f"master epochs: {len(epochs)}, of which {len(in_use)} in use; token keys: {len(token.keys)}"
    return Outcome.OK, f"{shown}; DKIM: {', '.join(selectors)}; readable by us alone."


def disk(settings: Settings) -> Verdict:
    """Room for the database."""
    data = settings.data_dir if database_url() else server_of(settings).place.data
    folder = data if data.exists() else settings.home
    free = shutil.disk_usage(folder).free
    shown = f"{free / GIBIBYTE:.1f} GiB free at {folder}"
    if free < NO_DISK_OCTETS:
        return Outcome.FAIL, f"Only {shown}; make room now: mail is refused (452) when it runs out."
    if free < LOW_DISK_OCTETS:
        return Outcome.WARN, f"Only {shown}; make room before the next notice."
    return Outcome.OK, f"{shown}."


def relay(settings: Settings) -> Verdict:
    """The submission service takes our EHLO, on a line that nobody reads or changes."""
    where = f"{settings.relay.host}:{settings.relay.port}"
    address = relay_address(settings)
    weak = weakness(address.host, address.tls, settings.relay.user)
    if weak and settings.relay.user:
        return Outcome.FAIL, _sentence(weak)
    answer = probe.ask(
        address.host, address.port, verb="EHLO", name=address.ehlo_name,
        tls=probe.verifying(address.ca_file) if address.tls is Tls.IMPLICIT else None,
    )  # fmt: skip
    if answer.trouble:
        return Outcome.FAIL, f"{where}: {answer.trouble}; see `postmuster relay-config postfix`."
    if address.tls is Tls.STARTTLS and "STARTTLS" not in answer.extensions:
        return Outcome.FAIL, f"{where} offers no STARTTLS, so it gets nothing; have it offer it, or mend relay.tls."
    if weak:
        return Outcome.WARN, _sentence(weak)
    if "PIPELINING" not in answer.extensions:
        return Outcome.WARN, f"{where} answers but offers no PIPELINING; sending will be slow."
    return Outcome.OK, f"{where} answers and offers {', '.join(sorted(answer.extensions))}."


def relay_depth(settings: Settings) -> Verdict:
    """Whether a stop can see what the relay still holds."""
    relay = settings.relay
    ask = depth_source(relay)
    if ask is not None:
        DepthShare(relay.max_in_relay, settings.work.workers)  # refuses limits that leave no room
        return Outcome.OK, f"{relay.host} holds {ask()} of our messages; senders wait at {relay.max_in_relay}."
    if relay.rate_per_s:
        return (
            Outcome.WARN,
            f"What {relay.host} holds cannot be seen; senders keep to {relay.rate_per_s} messages a second, as relay.rate_per_s "
            "says: a stop reaches what it holds only if that is true.",
        )
    return (
        Outcome.WARN,
        f"A stop cannot see into this relay: it ends what we send, not what {relay.host} still holds, and nothing bounds that; "
        "set relay.adapter, relay.depth_command or relay.rate_per_s.",
    )


def intake(settings: Settings) -> Verdict:
    """Our own LMTP server listens."""
    where = f"{settings.intake.host}:{settings.intake.port}"
    answer = probe.ask(settings.intake.host, settings.intake.port, verb="LHLO", name="localhost")
    if answer.trouble:
        return Outcome.WARN, f"{where}: {answer.trouble}; start it with `postmuster up`."
    return Outcome.OK, f"{where} takes mail."


def mailboxes(settings: Settings) -> Verdict:
    """Mail that lies in a mailbox is fetched, and nobody waits there for long."""
    if settings.imap.host:
        keys.read_imap_password(settings.key_dir)
    found = mailbox_lag.lags(settings, open_clock(clock_path()).now())
    if not found:
        return Outcome.OK, "None is configured to be fetched from."
    outcome = Outcome.WARN if any(one.alarm for one in found) else Outcome.OK
    return outcome, " ".join(one.sentence() for one in found)


def ledger_holds(settings: Settings) -> Verdict:
    """Every hash from the first entry on."""
    with sql.guarded():
        fault = ledger.verify()
        written, numbered = ledger.counts()
    if fault:
        return Outcome.FAIL, f"{fault} Stop work and call the auditor."
    if written - numbered > MOST_UNNUMBERED:
        return Outcome.WARN, f"{written - numbered} entries wait to be numbered; is a worker running?"
    return Outcome.OK, f"{numbered} entries hold, {written - numbered} wait to be numbered."


def books(settings: Settings) -> Verdict:
    """audience = Σ states, for every round."""
    faults = outbound.imbalances()
    if faults:
        return Outcome.FAIL, f"{' '.join(faults)} Pause sending and report it."
    return Outcome.OK, "In every round the states add up to the audience."


def rounds(settings: Settings) -> Verdict:
    """Whatever is due goes on: the watchdog."""
    now = open_clock(clock_path()).now()
    quiet = resting(settings, now)
    with sql.guarded():
        found = stalls.stalled(now=now, quiet_zones=quiet)
    if any(one.is_alarm for one in found):
        outcome, said = relay(settings)
        if outcome is Outcome.FAIL:
            with sql.guarded():
                found = stalls.stalled(now=now, quiet_zones=quiet, relay_trouble=said)
    alarms = [_sentence(one.sentence) for one in found if one.is_alarm]
    if alarms:
        return Outcome.WARN, " ".join(alarms)
    waits = f"; {len(found)} of them wait as it was decided, see held_by of `postmuster notice status`" if found else ""
    return Outcome.OK, f"Nothing that is due has stood still for {stalls.STALLED_MINUTES} minutes{waits}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _readable_by_others(folder: Path) -> list[str]:
    places = [folder, *sorted(folder.iterdir())]
    return [str(place) for place in places if stat.S_IMODE(place.stat().st_mode) & 0o077]


_SQL = sql.load("runtime")
CHECKS: tuple[tuple[str, Check], ...] = (
    ("server", server_runs),
    ("database", database),
    ("database log", database_log),
    ("roles", database_roles),
    ("row-level security", row_security),
    ("schema", schema),
    ("identity", database_identity),
    ("keys", keyring),
    ("disk", disk),
    ("relay", relay),
    ("relay depth", relay_depth),
    ("intake", intake),
    ("mailboxes", mailboxes),
    ("ledger", ledger_holds),
    ("books", books),
    ("rounds", rounds),
)
