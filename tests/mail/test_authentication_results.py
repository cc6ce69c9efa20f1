"""Authentication-Results are read as RFC 8601 writes them, and believed only where our own servers can have written them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.authentication_results import MAX_FIELDS, MAX_RESULTS, Statements, read_results, trusted_results
from postmuster.mail.message import parse

OURS = "mx.agency.example"


def results(value: str) -> list[tuple[str, str, dict[str, str]]]:
    found = read_results(value)
    assert found is not None
    return [(each.method, each.result, dict(each.properties)) for each in found.results]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("mx.example; none", []),
        ("mx.example 1; spf=pass smtp.mailfrom=home.example", [("spf", "pass", {"smtp.mailfrom": "home.example"})]),
        ("mx.example 2; spf=pass", []),
        ("mx (v=1) 1; dkim/1=pass (a(b)c) header.d=x", [("dkim", "pass", {"header.d": "x"})]),
        ("mx; SPF = PASS reason = \"x; y=z\" smtp.mailfrom=a@b", [("spf", "pass", {"reason": "x; y=z", "smtp.mailfrom": "a@b"})]),
        ("mx; auth=pass (x) smtp.auth=\"a b\"@c", [("auth", "pass", {"smtp.auth": "\"a b\"@c"})]),
        (
            "mx; spf=pass (he said \"hi) smtp.mailfrom=a; dkim=fail",
            [("spf", "pass", {"smtp.mailfrom": "a"}), ("dkim", "fail", {})],
        ),
        (
            "mx; spf=pass smtp.mailfrom=\"x@home.example\"@eve.example",
            [("spf", "pass", {"smtp.mailfrom": "\"x@home.example\"@eve.example"})],
        ),
        ("mx; spf=pass reason=\"a\\\"b\" x=\"c; dkim=pass", [("spf", "pass", {"reason": "a\"b", "x": "\"c; dkim=pass"})]),
        ("mx; spf=pass (a \\) b) smtp.mailfrom=a", [("spf", "pass", {"smtp.mailfrom": "a"})]),
        ("mx; spf=pass (never closed smtp.mailfrom=a", [("spf", "pass", {})]),
        ("mx; spf=pass smtp . mailfrom=a smtp.mailfrom=b", [("spf", "pass", {"smtp.mailfrom": "a"})]),
        ("mx; x.y=pass; ; =; dkim=fail", [("dkim", "fail", {})]),
    ],
)  # fmt: skip
def test_a_field_is_read(value: str, wanted: list[tuple[str, str, dict[str, str]]]) -> None:
    assert results(value) == wanted


@pytest.mark.parametrize("value", ["", ";", "spf=pass", "i=1", "(only a comment)", "i=1; spf=pass"])
def test_a_field_without_a_server_says_nothing(value: str) -> None:
    assert read_results(value) is None


def test_arcs_form_has_an_instance() -> None:
    found = read_results("i=12; mx.example; spf=pass")
    assert found is not None
    assert (found.instance, found.authserv_id) == (12, "mx.example")


def stated(*fields: str, hops: int = 1, names: tuple[str, ...] = (OURS,)) -> list[tuple[str, str, bool]]:
    """What is believed of a header, and whether it is beyond doubt. "R" stands for a Received."""
    lines = [
        "Received: from x (x [203.0.113.9]) by y" if field == "R" else f"Authentication-Results: {field}"
        for field in fields
    ]
    message = parse("\r\n".join([*lines, "From: finn@home.example", "", "YES"]).encode())
    found = trusted_results(message, names, hops)
    return [(each.method, each.result, place < found.certain) for place, each in enumerate(found.results)]


def ours(method: str, result: str, name: str = OURS) -> str:
    return f"{name}; {method}={result}"


def test_a_field_above_the_borders_received_is_beyond_doubt() -> None:
    assert stated(ours("spf", "fail"), "R", ours("spf", "pass"), ours("auth", "pass")) == [("spf", "fail", True)]


def test_a_field_right_below_the_borders_received_counts_where_none_stands_above() -> None:
    assert stated("R", ours("spf", "pass"), "R", ours("dkim", "pass")) == [("spf", "pass", False)]
    assert stated(f"{OURS}; none", "R", ours("spf", "pass")) == []


def test_a_field_further_down_was_there_before() -> None:
    assert stated("R", "R", ours("spf", "pass")) == []
    assert stated("R", "R", ours("spf", "pass"), hops=2) == [("spf", "pass", False)]
    assert stated("R", ours("dkim", "pass"), "R", ours("spf", "pass"), hops=2) == [("dkim", "pass", True)]


def test_a_header_without_received_proves_nothing_beyond_doubt() -> None:
    assert stated(ours("spf", "pass"), hops=0) == [("spf", "pass", False)]
    assert stated("R", ours("spf", "pass"), hops=0) == []


def test_several_servers_of_ours_may_speak_and_nobody_else() -> None:
    fields = (
        ours("spf", "pass", "MX2.agency.example"),
        ours("dkim", "pass", "mx.eve.example"),
        ours("dmarc", "fail"),
        "R",
    )
    assert stated(*fields, names=(OURS, "mx2.agency.example")) == [("spf", "pass", True), ("dmarc", "fail", True)]


def test_of_each_method_the_first_field_counts() -> None:
    assert stated(ours("spf", "fail"), ours("spf", "pass"), "R") == [("spf", "fail", True)]
    both = f"{OURS}; dkim=fail header.d=a; dkim=pass header.d=b"
    assert stated(both, ours("dkim", "none"), "R") == [("dkim", "fail", True), ("dkim", "pass", True)]


def test_no_more_than_the_limits_is_read() -> None:
    assert stated(*[ours("spf", "pass", "x")] * 1_000, "R") == []
    assert len(stated(*[ours(f"m{place}", "pass") for place in range(1_000)], "R")) == MAX_FIELDS
    assert len(results("mx" + "; spf=pass" * 1_000)) == MAX_RESULTS


@given(st.one_of(st.text(max_size=200), st.text('()"\\;= ./mx1spfa\r\n\t', max_size=200)))
def test_no_text_raises(value: str) -> None:
    found = read_results(value)
    assert found is None or found.authserv_id is not None
    message = parse(b"Authentication-Results: " + value.encode("utf-8", "replace") + b"\r\n\r\n")
    assert isinstance(trusted_results(message, ("mx",), 1), Statements)


@pytest.mark.parametrize(
    "value",
    [
        "mx;" + "(" * 200_000,
        "mx;" + '"' * 100_001,
        "mx; a=" + '"\\' * 50_000,
        "mx; " + "a" * 200_000,
        "mx; a=b " * 40_000,
    ],
)
def test_a_hostile_field_takes_little_time(value: str) -> None:
    assert read_results(value) is not None
