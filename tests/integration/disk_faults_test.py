"""Tests disk faults: a controller continues correctly, or stops with a message that says what to do."""

import glob
import os
import shutil
import subprocess

import harness
from layernas.v1 import search_pb2
from proto_worker import ProtoWorker
from spaces import Space
from spaces import reference_layernas

ANY_PORTS = ("--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0")
SUCCEEDED = search_pb2.CANDIDATE_STATE_SUCCEEDED
# common/base/crash_point.h
CRASH_EXIT_CODE = 85


class DiskTest(harness.IntegrationTest):

    def small_disk(self, megabytes):
        """Creates a small file system. Returns its folder."""
        folder = self.path("disk")
        os.mkdir(folder)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], stderr=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            self.skipTest("nothing can be mounted here (not root?): a disk that fills up was NOT tried")
        # Unmount lazily, because it runs before the processes end and they still use it.
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        return folder

    def fill(self, folder):
        """Writes a file that takes all remaining space. Returns the file."""
        path = os.path.join(folder, "filler")
        with open(path, "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        return path

    def assert_all_there(self, api, search, space, acknowledged):
        stored = {found.name: found for found in api.candidates(search)}
        for name, architecture in acknowledged.items():
            self.assertEqual(stored[name].state, SUCCEEDED, name)
            self.assertEqual(stored[name].architecture.id, architecture)
            self.assertEqual(dict(stored[name].metrics), space.metrics(architecture))

    def test_a_backup_on_a_full_disk_costs_nothing_but_itself(self):
        disk = self.small_disk(24)
        space = Space(layers=3, options=2, seed=102)
        server = self.controller(f"--backup-dir={disk}/backups", data_dir=os.path.join(disk, "data"))
        api = self.client(server)
        search = api.create(space.spec("before")).name
        filler = self.fill(disk)
        done = self.cli(server, "admin", "backup")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, "no space is left for a copy in .*; free some and retry")
        os.remove(filler)
        # The failed flush does not affect later writes.
        self.assertEqual(api.create(space.spec("after")).state, search_pb2.SEARCH_STATE_RUNNING)
        self.assertEqual(api.search(search).state, search_pb2.SEARCH_STATE_RUNNING)
        done = self.cli(server, "admin", "backup")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_disk_that_fills_up_loses_nothing(self):
        disk = self.small_disk(16)
        space = Space(layers=5, options=4, seed=101)
        edges = space.edges(12)
        trained, expected_table = reference_layernas(space, edges)
        server = self.controller(port=harness.free_port(), data_dir=os.path.join(disk, "data"))
        api = self.client(server)
        search = api.create(space.spec("full", buckets={"edges": edges})).name
        worker = ProtoWorker(server.address, "w", space, seconds_per_task=0.005)
        worker.start()
        self.addCleanup(worker.stop)
        harness.wait_for(lambda: len(worker.acknowledged) >= 30, "results")
        filler = self.fill(disk)

        # It ends, and says why and what to do. The worker got no other answer, so it keeps its
        # result.
        self.assertEqual(server.process.wait(), 1)
        self.assertRegex(server.process.log(), r"(?i)cannot write, so the controller stops.*no space is left.*free some")
        acknowledged = dict(worker.acknowledged)
        # Without space it does not start, or it starts with all data and ends again in the same
        # way.
        refused = harness.refused_controller(*ANY_PORTS, f"--data-dir={server.data_dir}")
        self.assertRegex(refused, "(?i)no space")
        self.assertIn(server.data_dir, refused)

        os.unlink(filler)
        code, output = server.check()
        self.assertEqual(code, 0, output)
        server.start()
        self.assert_all_there(api, search, space, acknowledged)
        ended = api.wait_for_end(search)
        self.assertEqual(ended.state, search_pb2.SEARCH_STATE_SUCCEEDED, ended.state_reason)
        self.assertEqual({found.architecture.id for found in api.candidates(search)}, trained)
        self.assertEqual(api.buckets(search), expected_table)
        self.assertEqual(worker.repeated, [])
        self.assert_all_there(api, search, space, worker.acknowledged)

    def test_a_disk_that_can_only_be_read(self):
        disk = self.small_disk(16)
        server = self.controller(data_dir=os.path.join(disk, "data"))
        name = self.client(server).create(Space(2, 2, 1).spec("kept")).name
        self.assertEqual(server.stop(), 0)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for data_dir in (server.data_dir, os.path.join(disk, "new")):
            refused = harness.refused_controller(*ANY_PORTS, f"--data-dir={data_dir}")
            self.assertIn(data_dir, refused)
            self.assertRegex(refused, "(?i)cannot be written to.*Read-only")
        # A check needs no more than that.
        code, output = server.check()
        self.assertEqual(code, 0, output)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        server.start()
        self.assertEqual(self.client(server).search(name).name, name)


