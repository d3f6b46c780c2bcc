"""A host of its own for a test: a network namespace behind a link that can be cut, slow, or lossy. Needs root, ip, tc and
iptables."""

import os
import random
import shutil
import subprocess

_TIMEOUT_S = 30


def _run(*arguments):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def why_not():
    """Why there can't be links here; empty if there can."""
    for program in ("ip", "tc", "iptables"):
        if not shutil.which(program):
            return f"{program} is missing: scripts/install-deps --test"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        Link().close()
    except OSError as error:
        return f"network namespaces are not permitted here: {error}"
    return ""


class Link:
    """near: the address of this end of the link. Programs started with `inside` in front see the other end alone."""

    def __init__(self):
        nonce = random.SystemRandom().randrange(1 << 15)
        self._namespace = f"layernas-{nonce:05d}"
        device = f"lnas{nonce:05d}"
        # 198.18.0.0/15 is set apart for tests (RFC 2544).
        network = (198 << 24) + (18 << 16) + 4 * nonce
        self.near, far = (".".join(str(network + host >> shift & 255) for shift in (24, 16, 8, 0)) for host in (1, 2))
        self.inside = ("ip", "netns", "exec", self._namespace)
        _run("ip", "netns", "add", self._namespace)
        try:
            _run("ip", "link", "add", device, "type", "veth", "peer", "name", "far", "netns", self._namespace)
            _run("ip", "addr", "add", f"{self.near}/30", "dev", device)
            _run("ip", "link", "set", device, "up")
            _run("ip", "-n", self._namespace, "addr", "add", f"{far}/30", "dev", "far")
            _run("ip", "-n", self._namespace, "link", "set", "far", "up")
            _run("ip", "-n", self._namespace, "link", "set", "lo", "up")
            # Whether rules can be made is better known now.
            self.heal()
        except OSError:
            self.close()
            raise

    def cut(self):
        """Packets vanish without a word, both ways."""
        self.heal()
        self._drop()

    def lose(self, share):
        """Each packet is lost with that probability, both ways."""
        self.heal()
        self._drop("-m", "statistic", "--mode", "random", "--probability", str(share))

    def slow(self, rate):
        """What goes out from inside passes at that rate, as tc writes it: 64kbit."""
        _run(*self.inside, "tc", "qdisc", "replace", "dev", "far", "root", "tbf", "rate", rate, "burst", "4kb", "latency", "1s")

    def heal(self):
        """Neither cut nor lossy."""
        _run(*self.inside, "iptables", "-F")

    def close(self):
        """Ends the link; the processes inside keep nothing but loopback."""
        _run("ip", "netns", "del", self._namespace)

    def _drop(self, *match):
        for chain, flag in (("INPUT", "-i"), ("OUTPUT", "-o")):
            _run(*self.inside, "iptables", "-A", chain, flag, "far", *match, "-j", "DROP")
