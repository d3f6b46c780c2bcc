"""Tests the Python client's own checks, which are those of the command line."""

import collections
import concurrent.futures
import enum
import fractions
import json
import os
import re
import shutil
import subprocess
import threading
import unittest
import unittest.mock

import grpc
import harness
import layernas
from certificates import Authority, read
from google.protobuf import json_format
from layernas.client import _candidate, _printable, _state
from layernas.spec import read_spec, read_spec_text
from layernas.transport import TokenInterceptor
from layernas.transport import is_set
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import search_service_pb2_grpc
from layernas.v1 import spec_pb2

CORPUS = os.path.join(harness.REPOSITORY, "tests/corpus")


class TokenTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.token_file = self.write_private("ann.token", "layernas_" + "0" * 64 + "\n")

    def open(self, address, **options):
        client = layernas.Client(address, token_file=self.token_file, **options)
        self.addCleanup(client.close)
        return client

    def test_a_token_goes_nowhere_in_clear_text(self):
        with open(os.path.join(CORPUS, "token_addresses.txt"), encoding="ascii") as corpus:
            cases = [line.split() for line in corpus if not line.startswith("#")]
        self.assertGreater(len(cases), 20)
        for verdict, address in cases:
            with self.subTest(address):
                done = self.cli(address, "search", "list", f"--token-file={self.token_file}")
                if verdict == "allowed":
                    self.open(address)
                    self.assertEqual(done.returncode, 5, done.stderr)  # nobody answers
                    continue
                message = "in the clear" if verdict == "refused" else "not an address"
                self.assertEqual(done.returncode, 2)
                self.assertIn(message, done.stderr)
                with self.assertRaisesRegex(ValueError, message):
                    self.open(address)
                if verdict == "refused":
                    self.open(address, insecure_token=True)

    def test_an_empty_argument_turns_nothing_off(self):
        for name in ("token_file", "tls_ca", "controller"):
            with self.assertRaisesRegex(ValueError, f"{name}: is empty; omit it to use the default"):
                layernas.Client(**{name: ""})

    def test_a_file_that_holds_no_token_is_named(self):
        for text, mode, message in (
            ("short\n", 0o600, "contains no token"),
            ("with space " * 4, 0o600, "contains no token"),
            ("layernas_" + "0" * 64, 0o604, "other users can access it"),
        ):
            path = self.write_private("other.token", text)
            os.chmod(path, mode)
            with self.assertRaisesRegex(ValueError, message):
                layernas.Client("127.0.0.1:1", token_file=path)
        os.mkfifo(self.path("pipe"), 0o600)
        with self.assertRaisesRegex(ValueError, "pipe: is not a regular file"):
            layernas.Client("127.0.0.1:1", token_file=self.path("pipe"))

    def test_a_token_that_is_being_replaced_stops_nobody(self):
        interceptor = TokenInterceptor(self.token_file)
        # gRPC does not pass a public class, but a named tuple.
        details = collections.namedtuple("Details", "metadata")(None)

        def shown():
            return dict(interceptor.intercept_unary_unary(lambda sent, _: sent, details, None).metadata)

        before = {"authorization": "Bearer layernas_" + "0" * 64}
        self.assertEqual(shown(), before)
        self.write_private("ann.token", "")
        self.assertEqual(shown(), before)
        os.remove(self.token_file)
        self.assertEqual(shown(), before)
        self.write_private("ann.token", "layernas_" + "1" * 64 + "\n")
        self.assertEqual(shown(), {"authorization": "Bearer layernas_" + "1" * 64})


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed: TLS was NOT checked")
class TlsTest(harness.IntegrationTest):

    # Runs in a separate process, because gRPC ends the process if it gets a certificate without a
    # key.
    OPEN = "import layernas, sys; layernas.Client('127.0.0.1:1', **dict(each.split('=', 1) for each in sys.argv[1:]))"

    def test_what_the_command_line_refuses_is_refused(self):
        authority = Authority(self.folder, "ours")
        ca = authority.certificate
        certificate, key = authority.issue("client")
        _, other_key = authority.issue("other")
        open_key = self.write("open-key.pem", read(key).decode())
        os.chmod(open_key, 0o644)
        locked_key = self.path("locked-key.pem")
        command = ["openssl", "pkey", "-in", key, "-out", locked_key, "-aes256", "-passout", "pass:secret"]
        subprocess.run(command, check=True, timeout=harness.PATIENCE_S)
        os.chmod(locked_key, 0o600)
        junk = self.write_private("junk.pem", "junk\n")
        missing = self.path("missing.pem")
        for files, refusal in (
            ({"ca": ca}, None),
            ({"ca": ca, "cert": certificate, "key": key}, None),
            ({"ca": ca, "cert": certificate}, "ValueError: tls_cert and tls_key: give both or neither"),
            ({"ca": ca, "key": key}, "ValueError: tls_cert and tls_key: give both or neither"),
            ({"cert": certificate, "key": key}, "ValueError: tls_cert and tls_key: require tls_ca"),
            ({"cert": missing, "key": missing}, "ValueError: tls_cert and tls_key: require tls_ca"),
            ({"key": key}, "ValueError: tls_cert and tls_key: require tls_ca"),
            ({"ca": junk}, f"ValueError: tls_ca: {junk}: contains no certificate"),
            ({"ca": ca, "cert": junk, "key": key}, f"ValueError: tls_cert: {junk}: contains no certificate"),
            ({"ca": ca, "cert": certificate, "key": junk}, f"ValueError: tls_key: {junk}: contains no private key"),
            ({"ca": ca, "cert": certificate, "key": locked_key}, f"ValueError: tls_key: {locked_key}: contains no private key"),
            ({"ca": ca, "cert": certificate, "key": other_key}, f"tls_key: {other_key}: is not the key of the certificate"),
            ({"ca": ca, "cert": certificate, "key": open_key}, f"ValueError: {open_key}: other users can access it"),
            ({"ca": missing}, f"FileNotFoundError: .*{missing}"),
            ({"ca": self.folder}, "Error: .*directory"),
        ):
            with self.subTest(files):
                done = subprocess.run(
                    ["/usr/bin/python3", "-B", "-c", self.OPEN, *(f"tls_{name}={path}" for name, path in files.items())],
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE_S, check=False,
                )
                self.assertEqual(done.returncode, 1 if refusal else 0, done.stderr)
                self.assertRegex(done.stderr, refusal or "^$")
                listed = self.cli("127.0.0.1:1", "search", "list", *(f"--tls-{name}={path}" for name, path in files.items()))
                # The command line gives the same result. Exit code 5 means that no controller
                # answers.
                self.assertEqual(listed.returncode != 5, bool(refusal), listed.stderr)


