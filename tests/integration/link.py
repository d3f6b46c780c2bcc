"""Separate hosts for a test: network namespaces behind links that can be cut, slow or lossy. Needs root, ip, tc and
iptables."""

import os
import random
import shutil
import subprocess

_TIMEOUT_S = 30
# 198.18.0.0/15 is reserved for tests (RFC 2544).
_FOR_TESTS = (198 << 24) + (18 << 16)


def _run(*arguments):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _dotted(address):
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def why_not():
    """Returns why links are impossible here; empty if they are possible."""
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


class Host:
    """A network namespace with one device, `net`. Programs started with the prefix `inside` see nothing else.

    address: its address.
    """

    def __init__(self, namespace):
        self._namespace = namespace
        self.inside = ("ip", "netns", "exec", namespace)
        self.address = None
        _run("ip", "netns", "add", namespace)

    def attach(self, address, prefix, *other_end):
        """Adds the device. other_end: the location of the other end, as for `ip link add … peer`."""
        self.address = address
        _run("ip", "-n", self._namespace, "link", "add", "net", "type", "veth", "peer", *other_end)
        _run("ip", "-n", self._namespace, "addr", "add", f"{address}/{prefix}", "dev", "net")
        for device in ("net", "lo"):
            _run("ip", "-n", self._namespace, "link", "set", device, "up")
        # Find out now whether rules can be set.
        self.heal()

    def cut(self):
        """Drops packets silently in both directions."""
        self.heal()
        self._drop()

    def lose(self, share):
        """Drops each packet with that probability, in both directions."""
        self.heal()
        self._drop("-m", "statistic", "--mode", "random", "--probability", str(share))

    def slow(self, rate):
        """Limits outgoing traffic to that rate, written as for tc: 64kbit."""
        _run(*self.inside, "tc", "qdisc", "replace", "dev", "net", "root", "tbf", "rate", rate, "burst", "4kb", "latency", "1s")

    def heal(self):
        """Makes the link neither cut nor lossy."""
        _run(*self.inside, "iptables", "-F")

    def close(self):
        """Removes the link. The processes inside only keep loopback."""
        _run("ip", "netns", "del", self._namespace)

    def _drop(self, *match):
        for chain, flag in (("INPUT", "-i"), ("OUTPUT", "-o")):
            _run(*self.inside, "iptables", "-A", chain, flag, "net", *match, "-j", "DROP")


class Link(Host):
    """A host at the other end of a link to this machine. near: the address of this end."""

    def __init__(self):
        nonce = random.SystemRandom().randrange(1 << 15)
        super().__init__(f"layernas-{nonce:05d}")
        device = f"lnas{nonce:05d}"
        network = _FOR_TESTS + 4 * nonce
        self.near = _dotted(network + 1)
        try:
            self.attach(_dotted(network + 2), 30, "name", device, "netns", str(os.getpid()))
            _run("ip", "addr", "add", f"{self.near}/30", "dev", device)
            _run("ip", "link", "set", device, "up")
        except OSError:
            self.close()
            raise


class Network:
    """Hosts on one switch, separate from this machine. `hosts` maps names to them."""

    def __init__(self, *names):
        nonce = random.SystemRandom().randrange(1 << 15)
        self._switch = f"layernas-{nonce:05d}"
        self.hosts = {}
        _run("ip", "netns", "add", self._switch)
        try:
            _run("ip", "-n", self._switch, "link", "add", "switch", "type", "bridge")
            _run("ip", "-n", self._switch, "link", "set", "switch", "up")
            for number, name in enumerate(names, 1):
                host = self.hosts[name] = Host(f"{self._switch}-{name}")
                host.attach(_dotted(_FOR_TESTS + number), 24, "name", name, "netns", self._switch)
                _run("ip", "-n", self._switch, "link", "set", name, "master", "switch", "up")
        except OSError:
            self.close()
            raise

    def close(self):
        for host in self.hosts.values():
            host.close()
        _run("ip", "netns", "del", self._switch)
