"""Callers that do not speak gRPC at all change nothing: they send other protocols, rubbish, too much or nothing."""

import os
import socket
import ssl
import struct

import bad_clients
import harness

# HTTP/2 frames: the preface, empty settings and a ping (RFC 9113).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
PING = b"\0\0\x08\6\0\0\0\0\0" + b"8 bytes!"
GOAWAY = 7


class NoGrpcTest(bad_clients.BadClients):

    def test_no_grpc_at_all(self):
        host, port = self.server.address.rsplit(":", 1)

        def talk(data, answer_wanted=b""):
            """Returns what is answered until the other end closes the connection, or until `answer_wanted` arrives."""
            with socket.create_connection((host, int(port)), timeout=harness.PATIENCE_S) as connection:
                received = b""
                try:
                    connection.sendall(data)
                    while answer_wanted not in received or not answer_wanted:
                        piece = connection.recv(4096)
                        if not piece:
                            break
                        received += piece
                except (ConnectionResetError, BrokenPipeError):
                    pass
                return received

        for what, data in (
            ("HTTP/1.1", b"GET /metrics HTTP/1.1\r\nHost: layernas\r\n\r\n"),
            ("random bytes", os.urandom(4096)),
            ("a greeting and rubbish", PREFACE + b"\xff" * 64),
            # A frame that claims to have 16 MiB, where 16 KiB are allowed.
            ("an oversized frame", PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1"),
        ):
            with self.subTest(what):
                self.assertNotIn(b"layernas_", talk(data))
                self.assert_unchanged()

        with self.subTest("data on a stream that nobody opened"):
            self.assertIn(PING[9:], talk(PREFACE + SETTINGS + b"\0\0\4\0\1\0\0\0\1rude" + PING, PING[9:]))
            self.assert_unchanged()

        with self.subTest("a flood of pings"):
            received = talk(PREFACE + SETTINGS + PING * 50)
            frames = list(self.frames(received))
            self.assertIn(GOAWAY, [kind for kind, _ in frames])
            self.assertIn(b"too_many_pings", received)

        with self.subTest("TLS where there is none"):
            context = ssl.create_default_context()
            with socket.create_connection((host, int(port)), timeout=harness.PATIENCE_S) as connection:
                with self.assertRaises((ssl.SSLError, OSError)):
                    context.wrap_socket(connection, server_hostname="layernas")

        with self.subTest("connections that say nothing, or half a greeting"):
            silent = [socket.create_connection((host, int(port)), timeout=harness.PATIENCE_S) for _ in range(200)]
            for connection in silent[:100]:
                connection.sendall(PREFACE[:10])
            self.assert_unchanged()
            for connection in silent:
                connection.close()
        self.assert_unchanged()

    def frames(self, data):
        """Returns (type, payload) of the HTTP/2 frames in `data`."""
        while len(data) >= 9:
            length = struct.unpack(">I", b"\0" + data[:3])[0]
            yield data[3], data[9 : 9 + length]
            data = data[9 + length :]


if __name__ == "__main__":
    harness.main()
