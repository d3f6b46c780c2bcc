"""Out of memory next to others: a candidate gets the machine to itself before it counts as infeasible."""

import collections
import json
import os

import harness
from layernas.v1 import search_pb2
from spaces import Space


class OutOfMemoryTest(harness.IntegrationTest):

    def test_alone_before_infeasible(self):
        space = Space(layers=3, options=3, seed=5)
        table = space.write_table(self.path("table.csv"))
        machine, log = self.path("machine"), self.path("log")
        os.mkdir(machine)
        server = self.controller()
        api = self.client(server)
        search = api.create(space.random_spec("hungry", trainings=27)).name
        # There are many of one kind, so that some surely run at the same time.
        ids = list(space.all())
        hungry, too_large = ids[::2], ids[1]
        self.worker(
            server,
            "one",
            "--slots=3",
            *harness.exec_flags(
                *("--table", table, "--log", log, "--delay", "0.05", "--machine", machine),
                *("--hungry", ",".join(hungry), "--too-large", too_large),
            ),
        )
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)

        states = collections.Counter()
        for candidate in api.candidates(search):
            states[candidate.state] += 1
            if candidate.state == search_pb2.CANDIDATE_STATE_SUCCEEDED:
                # An evaluation that failed next to others does not count as a failed attempt.
                self.assertEqual((candidate.attempt, list(candidate.failures)), (1, []))
                continue
            self.assertEqual(candidate.state, search_pb2.CANDIDATE_STATE_INFEASIBLE)
            (failure,) = candidate.failures
            self.assertEqual(failure.message, f"also failed alone on its machine: {too_large} wants 3 GiB")
        self.assertEqual(states[search_pb2.CANDIDATE_STATE_INFEASIBLE], 1)
        self.assertGreaterEqual(states[search_pb2.CANDIDATE_STATE_SUCCEEDED], 26)

        with open(log, encoding="utf-8") as file:
            started = collections.Counter(
                record["architecture"] for record in map(json.loads, file) if record["event"] == "start"
            )
        self.assertLessEqual(max(started.values()), 2)
        self.assertEqual(started[too_large], 2)
        self.assertTrue(any(started[architecture] == 2 for architecture in hungry), "nobody was ever turned away")


if __name__ == "__main__":
    harness.main()
