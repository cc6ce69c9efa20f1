"""The grade says how sure it is that the author's domain sent a mail, and never more than the evidence."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.authentication import Authentication, Grade, authenticate
from postmuster.mail.authentication_results import Result, read_results
from postmuster.mail.dkim import SigningAlgorithm, load_signer, make_key, public_record
from postmuster.mail.dkim_check import MAX_SIGNATURES
from postmuster.mail.dmarc import DmarcRecords, read_record
from postmuster.mail.message import parse

from . import sealing

AT = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
KEY = make_key(SigningAlgorithm.RSA_SHA256)
RECORD = public_record(KEY)
MX = "mx.agency.example"


class Dns:
    """Answers of a DNS in which only these names exist."""

    def __init__(self, records: dict[str, str] | None = None, failing: tuple[str, ...] = ()) -> None:
        self.records = records or {}
        self.failing = failing
        self.asked: list[str] = []

    def __call__(self, name: str) -> str | None:
        self.asked.append(name)
        if any(name.endswith(end) for end in self.failing):
            raise TimeoutError("no answer")
        return self.records.get(name)


def mail(author: str = "Finn <finn@home.example>", extra: str = "", body: str = "YES\r\n") -> bytes:
    dated = "Date: Tue, 4 Mar 2025 12:00:00 +0000\r\nMessage-ID: <1@home.example>\r\n"
    return f"{extra}From: {author}\r\nTo: intake@agency.example\r\nSubject: Re: a test\r\n{dated}\r\n{body}".encode()


def signed(raw: bytes, domain: str = "home.example", key: bytes = KEY) -> bytes:
    return load_signer(key, domain=domain, selector="s1").sign_message(raw, at=AT) + raw


def check(raw: bytes, dns: Dns, **more: object) -> Authentication:
    sealers = more.get("trusted_sealers", ())
    assert isinstance(sealers, tuple)
    return authenticate(raw, parse(raw), txt=dns, authserv_id=MX, trusted_sealers=sealers)


SIGNED = signed(mail())
HOME = {"s1._domainkey.home.example": RECORD, "_dmarc.home.example": "v=DMARC1; p=none"}


def test_an_aligned_signature_is_grade_a() -> None:
    found = check(signed(mail()), Dns(HOME))
    assert found == Authentication(
        Result.NONE, Result.PASS, Result.PASS, Result.NONE, Grade.A, "home.example", "signed"
    )


def test_an_ed25519_signature_is_as_good_as_an_rsa_one() -> None:
    key = make_key(SigningAlgorithm.ED25519_SHA256)
    dns = Dns(HOME | {"s1._domainkey.home.example": public_record(key)})
    assert check(signed(mail(), key=key), dns).grade is Grade.A
    changed = signed(mail(), key=key).replace(b"YES", b"NO!")
    assert check(changed, dns).dkim is Result.FAIL


def test_an_ed25519_key_of_a_wrong_length_is_no_key() -> None:
    key = make_key(SigningAlgorithm.ED25519_SHA256)
    dns = Dns(HOME | {"s1._domainkey.home.example": "v=DKIM1; k=ed25519; p=YWJj"})
    assert check(signed(mail(), key=key), dns).dkim is Result.PERMERROR


def test_a_signature_counts_without_any_policy() -> None:
    found = check(signed(mail()), Dns({"s1._domainkey.home.example": RECORD}))
    assert (found.grade, found.dmarc) == (Grade.A, Result.NONE)


def test_the_line_ends_of_a_stored_mail_change_nothing() -> None:
    assert check(signed(mail()).replace(b"\r\n", b"\n"), Dns(HOME)).grade is Grade.A


def test_an_altered_body_is_grade_d_where_dmarc_is_published() -> None:
    found = check(signed(mail()).replace(b"YES", b"NO!"), Dns(HOME))
    assert (found.grade, found.dkim, found.dmarc, found.aligned_domain) == (Grade.D, Result.FAIL, Result.FAIL, None)


def test_a_failed_signature_proves_nothing_where_no_policy_is_published() -> None:
    found = check(signed(mail()).replace(b"YES", b"NO!"), Dns({"s1._domainkey.home.example": RECORD}))
    assert (found.grade, found.dkim) == (Grade.C, Result.FAIL)


def test_no_signature_is_c_or_d_by_what_is_published() -> None:
    assert check(mail(), Dns()).grade is Grade.C
    assert check(mail(), Dns({"_dmarc.home.example": "v=DMARC1; p=reject"})).grade is Grade.D


def test_a_strangers_signature_does_not_stand_for_the_author() -> None:
    dns = Dns({"s1._domainkey.eve.example": RECORD, "_dmarc.home.example": "v=DMARC1; p=none"})
    found = check(signed(mail(), domain="eve.example"), dns)
    assert (found.grade, found.dkim, found.aligned_domain) == (Grade.D, Result.PASS, None)


def test_a_strangers_signature_gives_no_grade_where_nothing_is_published() -> None:
    assert check(signed(mail(), domain="eve.example"), Dns({"s1._domainkey.eve.example": RECORD})).grade is Grade.C


def test_a_name_with_a_space_cannot_borrow_anothers_domain() -> None:
    raw = signed(mail(), domain="eve.example")
    forged = raw.replace(b"d=eve.example", b"d=home.example x.eve.example")
    found = check(
        forged, Dns({"s1._domainkey.home.example x.eve.example": RECORD, "_dmarc.home.example": "v=DMARC1; p=none"})
    )
    assert (found.grade, found.dkim) == (Grade.D, Result.PERMERROR)


@pytest.mark.parametrize(
    ("author", "signer", "records", "grade"),
    [
        ("finn@mail.home.example", "home.example", {"_dmarc.home.example": "v=DMARC1; p=none"}, Grade.A),
        ("finn@home.example", "mail.home.example", {"_dmarc.home.example": "v=DMARC1; p=none"}, Grade.A),
        ("finn@home.example", "mail.home.example", {"_dmarc.home.example": "v=DMARC1; p=none; adkim=s"}, Grade.D),
        ("finn@mail.home.example", "home.example", {}, Grade.C),
        ("finn@a.home.example", "b.home.example", {"_dmarc.home.example": "v=DMARC1; p=none"}, Grade.A),
        ("finn@a.home.example", "b.home.example", {"_dmarc.home.example": "v=DMARC1; p=none; psd=y"}, Grade.D),
        ("finn@a.home.example", "home.example", {"_dmarc.a.home.example": "v=DMARC1; p=none; psd=n"}, Grade.D),
    ],
)
def test_alignment_follows_the_tree_walk(author: str, signer: str, records: dict[str, str], grade: Grade) -> None:
    dns = Dns({f"s1._domainkey.{signer}": RECORD, **records})
    assert check(signed(mail(author), domain=signer), dns).grade is grade


def test_a_walk_of_a_long_name_asks_eight_times_at_most() -> None:
    dns = Dns()
    check(mail("finn@" + ".".join("abcdefghijklmnopqrst") + ".example"), dns)
    assert len(dns.asked) == 8
    assert dns.asked[1] == "_dmarc.o.p.q.r.s.t.example"


def test_a_lookup_that_fails_is_temporary_and_never_a_pass() -> None:
    found = check(signed(mail()), Dns(HOME, failing=("_domainkey.home.example",)))
    assert (found.grade, found.dkim, found.dmarc, found.is_temporary) == (
        Grade.D,
        Result.TEMPERROR,
        Result.TEMPERROR,
        True,
    )
    found = check(mail(), Dns(failing=("_dmarc.home.example",)))
    assert (found.grade, found.dmarc, found.is_temporary) == (Grade.D, Result.TEMPERROR, True)


def test_a_passed_signature_needs_no_policy_to_be_found() -> None:
    found = check(signed(mail()), Dns(HOME, failing=("_dmarc.home.example",)))
    assert (found.grade, found.dmarc) == (Grade.A, Result.TEMPERROR)


def test_several_from_fields_are_never_aligned() -> None:
    raw = signed(mail())
    assert check(b"From: eve@eve.example\r\n" + raw, Dns(HOME)).grade is Grade.D
    both = signed(mail("finn@home.example, eve@eve.example"))
    found = check(both, Dns(HOME))
    assert (found.grade, found.aligned_domain) == (Grade.D, None)
    assert check(mail("finn@home.example, eve@eve.example"), Dns()).grade is Grade.C


def test_a_mail_without_an_author_is_grade_d() -> None:
    assert check(b"Subject: x\r\n\r\nYES\r\n", Dns()).grade is Grade.D
    assert check(mail("undisclosed"), Dns()).grade is Grade.D


# ---- what our border server says


def stated(results: str, server: str = MX) -> str:
    return f"Authentication-Results: {server};\r\n {results}\r\nReceived: from a by {MX}; Tue, 4 Mar 2025 12:00:00 +0000\r\n"


DMARC = {"_dmarc.home.example": "v=DMARC1; p=reject"}


def test_aligned_spf_by_our_server_alone_is_grade_b() -> None:
    found = check(mail(extra=stated("spf=pass smtp.mailfrom=finn@home.example")), Dns(DMARC))
    assert found == Authentication(Result.PASS, Result.NONE, Result.PASS, Result.NONE, Grade.B, "home.example", "spf")


def test_spf_of_another_domain_is_no_evidence() -> None:
    found = check(mail(extra=stated("spf=pass smtp.mailfrom=eve.example")), Dns(DMARC))
    assert (found.grade, found.spf) == (Grade.D, Result.PASS)


def test_spf_failing_without_a_policy_is_grade_c() -> None:
    found = check(mail(extra=stated("spf=fail smtp.mailfrom=home.example")), Dns())
    assert (found.grade, found.spf) == (Grade.C, Result.FAIL)


def test_our_servers_word_counts_for_a_signature_that_a_gateway_broke() -> None:
    raw = signed(mail()).replace(b"YES", b"[EXTERNAL] YES")
    extra = stated("dkim=pass (2048-bit key) header.d=home.example header.s=s1").encode()
    assert check(extra + raw, Dns(HOME)).grade is Grade.A


def test_our_servers_word_does_not_count_for_a_signature_that_is_not_there() -> None:
    assert check(mail(extra=stated("dkim=pass header.d=home.example")), Dns(DMARC)).grade is Grade.D


def test_another_servers_word_counts_for_nothing() -> None:
    raw = mail(
        extra=stated("spf=pass smtp.mailfrom=home.example; auth=pass smtp.auth=finn@home.example", "mx.eve.example")
    )
    found = check(raw, Dns(DMARC))
    assert (found.grade, found.spf) == (Grade.D, Result.NONE)


def test_a_forged_field_below_a_received_counts_for_nothing() -> None:
    forged = f"Received: from eve by {MX}; Tue, 4 Mar 2025 12:00:00 +0000\r\n" + stated(
        "spf=pass smtp.mailfrom=home.example"
    )
    raw = mail(extra=stated("spf=fail smtp.mailfrom=home.example") + forged)
    assert check(raw, Dns(DMARC)).grade is Grade.D


def test_of_two_statements_about_one_method_the_upper_counts() -> None:
    extra = f"Authentication-Results: {MX}; spf=fail smtp.mailfrom=home.example\r\n" + stated(
        "spf=pass smtp.mailfrom=home.example"
    )
    assert check(mail(extra=extra), Dns(DMARC)).grade is Grade.D


def test_results_of_several_fields_in_one_run_are_taken_together() -> None:
    extra = f"Authentication-Results: {MX}; dkim=none\r\n" + stated("spf=pass smtp.mailfrom=home.example")
    assert check(mail(extra=extra), Dns(DMARC)).grade is Grade.B


def test_a_login_as_exactly_the_author_is_grade_a() -> None:
    assert check(mail(extra=stated("auth=pass (plain) smtp.auth=Finn@home.example")), Dns(DMARC)).grade is Grade.A
    assert check(mail(extra=stated("auth=pass smtp.auth=eve@home.example")), Dns(DMARC)).grade is Grade.D
    assert check(mail(extra=stated("auth=pass smtp.auth=finn")), Dns(DMARC)).grade is Grade.D


def test_our_servers_own_dmarc_pass_is_grade_b() -> None:
    assert check(mail(extra=stated("dmarc=pass (p=REJECT) header.from=home.example")), Dns(DMARC)).grade is Grade.B
    assert check(mail(extra=stated("dmarc=pass header.from=eve.example")), Dns(DMARC)).grade is Grade.D


# ---- where our servers' words stand, and logins at a server of ours

WORLD = "Received: from x (x [203.0.113.9]) by mx.agency.example (Postfix) with ESMTPS id 1\r\n"
HUB = "Received: from hub (hub [192.0.2.3]) by mx.agency.example (Postfix) with ESMTPS id 1\r\n"
LAPTOP = "Received: from laptop (unknown [203.0.113.9]){login} by hub.agency.example (Postfix) with ESMTPSA id 1\r\n"
HOPS = ("192.0.2.0/28 home.example",)


def at_hub(login: str = "") -> str:
    return HUB + LAPTOP.format(login=f" (Authenticated sender: {login})" if login else "")


def hops(raw: bytes, *entries: str, server: str | tuple[str, ...] = MX) -> tuple[Grade, str]:
    found = authenticate(raw, parse(raw), txt=Dns(DMARC), authserv_id=server, internal_hops=entries)
    return found.grade, found.reason


@pytest.mark.parametrize("login", ["", "finn", "e12345", "Finn@home.example"])
def test_a_login_at_a_named_server_of_ours_is_grade_a(login: str) -> None:
    assert hops(mail(extra=at_hub(login)), *HOPS) == (Grade.A, "internal_hop")


def test_a_login_as_somebody_else_is_not_the_author() -> None:
    assert hops(mail(extra=at_hub("eve@home.example")), *HOPS) == (Grade.D, "unsigned")


def test_a_login_counts_only_at_a_server_that_is_named_and_for_its_domains() -> None:
    raw = mail(extra=at_hub("finn"))
    assert hops(raw)[0] is Grade.D
    assert hops(raw, "192.0.2.0/28 other.example")[0] is Grade.D
    assert hops(raw, "198.51.100.0/24")[0] is Grade.D
    assert hops(raw, "192.0.2.3") == (Grade.A, "internal_hop")


def test_a_login_that_the_sender_wrote_below_the_border_counts_for_nothing() -> None:
    assert hops(mail(extra=WORLD + at_hub("finn@home.example")), *HOPS)[0] is Grade.D
    forged = WORLD + stated("auth=pass smtp.auth=finn@home.example")
    assert hops(mail(extra=forged), *HOPS)[0] is Grade.D


def test_our_servers_word_for_a_login_counts_below_its_received_where_that_says_so_too() -> None:
    received = WORLD.replace("ESMTPS", "ESMTPSA")
    assert hops(mail(extra=received + stated("auth=pass smtp.auth=finn@home.example"))) == (Grade.A, "logged_in")


def test_our_servers_word_from_behind_a_filter_on_the_same_machine_counts() -> None:
    again = "Received: from localhost (localhost [127.0.0.1]) by mx.agency.example (Postfix) with ESMTP id 1\r\n"
    raw = mail(extra=again + WORLD + stated("spf=pass smtp.mailfrom=home.example"))
    assert hops(raw) == (Grade.B, "spf")
    assert hops(mail(extra=WORLD + WORLD + stated("spf=pass smtp.mailfrom=home.example")))[0] is Grade.D


def test_several_servers_of_ours_may_have_names_of_their_own() -> None:
    raw = mail(extra=stated("spf=pass smtp.mailfrom=home.example", "MX2.agency.example"))
    assert hops(raw, server=(MX, "mx2.agency.example")) == (Grade.B, "spf")
    assert hops(raw, server="")[0] is Grade.D


def test_a_domain_in_quotation_marks_is_not_the_domain() -> None:
    quoted = stated('spf=pass smtp.mailfrom="x@home.example"@eve.example')
    assert check(mail(extra=quoted), Dns(DMARC)).grade is Grade.D


def test_our_servers_word_does_not_lift_a_signature_over_a_part() -> None:
    extra = stated("dkim=pass header.d=home.example").encode()
    partial = signed(mail()).replace(b"a=rsa-sha256;", b"a=rsa-sha256; l=5;", 1) + b"I resign.\r\n"
    assert check(extra + partial, Dns(HOME)).reason == "signature_partial"
    once = sealing.signed(mail())  # it does not sign fields more often than they are there
    dns = Dns({**HOME, **sealing.keys_of("home.example")})
    assert check(extra + once.replace(b"YES", b"[EXTERNAL] YES"), dns).reason == "signed_says_border"
    found = check(extra + b"Subject: I resign\r\n" + once, dns)
    assert (found.grade, found.reason) == (Grade.D, "signature_field_added")


@pytest.mark.parametrize(
    ("raw", "records", "reason"),
    [
        (mail(), {}, "nothing_published"),
        (mail(), DMARC, "unsigned"),
        (signed(mail()).replace(b"YES", b"NO!"), HOME, "signature_body_changed"),
        (signed(mail()).replace(b"Re: a", b"Fw: a"), HOME, "signature_failed"),
        (signed(mail()), DMARC, "key_missing"),
        (signed(mail()), {**DMARC, "s1._domainkey.home.example": "p="}, "key_revoked"),
        (signed(mail(), domain="eve.example"), {**DMARC, "s1._domainkey.eve.example": RECORD}, "signed_by_others"),
        (mail("finn@home.example, eve@eve.example"), DMARC, "several_authors"),
        (mail("undisclosed"), DMARC, "no_author"),
    ],
)
def test_a_grade_has_its_reason(raw: bytes, records: dict[str, str], reason: str) -> None:
    assert check(raw, Dns(records)).reason == reason


def test_silence_is_a_reason() -> None:
    assert check(mail(), Dns(failing=("_dmarc.home.example",))).reason == "dns_silent"
    assert check(signed(mail()), Dns(HOME, failing=("_domainkey.home.example",))).reason == "dns_silent"


# ---- signatures that must not count


def test_a_signature_over_a_part_of_the_body_does_not_count() -> None:
    raw = signed(mail())
    partial = raw.replace(b"a=rsa-sha256;", b"a=rsa-sha256; l=5;", 1)
    assert partial != raw
    assert check(partial + b"and more", Dns(HOME)).dkim is Result.POLICY


def test_sha_1_does_not_count() -> None:
    raw = signed(mail()).replace(b"a=rsa-sha256", b"a=rsa-sha1")
    assert check(raw, Dns(HOME)).dkim is Result.POLICY


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=DKIM1; p=",
        "v=DKIM1; k=rsa; p=AAAA",
        "p=" + "A" * 5_000,
        "v=DKIM2; p=x",
        "v=DKIM1; k=dsa; p=AA",
        "\u00e4 p=x",
    ],
)
def test_a_key_that_cannot_be_used_is_a_permanent_error(record: str) -> None:
    found = check(signed(mail()), Dns({**HOME, "s1._domainkey.home.example": record}))
    assert found.grade is Grade.D
    assert found.dkim in (Result.PERMERROR, Result.FAIL)


def test_no_more_signatures_are_verified_than_the_limit() -> None:
    one = signed(mail()).partition(b"\r\nFrom:")[0] + b"\r\n"
    dns = Dns(DMARC)
    check(one * 200 + mail(), dns)
    assert sum("_domainkey" in name for name in dns.asked) <= MAX_SIGNATURES


def test_a_signature_past_its_expiry_does_not_count_at_that_time() -> None:
    raw = signed(mail()).replace(b"a=rsa-sha256;", b"a=rsa-sha256; x=1741100000;", 1)
    dns = Dns(HOME)
    found = authenticate(raw, parse(raw), txt=dns, authserv_id=MX, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert found.dkim is Result.POLICY


@pytest.mark.parametrize(
    "raw",
    [
        signed(mail(body=" " * 300_000 + "x" + "\t " * 200_000 + "\r\n")),
        signed(mail(body="\r\n" * 300_000)),
        b"DKIM-Signature: v=1; a=rsa-sha256; d=home.example; s=s1; b=" + b"\r\n " * 40_000 + b"\r\n" + mail(),
        b"DKIM-Signature: " + b"a" * 200_000 + b"\r\n" + mail(),
        b"X: y\r\n" * 50_000 + signed(mail()),
        b"ARC-Seal: i=1\r\n" * 3_000 + mail(),
        b"Authentication-Results: mx.agency.example;" + b"(" * 100_000 + b"\r\n" + mail(),
        b"Authentication-Results: mx.agency.example;" + b' spf=pass smtp.mailfrom="' * 5_000 + b"\r\n" + mail(),
        b"Authentication-Results: mx.agency.example; spf=pass\r\n" * 1_000 + mail(),
        b"Received: from x (y [1.2.3.4])" + b"(" * 100_000 + b"\r\n" + mail(),
        b"".join(b"ARC-Seal: i=%d; d=sealer.example; b=\r\n" % number for number in range(1, 51)) + mail(),
        b"Received: from x (y [127.0.0.1])\r\n" * 2_000 + mail(),
    ],
    ids=[
        "spaces", "empty lines", "folds", "long tag", "fields", "seals", "comments", "quotes", "results", "received", "sets",
        "hops",
    ],
)  # fmt: skip
def test_hostile_mail_is_checked_in_little_time(raw: bytes) -> None:
    check(raw, Dns(HOME), trusted_sealers=("sealer.example",))


# ---- the readers


def test_results_are_read_with_comments_quotes_and_versions() -> None:
    found = read_results(
        'mx.example 1; dkim/1 = pass (good (nested) key) reason="all; fine" header.d=home.example; none'
    )
    assert found is not None
    assert found.authserv_id == "mx.example"
    assert found.results[0].method == "dkim"
    assert found.results[0].properties == {"reason": "all; fine", "header.d": "home.example"}


def test_a_field_without_a_server_says_nothing() -> None:
    assert read_results("spf=pass smtp.mailfrom=home.example") is None
    assert read_results("") is None


@pytest.mark.parametrize(
    "text", ["v=spf1 -all", "", "v=DMARC1; p=none\nv=DMARC1; p=reject", "p=none; v=DMARC1", "v=DMARC1; p=maybe"]
)
def test_what_is_no_single_record_is_no_policy(text: str) -> None:
    assert read_record(text) is None


def test_other_records_beside_the_policy_do_not_matter() -> None:
    assert read_record("v=spf1 -all\nv=DMARC1; p=none") == {"v": "DMARC1", "p": "none"}


def test_a_domain_without_records_stands_alone() -> None:
    records = DmarcRecords(Dns())
    assert records.organisational_domain("a.home.example") == "a.home.example"
    assert not records.aligned("home.example", "a.home.example", strict=False)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(
        [
            b"",
            b"From: finn@home.example\r\n",
            b"DKIM-Signature: ",
            b"ARC-Seal: i=1; ",
            b"Authentication-Results: mx.agency.example; ",
        ]
    ),
)
def test_no_octets_raise(raw: bytes, head: bytes) -> None:
    found = check(head + raw, Dns(HOME), trusted_sealers=("sealer.example",))
    assert found.grade in Grade
    assert found.aligned_domain is None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_signed_mail_makes_another_authors_domain(data: st.DataObject) -> None:
    raw = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    found = check(bytes(raw), Dns({**HOME, "_dmarc.example": "v=DMARC1; p=none"}))
    assert found.aligned_domain in (None, "home.example")
