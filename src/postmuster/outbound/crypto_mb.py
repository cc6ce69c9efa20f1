"""Intel's crypto_mb, where it is installed and the processor has what it needs: eight RSA private operations in one call.

What for: signing binds how fast mail leaves, and this is 1.6 (EPYC) to 2.7 (Xeon) times as fast as one at a time. It is
optional (the extra `ifma`): wherever something is missing, `open_library` gives None and mail is signed by `cryptography`.
What is made here is checked by `mail.batch_signing` before it is used.

How: the library is loaded from the files of the installed package, and before it the Intel runtime that it needs and does not
declare (libintlc, libirng, libimf, libsvml), because the loader takes a library that is there under its name already. Neither
LD_LIBRARY_PATH nor a new process is needed. Each call has buffers of its own, so threads do not disturb each other; ctypes
gives the interpreter's lock away during the call.

Limits: x86-64 under Linux; RSA-2048. Private numbers stay in this process's memory, as they do with any other library; the
work buffer is cleared after each call. A lane that failed and a whole call that failed are one: None.

Source: the library's reference, `mbx_rsa_private_crt_mb8`. Blocks are big-endian octets, numbers little-endian words of 64
bits; the status has four bits a lane, of which 0 is good.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from postmuster.mail.batch_signing import KEY_BITS, KEY_OCTETS, LANES, Library, PrivateNumbers, Raise

PACKAGE, RUNTIME_PACKAGE = "ipp-crypto", "intel-cmplr-lib-rt"
LIBRARY: Final = "libcrypto_mb.so.13"  # the number is that of the interface
RUNTIME: Final = (
    "libintlc.so.5",
    "libirng.so",
    "libimf.so",
    "libsvml.so",
)  # in the order in which they need each other
FLAGS: Final = frozenset(("avx512f", "avx512ifma"))
CPUINFO: Final = Path("/proc/cpuinfo")
MOST_BUFFER_OCTETS: Final = 1_048_576  # it asks for some 50,000; whoever asks for more is not what we know

_Lanes = ctypes.c_void_p * LANES
_Octets = ctypes.Array[ctypes.c_char]


def available(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor has the instructions and the packages are installed; the library itself is not loaded."""
    return has_instructions(cpuinfo) and not missing_files()


def has_instructions(cpuinfo: Path = CPUINFO) -> bool:
    """Whether every processor of this machine has AVX-512 IFMA; False where nobody says."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = [set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return bool(flags) and all(each >= FLAGS for each in flags)


def missing_files(folder: Path | None = None) -> tuple[str, ...]:
    """The names of the library's files that are not there."""
    return tuple(name for name, file in _files(folder) if file is None)


def open_library(folder: Path | None = None, *, cpuinfo: Path = CPUINFO) -> Library | None:
    """Load the library from the installed packages, or from a folder; None where it cannot be used. Never raises."""
    files = [file for _, file in _files(folder)]
    if not has_instructions(cpuinfo):
        return None
    loaded = []
    for file in files:
        if file is None:
            return None
        try:
            loaded.append(ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL))
        except OSError:
            return None
    try:
        return _Loaded(loaded[-1]).for_key
    except (AttributeError, ValueError):  # a function that is not there
        return None


def _files(folder: Path | None) -> list[tuple[str, Path | None]]:
    """The runtime, then the library, each with where it is."""
    if folder is not None:
        found = {file.name: file for file in folder.glob("lib*.so*")} if folder.is_dir() else {}
    else:
        found = _installed(RUNTIME_PACKAGE) | _installed(PACKAGE)
    return [(name, found.get(name)) for name in (*RUNTIME, LIBRARY)]


def _installed(package: str) -> dict[str, Path]:
    try:
        listed = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    places = {file.name: Path(str(file.locate())) for file in listed if ".so" in file.name}
    return {name: place for name, place in places.items() if place.is_file()}


class _Loaded:
    """The functions of the library that are called."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._private = library.mbx_rsa_private_crt_mb8
        self._private.argtypes = [_Lanes] * 7 + [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self._private.restype = ctypes.c_uint32
        method = library.mbx_RSA2K_private_crt_Method
        method.argtypes, method.restype = [], ctypes.c_void_p
        size = library.mbx_RSA_Method_BufSize
        size.argtypes, size.restype = [ctypes.c_void_p], ctypes.c_int
        self._method = method()
        self._octets = size(self._method) if self._method else 0
        if not 0 < self._octets <= MOST_BUFFER_OCTETS:
            raise ValueError("the library's buffer has no size that can be")

    def for_key(self, numbers: PrivateNumbers) -> Raise | None:
        """The function for one key; None where its numbers do not fit into the lanes."""
        try:
            words = [
                ctypes.create_string_buffer(number.to_bytes(KEY_OCTETS // 2, "little"), KEY_OCTETS // 2)
                for number in (numbers.p, numbers.q, numbers.d_p, numbers.d_q, numbers.q_inverse)
            ]
        except OverflowError:
            return None
        return _Key(self, words).raise_eight

    def call(self, given: _Octets, taken: _Octets, key: Sequence[ctypes.Array[ctypes.c_void_p]]) -> bool:
        """One call with buffers of eight lanes; True where every lane is good."""
        work = ctypes.create_string_buffer(self._octets)
        status = self._private(_each(given), _each(taken), *key, KEY_BITS, self._method, work)
        ctypes.memset(work, 0, self._octets)
        return not status


class _Key:
    """One key's numbers, at addresses that are good as long as this is."""

    def __init__(self, library: _Loaded, words: Sequence[_Octets]) -> None:
        self._library = library
        self._words = words
        self._lanes = [_Lanes(*[ctypes.addressof(each)] * LANES) for each in words]

    def raise_eight(self, blocks: Sequence[bytes]) -> Sequence[bytes] | None:
        """Raise eight blocks to the private exponent; None where a lane failed."""
        if len(blocks) != LANES or any(len(block) != KEY_OCTETS for block in blocks):
            return None
        given = ctypes.create_string_buffer(b"".join(blocks), LANES * KEY_OCTETS)
        taken = ctypes.create_string_buffer(LANES * KEY_OCTETS)
        if not self._library.call(given, taken, self._lanes):
            return None
        raised = taken.raw
        return [raised[place : place + KEY_OCTETS] for place in range(0, len(raised), KEY_OCTETS)]


def _each(lanes: _Octets) -> ctypes.Array[ctypes.c_void_p]:
    first = ctypes.addressof(lanes)
    return _Lanes(*range(first, first + LANES * KEY_OCTETS, KEY_OCTETS))
