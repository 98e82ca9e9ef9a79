"""Real certificates, and servers behind TLS: the servers of the wheels are built without it, so a proxy speaks it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""What a PostgreSQL client asks first; "S" means yes (postgresql.org/docs, Frontend/Backend Protocol)."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder, and a certificate for this machine that it signed."""

    certificate: Path
    server: Path  # certificate and key in one file


def new_authority(folder: Path) -> Authority:
    """Make both anew, valid for an hour."""
    folder.mkdir()
    own_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = _name("test authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    own = (
        _builder(name, name, own_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
        .sign(own_key, hashes.SHA256())
    )
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key())
    server = (
        _builder(_name("localhost"), name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(issuer, critical=False)
        .sign(own_key, hashes.SHA256())
    )
    certificate, both = folder / "authority.pem", folder / "server.pem"
    certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(server.public_bytes(serialization.Encoding.PEM) + secret)
    return Authority(certificate, both)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


@contextmanager
def behind_tls(authority: Authority, unix_socket: Path, *, postgres: bool = False) -> Iterator[int]:
    """The port on which a server's Unix socket is reached over TLS, and only so, for the length of the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, unix_socket, postgres), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, context: ssl.SSLContext, unix_socket: Path, postgres: bool) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the block has ended
            return
        threading.Thread(target=_serve, args=(client, context, unix_socket, postgres), daemon=True).start()


def _serve(client: socket.socket, context: ssl.SSLContext, unix_socket: Path, postgres: bool) -> None:
    with suppress(OSError), client:
        if postgres:
            if client.recv(len(_SSL_REQUEST)) != _SSL_REQUEST:
                return  # a client that would speak in the clear
            client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secure, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(unix_socket))
            back = threading.Thread(target=_copy, args=(server.recv, secure.sendall, secure), daemon=True)
            back.start()
            _copy(secure.recv, server.sendall, server)
            back.join()


def _copy(receive: Callable[[int], bytes], send: Callable[[bytes], object], to: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := receive(65536):
            send(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_RDWR)
