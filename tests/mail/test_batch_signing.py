"""Signatures of a batch are those of one by one; a faulty one is never given out, and whatever fails, mail is signed.

The library itself is tried where it is installed and the processor has AVX-512 IFMA; POSTMUSTER_CRYPTO_MB may name a folder with
its files instead. Elsewhere those tests are skipped, and a library made of Python's own numbers stands in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from postmuster.mail.batch_signing import KEY_OCTETS, LANES, MOST_FAULTS, WORTH_A_CALL, Library, PrivateNumbers, Raise
from postmuster.mail.dkim import DkimSigner, SigningAlgorithm, load_signer, make_key
from postmuster.outbound import crypto_mb

PEM = make_key(SigningAlgorithm.RSA_SHA256)
ED25519 = make_key(SigningAlgorithm.ED25519_SHA256)
AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
INPUTS = [b"", b"x", *(b"input %d " % number * number for number in range(40))]
HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
FOLDER = os.environ.get("POSTMUSTER_CRYPTO_MB")


def arithmetic(numbers: PrivateNumbers) -> Raise:
    """What the library does, by Python."""

    def raise_one(block: bytes) -> bytes:
        given = int.from_bytes(block, "big")
        in_p, in_q = pow(given, numbers.d_p, numbers.p), pow(given, numbers.d_q, numbers.q)
        raised = in_q + (in_p - in_q) * numbers.q_inverse % numbers.p * numbers.q
        return raised.to_bytes(KEY_OCTETS, "big")

    return lambda blocks: [raise_one(block) for block in blocks]


def changed(change: Callable[[int, list[bytes]], Sequence[bytes] | None]) -> Library:
    """The same, with something done to the answer of each call; the call with which a signer shows itself is number 0."""

    def library(numbers: PrivateNumbers) -> Raise:
        calls = iter(range(1_000_000))
        return lambda blocks: change(next(calls), list(arithmetic(numbers)(blocks)))

    return library


def flip(octets: bytes, place: int = 100) -> bytes:
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]


def signer(library: Library | None, pem: bytes = PEM, second: DkimSigner | None = None) -> DkimSigner:
    return load_signer(pem, domain="agency.example", selector="pm1", library=library, second=second)


def one_by_one(inputs: Sequence[bytes]) -> list[bytes]:
    key = load_pem_private_key(PEM, password=None)
    assert isinstance(key, RSAPrivateKey)
    return [key.sign(octets, PKCS1v15(), SHA256()) for octets in inputs]


@cache
def real() -> Library | None:
    return crypto_mb.open_library(Path(FOLDER) if FOLDER else None)


def needs_library() -> Library:
    library = real()
    if library is None:
        has = crypto_mb.has_instructions()
        pytest.skip("crypto_mb is not installed (the extra ifma)" if has else "the processor has no AVX-512 IFMA")
    return library


@pytest.fixture(params=["arithmetic", "crypto_mb"])
def library(request: pytest.FixtureRequest) -> Library:
    return arithmetic if request.param == "arithmetic" else needs_library()


@pytest.mark.parametrize("count", [0, 1, WORTH_A_CALL - 1, WORTH_A_CALL, LANES - 1, LANES, LANES + 1, 3 * LANES + 5])
def test_a_batch_is_signed_as_one_by_one(library: Library, count: int) -> None:
    batch = signer(library).batch
    assert batch is not None
    assert batch.sign_all(INPUTS[:count]) == one_by_one(INPUTS[:count])
    assert (batch.faults, batch.is_given_up) == (0, False)


def test_a_faulty_signature_is_thrown_away_and_counted(library: Library) -> None:
    """A fault in one half of the CRT would give the key away."""

    def faulty(numbers: PrivateNumbers) -> Raise | None:
        raise_eight, calls = library(numbers), iter(range(1_000_000))
        assert raise_eight is not None

        def answer(blocks: Sequence[bytes]) -> Sequence[bytes] | None:
            raised = list(raise_eight(blocks) or ())
            if next(calls) == 1:
                raised[2], raised[5] = flip(raised[2]), bytes(KEY_OCTETS)
            return raised

        return answer

    batch = signer(faulty).batch
    assert batch is not None
    assert batch.sign_all(INPUTS[: 2 * LANES]) == one_by_one(INPUTS[: 2 * LANES])
    assert (batch.faults, batch.is_given_up) == (2, False)


def test_a_library_that_errs_again_and_again_is_not_asked_any_more() -> None:
    asked: list[int] = []

    def wrong(call: int, raised: list[bytes]) -> list[bytes]:
        asked.append(call)
        return raised if call == 0 else [flip(each) for each in raised]

    batch = signer(changed(wrong)).batch
    assert batch is not None
    assert batch.sign_all(INPUTS) == one_by_one(INPUTS)
    assert (batch.faults, batch.is_given_up, asked) == (MOST_FAULTS, True, [0, 1])


@pytest.mark.parametrize("answer", [None, [], [bytes(KEY_OCTETS)] * 7], ids=["none", "nothing", "seven"])
def test_a_library_that_fails_as_a_whole_is_not_asked_any_more(answer: list[bytes] | None) -> None:
    batch = signer(changed(lambda call, raised: raised if call == 0 else answer)).batch
    assert batch is not None
    assert batch.sign_all(INPUTS) == one_by_one(INPUTS)
    assert batch.is_given_up


@pytest.mark.parametrize(
    "change",
    [lambda _, raised: [flip(each) for each in raised], lambda _, raised: raised[::-1], lambda _, raised: None],
    ids=["wrong", "in another order", "nothing"],
)
def test_a_library_that_cannot_sign_at_the_start_is_not_used(
    change: Callable[[int, list[bytes]], Sequence[bytes] | None],
) -> None:
    made = signer(changed(change))
    assert made.batch is None
    assert made.sign_message(b"From: a@agency.example\r\n\r\nx\r\n", at=AT)


def test_keys_that_do_not_fit_are_signed_with_as_ever() -> None:
    long = generate_private_key(65_537, 3_072).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem in (long, ED25519):
        made = signer(arithmetic, pem)
        assert made.batch is None
        assert len(made.plan(("From",)).sign_all([("from:a\r\n", HASH, 1)] * 9)) == 9
    assert signer(lambda numbers: None).batch is None
    assert signer(None).batch is None


@pytest.mark.parametrize("second", [None, ED25519], ids=["one signature", "two signatures"])
def test_a_plan_writes_the_same_fields_for_all_as_for_each(library: Library, second: bytes | None) -> None:
    other = load_signer(second, domain="agency.example", selector="ed1") if second else None
    plan = signer(library, second=other).plan(("From", "Subject"))
    drafts = [(f"from:ä{number}\r\nsubject:x\r\n", HASH, 1_700_000_000 + number) for number in range(21)]
    written = plan.sign_all(drafts)
    assert written == [plan.sign(*draft) for draft in drafts]
    assert all(each.count("DKIM-Signature: ") == 1 + (second is not None) for each in written)
    assert plan.sign_all([]) == []


def test_no_repr_shows_the_key() -> None:
    made = signer(arithmetic)
    assert made.batch is not None
    assert repr(made.batch) == "BatchSigner(faults=0, is_given_up=False)"
    assert repr(PrivateNumbers(3, 5, 7, 9, 11)) == "PrivateNumbers()"
    assert repr(made) == "DkimSigner(domain='agency.example', selector='pm1')"


def test_several_threads_may_sign_at_once(library: Library) -> None:
    batch = signer(library).batch
    assert batch is not None
    wanted = one_by_one(INPUTS)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(batch.sign_all, [INPUTS] * 3)) == [wanted] * 3


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("flags\t\t: fpu avx512f avx512ifma\n" * 2, True),
        ("flags : fpu avx512f avx512ifma\nflags : fpu avx512f\n", False),
        ("flags : fpu avx512ifma_of_another_kind avx512f\n", False),
        ("Features : fp asimd\n", False),
        ("", False),
    ],
)
def test_the_processor_is_asked_before_the_library_is_loaded(tmp_path: Path, text: str, has: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert crypto_mb.has_instructions(cpuinfo) is has
    if not has:
        assert crypto_mb.open_library(Path(FOLDER) if FOLDER else None, cpuinfo=cpuinfo) is None
        assert not crypto_mb.available(cpuinfo)


def test_nobody_saying_what_the_processor_has_is_no(tmp_path: Path) -> None:
    assert not crypto_mb.has_instructions(tmp_path / "none")


def test_files_that_are_not_there_or_no_library_are_no_error(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : avx512f avx512ifma\n")
    wanted = (*crypto_mb.RUNTIME, crypto_mb.LIBRARY)
    assert crypto_mb.missing_files(tmp_path) == wanted
    assert crypto_mb.open_library(tmp_path, cpuinfo=cpuinfo) is None
    assert crypto_mb.open_library(tmp_path / "none", cpuinfo=cpuinfo) is None
    for name in wanted:
        (tmp_path / name).write_bytes(b"\x7fELF no library")
    assert crypto_mb.missing_files(tmp_path) == ()
    assert crypto_mb.open_library(tmp_path, cpuinfo=cpuinfo) is None


def test_the_library_takes_nothing_that_is_not_eight_blocks() -> None:
    raise_eight = needs_library()(_numbers())
    assert raise_eight is not None
    for blocks in ([], [bytes(KEY_OCTETS)] * 7, [bytes(KEY_OCTETS - 1)] * LANES, [bytes(KEY_OCTETS)] * 9):
        assert raise_eight(blocks) is None
    assert needs_library()(PrivateNumbers(1 << 2_000, 3, 5, 7, 9)) is None


def _numbers() -> PrivateNumbers:
    key = load_pem_private_key(PEM, password=None)
    assert isinstance(key, RSAPrivateKey)
    numbers = key.private_numbers()
    return PrivateNumbers(numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
