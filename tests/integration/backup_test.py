"""Backs up a controller while a search runs, and continues from the backup."""

import json
import os
import shutil
import threading
import time

import grpc

import harness
from layernas.v1 import admin_service_pb2
from layernas.v1 import search_pb2
from layernas.v1 import worker_service_pb2
from proto_worker import ProtoWorker
from proto_worker import complete
from proto_worker import heartbeat
from proto_worker import lease
from proto_worker import result
from spaces import Space
from spaces import reference_layernas

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


class BackupTest(harness.IntegrationTest):

    def backup(self, controller, *arguments):
        """Returns the folder of the backup."""
        done = self.cli(controller, "admin", "backup", "--output", "json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)
        self.assertGreater(int(made["size_bytes"]), 0)
        return made["path"]

    def test_data_and_backups_are_closed_to_others(self):
        self.addCleanup(os.umask, os.umask(0o022))
        backups = self.path("backups")
        server = self.controller(f"--backup-dir={backups}")
        self.client(server).create(Space(layers=2, options=2, seed=1).spec("closed"))
        self.backup(server)
        for root in (server.data_dir, backups):
            paths = [root] + [os.path.join(folder, name) for folder, folders, files in os.walk(root) for name in folders + files]
            self.assertGreater(len(paths), 3)
            for path in paths:
                self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)

    def test_the_time_of_the_last_backup_is_a_metric(self):
        """An alert uses it to find out that backups have stopped."""
        server = self.controller(f"--backup-dir={self.path('backups')}")

        def last_success():
            return server.metrics()["layernas_backup_last_success_timestamp_seconds", frozenset()]

        self.assertEqual(last_success(), 0)
        begun = time.time()
        folder = self.backup(server)
        shown = last_success()
        # A file system may stamp a backup's files with a coarse clock.
        self.assertGreater(shown, begun - 1)
        self.assertLess(shown, time.time() + 1)
        server.kill()
        server.start()
        self.assertAlmostEqual(last_success(), shown, delta=60)
        self.assertGreater(last_success(), begun - 1)
        # The metric is read from the folder and follows changes.
        os.utime(folder, (begun - 90000, begun - 90000))
        server.kill()
        server.start()
        self.assertLess(last_success(), begun - 80000)
        self.backup(server)
        self.assertGreater(last_success(), begun - 1)

    def test_a_running_search_goes_on_from_its_backup(self):
        space = Space(layers=7, options=4, seed=91)
        edges = space.edges(30)
        trained, expected_table = reference_layernas(space, edges)
        backups = self.path("backups")
        server = self.controller(f"--backup-dir={backups}", "--lease-duration=2s")
        api = self.client(server)
        search = api.create(space.spec("kept", buckets={"edges": edges})).name
        workers = [ProtoWorker(server.address, f"w{n}", space, seconds_per_task=0.2) for n in range(3)]
        for worker in workers:
            worker.start()
            self.addCleanup(worker.stop)

        def acknowledged():
            return {name: known for worker in workers for name, known in dict(worker.acknowledged).items()}

        # Results arrive all the time. Everything that was acknowledged before the request for the
        # backup must be in it.
        before = []
        for number in (1, 2, 3):
            harness.wait_for(lambda n=number: len(acknowledged()) >= 20 * n, "results")
            known = acknowledged()
            before.append((self.backup(server, "--id", f"b{number}"), known))
        self.assertEqual(sorted(os.listdir(backups)), ["b1", "b2", "b3"])
        # The disk is lost with everything except for the backups.
        server.kill()
        shutil.rmtree(server.data_dir)

        for folder, known in before:
            with self.subTest(folder):
                name = "restored-" + os.path.basename(folder)
                restored = harness.Controller(self, "--lease-duration=2s", data_dir=self.path(name), name=name)
                shutil.copytree(folder, restored.data_dir)
                code, output = restored.check()
                self.assertEqual(code, 0, output)
                restored.start()
                api = self.client(restored)
                stored = {found.name: found for found in api.candidates(search)}
                for candidate, architecture in known.items():
                    self.assertEqual(stored[candidate].state, search_pb2.CANDIDATE_STATE_SUCCEEDED)
                    self.assertEqual(stored[candidate].architecture.id, architecture)
                    self.assertEqual(dict(stored[candidate].metrics), space.metrics(architecture))
                successor = ProtoWorker(restored.address, "successor", space, max_tasks=8)
                successor.acknowledged.update(known)
                successor.start()
                ended = api.wait_for_end(search)
                successor.stop()
                self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
                self.assertEqual({found.architecture.id for found in api.candidates(search)}, trained)
                self.assertEqual(api.buckets(search), expected_table)
                self.assertEqual(successor.repeated, [])
                self.assertEqual(restored.stop(), 0)
                code, output = restored.check()
                self.assertEqual(code, 0, output)

    def test_leases_of_the_time_after_the_backup_are_nobodys(self):
        space = Space(layers=3, options=3, seed=92)
        server = self.controller(f"--backup-dir={self.path('backups')}", port=harness.free_port())
        api = self.client(server)
        search = api.create(space.spec("kept", buckets={"count": 4})).name
        (first,) = lease(api, "w")
        complete(api, "w", result(first.lease_token, space.metrics(first.architecture.id)))
        folder = self.backup(server)
        (lost,) = lease(api, "w")
        server.kill()
        shutil.rmtree(server.data_dir)
        shutil.copytree(folder, server.data_dir)
        server.start()
        api = self.client(server)

        # The same candidate and attempt by number, given to the same worker, may have another
        # architecture by now.
        (now,) = lease(api, "w")
        self.assertEqual(now.candidate, lost.candidate)
        self.assertNotEqual(now.lease_token, lost.lease_token)
        (verdict,) = complete(api, "w", result(lost.lease_token, {"accuracy": 0.999, "latency_ms": 1}))
        self.assertEqual(verdict.status, worker_service_pb2.COMPLETION_STATUS_REFUSED)
        actions = heartbeat(api, "w", lost.lease_token, now.lease_token)
        self.assertEqual(actions[lost.lease_token], worker_service_pb2.LEASE_ACTION_CANCEL)
        self.assertEqual(actions[now.lease_token], worker_service_pb2.LEASE_ACTION_CONTINUE)
        (verdict,) = complete(api, "w", result(now.lease_token, space.metrics(now.architecture.id)))
        self.assertEqual(verdict.status, worker_service_pb2.COMPLETION_STATUS_ACCEPTED)
        self.assertEqual(
            [dict(found.metrics) for found in api.candidates(search)][:2],
            [space.metrics(first.architecture.id), space.metrics(now.architecture.id)],
        )

    def test_no_backup_goes_beside_the_files_of_the_database(self):
        data = self.path("data")
        os.symlink(data, self.path("link"))
        for folder in (data, os.path.join(data, "..", "data"), self.path("link")):
            refused = harness.refused_controller(
                "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", f"--data-dir={data}", f"--backup-dir={folder}")
            self.assertIn(f"--backup-dir: {folder} is the data directory; choose another", refused)

    def test_where_none_can_be_made_it_is_said(self):
        request = admin_service_pb2.CreateBackupRequest
        without = self.controller(name="without")
        details = self.assert_rpc_error(FAILED_PRECONDITION, self.client(without).call, "CreateBackup", request())
        self.assertIn("--backup-dir", details)
        backups = self.path("backups")
        server = self.controller(f"--backup-dir={backups}")
        api = self.client(server)
        for backup_id in ("/etc/x", "../x", ".x", "a/b", "x" * 101):
            self.assert_rpc_error(
                grpc.StatusCode.INVALID_ARGUMENT, api.call, "CreateBackup", request(backup_id=backup_id)
            )
        self.assertEqual(os.listdir(backups), [])
        self.backup(server, "--id", "one")
        done = self.cli(server, "admin", "backup", "--id", "one")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("backup one already exists", done.stderr)

        # Of two backups at the same time, each succeeds or is told to wait.
        codes = []

        def call(number):
            try:
                api.call("CreateBackup", request(backup_id=f"at-once-{number}"))
                codes.append(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                codes.append(error.code())

        threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn(grpc.StatusCode.OK, codes)
        self.assertLessEqual(set(codes), {grpc.StatusCode.OK, FAILED_PRECONDITION})
        self.assertEqual(len(os.listdir(backups)), 1 + codes.count(grpc.StatusCode.OK))

        in_the_way = self.write("file", "no directory\n")
        refused = harness.refused_controller(
            f"--data-dir={self.path('other')}",
            f"--backup-dir={in_the_way}",
            "--listen=127.0.0.1:0",
            "--metrics-listen=127.0.0.1:0",
        )
        self.assertIn("--backup-dir", refused)
        self.assertIn(in_the_way, refused)


if __name__ == "__main__":
    harness.main()
