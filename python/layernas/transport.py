"""How the client reaches a controller: addresses, certificates and tokens, by the rules of the command line."""

from __future__ import annotations

import dataclasses
import os
import socket
import stat
from typing import Any

import grpc

_SHORTEST_TOKEN = 32
_LONGEST_TOKEN = 256
_TRUE = ("1", "true", "on", "yes", "y", "t", "enable")


@dataclasses.dataclass(frozen=True)
class Address:
    """A host (IPv6 without its brackets) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads "127.0.0.1:7060", "controller:7060" or "[::1]:7060"; ValueError says what is wrong."""

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
            raise malformed("the host can't be read")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise malformed("the port must be a number from 0 to 65535")
        return cls(host, int(port))

    def is_loopback(self) -> bool:
        """Whether only this machine can reach it: an address of 127.0.0.0/8, ::1, or "localhost"."""
        try:
            return socket.inet_pton(socket.AF_INET, self.host)[0] == 127
        except OSError:
            pass
        try:
            return socket.inet_pton(socket.AF_INET6, self.host) == bytes(15) + b"\1"
        except OSError:
            return self.host == "localhost"


def read_token(path: str) -> str:
    """The token in a file; ValueError if others have access to the file, or it holds no token."""
    with open(path, encoding="ascii", errors="replace") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & stat.S_IRWXO:
            raise ValueError(f"{path}: others on this machine have access to it (mode {mode & 0o7777:04o}): take it away with chmod o= {path}")
        token = file.read(4096).rstrip(" \t\r\n")
    if not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN or not all("!" <= each <= "~" for each in token):
        raise ValueError(f"{path}: holds no token: a token has {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} visible ASCII characters")
    return token


class TokenInterceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Shows a token with every call. Reads the file again each time, so that a token can be replaced."""

    def __init__(self, path: str) -> None:
        self._path = path

    def _with_token(self, details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), ("authorization", f"Bearer {read_token(self._path)}")])

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)


def setting(given: Any, name: str) -> Any:
    """The argument, or the environment variable LAYERNAS_{name} where none was given."""
    return given or os.environ.get(f"LAYERNAS_{name}") or None


def is_set(given: bool, name: str) -> bool:
    return given or os.environ.get(f"LAYERNAS_{name}", "").lower() in _TRUE


@dataclasses.dataclass(frozen=True)
class Security:
    """Files that say who the caller is; None where there is none."""

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    token_file: str | None = None
    insecure_token: bool = False

    def check(self, address: str) -> None:
        """ValueError where a token would leave this machine in clear text, as the command line refuses it."""
        parsed = Address.parse(address)
        if self.token_file is None:
            return
        if not (self.tls_ca or self.insecure_token or parsed.is_loopback()):
            raise ValueError(
                f"token_file: the token would go to {address} in the clear: give tls_ca, or insecure_token in a network that you trust"
            )
        read_token(self.token_file)

    def open_channel(self, address: str, options: list[tuple[str, Any]]) -> grpc.Channel:
        """The channel, without the token."""
        if not self.tls_ca:
            return grpc.insecure_channel(address, options=options)

        def read(path: str | None) -> bytes | None:
            if path is None:
                return None
            with open(path, "rb") as file:
                return file.read()

        credentials = grpc.ssl_channel_credentials(read(self.tls_ca), read(self.tls_key), read(self.tls_cert))
        return grpc.secure_channel(address, credentials, options=options)
