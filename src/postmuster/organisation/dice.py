"""Dice: repeatable chance for the simulated organisation.

What for: everything that looks like chance here (who is silent, which mail program somebody uses, which words they
choose) must come out the same for the same seed, on every machine and with every version of Python. The standard
library promises that only for `Random.random`; this is SplitMix64 over a BLAKE2b seed, eight lines whose sequence can
never change under us.

Promises: the same words given to `Dice` give the same throws; two different lists of words give unrelated throws.
Limits: not for secrets. Nothing here protects anything.
Sources: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), figure 16 with the
constants of variant 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Dice:
    """Throws that depend on nothing but the words given at the start."""

    __slots__ = ("_state",)

    def __init__(self, *words: object) -> None:
        seed = "\x1f".join(map(str, words)).encode()
        self._state = int.from_bytes(blake2b(seed, digest_size=8).digest(), "big")

    def bits(self) -> int:
        """Throw 64 bits."""
        self._state = (self._state + _GAMMA) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, limit: int) -> int:
        """Throw a whole number from 0 up to, not including, `limit`."""
        return (self.bits() * limit) >> 64

    def share(self) -> float:
        """Throw a fraction in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def chance(self, share: float) -> bool:
        """Say yes in `share` of all throws."""
        return self.share() < share

    def pick(self, things: Sequence[T]) -> T:
        """Choose one of `things`, each equally likely."""
        return things[self.below(len(things))]

    def sample(self, things: Sequence[T], count: int) -> list[T]:
        """Choose `count` different ones of `things` (all of them, shuffled, when there are fewer)."""
        rest = list(things)
        count = min(count, len(rest))
        for index in range(count):
            other = index + self.below(len(rest) - index)
            rest[index], rest[other] = rest[other], rest[index]
        return rest[:count]

    def weighted(self, table: Sequence[tuple[T, int]]) -> T:
        """Choose one of the first items of `table`, as likely as its second item says."""
        throw = self.below(sum(weight for _, weight in table))
        for thing, weight in table:
            throw -= weight
            if throw < 0:
                return thing
        raise ValueError("a weighted table needs at least one positive weight")

    def hexadecimal(self, digits: int) -> str:
        """Throw `digits` hexadecimal digits, for identifiers."""
        text = ""
        while len(text) < digits:
            text += f"{self.bits():016x}"
        return text[:digits]
