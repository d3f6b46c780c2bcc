"""Certificates for tests, made with openssl."""

import datetime
import os
import subprocess

import grpc


def _openssl(*arguments):
    subprocess.run(
        ["openssl", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=60,
        check=True,
    )


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Authority:
    """A certificate authority with its own folder. certificate: the path of its own certificate."""

    def __init__(self, folder, name):
        self._folder = os.path.join(folder, name)
        os.mkdir(self._folder)
        self.certificate = self._path("ca.pem")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}",
            "-keyout", self._path("ca-key.pem"), "-out", self.certificate,
        )  # fmt: skip

    def _path(self, name):
        return os.path.join(self._folder, name)

    def issue(self, name, hosts="IP:127.0.0.1,DNS:localhost", days=2):
        """Returns the paths (certificate, key). With negative days, the certificate has expired."""
        certificate, key, request = (self._path(f"{name}{end}") for end in (".pem", "-key.pem", ".csr"))
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        with open(self._path("extensions"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={hosts}\n")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._path("ca-key.pem"),
            "-CAcreateserial", "-days", str(days), "-extfile", self._path("extensions"), "-out", certificate,
        )  # fmt: skip
        os.chmod(key, 0o600)
        return certificate, key

    def end_of(self, certificate):
        """Returns when the certificate expires, in seconds of Unix time, as openssl reports it."""
        shown = subprocess.run(
            ["openssl", "x509", "-in", certificate, "-noout", "-enddate", "-dateopt", "iso_8601"],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        end = datetime.datetime.strptime(shown.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ")
        return end.replace(tzinfo=datetime.timezone.utc).timestamp()

    def channel_credentials(self, certificate=None, key=None):
        """Returns credentials of a client that trusts this authority and has the given certificate, if any."""
        return grpc.ssl_channel_credentials(
            read(self.certificate), read(key) if key else None, read(certificate) if certificate else None
        )
