"""Run atheris on every target, so many seconds in all.

    .venv/bin/python fuzz/run.py --seconds 600
    .venv/bin/python fuzz/run.py --only mail.message.parse --seconds 60
    .venv/bin/python fuzz/run.py --only mail.message.parse --replay FILE

What everything goes through is fuzzed by itself, the other targets together (`mail`, `reading`: the first octet of an input
says which), because a process takes some seconds to begin. One process runs on each core. One that found something begins
again, until its time is over or it has `MAX_FINDS`. Seeds are written anew; what the fuzzer learned is kept in
`bench-out/fuzz/corpus` for the next run, what it found in `bench-out/fuzz/finds`.

Exit 0: no finds. 1: finds; each is named with its target and the command that plays it again. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
OUT: Final = HERE.parent / "bench-out" / "fuzz"
GROUPS: Final = ("mail", "reading")
EVERYTHING: Final = "mail and reading"
LEAST_S: Final = 240  # with less, beginning takes too much of the time: one process a core fuzzes everything
MAX_FINDS: Final = 5  # of one process: the same mistake is found again and again
MAX_OCTETS: Final = 4_096
HANG_S: Final = 5  # of one input; everything takes milliseconds
MEMORY_MB: Final = 1_024
# Shares of the time.
SHARES: Final = {
    "mail.message.parse": 4,
    "reading.reading.read": 4,
    "reading.reading.read of a page": 2,
    "mail.kind.classify": 2,
    "mail": 5,
    "reading": 5,
}

sys.path.insert(0, str(HERE))


def main() -> int:
    """Fuzz, play a find again, or be one of the processes."""
    arguments = _arguments()
    if arguments.child:
        return _fuzz(arguments.child, arguments.libfuzzer)
    if arguments.replay:
        return _replay(arguments.only, arguments.replay)
    if subprocess.run([sys.executable, "-c", "import atheris"], capture_output=True).returncode:
        print(
            "Nothing was fuzzed because atheris is not installed here; install it with pip and run again.",
            file=sys.stderr,
        )
        return 1
    return _run_all(_plan(arguments.seconds, arguments.only))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz every public reader of mail/ and reading/.")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--only", default="", help="one target by its name")
    parser.add_argument("--replay", type=Path, help="run --only on this file once, without atheris")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("libfuzzer", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def _plan(seconds: int, only: str) -> list[tuple[str, int]]:
    """Return what is run, and for how many seconds."""
    cores = os.cpu_count() or 1
    if only:
        _chosen(only)
        return [(only, seconds)]
    if seconds < LEAST_S:
        return [(EVERYTHING, seconds)] * cores
    whole = sum(SHARES.values())
    return [(name, seconds * min(cores, len(SHARES)) * share // whole) for name, share in SHARES.items()]


def _chosen(name: str) -> Callable[[bytes], None]:
    """Return a target, or several as one: the first octet says which."""
    from targets import targets

    found = targets()
    if name in found:
        return found[name]
    several = [
        target
        for each, target in found.items()
        if name == EVERYTHING or (name in GROUPS and each.startswith(f"{name}.") and each not in SHARES)
    ]
    if not several:
        sys.exit(f"There is no target {name!r}; fuzz/targets.py has the names.")

    def call(data: bytes) -> None:
        if data:
            several[data[0] % len(several)](data[1:])

    return call


def _run_all(plan: list[tuple[str, int]]) -> int:
    from seeds import write_seeds

    finds = OUT / "finds"
    finds.mkdir(parents=True, exist_ok=True)
    before = set(finds.iterdir())
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        count = write_seeds(Path(folder))
        print(f"{len(plan)} runs from {count} seeds", flush=True)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            failed = [name for name, code in pool.map(lambda each: _one(*each, Path(folder)), plan) if code]
    new = sorted(set(finds.iterdir()) - before)
    print(f"{time.monotonic() - start:.0f} s, {len(new)} finds")
    for file in new:
        print(f"  {file.relative_to(HERE.parent)}")
    for name in failed:
        print(f"  {name}: .venv/bin/python fuzz/run.py --only '{name}' --replay FILE")
    return 1 if new or failed else 0


def _one(name: str, seconds: int, seeds: Path) -> tuple[str, int]:
    """Run one process after the other until the time is over; return the exit code of the last that found something."""
    slug = hashlib.sha256(name.encode()).hexdigest()[:8]
    corpus = OUT / "corpus" / slug
    corpus.mkdir(parents=True, exist_ok=True)
    end, code, inputs = time.monotonic() + seconds, 0, 0
    for _ in range(MAX_FINDS):
        left = int(end - time.monotonic())
        if left < 1:
            break
        done = subprocess.run(  # noqa: S603 - ourselves
            [
                sys.executable, str(Path(__file__).resolve()), "--child", name, "--",
                f"-max_total_time={left}", f"-max_len={MAX_OCTETS}", f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}",
                f"-artifact_prefix={OUT / 'finds'}/{slug}-", "-print_final_stats=1", str(corpus), str(seeds),
            ],
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        inputs += next((int(line.split()[-1]) for line in done.stderr.splitlines() if "executed_units" in line), 0)
        if not done.returncode:
            break
        code = done.returncode
        print("\n".join([name, *done.stdout.splitlines()[-12:], *done.stderr.splitlines()[-4:]]), file=sys.stderr)
    print(f"  {name}: {inputs} inputs" + (f", exit {code}" if code else ""), flush=True)
    return name, code


def _fuzz(name: str, libfuzzer: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["postmuster.mail", "postmuster.reading"]):
        call = _chosen(name)
    atheris.Setup([sys.argv[0], *libfuzzer], call)
    atheris.Fuzz()
    return 0


def _replay(name: str, file: Path) -> int:
    _chosen(name or EVERYTHING)(file.read_bytes())
    print("nothing happened")
    return 0


if __name__ == "__main__":
    sys.exit(main())
