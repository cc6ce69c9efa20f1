"""What our own servers wrote in the header is told from what anybody can write below it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.received import MAX_TRUSTED, Hop, InternalHop, read_internal_hops, read_received, trusted_way

NOBODY = ()
SERVERS = read_internal_hops(("192.0.2.0/28", "2001:db8:1::/64 agency.example", "mx.agency.example"))


def hop(by: str, client: str | None, protocol: str, login: str = "") -> Hop:
    return Hop(by, ip_address(client) if client else None, protocol, login)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            "from mail.home.example (mail.home.example [203.0.113.9]) by mx.agency.example (Postfix) with ESMTPS id 4X "
            "for <reply+x@agency.example>; Tue, 4 Mar 2025 12:00:00 +0000 (UTC)",
            hop("mx.agency.example", "203.0.113.9", "esmtps"),
        ),
        (
            "from laptop (unknown [IPv6:2001:db8::7]) (using TLSv1.3 with cipher X (256/256 bits)) (Authenticated sender: "
            "Finn@home.example) by MX.agency.example. (Postfix) with ESMTPSA id 4X",
            hop("mx.agency.example", "2001:db8::7", "esmtpsa", "Finn@home.example"),
        ),
        (
            "from [203.0.113.9] (helo=laptop) by mx.agency.example with esmtpsa (TLS1.3) (Exim 4.96)",
            hop("mx.agency.example", "203.0.113.9", "esmtpsa"),
        ),
        (
            "from a.example ([203.0.113.9]:41952 helo=[127.0.0.1]) by mx.example with esmtp",
            hop("mx.example", "203.0.113.9", "esmtp"),
        ),
        ("from a.example (a.example. [203.0.113.9]) by mx.example with ESMTPS id z2", hop("mx.example", "203.0.113.9", "esmtps")),
        (
            "from A.example (10.1.1.1) by B.example (10.1.1.2) with Microsoft SMTP Server (version=TLS1_2) id 15",
            hop("b.example", "10.1.1.1", "microsoft"),
        ),
        ("from unknown (HELO [127.0.0.1]) (203.0.113.9) by 0 with SMTP; 4 Mar", hop("0", "203.0.113.9", "smtp")),
        ("from a (a [::ffff:203.0.113.9]) by b via tcp with UTF8SMTPSA id 1", hop("b", "203.0.113.9", "utf8smtpsa")),
        ("by mx.example (Postfix, from userid 33) id 4X; Tue, 4 Mar 2025", hop("mx.example", None, "")),
        ("from a by b; with ESMTPSA", hop("b", None, "")),
        ("from with (x [203.0.113.9]) by by with ESMTP", hop("by", "203.0.113.9", "esmtp")),
        ("", hop("", None, "")),
        ("from", hop("", None, "")),
    ],
)  # fmt: skip
def test_a_field_is_read_as_servers_write_it(value: str, wanted: Hop) -> None:
    assert read_received(value) == wanted


@pytest.mark.parametrize(
    "value",
    [
        "from [127.0.0.1] by mx.example with ESMTP",
        "from [127.0.0.1] (unknown) by mx.example with ESMTP",
        "from x (127.0.0.1 [203.0.113.9] [127.0.0.1]) by mx.example with ESMTP",
        "from x (x [203.0.113.9]) (x [127.0.0.1]) by mx.example with ESMTP",
        "from x (x [999.0.0.1]) by mx.example with ESMTP",
        "from x (helo=[127.0.0.1]) by mx.example with ESMTP",
        "from 127.0.0.1 (x) by mx.example with ESMTP",
    ],
)
def test_no_address_is_taken_from_what_a_client_says_of_itself_or_where_two_stand(value: str) -> None:
    assert read_received(value).client is None


def test_two_logins_are_none() -> None:
    value = "from x (x [203.0.113.9]) (Authenticated sender: a) (Authenticated sender: b) by mx with ESMTPSA"
    assert read_received(value).login == ""


WORLD = "from x (x [203.0.113.9]) by mx.agency.example (Postfix) with ESMTPS id 1"
FROM_HUB = "from hub (hub [192.0.2.3]) by mx.agency.example (Postfix) with ESMTPS id 1"
FROM_SIX = "from hub (hub [IPv6:2001:db8:1::3]) by mx.agency.example (Postfix) with ESMTPS id 1"
FILTER = "from localhost (localhost [127.0.0.1]) by mx.agency.example (Postfix) with ESMTP id 1"
LAPTOP = "from laptop (unknown [203.0.113.9]) (Authenticated sender: finn) by hub.agency.example with ESMTPSA id 1"
FORGED = "from laptop (unknown [203.0.113.9]) by hub.agency.example with ESMTPSA id 1"


def trusted(*values: str, servers: tuple[InternalHop, ...] = SERVERS) -> tuple[int, bool]:
    way = trusted_way(values, servers)
    return len(way.hops), way.submitted_to is not None


def test_trust_goes_on_only_through_servers_of_ours() -> None:
    assert trusted(WORLD, FORGED) == (1, False)
    assert trusted(FROM_HUB, WORLD, FORGED) == (2, False)
    assert trusted(FROM_HUB, WORLD, servers=NOBODY) == (1, False)
    assert trusted(FILTER, FILTER, WORLD, FORGED, servers=NOBODY) == (3, False)
    assert trusted("from x by mx.agency.example", FORGED) == (1, False)
    assert trusted() == (0, False)
    assert trusted(*[FROM_HUB] * 50) == (MAX_TRUSTED, False)


def test_a_login_at_a_server_of_ours_is_a_submission() -> None:
    way = trusted_way((FROM_HUB, LAPTOP), SERVERS)
    assert (way.submitted_to, way.login) == (SERVERS[0], "finn")
    assert trusted(FILTER, FROM_HUB, LAPTOP) == (3, True)


def test_a_login_elsewhere_is_none() -> None:
    assert trusted(WORLD, LAPTOP) == (1, False)
    assert trusted(FROM_HUB, LAPTOP.replace("ESMTPSA", "ESMTPS")) == (2, False)
    assert trusted(LAPTOP) == (1, False)
    assert trusted(FILTER, LAPTOP) == (2, False)


def test_the_server_in_front_is_believed_about_logins_only_where_it_is_named() -> None:
    assert trusted(LAPTOP.replace("hub.agency", "mx.agency")) == (1, True)
    assert trusted(LAPTOP.replace("hub.agency", "mx.agency"), servers=SERVERS[:2]) == (1, False)


def test_a_server_of_ours_that_logged_in_is_no_author() -> None:
    service = FROM_HUB.replace("ESMTPS", "ESMTPSA")
    assert trusted(service) == (1, False)
    assert trusted(service, WORLD) == (2, False)
    assert trusted(service, LAPTOP) == (2, True)


def test_a_server_stands_for_the_domains_behind_it() -> None:
    hop = trusted_way((FROM_SIX, LAPTOP), SERVERS).submitted_to
    assert hop is not None
    assert hop.vouches_for("agency.example")
    assert hop.vouches_for("bureau.agency.example")
    assert not hop.vouches_for("otheragency.example")
    assert SERVERS[0].vouches_for("home.example")


def test_entries_that_are_nothing_are_left_out() -> None:
    assert read_internal_hops(("", "  ", "192.0.2.7 A.example"))[0].domains == ("a.example",)
    assert len(read_internal_hops(("", " "))) == 0


@given(st.lists(st.one_of(st.text(max_size=60), st.text('()[]\\"; from by with helo=1.:', max_size=80)), max_size=4))
def test_no_field_raises(values: list[str]) -> None:
    assert len(trusted_way(values, SERVERS).hops) <= len(values)


@pytest.mark.parametrize(
    "value",
    [
        "(" * 100_000,
        "from x (" + "\\(" * 50_000,
        "from " + "[1] " * 40_000,
        "from x (" + "[1.2.3.4]" * 9_000 + ") by y",
    ],
)
def test_a_hostile_field_takes_little_time(value: str) -> None:
    assert read_received(value).client in (None, ip_address("1.2.3.4"))