class DamageTest(harness.IntegrationTest):

    def filled(self):
        """Returns a stopped controller whose search has ended, with all data in table files."""
        space = Space(layers=4, options=3, seed=102)
        server = self.controller(f"--backup-dir={self.path('backups')}")
        api = self.client(server)
        self.search = api.create(space.spec("kept", buckets={"count": 5})).name
        worker = ProtoWorker(server.address, "w", space)
        worker.start()
        api.wait_for_end(self.search)
        worker.stop()
        done = self.cli(server, "admin", "backup", "--id", "good")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)
        return server

    def table_files(self, server):
        return sorted(glob.glob(os.path.join(server.data_dir, "*.sst")))

    def test_a_damaged_table_file(self):
        server = self.filled()
        files = self.table_files(server)
        self.assertGreater(len(files), 2)
        refused = 0
        for path in files:
            with open(path, "rb") as file:
                good = file.read()
            # Not in place, because the backup shares the file.
            os.unlink(path)
            with open(path, "wb") as file:
                file.write(good[:20] + bytes([good[20] ^ 0xFF]) + good[21:])
            with self.subTest(path):
                # --check can read it, whatever it contains.
                output = harness.refused_controller("--check", f"--data-dir={server.data_dir}")
                self.assertIn(f"{server.data_dir} is damaged", output)
                self.assertIn("restore it from a backup", output)
                # If searches or candidates are damaged, the controller does not start.
                process = self.spawn(
                    "refused", os.path.join(harness.BIN, "layernas-controller"), f"--data-dir={server.data_dir}",
                    *ANY_PORTS, f"--ready-file={self.path('refused.json')}",
                )
                harness.wait_for(
                    lambda p=process: not p.running() or os.path.exists(self.path("refused.json")), "an end or a start"
                )
                if process.running():
                    process.kill()
                    os.unlink(self.path("refused.json"))
                else:
                    refused += 1
                    self.assertIn("is damaged", process.log())
            os.unlink(path)
            with open(path, "wb") as file:
                file.write(good)
        self.assertGreaterEqual(refused, 2)
        code, output = server.check()
        self.assertEqual(code, 0, output)

        # A file is missing. Following the message's advice helps.
        os.unlink(files[0])
        output = harness.refused_controller(*ANY_PORTS, f"--data-dir={server.data_dir}")
        self.assertIn(server.data_dir, output)
        self.assertRegex(output, "restore it from a backup")
        shutil.rmtree(server.data_dir)
        shutil.copytree(self.path("backups/good"), server.data_dir)
        server.start()
        self.assertEqual(self.client(server).search(self.search).state, search_pb2.SEARCH_STATE_SUCCEEDED)


class MigrationTest(harness.IntegrationTest):

    def test_a_crash_in_a_migration_leaves_the_one_version_or_the_other(self):
        if not shutil.which("ldb"):
            self.skipTest("ldb (Debian: rocksdb-tools) is not installed: a crash in a migration was NOT tried")
        server = self.controller()
        name = self.client(server).create(Space(2, 2, 1).spec("kept")).name
        self.assertEqual(server.stop(), 0)

        def ldb(*arguments):
            done = subprocess.run(
                ["ldb", f"--db={server.data_dir}", "--column_family=meta", "--try_load_options", *arguments],
                stdout=subprocess.PIPE, timeout=harness.PATIENCE_S, check=False, text=True,
            )
            return done.stdout.strip()

        current = ldb("get", "schema_version")
        # Version 1 had no lineage.
        ldb("delete", "lineage")
        ldb("put", "schema_version", "1")
        for point, version in (("before-migration", "1"), ("after-migration", "2")):
            server.spawn({"LAYERNAS_CRASH_AT": f"{point}:1"})
            self.assertEqual(server.process.wait(), CRASH_EXIT_CODE)
            self.assertEqual(ldb("get", "schema_version"), version)
        server.start()
        self.assertEqual(self.client(server).search(name).name, name)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(ldb("get", "schema_version"), current)
        code, output = server.check()
        self.assertEqual(code, 0, output)


if __name__ == "__main__":
    harness.main()
