"""TLS and mutual TLS with real processes: who gets access, who does not, and renewed certificates."""

import os
import shutil
import time
import unittest

import grpc

import harness
from certificates import Authority
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from spaces import Space

ANY_PORTS = ("--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0")
LIST = search_service_pb2.ListSearchesRequest()


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed: TLS was NOT checked")
class TlsTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, "ours")
        self.certificate, self.key = self.authority.issue("controller")

    def tls_controller(self, *flags, **options):
        return self.controller(f"--tls-cert={self.certificate}", f"--tls-key={self.key}", *flags, **options)

    def assert_kept_out(self, server, credentials):
        api = self.client(server, credentials=credentials)
        self.assert_rpc_error(grpc.StatusCode.UNAVAILABLE, api.call, "ListSearches", LIST, wait_for_ready=False)

    def run_search(self, server, api, *flags):
        """Runs a search with a worker and the command line, which both get these flags."""
        space = Space(layers=2, options=2, seed=71)
        table = space.write_table(self.path("table.csv"))
        name = api.create(space.spec("secure")).name
        self.worker(server, "worker", *harness.tabular_flags(table), *flags)
        self.assertEqual(api.wait_for_end(name).state, search_pb2.SEARCH_STATE_SUCCEEDED)
        done = self.cli(server, "search", "list", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("secure-1", done.stdout)

    def test_the_client_makes_sure_of_the_controller(self):
        server = self.tls_controller()
        api = self.client(server, credentials=self.authority.channel_credentials())
        self.run_search(server, api, f"--tls-ca={self.authority.certificate}")

        other = Authority(self.folder, "other")
        self.assert_kept_out(server, None)
        self.assert_kept_out(server, other.channel_credentials())
        for flags in ([], [f"--tls-ca={other.certificate}"]):
            done = self.cli(server, "search", "list", *flags)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn(server.address, done.stderr)
            self.assertIn("--tls-ca", done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_certificate_for_another_host_is_not_taken(self):
        self.certificate, self.key = self.authority.issue("elsewhere", hosts="DNS:elsewhere.example")
        server = self.tls_controller()
        self.assert_kept_out(server, self.authority.channel_credentials())
        done = self.cli(server, "search", "list", f"--tls-ca={self.authority.certificate}")
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_a_worker_that_was_there_first_gets_through(self):
        """Without further settings, gRPC 1.51 never completes a handshake while no call is in progress."""
        table = Space(layers=2, options=2, seed=72).write_table(self.path("table.csv"))
        port = harness.free_port()
        flags = [*harness.tabular_flags(table), f"--tls-ca={self.authority.certificate}"]
        worker = harness.Worker(self, f"127.0.0.1:{port}", "worker", *flags)
        harness.wait_for(lambda: "cannot reach the controller" in worker.process.log(), "the worker to have tried")
        self.tls_controller(port=port)
        harness.wait_for(lambda: "the controller is back" in worker.process.log(), "the worker to get through")

    def test_mutual(self):
        server = self.tls_controller(f"--tls-client-ca={self.authority.certificate}")
        certificate, key = self.authority.issue("client")
        api = self.client(server, credentials=self.authority.channel_credentials(certificate, key))
        ca = f"--tls-ca={self.authority.certificate}"
        self.run_search(server, api, ca, f"--tls-cert={certificate}", f"--tls-key={key}")

        # Without a certificate, with one of another authority, and without TLS.
        self.assert_kept_out(server, self.authority.channel_credentials())
        others_certificate, others_key = Authority(self.folder, "other").issue("client")
        self.assert_kept_out(server, self.authority.channel_credentials(others_certificate, others_key))
        self.assert_kept_out(server, None)
        for flags in ([], [f"--tls-cert={others_certificate}", f"--tls-key={others_key}"]):
            done = self.cli(server, "search", "list", ca, *flags)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("--tls-cert", done.stderr)
        self.assertNotIn("PRIVATE KEY", server.process.log())

    def test_the_environment_may_name_the_files(self):
        server = self.tls_controller(f"--tls-client-ca={self.authority.certificate}")
        certificate, key = self.authority.issue("client")
        environment = {
            "LAYERNAS_TLS_CA": self.authority.certificate,
            "LAYERNAS_TLS_CERT": certificate,
            "LAYERNAS_TLS_KEY": key,
        }
        done = self.cli(server, "worker", "list", environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_certificates_are_renewed_without_a_restart(self):
        server = self.tls_controller()
        before = self.client(server, credentials=self.authority.channel_credentials())
        before.call("ListSearches", LIST)

        def connects(authority):
            api = harness.Client(server.address, credentials=authority.channel_credentials())
            try:
                api.call("ListSearches", LIST, wait_for_ready=False, timeout_s=10)
                return True
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                return False
            finally:
                api.close()

        # While the new files are broken, no new client gets access, neither with TLS nor without.
        good = {path: self.read(path) for path in (self.certificate, self.key)}
        self.write(self.certificate, "no certificate\n")
        harness.wait_for(lambda: not connects(self.authority), "the broken certificate to be noticed")
        self.assert_kept_out(server, None)
        before.call("ListSearches", LIST)
        self.write(self.certificate, good[self.certificate])
        harness.wait_for(lambda: connects(self.authority), "the repaired certificate to be used")

        new = Authority(self.folder, "new")
        certificate, key = new.issue("controller")
        os.replace(key, self.key)
        os.replace(certificate, self.certificate)
        harness.wait_for(lambda: connects(new), "the renewed certificate to be used")
        self.assertFalse(connects(self.authority))
        # Connected clients stay connected.
        before.call("ListSearches", LIST)
        self.assertTrue(server.process.running())

    def test_the_end_of_the_certificate_is_a_metric(self):
        end = ("layernas_tls_certificate_end_timestamp_seconds", frozenset())
        server = self.tls_controller()
        self.assertEqual(server.metrics()[end], self.authority.end_of(self.certificate))
        # The expiry time of the current file. The metric is missing while the file cannot be read.
        certificate, _ = self.authority.issue("renewed", days=100)
        os.replace(certificate, self.certificate)
        renewed = self.authority.end_of(self.certificate)
        self.assertGreater(renewed, time.time() + 99 * 86400)
        self.assertEqual(server.metrics()[end], renewed)
        self.write(self.certificate, "no certificate\n")
        self.assertNotIn(end, server.metrics())
        self.assertNotIn(end, self.controller(name="plain").metrics())

    def test_files_that_cannot_be_used_are_named(self):
        other_certificate, other_key = self.authority.issue("other")
        expired, expired_key = self.authority.issue("expired", days=-1)
        open_key = self.write("open-key.pem", self.read(self.key))
        os.chmod(open_key, 0o644)
        junk = self.write_private("junk.pem", "junk\n")
        missing = self.path("missing.pem")
        data = f"--data-dir={self.path('refused')}"
        for certificate, key, client_ca, said in (
            (missing, self.key, None, ("--tls-cert", missing)),
            (self.certificate, missing, None, ("--tls-key", missing)),
            (junk, self.key, None, ("--tls-cert", junk, "PEM")),
            (self.certificate, junk, None, ("--tls-key", junk, "PEM")),
            (self.certificate, other_key, None, ("--tls-key", other_key, "not the key", self.certificate)),
            (self.certificate, open_key, None, ("--tls-key", open_key, "chmod")),
            (expired, expired_key, None, ("--tls-cert", expired, "expired")),
            (self.certificate, self.key, junk, ("--tls-client-ca", junk)),
            (self.certificate, None, None, ("--tls-cert", "--tls-key")),
            (None, self.key, None, ("--tls-cert", "--tls-key")),
            (None, None, self.authority.certificate, ("--tls-cert", "--tls-key")),
        ):
            given = {"--tls-cert": certificate, "--tls-key": key, "--tls-client-ca": client_ca}
            flags = [f"{flag}={path}" for flag, path in given.items() if path]
            with self.subTest(flags=flags):
                output = harness.refused_controller(*ANY_PORTS, data, *flags)
                for text in said:
                    self.assertIn(text, output)
                self.assertNotIn("PRIVATE", output)
        self.assertFalse(os.path.exists(self.path("refused")))
        done = self.cli("127.0.0.1:1", "search", "list", f"--tls-ca={missing}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"--tls-ca: {missing}", done.stderr)
        self.assertTrue(other_certificate)

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()


class ListenTest(harness.IntegrationTest):

    def test_elsewhere_than_on_loopback_only_what_is_safe(self):
        # All fail before they read a file or listen.
        data = f"--data-dir={self.path('data')}"
        tls = ("--tls-cert=c.pem", "--tls-key=k.pem")
        for address in ("0.0.0.0:0", "[::]:0", "10.1.2.3:0", "127.example.com:0", "controller:0"):
            for flags, said in (
                ((), ("TLS", "--token-file", "--insecure-listen")),
                (("--token-file=t",), ("TLS", "--insecure-listen")),
                (tls, ("--token-file", "--tls-client-ca", "--insecure-listen")),
                (("--insecure-metrics-listen",), ("--insecure-listen",)),
            ):
                with self.subTest(address=address, flags=flags):
                    output = harness.refused_controller(
                        data, f"--listen={address}", "--metrics-listen=127.0.0.1:0", *flags
                    )
                    self.assertIn(address, output)
                    for text in said:
                        self.assertIn(text, output)
            output = harness.refused_controller(
                data, "--listen=127.0.0.1:0", f"--metrics-listen={address}", *tls, "--token-file=t"
            )
            self.assertIn(address, output)
            self.assertIn("--insecure-metrics-listen", output)
        self.assertFalse(os.path.exists(self.path("data")))

    def test_what_is_safe_or_asked_for_is_served(self):
        # IPv4's loopback as an IPv6 address. It is not recognised as loopback, although no other
        # host can reach it.
        host = "[::ffff:127.0.0.1]"
        for number, flags in enumerate((("--insecure-listen",), ("--insecure-listen", "--insecure-metrics-listen"))):
            server = self.controller(*flags, host=host, name=f"controller-{number}")
            self.client(server).call("ListSearches", LIST)
        if not shutil.which("openssl"):
            self.skipTest("openssl is not installed: a safe controller elsewhere than on loopback was NOT checked")
        authority = Authority(self.folder, "ours")
        certificate, key = authority.issue("controller", hosts="IP:::ffff:127.0.0.1")
        server = self.controller(
            f"--tls-cert={certificate}",
            f"--tls-key={key}",
            f"--tls-client-ca={authority.certificate}",
            host=host,
        )
        self.assertTrue(server.process.running())


if __name__ == "__main__":
    harness.main()
