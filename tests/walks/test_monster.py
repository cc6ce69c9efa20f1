"""A mail that takes more than a mail may take goes before a person, and the mails beside it are digested."""

from __future__ import annotations

import dataclasses

import pytest

from postmuster.jobs import monster

from .muster import Muster


def test_a_monster_is_held_at_once_and_the_mails_beside_it_are_digested(
    muster: Muster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = monster.Reader(max_memory_octets=96 * 1024 * 1024)
    monkeypatch.setattr(monster, "_READER", reader)
    of = muster.reach()
    ann, bea, cal = muster.people(3)
    before, large, after = (muster.reply(of, person) for person in (ann, bea, cal))
    large = dataclasses.replace(large, data=large.data + b"x\r\n" * 14_000_000)
    try:
        muster.take_in(before, large, after)
        assert muster.digest() == 3
    finally:
        reader.close()
    assert muster.mail_states() == {"digested": 2, "held": 1}
    assert [muster.answers(of, person) for person in (ann, bea, cal)] == [
        [("acknowledge", "", "counted")],
        [],
        [("acknowledge", "", "counted")],
    ]
    assert muster.cases().total() == 1
    muster.ledger_is_sound()


def test_a_large_mail_that_can_be_read_is_digested(muster: Muster, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = monster.Reader()
    monkeypatch.setattr(monster, "_READER", reader)
    of = muster.reach()
    [ann] = muster.people(1)
    plain = muster.reply(of, ann)
    try:
        muster.hear(dataclasses.replace(plain, data=plain.data + b"\r\n" * monster.MAX_PLAIN_OCTETS))
    finally:
        reader.close()
    assert muster.mail_states() == {"digested": 1}
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
