"""The deployment files are well-formed, agree with one another, and name what is there."""

import glob
import json
import os
import re
import shutil
import unittest

import repository


class DeployTest(unittest.TestCase):

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed: docker-compose.yml NOT checked")
    def test_compose_file(self):
        done = repository.run("docker-compose", "-f", "docker-compose.yml", "config")
        self.assertEqual(done.returncode, 0, done.stdout)
        for service in ("controller", "worker-1", "worker-2", "prometheus", "grafana"):
            self.assertRegex(done.stdout, rf"(?m)^  {service}:$")

    def test_compose_publishes_on_loopback_alone(self):
        text = repository.read("docker-compose.yml")
        ports = re.findall(r"- *\"?((?:[\d.]+:)?\d+:\d+)\"?", text)
        self.assertGreater(len(ports), 0)
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
        stages = set(re.findall(r"(?m)^FROM \S+ AS (\w+)$", text))
        self.assertLessEqual({"controller", "worker", "client"}, stages)
        for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", text):
            for source in sources.split():
                self.assertTrue(os.path.exists(os.path.join(repository.ROOT, source)), source)
        for stage in re.findall(r"--from=(\w+)", text):
            self.assertIn(stage, stages)

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
            # At least one case in which it fires.
            fires = rf'alertname: {alert}\n +eval_time: \w+\n +exp_alerts: \[\{{|ALERTS\{{alertname="{alert}",alertstate="firing",instance'
            self.assertRegex(tested, fires, alert)
            self.assertIn(f"docs/operations.md#{alert.lower()}\n", rules)
            self.assertIn(f"\n### {alert}\n", operations)
        tested = repository.read("tests/deploy/prometheus/recording_test.yml")
        for record in records:
            self.assertIn(record, tested)

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
