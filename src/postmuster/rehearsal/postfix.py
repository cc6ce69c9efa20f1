"""A Postfix of our own: started on loopback ports, watched by its queue, ended by its pid. Needs root and Debian's package.

It has its own configuration, queue and data folders. Neither `/etc/postfix` nor a Postfix that runs on this machine is read,
written or spoken to. What it is told about us is the text that `postmuster relay-config postfix` prints; what it is told
besides makes it run alone: no DNS, no local delivery, no chroot, and a short patience before it tries again.

Promises: `stop` sees every process of the instance gone and removes its folder; the log is kept where the caller wants it.
It ends with the run that started it, even one that is killed; what is left all the same is ended by the next run.
Limits: one instance a folder. The daemons run as user `postfix` and have to reach the folder: not under a home of mode 0700.

Sources: master(8), postconf(5), master(5); Postfix `conf/postfix-files` for owners and modes of the queue folders.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postmuster.base.errors import Refused, Transient
from postmuster.rehearsal.processes import end_group
from postmuster.runtime.relay_config import RelayConfig

PROGRAMS: Final = Path("/usr/sbin")
START_LIMIT_S: Final = 20.0
LOOK_S: Final = 0.02
DATED_BACK_S: Final = 60
COMMAND_LIMIT_S: Final = 20.0
LOG_NAME: Final = "mail.log"

_OF_MAIL_OWNER: Final = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
)  # fmt: skip
# Services as Postfix ships them, without chroot and without what is not needed: pickup's interval, tlsmgr, local, pipe.
_SERVICES: Final = """\
cleanup    unix  n       -       n       -       0       cleanup
qmgr       unix  n       -       n       300     1       qmgr
rewrite    unix  -       -       n       -       -       trivial-rewrite
bounce     unix  -       -       n       -       0       bounce
defer      unix  -       -       n       -       0       bounce
trace      unix  -       -       n       -       0       bounce
verify     unix  -       -       n       -       1       verify
proxymap   unix  -       -       n       -       -       proxymap
smtp       unix  -       -       n       -       -       smtp
relay      unix  -       -       n       -       -       smtp
showq      unix  n       -       n       -       -       showq
error      unix  -       -       n       -       -       error
retry      unix  -       -       n       -       -       error
anvil      unix  -       -       n       -       1       anvil
scache     unix  -       -       n       -       1       scache
postlog    unix-dgram n  -       n       -       1       postlogd
"""
# The way in from the world: any sender, our domains only, nothing in the mail completed or rewritten.
_FROM_THE_WORLD: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
    -o syslog_name=postfix/world
    -o mynetworks=
    -o smtpd_relay_restrictions=reject_unauth_destination
    -o local_header_rewrite_clients=
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """How many mails the instance holds: on their way, put off until later, held by hand."""

    moving: int
    put_off: int
    held: int = 0


def why_not(*, user_id: int, programs: Path = PROGRAMS) -> str | None:
    """Say in one sentence why there can be no Postfix of our own; None when there can."""
    if not all((programs / name).exists() for name in ("postconf", "postfix")):
        return (
            "There is no Postfix on this machine; nothing was begun; "
            "install it with `apt-get install postfix` and run this again as root, or leave RELAY= away."
        )
    if user_id != 0:
        return (
            "Only root can start a Postfix, because its processes run as other users; nothing was begun; "
            "run this again as root, or leave RELAY= away."
        )
    return None


class Postfix:
    """One instance in one folder."""

    def __init__(
        self,
        folder: Path,
        config: RelayConfig,
        *,
        to_port: int,
        from_port: int,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """`to_port`: where it delivers what is not for us; `from_port`: where it takes mail from the world."""
        self.folder = folder
        self._config = config
        self._to_port, self._from_port = to_port, from_port
        self._overrides = dict(overrides or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def configuration(self) -> Path:
        return self.folder / "conf"

    @property
    def log(self) -> Path:
        return self.folder / LOG_NAME

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self, ports: Sequence[int]) -> None:
        """Start, and wait until it listens on all these ports; raises `Transient` when it does not."""
        reason = why_not(user_id=os.geteuid())
        if reason is not None:
            raise Refused(reason)
        end_left_over(self.folder)
        self._make()
        self._process = subprocess.Popen(  # noqa: S603 - Debian's own program, no shell
            [str(Path(_default("daemon_directory")) / "master"), "-c", str(self.configuration), "-s"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # prctl(2)'s death signal does not serve: it is forgotten when master changes its effective user. Our end of this
        # pipe closes when we are gone, however that happened.
        self._watcher = subprocess.Popen(  # noqa: S603 - a line of ours with a number in it
            ["/bin/sh", "-c", f"read -r line; kill -TERM {self._process.pid}"],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not self._listens(ports):
            said = self._last_words()
            self.stop()
            raise Transient(f"Our own Postfix did not start ({said}); it was ended, nothing was sent; try again.")

    def stop(self, *, keep_log: Path | None = None) -> None:
        """End it, see all its processes gone, keep its log as `keep_log`, remove its folder."""
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        if self._process is not None:
            end_group(self._process.pid, reap=self._process.poll)
            self._process = None
        if keep_log is not None and self.log.exists():
            shutil.copyfile(self.log, keep_log)
        shutil.rmtree(self.folder, ignore_errors=True)

    def queue(self) -> Queue:
        """Count what it holds.

        A mail moves from `incoming` to `active` to `deferred`, each time by a rename, and from `deferred` back to `active`:
        looked at in this order, twice over, none is overlooked on its way.
        """
        first = self._look()
        return first if first.moving or first.put_off else self._look()

    def command(self, line: str) -> str:
        """Run a shell command of an operator (postqueue, postsuper) on this instance; returns what it printed."""
        done = subprocess.run(  # noqa: S603 - a line of ours, with the operator's own commands in it
            ["/bin/sh", "-c", line],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(self.configuration), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        return done.stdout + done.stderr

    def _look(self) -> Queue:
        moving = sum(_files(self.folder / "queue" / name) for name in ("incoming", "active"))
        return Queue(moving, _files(self.folder / "queue" / "deferred"), _files(self.folder / "queue" / "hold"))

    def _make(self) -> None:
        """Make folders and configuration; owners and modes as Postfix wants them."""
        owner, group = _default("mail_owner"), _default("setgid_group")
        queue = self.folder / "queue"
        for folder in (self.folder, self.configuration, queue, queue / "pid"):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            folder.chmod(0o755)
        for folder in (self.folder / "data", *(queue / name for name in _OF_MAIL_OWNER)):
            folder.mkdir(mode=0o700)
            shutil.chown(folder, owner)
        for name, mode in (("public", 0o710), ("maildrop", 0o1730)):
            (queue / name).mkdir()
            shutil.chown(queue / name, owner, group)
            (queue / name).chmod(mode)
        self._write("main.cf", self._main_text())
        way_in = _FROM_THE_WORLD.format(port=self._from_port)
        services = f"{_SERVICES}\n{way_in}\n{self._config.services_text()}"
        self._write("master.cf", services)

    def _write(self, name: str, text: str) -> None:
        """Write a file of the configuration and date it back: Postfix reads a file younger than about two seconds again and
        again until it is older, for fear that somebody is still writing it."""
        file = self.configuration / name
        file.write_text(text, encoding="utf-8")
        os.utime(file, (file.stat().st_mtime - DATED_BACK_S,) * 2)

    def _main_text(self) -> str:
        own = {
            "compatibility_level": "3.6",
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.log),
            "maillog_file_prefixes": str(self.folder),
            "myhostname": "relay.agency.example",
            "myorigin": "$myhostname",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "local_transport": "error:nobody has a mailbox here",
            "notify_classes": "",
            "smtp_dns_support_level": "disabled",
            "lmtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "smtp_tls_security_level": "none",
            "smtpd_tls_security_level": "none",
            "relayhost": f"[127.0.0.1]:{self._to_port}",
            # A real relay waits minutes; here the organisation's clock is moved instead.
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
            "transport_retry_time": "1s",
        }
        given = {one.name for one in self._config.main}
        lines = [f"{name} = {value}" for name, value in (own | self._overrides).items() if name not in given]
        return "\n".join(lines) + "\n\n" + self._config.main_text()

    def _listens(self, ports: Sequence[int]) -> bool:
        until = time.monotonic() + START_LIMIT_S
        waiting = list(ports)
        while waiting and time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                return False
            waiting = [port for port in waiting if not _is_open(port)]
            time.sleep(LOOK_S)
        return not waiting

    def _last_words(self) -> str:
        try:
            lines = [line for line in self.log.read_text("utf-8", "replace").splitlines() if "fatal: " in line]
        except OSError:
            lines = []
        return lines[-1].partition("fatal: ")[2][:200] if lines else "it said nothing"


def end_left_over(folder: Path) -> None:
    """End the instance that a killed run left in this folder, and remove the folder."""
    try:
        pid = int((folder / "queue" / "pid" / "master.pid").read_text().strip())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        pid, command = 0, []
    if pid and os.fsencode(folder / "conf") in command:
        end_group(pid)
    shutil.rmtree(folder, ignore_errors=True)


def _default(name: str) -> str:
    """A value that was built in; what /etc/postfix says is another instance's."""
    done = subprocess.run(  # noqa: S603 - Debian's own program, no shell
        [str(PROGRAMS / "postconf"), "-d", "-h", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    if done.returncode or not done.stdout.strip():
        raise Transient("Postfix does not say how it was built; nothing was begun; see whether `postconf -d` works.")
    return done.stdout.strip()


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
