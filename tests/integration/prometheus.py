"""Runs Debian's Prometheus with the configuration, rules and console pages of deploy/prometheus. It scrapes the
programs of a test."""

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request

import harness

DEPLOYED = os.path.join(harness.REPOSITORY, "deploy/prometheus")


def prometheus_program(name):
    """Returns the path of Debian's prometheus or promtool, which scripts/install-deps --test unpacks."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(cache, "layernas/prometheus/usr/bin", name)
    if not os.access(path, os.X_OK):
        raise AssertionError(f"{path} is not there: run scripts/install-deps --test")
    return path


class Prometheus:
    """Scrapes every second. host: the address that it listens on; prefix: a command to run it with."""

    def __init__(self, test, controllers, workers, host="127.0.0.1", prefix=()):
        with open(os.path.join(DEPLOYED, "prometheus.yml"), encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r"(scrape_interval|evaluation_interval): \w+", r"\1: 1s", text)
        text = re.sub(r"targets: \[controller:[^]]*\]", f"targets: [{', '.join(controllers)}]", text)
        text = re.sub(r"targets: \[worker-1:[^]]*\]", f"targets: [{', '.join(workers)}]", text)
        text = re.sub(r"(?s)    # There in a profile alone.*", "", text)
        text = text.replace("rules/*.yml", os.path.join(DEPLOYED, "rules/*.yml"))
        self.address = f"{host}:{harness.free_port()}"
        test.spawn(
            "prometheus",
            *prefix,
            prometheus_program("prometheus"),
            f"--config.file={test.write('prometheus.yml', text)}",
            f"--storage.tsdb.path={test.path('tsdb')}",
            f"--web.listen-address={self.address}",
            f"--web.console.templates={os.path.join(DEPLOYED, 'consoles')}",
            f"--web.console.libraries={os.path.join(DEPLOYED, 'console_libraries')}",
        )

    def ask(self, path, **parameters):
        """Returns the data of an answer, or nothing while it does not serve yet. A refused query fails the test."""
        url = f"http://{self.address}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        except OSError:
            return None

    def query(self, expression):
        data = self.ask("query", query=expression)
        return data["result"] if data else []

    def wait_for(self, expression, where, timeout_s=60):
        return harness.wait_for(lambda: self.query(expression), f"an answer to {where}", timeout_s)
