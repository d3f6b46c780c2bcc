"""The Debian packages that cpack builds: their contents, their dependencies, and the validity of their units."""

import glob
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

import harness

BUILD = os.path.dirname(harness.BIN)
# Package -> files that it must contain. Further files must be manual pages of the client's
# commands.
CONTENTS = {
    "layernas": {
        "/etc/layernas/client.yaml",
        "/usr/bin/layernas",
        "/usr/share/bash-completion/completions/layernas",
        "/usr/share/doc/layernas/copyright",
        "/usr/share/fish/vendor_completions.d/layernas.fish",
        "/usr/share/man/man1/layernas.1",
        "/usr/share/zsh/vendor-completions/_layernas",
    },
    "layernas-controller": {
        "/etc/layernas/controller.env",
        "/etc/layernas/controller.yaml",
        "/usr/bin/layernas-controller",
        "/usr/lib/systemd/system/layernas-controller.service",
        "/usr/share/doc/layernas-controller/copyright",
        "/usr/share/man/man8/layernas-controller.8",
    },
    "layernas-worker": {
        "/etc/layernas/worker.env",
        "/etc/layernas/worker.yaml",
        "/usr/bin/layernas-worker",
        "/usr/lib/systemd/system/layernas-worker.service",
        "/usr/share/doc/layernas-worker/copyright",
        "/usr/share/man/man8/layernas-worker.8",
    },
    "layernas-trainer": {
        "/usr/bin/layernas-trainer",
        "/usr/share/doc/layernas-trainer/copyright",
        "/usr/share/man/man8/layernas-trainer.8",
    },
}
# Dependencies that each package must declare itself.
NEEDS = {
    "layernas": ("libgrpc++1.51", "libyaml-cpp0.7"),
    "layernas-controller": ("adduser", "libgrpc++1.51", "librocksdb7.8", "libjemalloc2"),
    "layernas-worker": ("adduser", "libgrpc++1.51"),
    "layernas-trainer": ("libtorch1.13", "libopenblas0-pthread"),
}


def output(*command, **environment):
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
        text=True, env={**os.environ, **environment},
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def cpack(folder, *definitions):
    """Returns the paths of the packages by their names."""
    output("cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", folder, *definitions,
           SOURCE_DATE_EPOCH="1700000000")
    return {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.path.join(folder, "*.deb"))}


