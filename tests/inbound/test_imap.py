"""A mailbox over IMAP, against a real server on loopback: octets as they are, nothing deleted, an end to every answer."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytest.importorskip("imap_tools", reason="imap-tools is not installed")

from postmuster.inbound import imap_line
from postmuster.inbound.imap import ImapAddress, Security, WhenTaken, open_mailbox
from postmuster.inbound.troubles import MailboxTrouble, Trouble

from .imap_server import ARRIVED, HANG_UP, PASSWORD, USER, Folder, ImapServer, Rule

MOST = 100_000
MAIL = b"From: ann@mail.example\r\nSubject: YES\r\n\r\nYES\r\n"


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer() as made:
        yield made


def _address(server: ImapServer, **changes: object) -> ImapAddress:
    address = ImapAddress(
        host="127.0.0.1",
        port=server.port,
        security=Security.NONE,
        ca_file="",
        user=USER,
        password=PASSWORD,
        folder="INBOX",
        when_taken=WhenTaken.SEEN,
        taken_folder="",
        timeout_s=5,
    )
    return replace(address, **changes)  # type: ignore[arg-type]


def _trouble(address: ImapAddress) -> Trouble:
    """What opening and reading ends in."""
    with pytest.raises(MailboxTrouble) as met:
        _read_and_mark(address)
    return met.value.trouble


def _read_and_mark(address: ImapAddress) -> None:
    with open_mailbox(address) as box:
        uids = box.uids_after(0)
        box.describe(uids)
        box.octets(uids, most=MOST, expected=MOST)
        box.mark(uids)


def test_octets_come_as_the_server_has_them_whatever_they_are(server: ImapServer) -> None:
    mails = [MAIL, b"", b"no header\n.\r\n\x00\xff{12}\r\n* 1 FETCH (UID 1)\r\nTAG OK\r\n", bytes(range(256)) * 40]
    for octets in mails:
        server.inbox.add(octets)
    with open_mailbox(_address(server)) as box:
        uids = box.uids_after(0)
        assert list(box.octets(uids, most=MOST, expected=20_000).values()) == mails


def test_reading_marks_nothing(server: ImapServer) -> None:
    server.inbox.add(MAIL)
    with open_mailbox(_address(server)) as box:
        box.octets(box.uids_after(0), most=MOST, expected=100)
    assert server.inbox.mails[0].flags == set()


def test_only_numbers_above_the_last_one_are_new_although_a_server_names_its_newest(server: ImapServer) -> None:
    for _ in range(3):
        server.inbox.add(MAIL)
    with open_mailbox(_address(server)) as box:
        assert (box.uids_after(0), box.uids_after(2), box.uids_after(3)) == ([1, 2, 3], [3], [])
        assert box.uids_after(2**32 - 1) == []


def test_numbers_in_several_lines_of_an_answer_are_all_found(server: ImapServer) -> None:
    server.rule = _instead(b"UID SEARCH", b"* SEARCH 9 4\r\n* SEARCH 2\r\n* SEARCH\r\nTAG OK done\r\n")
    with open_mailbox(_address(server)) as box:
        assert box.uids_after(1) == [2, 4, 9]


def test_sizes_and_dates_are_the_servers_word_in_universal_time(server: ImapServer) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-5))
    server.inbox.add(MAIL, arrived_at=ARRIVED.astimezone(zone), stated_octets=12)
    with open_mailbox(_address(server)) as box:
        [found] = box.describe([1])
    assert (found.uid, found.octets, found.arrived_at) == (1, 12, ARRIVED)


def test_a_date_that_is_none_and_a_size_nobody_states_are_none(server: ImapServer) -> None:
    server.rule = _instead(
        b"UID FETCH", b'* 1 FETCH (UID 1 INTERNALDATE "31-Feb-2027 25:00:00 +9999")\r\nTAG OK done\r\n'
    )
    with open_mailbox(_address(server)) as box:
        [found, missing] = box.describe([1, 2])
    assert (found.octets, found.arrived_at, missing.octets) == (None, None, None)


def test_of_a_mail_at_most_one_octet_too_many_is_asked_for(server: ImapServer) -> None:
    server.inbox.add(b"x" * 5_000, stated_octets=10)
    with open_mailbox(_address(server)) as box:
        assert len(box.octets([1], most=1_000, expected=10)[1]) == 1_001


def test_a_mail_that_is_gone_or_refused_is_left_out(server: ImapServer) -> None:
    server.inbox.add(MAIL)
    with open_mailbox(_address(server)) as box:
        assert box.octets([1, 5], most=MOST, expected=100) == {1: MAIL}
        assert (box.has(1), box.has(5)) == (True, False)
        server.rule = _instead(b"UID FETCH", b"TAG NO cannot be converted\r\n")
        assert box.octets([1], most=MOST, expected=100) == {}


def test_a_number_behind_the_literal_is_found_too(server: ImapServer) -> None:
    said = (
        b"* 1 FETCH (BODY[]<0> {3}\r\nabc UID 4)\r\n* 2 FETCH (FLAGS (\\Seen))\r\n"
        b"* 2 FETCH (UID 5 BODY[]<0> NIL)\r\nTAG OK done\r\n"
    )
    server.rule = _instead(b"UID FETCH", said)
    with open_mailbox(_address(server)) as box:
        assert box.octets([4, 5], most=MOST, expected=100) == {4: b"abc"}


def test_marking_as_seen_deletes_nothing_not_even_what_somebody_else_marked_as_deleted(server: ImapServer) -> None:
    server.inbox.add(MAIL)
    server.inbox.add(MAIL).flags.add("\\Deleted")
    with open_mailbox(_address(server)) as box:
        box.mark([1, 2])
    assert [mail.flags for mail in server.inbox.mails] == [{"\\Seen"}, {"\\Seen", "\\Deleted"}]
    assert not server.said("EXPUNGE")
    assert not server.said("CLOSE")


def test_moving_is_the_servers_own_or_none(server: ImapServer) -> None:
    server.folders["Taken &AOk-"] = Folder()  # as RFC 3501 §5.1.3 writes it
    server.inbox.add(MAIL)
    address = _address(server, when_taken=WhenTaken.MOVE, taken_folder="Taken é")
    with open_mailbox(address) as box:
        box.mark([1])
        box.mark([1])  # twice is as once
    assert server.inbox.mails == []
    assert [mail.octets for mail in server.folders["Taken &AOk-"].mails] == [MAIL]
    server.inbox.add(MAIL)
    assert _trouble(replace(address, taken_folder="Nowhere")) is Trouble.MARKING
    server.capabilities = ""
    assert _trouble(address) is Trouble.MARKING
    assert [mail.octets for mail in server.inbox.mails] == [MAIL]
    assert not server.said("UID COPY")
    assert not server.said("EXPUNGE")


def test_where_nothing_is_to_be_marked_the_folder_is_opened_read_only(server: ImapServer) -> None:
    server.inbox.add(MAIL)
    server.inbox.is_read_only = True
    with open_mailbox(_address(server, when_taken=WhenTaken.LEAVE)) as box:
        box.mark(box.uids_after(0))
    assert server.said("EXAMINE")
    assert not server.said("SELECT")
    assert _trouble(_address(server)) is Trouble.READ_ONLY


# ---- who we are


@pytest.mark.parametrize("capabilities", ["", "AUTH=PLAIN"])
def test_the_password_is_understood_by_either_way_to_log_in(server: ImapServer, capabilities: str) -> None:
    server.capabilities = capabilities
    with open_mailbox(_address(server)) as box:
        assert box.uids_after(0) == []


@pytest.mark.parametrize("capabilities", ["", "AUTH=PLAIN", "LOGINDISABLED"])
def test_a_wrong_password_is_said_without_a_word_of_it_or_of_the_server(server: ImapServer, capabilities: str) -> None:
    server.capabilities = capabilities
    with pytest.raises(MailboxTrouble) as met, open_mailbox(_address(server, password="wrong battery")):
        pass
    assert met.value.trouble is Trouble.LOGIN
    assert "battery" not in str(met.value)
    assert USER not in str(met.value)
    assert met.value.__cause__ is None


def test_a_folder_that_is_not_there_is_said(server: ImapServer) -> None:
    assert _trouble(_address(server, folder="Nowhere")) is Trouble.FOLDER


@pytest.mark.parametrize("validity", [b"", b"* OK [UIDVALIDITY 0] x\r\n", b"* OK [UIDVALIDITY 99999999999] x\r\n"])
def test_a_server_without_numbers_that_hold_is_not_read(server: ImapServer, validity: bytes) -> None:
    server.rule = _instead(b"SELECT", b"* 0 EXISTS\r\n" + validity + b"TAG OK [READ-WRITE] opened\r\n")
    assert _trouble(_address(server)) is Trouble.UNINTELLIGIBLE


# ---- TLS


def _certificate(
    name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[bytes, bytes, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.public_bytes(serialization.Encoding.PEM), pem, key


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext, ssl.SSLContext]:
    """An authority's file; contexts of servers of the right and of another name that it vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    authority, _, authority_key = _certificate("authority.example", None)
    (folder / "ca.pem").write_bytes(authority)
    issuer = (x509.load_pem_x509_certificate(authority).subject, authority_key)
    contexts = []
    for name in ("127.0.0.1", "other.example"):
        certificate, key, _ = _certificate(name, issuer)
        (folder / f"{name}.pem").write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem")
        contexts.append(context)
    return str(folder / "ca.pem"), contexts[0], contexts[1]


