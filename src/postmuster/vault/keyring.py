"""Master epochs: key files that live outside the database.

A database without its keyring cannot be read; a keyring without its database holds nothing. One file an epoch
(`epoch-0001.key`, mode 0600, 32 random octets in hexadecimal). A file that is lost or altered is named, never replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from postmuster.base.errors import Refused
from postmuster.vault.sealing import KEY_OCTETS

_FILE = re.compile(r"epoch-(\d{4,})\.key")


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The epochs this process may use, by number."""

    epochs: dict[int, bytes]

    def epoch(self, number: int) -> bytes:
        try:
            return self.epochs[number]
        except KeyError:
            raise Refused(
                f"Master epoch {number} is not in the keyring; nothing was opened and nothing is lost; put its key file back."
            ) from None

    @property
    def current(self) -> int:
        return max(self.epochs)


def read_keyring(key_dir: Path) -> Keyring:
    """Read every epoch file; `Refused` names what is missing or damaged."""
    epochs: dict[int, bytes] = {}
    try:
        for file in sorted(key_dir.iterdir()):
            if match := _FILE.fullmatch(file.name):
                epochs[int(match[1])] = _read(file)
    except OSError as error:
        raise Refused(f"The key folder {key_dir} could not be read ({error.strerror}); nothing was opened.") from None
    if not epochs:
        raise Refused(
            f"There is no master epoch in {key_dir}; nothing was opened; run `postmuster init` or restore it."
        )
    return Keyring(epochs)


def make_epoch(key_dir: Path, number: int, randomness: Callable[[int], bytes] = os.urandom) -> None:
    """Write a new epoch file; an existing one is never overwritten."""
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(key_dir / f"epoch-{number:04d}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(randomness(KEY_OCTETS).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise Refused(f"The key file {file.name} is damaged; nothing was opened; restore it from the keyring export.")
    return key