class FakeController(search_service_pb2_grpc.SearchServiceServicer):
    """Answers watches one after another, each with a function of request and context that yields changes."""

    def __init__(self, *watches, state=search_pb2.SEARCH_STATE_RUNNING, sequence=7):
        self._watches = list(watches)
        self._search = search_pb2.Search(name="searches/x-1", state=state, sequence=sequence)
        self.asked = []

    def GetSearch(self, request, context):
        return search_service_pb2.GetSearchResponse(search=self._search)

    def WatchSearch(self, request, context):
        self.asked.append(request.after_sequence)
        if not self._watches:
            # Ends a client that would continue forever.
            context.abort(grpc.StatusCode.NOT_FOUND, "no more watches")
        yield from self._watches.pop(0)(request, context)


def opened(watch):
    def begin(request, context):
        context.send_initial_metadata((("layernas-watch", "open"),))
        yield from watch(request, context)

    return begin


def breaks(code=grpc.StatusCode.UNAVAILABLE, changes=()):
    def watch(request, context):
        yield from changes
        context.abort(code, "broken")

    return watch


def silent(request, context):
    """Waits until the caller gives up."""
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(harness.PATIENCE_S)
    yield from ()


def tells(*changes):
    return lambda request, context: iter(changes)


ENDED = search_service_pb2.WatchSearchResponse(
    sequence=9, search=search_pb2.Search(name="searches/x-1", state=search_pb2.SEARCH_STATE_SUCCEEDED)
)


