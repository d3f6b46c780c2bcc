"""No #include crosses the layers, and the check finds violations."""

import os
import tempfile
import unittest

import layering
import repository


class LayeringTest(unittest.TestCase):

    def test_no_include_crosses_the_layers(self):
        found = layering.violations()
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_there_is_something_to_check(self):
        checked = [name for name in repository.cpp_files() if name.startswith("controller/core/")]
        self.assertGreater(len(checked), 5)

    def test_seeded_violations_are_noticed(self):
        seeded = [
            ("controller/core/space.cc", '#include "common/log/log.h"'),
            ("controller/core/space.cc", '#include "controller/storage/store.h"'),
            ("controller/core/space.cc", '#include "layernas/v1/spec.pb.h"'),
            ("controller/core/space.cc", "#  include <rocksdb/db.h>"),
            ("controller/core/space.cc", "#include <nlohmann/json.hpp>"),
            ("controller/core/deep/er.h", '#include "controller/engine/engine.h"'),
            ("controller/storage/store.cc", '#include "controller/engine/engine.h"'),
            ("controller/storage/store.cc", '#include "layernas/storage/v1/records.pb.h"'),
            ("controller/engine/engine.cc", '#include "controller/service/convert.h"'),
            ("controller/engine/engine.cc", '#include "layernas/v1/search.pb.h"'),
            ("controller/engine/engine.cc", "#include <grpcpp/grpcpp.h>"),
            ("controller/engine/engine.cc", "#include <rocksdb/db.h>"),
            ("controller/engine/engine.cc", '#include "controller/access/gate.h"'),
            ("controller/access/gate.cc", '#include "controller/engine/engine.h"'),
            ("controller/access/gate.cc", "#include <openssl/sha.h>"),
            ("worker/agent/agent.cc", '#include "controller/core/space.h"'),
            ("worker/agent/agent.cc", "#include <torch/torch.h>"),
            ("worker/evaluator/exec.cc", '#include "layernas/v1/worker_service.pb.h"'),
            ("worker/trainer/train.cc", '#include "worker/agent/agent.h"'),
            ("client/main.cc", '#include "controller/core/space.h"'),
            ("client/main.cc", '#include "worker/agent/agent.h"'),
            ("common/base/clock.cc", '#include "common/log/log.h"'),
            ("common/log/log.cc", '#include "worker/agent/agent.h"'),
            ("common/log/log.cc", '#include "tests/fakes.h"'),
        ]
        for path, include in seeded:
            with self.subTest(path=path, include=include):
                found = self.violations_of(path, f"#include <vector>\n\n{include}\n")
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:3: "), found)

    def test_what_is_allowed_passes(self):
        allowed = [
            ("controller/core/space.cc", '#include "absl/status/status.h"\n#include "common/base/random.h"\n#include <cmath>'),
            ("controller/storage/records.cc", '#include "layernas/storage/v1/records.pb.h"\n#include "rocksdb/db.h"'),
            ("controller/storage/store.cc", '#include "controller/core/search.h"\n// #include "controller/engine/x.h"'),
            ("controller/engine/engine.h", '#include "controller/storage/store.h"\n#include "controller/core/search.h"'),
            ("controller/service/convert.cc", '#include "layernas/v1/spec.pb.h"\n#include "controller/engine/engine.h"'),
            ("worker/agent/agent.cc", '#include "layernas/v1/worker_service.grpc.pb.h"\n#include "worker/evaluator/exec.h"'),
        ]
        for path, text in allowed:
            with self.subTest(path=path):
                self.assertEqual(self.violations_of(path, text + "\n"), [])

    def test_a_folder_without_a_rule_is_noticed(self):
        self.assertEqual(len(self.violations_of("worker/x.cc", "")), 0)
        self.assertEqual(len(self.violations_of("common/new/x.cc", "")), 0)
        with self.subTest("top level"):
            known = {layer.split("/")[0] for layer in layering.LAYERS}
            present = {name.split("/")[0] for name in repository.cpp_files()} - {"tests", "benchmarks", "examples"}
            self.assertLessEqual(present, known)

    def violations_of(self, path, text):
        """Returns the violations of a repository that contains only this file."""
        with tempfile.TemporaryDirectory() as root:
            file = os.path.join(root, path)
            os.makedirs(os.path.dirname(file))
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            return layering.violations(root)


if __name__ == "__main__":
    repository.main()
