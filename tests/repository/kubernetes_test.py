"""Checks deploy/kubernetes: every overlay renders, its objects are valid for Kubernetes, KEDA and the Prometheus
operator and fit together, and the pools scale correctly."""

import copy
import glob
import json
import os
import re
import shutil
import tempfile
import unittest

import yaml

import kubernetes_schemas
import repository

FOLDER = os.path.join(repository.ROOT, "deploy/kubernetes")
OVERLAYS = sorted(os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, "overlays/*")))


def why_no_kubectl():
    """Returns why rendering is impossible here; empty if it is possible."""
    if not shutil.which("kubectl"):
        return "kubectl is not installed"
    version = json.loads(repository.run("kubectl", "version", "--client", "-o", "json").stdout)["clientVersion"]
    if (int(version["major"]), int(re.match(r"\d+", version["minor"]).group())) < (1, 25):
        return f"kubectl {version['gitVersion']} is too old for these overlays: 1.25 is needed"
    return ""


WHY_NOT = why_no_kubectl()


@unittest.skipIf(WHY_NOT, f"{WHY_NOT}: deploy/kubernetes was NOT checked")
class KubernetesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.overlays = {}
        for name in OVERLAYS:
            done = repository.run("kubectl", "kustomize", os.path.join(FOLDER, "overlays", name))
            if done.returncode != 0 or "Warning" in done.stdout:
                raise AssertionError(f"{name}: {done.stdout}")
            cls.overlays[name] = list(yaml.safe_load_all(done.stdout))

    def of_kind(self, overlay, *kinds):
        return [one for one in self.overlays[overlay] if one["kind"] in kinds]

    def each(self, *kinds):
        """Returns (overlay, object) of these kinds."""
        for overlay in OVERLAYS:
            for one in self.of_kind(overlay, *kinds):
                with self.subTest(overlay=overlay, kind=one["kind"], name=one["metadata"]["name"]):
                    yield overlay, one

    def named(self, overlay, kind, name):
        (found,) = [one for one in self.of_kind(overlay, kind) if one["metadata"]["name"] == name]
        return found

    def test_what_is_in_each(self):
        pools = {"single-node": 1, "gpu-pool": 2, "gpu-pool-hpa": 2, "tls": 2}
        self.assertEqual(OVERLAYS, sorted(pools))
        for overlay, count in pools.items():
            self.assertEqual(len(self.of_kind(overlay, "StatefulSet")), 1, overlay)
            for kind in ("Deployment", "PodDisruptionBudget"):
                self.assertEqual(len(self.of_kind(overlay, kind)), count, (overlay, kind))
            scaler = {"single-node": None, "gpu-pool-hpa": "HorizontalPodAutoscaler"}.get(overlay, "ScaledObject")
            if scaler:
                self.assertEqual(len(self.of_kind(overlay, scaler)), count, overlay)
            for one in self.overlays[overlay]:
                if one["kind"] != "Namespace":
                    self.assertEqual(one["metadata"]["namespace"], "layernas", one["metadata"]["name"])

    def rule(self):
        done = repository.run(os.path.join(FOLDER, "monitoring/prometheus-rule"))
        self.assertEqual(done.returncode, 0, done.stdout)
        return yaml.safe_load(done.stdout)

    @unittest.skipIf(kubernetes_schemas.why_not(), f"{kubernetes_schemas.why_not()}: schemas were NOT checked")
    def test_objects_are_what_the_schemas_say(self):
        objects = [one for overlay in OVERLAYS for one in self.overlays[overlay]]
        self.assertEqual(kubernetes_schemas.complaints([*objects, self.rule()]), "")

    @unittest.skipIf(kubernetes_schemas.why_not(), f"{kubernetes_schemas.why_not()}: schemas were NOT checked")
    def test_what_the_schemas_do_not_say_is_refused(self):
        worker = self.named("gpu-pool", "Deployment", "layernas-worker-gpu")
        scaled = self.named("gpu-pool", "ScaledObject", "layernas-worker-gpu")
        monitor = self.named("gpu-pool", "ServiceMonitor", "layernas-controller")

        def container(one):
            return one["spec"]["template"]["spec"]["containers"][0]

        def wrong(one, mistake):
            one = copy.deepcopy(one)
            mistake(one)
            return one

        # The compiler reports all mistakes at once.
        mistakes = [
            (wrong(worker, lambda it: container(it).update(readOnlyRootFilesystem=True)), '"readOnlyRootFilesystem"'),
            (wrong(worker, lambda it: container(it)["ports"][0].update(containerPort="7062")), "Type 'string'"),
            (wrong(worker, lambda it: it["spec"].pop("selector")), '"selector"'),
            (wrong(scaled, lambda it: it["spec"].update(minReplicas=0)), '"minReplicas"'),
            (wrong(scaled, lambda it: it["spec"]["triggers"][0].pop("metadata")), '"metadata"'),
            (wrong(monitor, lambda it: it["spec"]["endpoints"][0].update(intervall="15s")), '"intervall"'),
        ]
        found = kubernetes_schemas.complaints([one for one, _ in mistakes])
        self.assertEqual(found.count("error TS"), len(mistakes), found)
        for _, said in mistakes:
            self.assertIn(said, found)
        value = wrong(worker, lambda it: container(it)["resources"]["limits"].update(memory="16GB!"))
        self.assertIn("memory", kubernetes_schemas.complaints([value]))

    def test_programs_run_with_little_rights(self):
        for _, one in self.each("StatefulSet", "Deployment"):
            pod = one["spec"]["template"]["spec"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(pod["automountServiceAccountToken"])
            for container in pod["containers"]:
                self.assertEqual(
                    container["securityContext"],
                    {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                )
                self.assertIn("memory", container["resources"]["limits"])
                self.assertIn("cpu", container["resources"]["requests"])
                for probe in ("readinessProbe", "livenessProbe"):
                    self.assertIn(probe, container)
                if one["kind"] == "Deployment":
                    # The image's entry point contains an init, which reaps the processes that
                    # trainers leave behind.
                    self.assertNotIn("command", container)

    def test_images_that_were_loaded_into_the_node_are_not_pulled(self):
        for one in self.of_kind("single-node", "StatefulSet", "Deployment"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                self.assertEqual(container["imagePullPolicy"], "IfNotPresent", one["metadata"]["name"])

    def test_flags_are_the_programs(self):
        known = "".join(repository.read(name) for name in repository.cpp_files() if not name.startswith("tests/"))
        for _, one in self.each("StatefulSet", "Deployment"):
            (container,) = one["spec"]["template"]["spec"]["containers"]
            for argument in container["args"]:
                self.assertRegex(known, rf'"{re.escape(argument.split("=")[0])}[",]', argument)

    def test_a_worker_has_time_to_drain(self):
        for _, one in self.each("Deployment"):
            pod = one["spec"]["template"]["spec"]
            (grace,) = [re.fullmatch(r"--evaluator-grace=(\d+)s", argument) for argument in pod["containers"][0]["args"]
                        if argument.startswith("--evaluator-grace")]
            # The remaining time is for a few calls that deliver results.
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], int(grace.group(1)) + 30)

    def test_only_tls_goes_without_the_insecure_flag(self):
        for overlay, one in self.each("StatefulSet"):
            (container,) = one["spec"]["template"]["spec"]["containers"]
            secure = overlay == "tls"
            self.assertEqual("--insecure-listen" in container["args"], not secure)
            self.assertEqual(any(argument.startswith("--token-file") for argument in container["args"]), secure)
            # The kubelet's gRPC probes cannot use TLS.
            self.assertEqual("grpc" in container["readinessProbe"], not secure)
        for overlay, one in self.each("Deployment"):
            names = {variable["name"] for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]}
            self.assertEqual({"LAYERNAS_TLS_CA", "LAYERNAS_TOKEN_FILE"} <= names, overlay == "tls")

    def test_a_rollout_needs_no_second_device(self):
        for _, one in self.each("Deployment"):
            self.assertEqual(one["spec"]["strategy"], {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}})

    def test_a_controller_that_does_not_start_can_be_replaced(self):
        # https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
        for _, one in self.each("StatefulSet"):
            self.assertEqual(one["spec"]["podManagementPolicy"], "Parallel")

    def test_nothing_that_is_kept_goes_with_an_overlay(self):
        for overlay in OVERLAYS:
            self.assertEqual(self.of_kind(overlay, "Namespace", "PersistentVolumeClaim"), [], overlay)
        done = repository.run("kubectl", "kustomize", os.path.join(FOLDER, "keep"))
        self.assertEqual(done.returncode, 0, done.stdout)
        kept = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
        self.assertEqual(set(kept), {"Namespace", "PersistentVolumeClaim"})
        self.assertEqual(kept["Namespace"]["metadata"]["name"], "layernas")
        self.assertEqual(kept["PersistentVolumeClaim"]["spec"]["accessModes"], ["ReadWriteMany"])
        if not kubernetes_schemas.why_not():
            self.assertEqual(kubernetes_schemas.complaints(list(kept.values())), "")

    def test_backups_can_be_made_daily(self):
        dockerfile = repository.read("deploy/docker/Dockerfile")
        self.assertIn("COPY deploy/docker/backup-daily /usr/bin/layernas-backup-daily\n", dockerfile)
        for overlay, component in (("single-node", "backup"), ("tls", "backup-tls")):
            with self.subTest(component), tempfile.TemporaryDirectory() as folder:
                own = {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": [os.path.relpath(os.path.join(FOLDER, "overlays", overlay), os.path.realpath(folder))],
                    "components": [os.path.relpath(os.path.join(FOLDER, component), os.path.realpath(folder))],
                }
                with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as file:
                    yaml.safe_dump(own, file)
                done = repository.run("kubectl", "kustomize", folder)
                self.assertEqual(done.returncode, 0, done.stdout)
                objects = list(yaml.safe_load_all(done.stdout))
                if not kubernetes_schemas.why_not():
                    self.assertEqual(kubernetes_schemas.complaints(objects), "")
                (pod,) = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet"]
                controller, backup = pod["containers"]
                (backups,) = [each.split("=")[1] for each in controller["args"] if each.startswith("--backup-dir=")]
                self.assertEqual(backup["command"], ["layernas-backup-daily", backups])
                self.assertEqual(backup["securityContext"], controller["securityContext"])
                self.assertEqual(backup["imagePullPolicy"], "IfNotPresent")
                self.assertIn("memory", backup["resources"]["limits"])
                (data,) = [mount for mount in controller["volumeMounts"] if mount["name"] == "data"]
                self.assertIn(data, backup["volumeMounts"])
                self.assertTrue(backups.startswith(data["mountPath"]))
                volumes = {volume["name"] for volume in pod["volumes"]} | {"data"}
                self.assertLessEqual({mount["name"] for mount in backup["volumeMounts"]}, volumes)
                # The files that its settings name are mounted.
                files = [each["value"] for each in backup["env"] if each["value"].startswith("/")]
                self.assertEqual(len(files), 2 if overlay == "tls" else 0)
                for file in files:
                    self.assertIn(os.path.dirname(file), [mount["mountPath"] for mount in backup["volumeMounts"]])

    def test_no_pod_fills_its_node(self):
        for _, one in self.each("StatefulSet", "Deployment"):
            pod = one["spec"]["template"]["spec"]
            for volume in pod["volumes"]:
                if "emptyDir" in volume:
                    self.assertIn("sizeLimit", volume["emptyDir"], volume["name"])
        for _, one in self.each("Deployment"):
            pod = one["spec"]["template"]["spec"]
            limits = {each["name"]: int(each["value"]) for each in pod["containers"][0]["env"] if each["name"].endswith("_LIMIT")}
            self.assertEqual(set(limits), {"LAYERNAS_DATA_CACHE_LIMIT", "LAYERNAS_CHECKPOINT_LIMIT"})
            (state,) = [volume for volume in pod["volumes"] if volume["name"] == "state"]
            # While states of trainings are replaced, the old ones are still there.
            most = limits["LAYERNAS_DATA_CACHE_LIMIT"] + 2 * limits["LAYERNAS_CHECKPOINT_LIMIT"]
            self.assertLessEqual(most, int(state["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30)

    def test_workers_have_shared_memory_and_pools_that_shrink_keep_weights(self):
        for overlay, one in self.each("Deployment"):
            pod = one["spec"]["template"]["spec"]
            mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            self.assertEqual(mounts["shm"], "/dev/shm")
            self.assertEqual(volumes["shm"]["emptyDir"]["medium"], "Memory")
            self.assertIn(f"--weights-dir={mounts['weights']}", pod["containers"][0]["args"])
            if overlay != "single-node":
                self.assertEqual(volumes["weights"]["persistentVolumeClaim"], {"claimName": "layernas-weights"})

    def test_tls_lets_others_than_pods_in(self):
        for overlay in OVERLAYS:
            policy = self.named(overlay, "NetworkPolicy", "layernas-controller")
            anybody = {"ports": [{"port": "grpc"}]}
            self.assertEqual(anybody in policy["spec"]["ingress"], overlay == "tls", overlay)

    def test_runbooks_can_be_links(self):
        program = os.path.join(FOLDER, "monitoring/prometheus-rule")
        for url in ("https://git.example/layernas/blob/main/", "https://git.example/view?p=layernas&f=", "http://git.example/a|b\\c&&#'\""):
            done = repository.run(program, url)
            rules = [rule for group in yaml.safe_load(done.stdout)["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
            self.assertGreater(len(rules), 10)
            for rule in rules:
                self.assertEqual(
                    rule["annotations"]["runbook_url"], f"{url.removesuffix('/')}/docs/operations.md#{rule['alert'].lower()}"
                )
        for url in ("https://git.example/a #b", "https://git.example/a\nb", "git.example", "*"):
            done = repository.run(program, url)
            self.assertEqual((done.returncode, done.stdout), (2, f"prometheus-rule: not an http or https URL without spaces: {url}\n"))

    def test_objects_are_printed_all_or_nothing(self):
        """kubectl would apply the first half of an object."""
        for name, files, unreadable in (
            ("prometheus-rule", "prometheus/rules", "zz.yml"), ("dashboards", "grafana/dashboards", "zz.json"),
        ):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                os.makedirs(os.path.join(folder, "kubernetes/monitoring"))
                copied = shutil.copytree(os.path.join(FOLDER, "..", files), os.path.join(folder, files))
                program = shutil.copy(os.path.join(FOLDER, "monitoring", name), os.path.join(folder, "kubernetes/monitoring"))
                whole = repository.run(program)
                self.assertEqual(whole.stdout, repository.run(os.path.join(FOLDER, "monitoring", name)).stdout)
                self.assertIn("\nkind: ", whole.stdout)
                # The script reads the other files first, and then it cannot read this one.
                os.mkdir(os.path.join(copied, unreadable))
                done = repository.run(program)
                self.assertNotEqual(done.returncode, 0)
                self.assertNotIn("kind: ", done.stdout)

    def test_kube_prometheus_stack_finds_monitors_rules_and_dashboards(self):
        for _, one in self.each("ServiceMonitor", "PodMonitor"):
            self.assertEqual(one["metadata"]["labels"]["release"], "kube-prometheus-stack")
        self.assertEqual(self.rule()["metadata"]["labels"]["release"], "kube-prometheus-stack")
        done = repository.run(os.path.join(FOLDER, "monitoring/dashboards"))
        self.assertEqual(done.returncode, 0, done.stdout)
        config = yaml.safe_load(done.stdout)
        self.assertEqual(config["metadata"]["labels"], {"grafana_dashboard": "1"})
        paths = glob.glob(os.path.join(repository.ROOT, "deploy/grafana/dashboards/*.json"))
        self.assertEqual(set(config["data"]), {os.path.basename(path) for path in paths})
        for path in paths:
            with open(path, encoding="utf-8") as file:
                self.assertEqual(json.loads(config["data"][os.path.basename(path)]), json.load(file))

    def test_whoever_selects_pods_finds_them(self):
        for overlay in OVERLAYS:
            pods = [one["spec"]["template"] for one in self.of_kind(overlay, "StatefulSet", "Deployment")]
            services = self.of_kind(overlay, "Service")

            def selected(labels, among):
                found = [one for one in among if labels.items() <= one["metadata"]["labels"].items()]
                self.assertTrue(found, (overlay, labels))
                return found

            for one in services:
                for pod in selected(one["spec"]["selector"], pods):
                    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
                    self.assertLessEqual({port["targetPort"] for port in one["spec"]["ports"]}, ports)
            for one in self.of_kind(overlay, "PodDisruptionBudget"):
                self.assertEqual(len(selected(one["spec"]["selector"]["matchLabels"], pods)), 1)
            for one in self.of_kind(overlay, "NetworkPolicy"):
                selected(one["spec"]["podSelector"]["matchLabels"], pods)
            for one in self.of_kind(overlay, "ServiceMonitor"):
                for service in selected(one["spec"]["selector"]["matchLabels"], services):
                    ports = {port["name"] for port in service["spec"]["ports"]}
                    self.assertLessEqual({endpoint["port"] for endpoint in one["spec"]["endpoints"]}, ports)
            for one in self.of_kind(overlay, "PodMonitor"):
                selected(one["spec"]["selector"]["matchLabels"], pods)
            deployments = {one["metadata"]["name"] for one in self.of_kind(overlay, "Deployment")}
            for one in self.of_kind(overlay, "ScaledObject", "HorizontalPodAutoscaler"):
                self.assertIn(one["spec"]["scaleTargetRef"]["name"], deployments)

    def queries(self):
        """Returns {pool: query} of KEDA's scaled objects."""
        found = {}
        for one in self.of_kind("gpu-pool", "ScaledObject"):
            (trigger,) = one["spec"]["triggers"]
            # The query's value is the number of workers.
            self.assertEqual((trigger["metricType"], trigger["metadata"]["threshold"]), ("AverageValue", "1"))
            # Without an answer, no workers are removed.
            self.assertEqual(trigger["metadata"]["ignoreNullValues"], "false")
            found[one["spec"]["scaleTargetRef"]["name"]] = trigger["metadata"]["query"]
        return found

    def test_pools_are_scaled_by_their_queue(self):
        rules = [{"record": "wanted", "labels": {"pool": pool}, "expr": query} for pool, query in self.queries().items()]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "queries.yml"), "w", encoding="utf-8") as file:
                yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}, file)
            shutil.copy(os.path.join(repository.ROOT, "tests/deploy/kubernetes/scaling_test.yml"), folder)
            promtool = repository.prometheus_program("promtool")
            done = repository.run(promtool, "test", "rules", os.path.join(folder, "scaling_test.yml"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_plain_autoscalers_ask_the_same(self):
        with open(os.path.join(FOLDER, "scaling/hpa/prometheus-adapter.yaml"), encoding="utf-8") as file:
            adapter = {rule["name"]["as"]: rule["metricsQuery"] for rule in yaml.safe_load(file)["rules"]["external"]}
        queries = self.queries()
        for one in self.of_kind("gpu-pool-hpa", "HorizontalPodAutoscaler"):
            (metric,) = one["spec"]["metrics"]
            self.assertEqual(metric["external"]["target"], {"type": "AverageValue", "averageValue": "1"})
            self.assertEqual(
                adapter[metric["external"]["metric"]["name"]], queries[one["spec"]["scaleTargetRef"]["name"]]
            )


if __name__ == "__main__":
    repository.main()