Chain = tuple[str, ssl.SSLContext, ssl.SSLContext]


@pytest.mark.parametrize("security", [Security.IMPLICIT, Security.STARTTLS])
def test_behind_tls_all_is_said_and_nothing_before_it(chain: Chain, security: Security) -> None:
    ca_file, right, _ = chain
    with ImapServer(tls=right, is_implicit=security is Security.IMPLICIT) as server:
        server.inbox.add(MAIL)
        with open_mailbox(_address(server, security=security, ca_file=ca_file)) as box:
            assert box.octets(box.uids_after(0), most=MOST, expected=100) == {1: MAIL}
        assert server.said("LOGIN")
        assert {one.partition(b" ")[0] for one in server.before_tls} <= {b"CAPABILITY", b"STARTTLS"}


@pytest.mark.parametrize("security", [Security.IMPLICIT, Security.STARTTLS])
@pytest.mark.parametrize("which", ["another name", "another authority"])
def test_a_server_that_cannot_show_who_it_is_hears_no_password(chain: Chain, security: Security, which: str) -> None:
    ca_file, right, wrong_name = chain
    context = wrong_name if which == "another name" else right
    with ImapServer(tls=context, is_implicit=security is Security.IMPLICIT) as server:
        given = ca_file if which == "another name" else ""
        assert _trouble(_address(server, security=security, ca_file=given)) is Trouble.TLS
        assert server.heard == []
        assert not any(one.startswith((b"LOGIN", b"AUTH")) for one in server.before_tls)