@unittest.skipUnless(
    b"Release" in subprocess.run([os.path.join(harness.BIN, "layernas"), "--version"], stdout=subprocess.PIPE, check=True).stdout
    and os.path.exists(os.path.join(harness.BIN, "layernas-trainer")),
    "packages are made of release builds with a trainer",
)
class PackagesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="layernas-packages-")
        cls.packages = cpack(os.path.join(cls.folder, "packages"))
        cls.roots = {}
        for name, path in cls.packages.items():
            cls.roots[name] = os.path.join(cls.folder, name)
            output("dpkg-deb", "--raw-extract", path, cls.roots[name])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def field(self, package, name):
        return output("dpkg-deb", "--field", self.packages[package], name).strip()

    def test_contents(self):
        self.assertEqual(self.packages.keys(), CONTENTS.keys())
        for package, wanted in CONTENTS.items():
            root = self.roots[package]
            found = {os.path.join(top, name)[len(root):] for top, _, names in os.walk(root) for name in names}
            found = {path for path in found if not path.startswith("/DEBIAN/")}
            more = {path for path in found - wanted if not re.fullmatch(r"/usr/share/man/man1/layernas-[\w-]+\.1", path)}
            self.assertEqual((wanted - found, more), (set(), set()), package)
            # No file is empty, as a manual page or completion would be if it could not be created.
            for path in found:
                self.assertGreater(os.path.getsize(root + path), 50, path)

    def test_dependencies(self):
        for package, needs in NEEDS.items():
            depends = self.field(package, "Depends")
            for need in needs:
                self.assertRegex(depends, rf"(^|, ){re.escape(need)}(,| |$)", package)
            self.assertNotIn("libtorch", depends if package != "layernas-trainer" else "")
            self.assertRegex(self.field(package, "Version"), r"^\d+\.\d+\.\d+$")

    def test_configuration_is_kept_by_upgrades(self):
        for package, wanted in CONTENTS.items():
            etc = sorted(path for path in wanted if path.startswith("/etc/"))
            conffiles = os.path.join(self.roots[package], "DEBIAN/conffiles")
            listed = []
            if os.path.exists(conffiles):
                with open(conffiles, encoding="utf-8") as file:
                    listed = sorted(file.read().split())
            self.assertEqual(listed, etc, package)

    def test_configuration_is_understood(self):
        for role in ("controller", "worker"):
            program = os.path.join(self.roots[f"layernas-{role}"], "usr/bin", f"layernas-{role}")
            file = os.path.join(self.roots[f"layernas-{role}"], f"etc/layernas/{role}.yaml")
            self.assertIn("/var/lib/layernas/", output(program, "--config", file, "--print-config"))
        client = self.roots["layernas"]
        output(os.path.join(client, "usr/bin/layernas"), "--config", os.path.join(client, "etc/layernas/client.yaml"), "--print-config")
        # Also checks the settings that are commented out.
        for package, name in (("layernas-controller", "controller"), ("layernas-worker", "worker"), ("layernas", "client")):
            with open(os.path.join(self.roots[package], f"etc/layernas/{name}.yaml"), encoding="utf-8") as file:
                text = re.sub(r"(?m)^#(?=\S)", "", file.read())
            whole = os.path.join(self.folder, f"{name}.yaml")
            with open(whole, "w", encoding="utf-8") as file:
                file.write(text)
            output(os.path.join(self.roots[package], "usr/bin", package), "--config", whole, "--print-config")

    def test_scripts(self):
        for package in ("layernas-controller", "layernas-worker"):
            for name in ("postinst", "prerm", "postrm"):
                script = os.path.join(self.roots[package], "DEBIAN", name)
                self.assertEqual(stat.S_IMODE(os.stat(script).st_mode), 0o755, script)
                output("sh", "-n", script)
                with open(script, encoding="utf-8") as file:
                    self.assertNotIn("@", file.read(), "a placeholder that nobody filled in")

    def test_a_purge_keeps_backups(self):
        for package, folders, kept in (
            ("layernas-controller", ("lib/layernas/controller/wal", "lib/layernas/backups/b1"), ["lib/layernas/backups/b1"]),
            ("layernas-controller", ("lib/layernas/controller", "lib/layernas/backups"), []),
            ("layernas-worker", ("lib/layernas/worker/w", "cache/layernas/worker", "lib/layernas/backups/b1"), ["lib/layernas/backups/b1"]),
        ):
            with self.subTest(package, folders=folders), tempfile.TemporaryDirectory() as root:
                for folder in ("lib", "cache", *folders):
                    os.makedirs(os.path.join(root, "var", folder), exist_ok=True)
                with open(os.path.join(self.roots[package], "DEBIAN/postrm"), encoding="utf-8") as file:
                    text = file.read()
                # Only files below `root` are touched.
                self.assertNotRegex(text, r"(?<!\S)/(?!(var|usr|run)/)")
                script = re.sub(r"(?<!\S)/(var|usr|run)/", rf"{root}/\1/", text)
                said = output("sh", "-c", script, "postrm", "purge")
                left = [os.path.relpath(top, f"{root}/var") for top, inner, _ in os.walk(f"{root}/var/lib/layernas") if not inner]
                self.assertEqual(left, kept)
                self.assertFalse(os.path.exists(f"{root}/var/cache/layernas"))
                wanted = f"The backups in {root}/var/lib/layernas/backups are kept; delete them yourself if you do not need them.\n"
                self.assertEqual(said, wanted if kept and package == "layernas-controller" else "")

    def test_units(self):
        for package in ("layernas-controller", "layernas-worker"):
            root = self.roots[package]
            with open(os.path.join(root, f"usr/lib/systemd/system/{package}.service"), encoding="utf-8") as file:
                text = file.read()
            # The programs are not installed on this machine.
            unit = os.path.join(self.folder, f"{package}.service")
            with open(unit, "w", encoding="utf-8") as file:
                file.write(text.replace("ExecStart=/usr/bin/", f"ExecStart={root}/usr/bin/"))
            said = output("systemd-analyze", "verify", "--man=no", unit)
            self.assertEqual(said, "", package)

    def test_the_same_bytes_at_another_time(self):
        digests = set()
        for folder in ("once", "again"):
            path = cpack(os.path.join(self.folder, folder), "-D", "CPACK_COMPONENTS_ALL=client")["layernas"]
            with open(path, "rb") as file:
                digests.add(hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(len(digests), 1)


if __name__ == "__main__":
    harness.main()
