"""The five steps of one size of `bench all`, as every table and plot shows them."""

from __future__ import annotations

from typing import Any


def lines(measured: dict[str, Any]) -> list[tuple[str, float, str, float | None, float]]:
    """The five steps of a size: name, how many a second, the yardstick's name and ratio, peak memory in MB."""
    load, send, read = measured["load"], measured["send"], measured["read"]
    workers = {name: size for name, size in read["rss_mb"].items() if name != "intake"}
    return [
        ("load", load["load_per_s"], "plain COPY", load["ratio"]["copy"], load["peak_rss_mb"]),
        ("expand", send["expand_per_s"], "", None, send["peak_rss_mb"]),
        ("send", send["messages_per_s"], "RSA-2048 signing", send["ratio"]["openssl"], send["peak_rss_mb"]),
        ("intake", read["intake_per_s"], "email parser", read["intake_ratio"], read["rss_mb"]["intake"]),
        ("digest", read["digest_per_s"], "email parser", read["ratio"], max(workers.values())),
    ]  # fmt: skip


def yardsticks_of(measured: dict[str, Any]) -> dict[str, float]:
    """What each step is held beside, a second."""
    return {
        "load": measured["load"]["yardstick"]["copy_per_s"],
        "send": measured["send"]["yardstick"]["openssl_rsa2048_per_s"],
        "intake": measured["read"]["yardstick"]["email_default_per_s"],
        "digest": measured["read"]["yardstick"]["email_default_per_s"],
    }


def workers_us(cpu_s: dict[str, float], count: int) -> float:
    """CPU time of the workers together for one of `count`, in µs."""
    return 1e6 * sum(spent for name, spent in cpu_s.items() if name.startswith("worker")) / max(1, count)