class WatchTest(unittest.TestCase):

    def watched(self, controller):
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        search_service_pb2_grpc.add_SearchServiceServicer_to_server(controller, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        client = layernas.Client(f"127.0.0.1:{port}")
        self.addCleanup(client.close)
        return client.search("x-1")

    def patch(self, name, value):
        patched = unittest.mock.patch.object(layernas.client, name, value)
        patched.start()
        self.addCleanup(patched.stop)

    def test_a_restart_is_over_when_the_watch_is_open_again(self):
        self.patch("PATIENCE_S", 0.0)
        controller = FakeController(opened(breaks()), opened(breaks()), opened(breaks()), opened(tells(ENDED)))
        self.assertEqual(self.watched(controller).wait(), "succeeded")
        self.assertEqual(controller.asked, [7, 7, 7, 7])

    def test_a_watch_that_lasted_to_its_deadline_was_connected(self):
        self.patch("PATIENCE_S", 0.0)
        self.patch("WATCH_S", 0.5)
        controller = FakeController(breaks(), silent, breaks(), silent, opened(tells(ENDED)))
        self.assertEqual(self.watched(controller).wait(), "succeeded")

    def test_a_controller_that_refuses_to_be_watched_is_given_up(self):
        self.patch("PATIENCE_S", 0.0)
        controller = FakeController(*[breaks(grpc.StatusCode.RESOURCE_EXHAUSTED)] * 5)
        with self.assertRaisesRegex(layernas.Error, "broken") as raised:
            self.watched(controller).wait()
        self.assertEqual((raised.exception.code, len(controller.asked)), (grpc.StatusCode.RESOURCE_EXHAUSTED, 2))

    def test_what_breaks_a_connection_does_not_break_a_watch(self):
        codes = ("UNAVAILABLE", "UNKNOWN", "INTERNAL", "CANCELLED", "ABORTED", "RESOURCE_EXHAUSTED")
        self.patch("_MAX_PAUSE_S", 0.01)
        controller = FakeController(*(breaks(grpc.StatusCode[code]) for code in codes), tells(ENDED))
        self.assertEqual(self.watched(controller).wait(), "succeeded")
        with self.assertRaisesRegex(layernas.Error, "no more watches"):
            list(self.watched(FakeController()).watch())

    def test_a_search_that_has_ended_and_told_all_is_not_watched_on(self):
        ended = search_pb2.SEARCH_STATE_FAILED
        controller = FakeController(*[opened(tells())] * 5, state=ended, sequence=9)
        self.assertEqual(list(self.watched(controller).watch(9)), [])
        self.assertEqual(list(self.watched(controller).watch(99)), [])
        self.assertEqual(controller.asked, [9, 99])

    def test_a_watch_that_breaks_after_the_last_change_ends(self):
        controller = FakeController(breaks(changes=[ENDED]), *[tells()] * 5)
        self.assertEqual(self.watched(controller).wait(), "succeeded")
        self.assertEqual(controller.asked, [7, 9])

    def test_a_stream_that_ends_before_the_search_is_asked_for_again(self):
        controller = FakeController(tells(), tells(ENDED))
        self.assertEqual(self.watched(controller).wait(), "succeeded")
        self.assertEqual(controller.asked, [7, 7])


class DeadlineTest(unittest.TestCase):

    def test_a_call_that_is_not_answered_ends(self):
        given_up = threading.Event()

        class Waits(FakeController):

            def GetSearch(self, request, context):
                context.add_callback(given_up.set)
                given_up.wait(harness.PATIENCE_S)
                return super().GetSearch(request, context)

        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        search_service_pb2_grpc.add_SearchServiceServicer_to_server(Waits(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        with layernas.Client(f"127.0.0.1:{port}") as client, unittest.mock.patch.object(layernas.client, "DEADLINE_S", 0.5):
            with self.assertRaises(layernas.Error) as raised:
                client.search("x-1")
        self.assertEqual(raised.exception.code, grpc.StatusCode.DEADLINE_EXCEEDED)


class ResultTest(unittest.TestCase):

    def test_columns_of_the_same_name_stay_apart(self):
        point = layernas.Point(
            candidate=7, architecture="010202", reward=0.75, cost=2.0, metrics={"reward": 1.0, "layer_cost": 3.0, "ms": 4.0},
            layers={"cost": "a", "stage": "b", "ms": "c"},
        )
        table = layernas.Frontier([point]).to_pandas()
        self.assertEqual(
            table.to_dict("records"),
            [{
                "candidate": 7, "architecture": "010202", "reward": 0.75, "cost": 2.0, "metric_reward": 1.0, "layer_cost": 3.0,
                "ms": 4.0, "layer_layer_cost": "a", "stage": "b", "layer_ms": "c",
            }],
        )

    def test_a_controllers_text_does_not_steer_the_terminal(self):
        self.assertEqual(_printable("größe\n\ta\x1b[2J\u009b1m\u202egnp\ud800\U000e0041"), "größe\n\ta?[2J?1m?gnp??")

    def test_a_candidate_has_what_is_known_of_it(self):
        def candidate(state, reward, cost):
            read = _candidate(search_pb2.Candidate(name="searches/x-1/candidates/1", state=state, reward=reward, cost=cost))
            return read.reward, read.cost, read.reward_estimate

        self.assertEqual(candidate(search_pb2.CANDIDATE_STATE_SUCCEEDED, 0.5, 2), (0.5, 2, None))
        self.assertEqual(candidate(search_pb2.CANDIDATE_STATE_STOPPED, 0.5, 2), (None, 2, 0.5))
        self.assertEqual(candidate(search_pb2.CANDIDATE_STATE_SKIPPED, 0, 9), (None, 9, None))
        self.assertEqual(candidate(search_pb2.CANDIDATE_STATE_FAILED, 0, 0), (None, None, None))

    def test_a_state_of_a_newer_controller_is_unknown(self):
        self.assertEqual(_candidate(search_pb2.Candidate(name="searches/x-1/candidates/1", state=99)).state, "unknown")
        self.assertEqual(_state(search_pb2.Search(state=99)), "unknown")
        self.assertEqual(_state(search_pb2.Search(state=search_pb2.SEARCH_STATE_RUNNING)), "running")


def spec_corpus():
    """Returns (name, spec, "reads" or "mistakes", expected result)."""
    with open(os.path.join(CORPUS, "specs.txt"), encoding="utf-8") as corpus:
        cases = corpus.read().split("\n=== ")[1:]
    for case in cases:
        name, rest = case.split("\n", 1)
        spec, verdict, expected = re.split("^--- (reads|mistakes)\n", rest, maxsplit=1, flags=re.MULTILINE)
        yield name, spec, verdict, expected.rstrip("\n")


class SpecTest(unittest.TestCase):

    def test_reads_what_the_command_line_reads(self):
        for name, spec, verdict, expected in spec_corpus():
            with self.subTest(name):
                if verdict == "reads":
                    self.assertEqual(read_spec_text(spec.encode(), "s"), json_format.Parse(expected, spec_pb2.SearchSpec()))
                    continue
                with self.assertRaises(layernas.SpecError) as raised:
                    read_spec_text(spec.encode(), "s")
                line, message = expected.split(": ", 1)
                place = "s" if line == "0" else f"s:{line}(:[0-9]+)?"
                self.assertRegex(str(raised.exception), f"^{place}: {re.escape(message)}")
                self.assertNotIn("\n", str(raised.exception))

    def test_a_dictionary_is_read_as_its_file(self):
        spec = {
            "name": "c",
            "space": {"layers": [{"name": "a", "options": ["x", {"name": "on"}]}]},
            "objective": {"cost": "ms", "targets": (1, 2.5)},
            "strategy": {"layernas": {"buckets": {"scale": "linear"}}},
            "budget": {"trainings": 5, "duration": "1h30m"},
            "evaluation": {"train": {"augment": False, "parameters": {"lr": 1e-3, "text": "7", "none": None, "deep": [True]}}},
        }
        self.assertEqual(read_spec(spec), read_spec_text(json.dumps(spec).encode(), "s"))
        # A member of an enumeration of texts is its text.
        named = enum.Enum("Named", {"NAME": "name", "C": "c"}, type=str)
        self.assertEqual(read_spec({**{key: spec[key] for key in spec if key != "name"}, named.NAME: named.C}), read_spec(spec))
        number = enum.IntEnum("Number", {"ONE": 1})
        with_key = lambda key: {**spec, "evaluation": {"train": {"parameters": {key: 1}}}}
        self.assertEqual(read_spec(with_key(number.ONE)), read_spec(with_key("1")))
        with self.assertRaisesRegex(layernas.SpecError, "^spec: budget.trainings: must be a whole number, is '2.5'$"):
            read_spec({**spec, "budget": 2.5})
        with self.assertRaisesRegex(layernas.SpecError, "^spec: budget.trainings: must not be quoted, is '5'$"):
            read_spec({**spec, "budget": {"trainings": "5"}})

    def test_what_a_dictionary_holds_is_never_taken_for_something_else(self):
        def with_parameter(value):
            return {"name": "c", "evaluation": {"train": {"parameters": {"deep": [{"lr": value}]}}}}

        place = r"^spec: evaluation\.train\.parameters\.deep\[0\]\.lr: "
        nested = {}
        nested["a"] = nested
        for spec, message in (
            (with_parameter(float("nan")), place + "must be a finite number, is 'nan'$"),
            (with_parameter(float("inf")), place + "must be a finite number, is 'inf'$"),
            (with_parameter(float("-inf")), place + "must be a finite number, is '-inf'$"),
            (with_parameter(10**5000), place + "must be a finite number, is 'inf'$"),
            (with_parameter(-fractions.Fraction(10**400)), place + "must be a finite number, is '-inf'$"),
            (with_parameter(10**400), place + "must be a number of at most 1.8e\\+308, is '10000"),
            (with_parameter(b"0.1"), "cannot hold b'0.1'"),
            (with_parameter("\ud800"), "cannot hold .*: it is not UTF-8 text"),
            (with_parameter({"\ud800": 1}), "cannot hold .*: it is not UTF-8 text"),
            ({"evaluation": {"require": {"rack": float("nan")}}}, "^spec: evaluation.require.rack: must be a finite number, is 'nan'$"),
            ({"space": {"layers": [{"name": "a", "options": [float("inf")]}]}}, r"options\[0\]: must be a finite number, is 'inf'$"),
            ({"budget": float("nan")}, "^spec: budget: must be a finite number, is 'nan'$"),
            ({"evaluation": {"train": {"parameters": nested}}}, "levels deep"),
        ):
            with self.subTest(message), self.assertRaisesRegex(layernas.SpecError, message):
                read_spec(spec)
        read = read_spec(with_parameter([1e308, 5e-324, "nan", "inf", 2**1000]))
        self.assertEqual(
            list(read.evaluation.train.parameters["deep"][0]["lr"]), [1e308, 5e-324, "nan", "inf", float(2**1000)],
        )

    def test_a_flag_in_the_environment_is_true_or_false(self):
        for value, expected in (("", False), ("false", False), ("true", True)):
            with unittest.mock.patch.dict(os.environ, LAYERNAS_INSECURE_TOKEN=value):
                self.assertEqual(is_set(False, "INSECURE_TOKEN"), expected)
        for value in ("1", "TRUE", "enable", "maybe"):
            with unittest.mock.patch.dict(os.environ, LAYERNAS_INSECURE_TOKEN=value):
                with self.assertRaisesRegex(ValueError, "LAYERNAS_INSECURE_TOKEN: must be true or false"):
                    layernas.Client("127.0.0.1:1")

    def test_files_without_end_are_given_up(self):
        for spec, message in (
            (b"space: {network: {parameters: &a {b: *a}}}", "levels deep"),
            (b"[" * 5000, "levels deep"),
            (b"#" * (4 << 20) + b"#", "larger than 4 MiB"),
            (b"name: good\n# caf\xe9\n", "^s:2: is not UTF-8"),
        ):
            with self.assertRaisesRegex(layernas.SpecError, message):
                read_spec_text(spec, "s")


if __name__ == "__main__":
    harness.main()
