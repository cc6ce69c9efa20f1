"""The secrets as files: the keys that sign tokens and mail, and the relay's password. Master epochs are the vault's.

`token-001.key` holds 32 random octets in hexadecimal; its number is the key id that stands in every token (1 to 255). The
highest number signs, all of them verify, so that a key can be followed by a new one while answers to old mail still come.
`dkim-<selector>.pem` is the private key whose public half stands in DNS. `relay-password` is what we say to a relay that asks
who we are (`relay.user`), `imap-password` what we say to the server of a mailbox (`imap.user`). All files are ours alone (mode
0600). A file that is there is never overwritten.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from postmuster.base.errors import Refused

TOKEN_KEY_OCTETS = 32
LAST_KEY_ID = 255  # the key id is one octet of a token
_FILE = re.compile(r"token-(\d{3})\.key")
_DKIM_FILE = re.compile(r"dkim-([a-z0-9][a-z0-9.-]{0,251})\.pem")


@dataclass(frozen=True, slots=True, repr=False)
class TokenKeys:
    """The keys that tokens are signed and verified with, by key id."""

    keys: Mapping[int, bytes]

    @property
    def current(self) -> int:
        """The key id to sign with."""
        return max(self.keys)

    @property
    def current_key(self) -> bytes:
        return self.keys[self.current]


def read_token_keys(key_dir: Path) -> TokenKeys:
    """Read every token key. Raises `Refused` that names what is missing or damaged."""
    keys: dict[int, bytes] = {}
    try:
        for file in sorted(key_dir.iterdir()):
            if match := _FILE.fullmatch(file.name):
                keys[int(match[1])] = _read(file)
    except OSError as error:
        raise Refused(f"The key folder {key_dir} could not be read ({error.strerror}); nothing was sent.") from None
    if not keys:
        raise Refused(f"There is no token key in {key_dir}; nothing was sent; run `postmuster init` or restore it.")
    return TokenKeys(keys)


def make_token_key(key_dir: Path, number: int, randomness: Callable[[int], bytes] = os.urandom) -> None:
    """Write a new token key. Raises `FileExistsError` where there is one."""
    if not 1 <= number <= LAST_KEY_ID:
        raise ValueError(f"a token's key id is 1 to {LAST_KEY_ID}")
    write_new(key_dir / f"token-{number:03d}.key", randomness(TOKEN_KEY_OCTETS).hex().encode() + b"\n")


def dkim_key_file(key_dir: Path, selector: str) -> Path:
    return key_dir / f"dkim-{selector}.pem"


def dkim_selectors(key_dir: Path) -> tuple[str, ...]:
    """The selector of every DKIM key in the folder, in order. Raises `Refused` where it cannot be read."""
    try:
        names = [file.name for file in key_dir.iterdir() if file.is_file()]
    except OSError as error:
        raise Refused(
            f"The key folder {key_dir} could not be read ({error.strerror}); nothing was done; restore it."
        ) from None
    return tuple(sorted(match[1] for name in names if (match := _DKIM_FILE.fullmatch(name))))


def read_dkim_key(key_dir: Path, selector: str) -> bytes:
    """The private key in PEM. Raises `Refused` where it cannot be read."""
    file = dkim_key_file(key_dir, selector)
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(
            f"The DKIM key {file} could not be read ({error.strerror}); nothing was sent; run `postmuster init` or restore it."
        ) from None


RELAY_SECRET_FILE = "relay-password"  # noqa: S105 - the name of the file
IMAP_SECRET_FILE = "imap-password"  # noqa: S105 - the name of the file


def read_relay_password(key_dir: Path) -> str:
    """The password that goes with `relay.user`. Raises `Refused` where it cannot be read, or where others may read it."""
    return _read_password(
        key_dir / RELAY_SECRET_FILE, whose="The relay's", not_done="nothing was sent", key="relay.user"
    )


def read_imap_password(key_dir: Path) -> str:
    """The password that goes with `imap.user`. Raises `Refused` where it cannot be read, or where others may read it."""
    return _read_password(
        key_dir / IMAP_SECRET_FILE, whose="The mailbox's", not_done="nothing was fetched", key="imap.host"
    )


def _read_password(file: Path, *, whose: str, not_done: str, key: str) -> str:
    try:
        readable_by_others = stat.S_IMODE(file.stat().st_mode) & 0o077
        text = file.read_bytes().decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise Refused(
            f"{whose} password {file} could not be read ({error.strerror}); {not_done}; write it there (mode 0600), or take "
            f"{key} out."
        ) from None
    except UnicodeDecodeError:
        text, readable_by_others = "", 0
    if readable_by_others:
        raise Refused(f"Others may read {file}; {not_done}; run `chmod 600` on it, and have the password changed.")
    if not text:
        raise Refused(f"{whose} password in {file} is empty or no text; {not_done}; write it there.")
    return text


def write_new(file: Path, content: bytes) -> None:
    """Write a file that only we may read, and see it on the disk. Raises `FileExistsError` where there is one."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _read(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != TOKEN_KEY_OCTETS:
        raise Refused(f"The token key {file.name} is damaged; nothing was sent; restore it from a backup.")
    return key
