"""Addresses, certificates and tokens of a connection, with the same rules as the command line."""

from __future__ import annotations

import dataclasses
import os
import socket
import ssl
import stat
from typing import Any

import grpc

_MIN_TOKEN_LENGTH = 32
_MAX_TOKEN_LENGTH = 256
_MAX_TOKEN_FILE_BYTES = 4096
_MAX_CERTIFICATE_FILE_BYTES = 4 << 20


# With these names as hosts, gRPC would read HOST:PORT as a URI, for example as the path of a socket.
_SCHEMES = frozenset({"dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"})


@dataclasses.dataclass(frozen=True)
class Address:
    """A host (an IPv6 address without brackets) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parses "127.0.0.1:7060", "controller:7060" or "[::1]:7060". Raises ValueError for a malformed address."""

        def malformed(why: str) -> ValueError:
            return ValueError(f'not an address: "{text}" ({why}); write it like 127.0.0.1:7060 or [::1]:7060')

        if "//" in text:
            raise malformed("a host and a port, not a URL")
        host, colon, port = text.rpartition(":")
        if not colon or (host.startswith("[") and not host.endswith("]")):
            raise malformed("the port is missing")
        if host.startswith("["):
            host = host[1:-1]
        elif ":" in host:
            raise malformed("an IPv6 address needs brackets")
        if not host:
            raise malformed("the host is missing")
        if set(host) & set(" \t/,[]"):
            raise malformed("the host is invalid")
        if host in _SCHEMES:
            raise malformed("gRPC reads this host name as a kind of address; use another name or the IP address")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise malformed("the port must be a number from 0 to 65535")
        return cls(host, int(port))

    def is_loopback(self) -> bool:
        """Returns whether only this machine can reach the address: 127.0.0.0/8, ::1, or "localhost"."""
        try:
            return socket.inet_pton(socket.AF_INET, self.host)[0] == 127
        except OSError:
            pass
        try:
            return socket.inet_pton(socket.AF_INET6, self.host) == bytes(15) + b"\1"
        except OSError:
            return self.host == "localhost"


def _read_file(path: str, max_bytes: int, *, private: bool) -> bytes:
    """Reads a regular file. Raises ValueError if the file is not regular, is too large, or is private and others can
    access it."""
    # Do not wait for the other end of a pipe.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path}: is not a regular file")
        if private and mode & stat.S_IRWXO:
            raise ValueError(f"{path}: other users can access it (mode {mode & 0o7777:04o}); run chmod o= {path}")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path}: is larger than {max_bytes} bytes")
    return content


def read_token(path: str) -> str:
    """Reads the token in a file. Raises ValueError if others can access the file, or if it contains no token."""
    token = _read_file(path, _MAX_TOKEN_FILE_BYTES, private=True).decode("ascii", errors="replace").rstrip(" \t\r\n")
    if not _MIN_TOKEN_LENGTH <= len(token) <= _MAX_TOKEN_LENGTH or not all("!" <= each <= "~" for each in token):
        raise ValueError(f"{path}: contains no token: a token has {_MIN_TOKEN_LENGTH} to {_MAX_TOKEN_LENGTH} visible ASCII characters")
    return token


def _read_certificate(name: str, path: str) -> bytes:
    """Reads the file of the argument `name`. Raises ValueError if it contains no certificate."""
    content = _read_file(path, _MAX_CERTIFICATE_FILE_BYTES, private=False)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{name}: {path}: contains no certificate in PEM format") from None
    return content


def _read_key(path: str, certificate: str) -> bytes:
    """Reads a private key. Raises ValueError if the file contains no key, or not the key of `certificate`."""
    content = _read_file(path, _MAX_CERTIFICATE_FILE_BYTES, private=True)
    try:
        # Without a password here, OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, path, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"tls_key: {path}: is not the key of the certificate in {certificate}") from None
        raise ValueError(f"tls_key: {path}: contains no private key in PEM format without a password") from None
    return content


class TokenInterceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Sends a token with every call. Reads the file again for each call, so that the token can be replaced. If the file is
    unusable, for example during the replacement, sends the previous token."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._token = read_token(path)

    def _with_token(self, details: Any) -> Any:
        try:
            self._token = read_token(self._path)
        except (OSError, ValueError):
            pass
        return details._replace(metadata=[*(details.metadata or ()), ("authorization", f"Bearer {self._token}")])

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)


def setting(given: Any, name: str) -> Any:
    """Returns the argument, or the environment variable LAYERNAS_{name} if the argument is missing. Raises ValueError for
    an empty argument: an unset shell variable must not turn off the token or TLS."""
    if given == "":
        raise ValueError(f"{name.lower()}: is empty; omit it to use the default")
    return given or os.environ.get(f"LAYERNAS_{name}") or None


def is_set(given: bool, name: str) -> bool:
    value = os.environ.get(f"LAYERNAS_{name}", "")
    if value not in ("", "true", "false"):
        raise ValueError(f"LAYERNAS_{name}: must be true or false, is {value!r}")
    return given or value == "true"


@dataclasses.dataclass(frozen=True)
class Security:
    """The files that identify the caller; None if not used."""

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    token_file: str | None = None
    insecure_token: bool = False

    def check(self, address: str) -> None:
        """Raises ValueError in the same cases as the command line: incomplete TLS files, or a token that would leave this
        machine in clear text."""
        parsed = Address.parse(address)
        if not self.tls_ca and (self.tls_cert or self.tls_key):
            raise ValueError("tls_cert and tls_key: require tls_ca, which turns on TLS")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key: give both or neither")
        if self.token_file is None:
            return
        if not (self.tls_ca or self.insecure_token or parsed.is_loopback()):
            raise ValueError(
                f"token_file: refusing to send the token to {address} in the clear; give tls_ca, or insecure_token on a trusted network"
            )

    def open_channel(self, address: str, options: list[tuple[str, Any]]) -> grpc.Channel:
        """Opens a channel that sends the token with every call. Raises ValueError for an unusable file and OSError for an
        unreadable one; both name the file."""
        interceptors = [TokenInterceptor(self.token_file)] if self.token_file else []
        if self.tls_ca:
            # gRPC does not check these files: bad ones make every connection fail, or end the process.
            authority = _read_certificate("tls_ca", self.tls_ca)
            certificate = key = None
            if self.tls_cert and self.tls_key:
                certificate = _read_certificate("tls_cert", self.tls_cert)
                key = _read_key(self.tls_key, self.tls_cert)
            channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(authority, key, certificate), options=options)
        else:
            channel = grpc.insecure_channel(address, options=options)
        return grpc.intercept_channel(channel, *interceptors)