def test_a_server_without_starttls_or_with_words_before_it_hears_no_password(chain: Chain, server: ImapServer) -> None:
    ca_file, right, _ = chain
    assert _trouble(_address(server, security=Security.STARTTLS, ca_file=ca_file)) is Trouble.TLS
    assert not server.said("LOGIN")
    with ImapServer(tls=right, is_implicit=False) as pushy:
        pushy.after_starttls = b"* CAPABILITY IMAP4rev1\r\nx OK\r\n"
        assert _trouble(_address(pushy, security=Security.STARTTLS, ca_file=ca_file)) is Trouble.TLS
        assert pushy.heard == []


def test_authorities_that_are_no_file_are_trouble_with_tls(server: ImapServer, tmp_path: Path) -> None:
    address = _address(server, security=Security.IMPLICIT, ca_file=str(tmp_path / "missing.pem"))
    assert _trouble(address) is Trouble.TLS


# ---- servers that mean ill


def _instead(verb: bytes, said: bytes) -> Rule:
    return lambda command: said if command.startswith(verb) else None


_ILL = {
    "a literal of a hundred gigabytes": (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[]<0> {99999999999}\r\n"),
    "a number of six thousand digits": (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[]<0> {" + b"9" * 6000 + b"}\r\n"),
    "a word for a number": (b"UID SEARCH", b"* SEARCH 1 two\r\nTAG OK done\r\n"),
    "a search refused": (b"UID SEARCH", b"TAG BAD no\r\n"),
    "a line without end": (b"UID SEARCH", b"* SEARCH " + b"1 " * 9_000_000),
    "lines without end": (b"UID SEARCH", b"* 1 EXISTS\r\n" * 30_000),
    "no protocol": (b"UID SEARCH", b"\r\n\xff\xfe\x00\r\n"),
    "an answer to another": (b"UID SEARCH", b"other1 OK done\r\n"),
    "an older protocol": (b"CAPABILITY", b"* CAPABILITY IMAP2\r\nTAG OK done\r\n"),
}
_GONE = {
    "half a literal": (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[]<0> {50}\r\nabc"),
    "good bye": (b"UID SEARCH", b"* BYE\r\n"),
    "gone while searching": (b"UID SEARCH", HANG_UP),
    "gone while opening": (b"SELECT", HANG_UP),
    "gone at the login": (b"LOGIN", HANG_UP),
}


@pytest.mark.parametrize("what", sorted(_ILL))
def test_an_answer_that_cannot_be_read_or_has_no_end_ends_in_a_word(server: ImapServer, what: str) -> None:
    server.inbox.add(MAIL)
    server.rule = _instead(*_ILL[what])
    assert _trouble(_address(server)) is Trouble.UNINTELLIGIBLE


@pytest.mark.parametrize("what", sorted(_GONE))
def test_a_server_that_leaves_or_falls_silent_is_unreachable(server: ImapServer, what: str) -> None:
    server.inbox.add(MAIL)
    server.rule = _instead(*_GONE[what])
    assert _trouble(_address(server, timeout_s=0.3)) in {Trouble.UNREACHABLE, Trouble.UNINTELLIGIBLE}


def test_a_server_that_drips_is_hung_up_on(server: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One octet at a time never runs into a time-out, so a command has an end of its own."""
    monkeypatch.setattr(imap_line, "MAX_COMMAND_S", 0.5)
    over = threading.Event()
    line = _drip_line(server, over)
    try:
        assert _trouble(_address(server)) is Trouble.UNINTELLIGIBLE
    finally:
        over.set()
        line.join(10)


def _drip_line(server: ImapServer, over: threading.Event) -> threading.Thread:
    started = threading.Event()

    def drip() -> None:
        assert started.wait(10)
        while not over.wait(0.02):
            try:
                server._lines[-1].sendall(b"x")
            except OSError:
                return

    def rule(command: bytes) -> bytes | None:
        if command.startswith(b"UID SEARCH"):
            started.set()
            return b"* SEARCH "
        return None

    server.rule = rule
    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    return thread


def test_nobody_listens(server: ImapServer) -> None:
    server.close()
    assert _trouble(_address(server)) is Trouble.UNREACHABLE
