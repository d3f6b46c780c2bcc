"""The deployment files are well-formed, agree with one another, and only name existing files."""

import datetime
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import yaml

import repository


def day(number):
    """Returns the name of the backup of this day of January 2026."""
    return f"daily-{datetime.date(2026, 1, 1) + datetime.timedelta(number - 1):%Y%m%d}T000000Z"


class DeployTest(unittest.TestCase):

    def compose(self, *profiles):
        """Returns the services as docker-compose understands them with these profiles."""
        flags = [flag for profile in profiles for flag in ("--profile", profile)]
        done = repository.run("docker-compose", "-f", "docker-compose.yml", *flags, "config")
        self.assertEqual(done.returncode, 0, done.stdout)
        return yaml.safe_load(done.stdout)["services"]

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed: docker-compose.yml NOT checked")
    def test_compose_file(self):
        in_profile = {"tls": {"tls-backup", "tls-controller", "tls-worker"}, "gpu": {"worker-gpu"}, "tools": {"client"}}
        always = {"backup", "controller", "worker-1", "worker-2", "prometheus", "grafana"}
        for profiles in ([], ["tls"], ["gpu"], ["tools"], ["tls", "gpu", "tools"]):
            with self.subTest(profiles=profiles):
                services = self.compose(*profiles)
                self.assertEqual({name for name, one in services.items() if not one.get("profiles")}, always)
                for profile, names in in_profile.items():
                    self.assertEqual({name for name, one in services.items() if one.get("profiles") == [profile]}, names)

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed: docker-compose.yml NOT checked")
    def test_compose_services_are_confined_and_started_in_order(self):
        services = self.compose("tls", "gpu")
        for name, one in services.items():
            with self.subTest(service=name):
                if one["image"].startswith("layernas-"):
                    self.assertTrue(one["read_only"])
                self.assertEqual(one["cap_drop"], ["ALL"])
                self.assertEqual(one["security_opt"], ["no-new-privileges:true"])
                self.assertIn("pids_limit", one)
                if name != "client":
                    self.assertIn("mem_limit", one)
                if "worker" in name:
                    self.assertIn("shm_size", one)
                if "worker" in name or "backup" in name:
                    controller = "tls-controller" if name.startswith("tls-") else "controller"
                    self.assertEqual(one["depends_on"], {controller: {"condition": "service_healthy"}})

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed: docker-compose.yml NOT checked")
    def test_compose_backs_up_and_reaps(self):
        services = self.compose("tls")
        for name, one in services.items():
            if one["image"].startswith("layernas-"):
                self.assertTrue(one["init"], name)
        for controller, backup in (("controller", "backup"), ("tls-controller", "tls-backup")):
            (folder,) = [each.split("=")[1] for each in services[controller]["command"] if each.startswith("--backup-dir=")]
            volume = f"backups:{folder}:rw"
            self.assertIn(volume, services[controller]["volumes"])
            self.assertIn(volume, services[backup]["volumes"])
            self.assertEqual(services[backup]["entrypoint"], ["layernas-backup-daily", folder])
            # A named volume gets its owner from the image.
            self.assertIn(f"-o 10001 -g 10001 -m 0700 {folder}\n", repository.read("deploy/docker/Dockerfile"))

    def test_workers_have_an_init(self):
        self.assertIn('ENTRYPOINT ["tini", "-s", "--", "layernas-worker"]', repository.read("deploy/docker/Dockerfile"))

    def backup_daily(self, folder, *existing, first=1, sleeps=6, kept="2"):
        """Runs the script with a clock that is one day later at each backup, from this day of January 2026 on. Returns the
        days of the backups that it tried, its sleeps, and what it wrote."""
        tools = os.path.join(folder, "tools")
        backups = os.path.join(folder, "the backups")
        log = os.path.join(folder, "log")
        for made in (tools, backups):
            os.makedirs(made, exist_ok=True)
        for name in existing:
            os.mkdir(os.path.join(backups, name))
        # The client creates a folder as a backup; the fourth one fails. A sleep returns at once, and the last one ends the loop.
        for name, script in {
            "layernas": '[ "$*" = "admin backup --id $4" ] || exit 9\necho "$4" >>"$LOG"\n'
                        '[ "$(wc -l <"$LOG")" -ne 4 ] || exit 1\nmkdir "$BACKUPS/$4"\n',
            "sleep": f'echo "$1" >>"$LOG.sleeps"\n[ "$(wc -l <"$LOG.sleeps")" -lt {sleeps} ] || kill -TERM "$PPID"\n',
            "date": '[ "$1" != +%s ] || exec /bin/date +%s\n'
                    f'exec /bin/date -d "2026-01-01 $(({first - 1} + $(cat "$LOG" | wc -l))) days" "$@"\n',
        }.items():
            with open(os.path.join(tools, name), "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n{script}")
            os.chmod(os.path.join(tools, name), 0o755)
        for name in (log, f"{log}.sleeps"):
            with open(name, "w", encoding="utf-8"):
                pass
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "LOG": log, "BACKUPS": backups, "LAYERNAS_BACKUPS_KEPT": kept}
        done = repository.run(os.path.join(repository.ROOT, "deploy/docker/backup-daily"), backups, env=environment)

        def lines(name):
            with open(name, encoding="utf-8") as file:
                return file.read().split()

        return lines(log), [int(seconds) for seconds in lines(f"{log}.sleeps")], done.stdout

    def test_daily_backups_are_pruned(self):
        with tempfile.TemporaryDirectory() as folder:
            backups = os.path.join(folder, "the backups")
            by_hand = ["daily-0-before-upgrade", "daily-20250101", "daily-20250101T000000Z-copy", "mine"]
            os.makedirs(os.path.join(backups, day(-5)))
            os.utime(os.path.join(backups, day(-5)), (time.time() - 100000,) * 2)
            tried, sleeps, _ = self.backup_daily(folder, *by_hand)
            self.assertEqual(tried, [day(number) for number in range(1, 7)])
            self.assertEqual(sleeps, [86400] * 3 + [600] + [86400] * 2)
            self.assertEqual(sorted(os.listdir(backups)), sorted([*by_hand, day(5), day(6)]))

            # After a restart it waits for the rest of the day, so that restarts do not replace the
            # older backups.
            os.utime(os.path.join(backups, day(6)), (time.time() - 36000,) * 2)
            tried, sleeps, _ = self.backup_daily(folder, first=7, sleeps=1)
            self.assertEqual(tried, [], "a backup was made before its time")
            self.assertAlmostEqual(sleeps[-1], 86400 - 36000, delta=60)
            self.assertEqual(sorted(os.listdir(backups)), sorted([*by_hand, day(5), day(6)]))

    def test_daily_backups_of_a_time_to_come_replace_no_others(self):
        """As after the clock was ahead."""
        with tempfile.TemporaryDirectory() as folder:
            backups = os.path.join(folder, "the backups")
            to_come = ["daily-20990101T000000Z", "daily-20990102T000000Z"]
            tried, _, said = self.backup_daily(folder, *to_come, sleeps=3, kept="1")
            self.assertEqual(tried, [day(1), day(2), day(3)])
            self.assertEqual(sorted(os.listdir(backups)), [day(3), *to_come])
            self.assertIn(f"{backups}/{to_come[0]} is of a time to come", said)
            # A restart still sees when the last backup was made.
            tried, sleeps, _ = self.backup_daily(folder, first=4, sleeps=1)
            self.assertEqual(tried, [])
            self.assertAlmostEqual(sleeps[-1], 86400, delta=60)

    def test_no_setting_deletes_every_backup(self):
        program = os.path.join(repository.ROOT, "deploy/docker/backup-daily")
        for variable, value in (("LAYERNAS_BACKUPS_KEPT", "0"), ("LAYERNAS_BACKUPS_KEPT", "abc"), ("LAYERNAS_BACKUP_SECONDS", "-1")):
            done = subprocess.run(["sh", program, "/nonexistent"], env={**os.environ, variable: value},
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(done.stderr, f"layernas-backup-daily: {variable}={value}: must be a whole number of at least 1\n")

    def test_units_have_limits_of_memory(self):
        for unit in ("controller", "worker"):
            text = repository.read(f"deploy/systemd/layernas-{unit}.service")
            for line in (r"MemoryMax=\d+%", r"TasksMax=\d+", "ProtectProc=invisible"):
                self.assertRegex(text, f"(?m)^{line}$")
        limits = [re.search(r"(?m)^MemoryMax=(\d+)%$", repository.read(f"deploy/systemd/layernas-{unit}.service"))[1]
                  for unit in ("controller", "worker")]
        said = f"`MemoryMax` ({limits[0]} % of the machine for the controller, {limits[1]} % for a worker)"
        self.assertIn(said, repository.read("docs/security.md"))

    def test_units_outlive_what_passes(self):
        for unit in ("controller", "worker"):
            text = repository.read(f"deploy/systemd/layernas-{unit}.service")
            (before, _) = text.split("[Service]")
            self.assertRegex(before, r"(?m)^StartLimitIntervalSec=0$", unit)
            self.assertRegex(text, r"(?m)^Restart=on-failure$", unit)
        # A trainer that runs out of memory must not end the others.
        self.assertRegex(text, r"(?m)^OOMPolicy=continue$")

    def test_compose_publishes_on_loopback_what_asks_nobody(self):
        with open(os.path.join(repository.ROOT, "docker-compose.yml"), encoding="utf-8") as file:
            services = yaml.safe_load(file)["services"]
        published = {name: one["ports"] for name, one in services.items() if "ports" in one}
        self.assertEqual(published.pop("tls-controller"), ["7060:7060"])
        self.assertIn("--token-file=/tls/tokens", services["tls-controller"]["command"])
        for name, folder in {"tls-controller": "controller", "tls-worker": "worker", "tls-backup": "backup"}.items():
            with self.subTest(name):
                # The mount of a single file would not show its replacement.
                mounted = [volume for volume in services[name]["volumes"] if ":/tls" in volume]
                self.assertEqual(mounted, [f"${{LAYERNAS_TLS_DIR:-./tls}}/{folder}:/tls:ro"])
        self.assertGreater(len(published), 2)
        for ports in published.values():
            for port in ports:
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_what_is_mounted_is_there(self):
        text = repository.read("docker-compose.yml")
        mounted = re.findall(r"- \./([\w./-]+):", text)
        self.assertGreater(len(mounted), 2)
        for path in mounted:
            self.assertTrue(os.path.exists(os.path.join(repository.ROOT, path)), path)

    def test_dockerfile_copies_what_is_there(self):
        text = repository.read("deploy/docker/Dockerfile")
        stages = set(re.findall(r"(?m)^FROM \S+ AS ([\w-]+)$", text))
        self.assertLessEqual({"controller", "worker", "worker-cuda", "client"}, stages)
        for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", text):
            for source in sources.split():
                self.assertTrue(os.path.exists(os.path.join(repository.ROOT, source)), source)
        for stage in re.findall(r"--from=([\w-]+)", text):
            self.assertIn(stage, stages)

    def test_images_get_all_that_they_are_built_of(self):
        let_through = set(re.findall(r"(?m)^!(\S+)$", repository.read(".dockerignore")))
        cmake = repository.read("CMakeLists.txt")
        folders = set(re.findall(r"add_subdirectory\((\S+)\)", cmake)) - {"tests"}
        embedded = re.findall(r"layernas_embed\(\S+ \S+ \.\./(\w+)/", repository.read("client/CMakeLists.txt"))
        self.assertGreater(len(folders), 5)
        for folder in {*folders, *embedded}:
            self.assertTrue(folder.split("/")[0] in let_through, folder)
        for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", repository.read("deploy/docker/Dockerfile")):
            self.assertLessEqual(set(sources.split()) - {"."}, let_through)

    def test_images_are_told_what_they_ask_for(self):
        asked = set(re.findall(r"(?m)^ARG (\w+)", repository.read("deploy/docker/Dockerfile")))
        told = re.findall(r"--build-arg (\w+)=", repository.read("deploy/docker/check-with-buildah"))
        self.assertGreater(len(told), 0)
        self.assertLessEqual(set(told), asked)

    def promtool(self, *arguments):
        done = repository.run(repository.prometheus_program("promtool"), *arguments)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_prometheus_configuration(self):
        self.promtool("check", "config", "deploy/prometheus/prometheus.yml")

    def test_rules(self):
        self.promtool("test", "rules", *glob.glob(os.path.join(repository.ROOT, "tests/deploy/prometheus/*_test.yml")))

    def test_every_rule_has_a_test_and_every_alert_a_runbook(self):
        alerts = re.findall(r"- alert: (\w+)", repository.read("deploy/prometheus/rules/layernas-alerts.yml"))
        records = re.findall(r"- record: ([\w:]+)", repository.read("deploy/prometheus/rules/layernas-recording.yml"))
        self.assertGreater(len(alerts), 10)
        tested = repository.read("tests/deploy/prometheus/alerts_test.yml")
        rules = repository.read("deploy/prometheus/rules/layernas-alerts.yml")
        operations = repository.read("docs/operations.md")
        for alert in alerts:
            # There is at least one case in which the alert fires.
            fires = rf'alertname: {alert}\n +eval_time: \w+\n +exp_alerts:(?: \[|\n +- )\{{|ALERTS\{{alertname="{alert}",alertstate="firing",instance'
            self.assertRegex(tested, fires, alert)
            self.assertIn(f"docs/operations.md#{alert.lower()}\n", rules)
            self.assertIn(f"\n### {alert}\n", operations)
        tested = repository.read("tests/deploy/prometheus/recording_test.yml")
        for record in records:
            self.assertIn(record, tested)

    def test_runbooks_can_be_links(self):
        """Runs the command of docs/operations.md on a copy of the rules."""
        (command,) = re.findall(r"(?m)^sed -i .*runbook_url.*$", repository.read("docs/operations.md"))
        rules = "deploy/prometheus/rules/layernas-alerts.yml"
        with tempfile.TemporaryDirectory() as folder:
            copied = os.path.join(folder, rules)
            os.makedirs(os.path.dirname(copied))
            shutil.copy(os.path.join(repository.ROOT, rules), copied)
            done = repository.run("sh", "-c", command, cwd=folder)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.promtool("check", "rules", copied)
            with open(copied, encoding="utf-8") as file:
                alerts = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
        self.assertGreater(len(alerts), 10)
        for alert in alerts:
            link = f"https://git.example/layernas/blob/main/docs/operations.md#{alert['alert'].lower()}"
            self.assertEqual(alert["annotations"]["runbook_url"], link)

    def test_dashboards(self):
        paths = glob.glob(os.path.join(repository.ROOT, "deploy/grafana/dashboards/*.json"))
        self.assertGreater(len(paths), 0)
        sources = repository.read("deploy/grafana/provisioning/datasources/prometheus.yml")
        for path in paths:
            with open(path, encoding="utf-8") as file:
                dashboard = json.load(file)
            self.assertTrue(dashboard["uid"] and dashboard["title"])
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)))
            for panel in dashboard["panels"]:
                if panel["type"] == "row":
                    continue
                self.assertTrue(panel["targets"], panel["title"])
                self.assertIn(f"uid: {panel['datasource']['uid']}", sources)


if __name__ == "__main__":
    repository.main()
