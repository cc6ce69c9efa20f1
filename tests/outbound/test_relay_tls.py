"""TLS and AUTH on the way out: chain and name are verified, nothing is said in clear that should not be, nothing is believed."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postmuster.mail.smtp_auth import Credentials
from postmuster.mail.submission import Envelope, OutcomeKind
from postmuster.outbound.relay import Relay, RelayAddress, Submission, Timeouts, Tls
from postmuster.outbound.relay_values import weakness

WAIT_S = 10.0
TIMEOUTS = Timeouts(connect_s=5, reply_s=5, body_s=5, quit_s=0.2)
MESSAGE = Submission(1, Envelope("b1@x.example", "p1@x.example"), b"Subject: hello\r\n\r\n" + b"A line.\r\n" * 40_000)
SECRET = "correct horse"


@dataclass(frozen=True, slots=True)
class Chain:
    """An authority's file, and contexts of servers that it vouches for."""

    ca_file: str
    right: ssl.SSLContext
    wrong_name: ssl.SSLContext


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
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
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
    return Chain(str(folder / "ca.pem"), *contexts)


@dataclass
class Server:
    """An SMTP server with TLS; keeps what it heard in clear and behind TLS."""

    context: ssl.SSLContext
    is_implicit: bool = False
    after_starttls: bytes = b"220 2.0.0 Go\r\n"
    clear: list[bytes] = field(default_factory=list)
    hidden: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    port: int = 0

    def serve(self, line: socket.socket) -> None:
        if self.is_implicit:
            line = self.context.wrap_socket(line, server_side=True)
        with line:
            line.sendall(b"220 r.example ESMTP\r\n")
            if not self._talk(line, self.hidden if self.is_implicit else self.clear):
                return
            with self.context.wrap_socket(line, server_side=True) as secured:
                self._talk(secured, self.hidden)

    def _talk(self, line: socket.socket, heard: list[bytes]) -> bool:
        """Talk; True when TLS is to begin."""
        reader = line.makefile("rb")
        while command := reader.readline():
            heard.append(command)
            verb = command[:4].upper()
            if verb == b"EHLO":
                more = b"250-AUTH PLAIN\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
                line.sendall(b"250-r.example\r\n250-STARTTLS\r\n" + more)
            elif verb == b"STAR":
                line.sendall(self.after_starttls)
                return True
            elif verb == b"AUTH":
                said = base64.b64decode(command.split()[2])
                line.sendall(b"235 2.7.0 Ok\r\n" if said == f"\0us\0{SECRET}".encode() else b"535 5.7.8 No\r\n")
            elif verb == b"BDAT":
                self.taken.append(reader.read(int(command.split()[1])))
                line.sendall(b"250 2.0.0 Taken\r\n")
            else:
                line.sendall(b"250 2.0.0 Ok\r\n")
        return False


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    lines: list[socket.socket] = []

    def converse(line: socket.socket) -> None:
        with suppress(OSError, ValueError):
            server.serve(line)
        line.close()

    def listen() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            lines.append(line)
            threading.Thread(target=converse, args=(line,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_S)
        listener.close()


def outcome(server: Server, tls: Tls, ca_file: str, credentials: Credentials | None = None) -> OutcomeKind:
    with serving(server):
        address = RelayAddress("127.0.0.1", server.port, "us.example", tls, ca_file, credentials)
        with Relay(address, 1, TIMEOUTS) as relay:
            return relay.submit([MESSAGE])[1].kind


def test_behind_starttls_everything_arrives_and_nothing_was_said_in_clear(chain: Chain) -> None:
    server = Server(chain.right)
    assert outcome(server, Tls.STARTTLS, chain.ca_file, Credentials("us", SECRET)) is OutcomeKind.ACCEPTED
    assert server.taken == [MESSAGE.data]
    assert server.clear == [b"EHLO us.example\r\n", b"STARTTLS\r\n"]
    assert [line[:4] for line in server.hidden[:3]] == [b"EHLO", b"AUTH", b"MAIL"]


def test_tls_from_the_first_octet_on(chain: Chain) -> None:
    server = Server(chain.right, is_implicit=True)
    assert outcome(server, Tls.IMPLICIT, chain.ca_file, Credentials("us", SECRET)) is OutcomeKind.ACCEPTED
    assert server.taken == [MESSAGE.data]
    assert server.clear == []


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_a_name_that_is_not_the_relays_gets_nothing(chain: Chain, tls: Tls) -> None:
    server = Server(chain.wrong_name, is_implicit=tls is Tls.IMPLICIT)
    assert outcome(server, tls, chain.ca_file, Credentials("us", SECRET)) is OutcomeKind.NOT_EXECUTED
    assert server.hidden == []


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_an_authority_that_is_not_ours_vouches_for_nobody(chain: Chain, tls: Tls) -> None:
    server = Server(chain.right, is_implicit=tls is Tls.IMPLICIT)
    assert outcome(server, tls, "", Credentials("us", SECRET)) is OutcomeKind.NOT_EXECUTED
    assert server.hidden == []


def test_a_file_of_authorities_that_is_none_sends_nothing(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for ca_file in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        server = Server(chain.right)
        assert outcome(server, Tls.STARTTLS, str(ca_file)) is OutcomeKind.NOT_EXECUTED
        assert server.hidden == []


def test_octets_injected_before_the_handshake_end_it(chain: Chain) -> None:
    server = Server(chain.right, after_starttls=b"220 2.0.0 Go\r\n250 r.example\r\n")
    assert outcome(server, Tls.STARTTLS, chain.ca_file) is OutcomeKind.NOT_EXECUTED
    assert server.hidden == []


def test_a_wrong_password_sends_nothing_and_stands_in_no_repr(chain: Chain) -> None:
    server, credentials = Server(chain.right), Credentials("us", "wrong")
    assert outcome(server, Tls.STARTTLS, chain.ca_file, credentials) is OutcomeKind.NOT_EXECUTED
    assert server.taken == []
    shown = repr(RelayAddress("r.example", 587, "us.example", Tls.STARTTLS, "", credentials)) + repr(credentials)
    assert "wrong" not in shown
    assert "wrong" not in repr(RelayAddress("r.example", 587, "us.example", credentials=credentials).protection)


def test_a_relay_on_another_machine_without_tls_is_a_weakness() -> None:
    assert weakness("127.0.0.1", "none", "us") is None
    assert weakness("::1", "none", "") is None
    assert weakness("mta.agency.example", "starttls", "us") is None
    assert "readable" in (weakness("mta.agency.example", "none", "") or "")
    assert "password" in (weakness("192.0.2.1", "none", "us") or "")
