"""Defines which folder may include what, and finds violations. ARCHITECTURE.md gives the reasons."""

import os
import re

import repository

# Folder -> prefixes of the project's headers that it may include, besides its own. The longest
# matching folder counts.
LAYERS = {
    "common/base": (),
    "common/build_info": (),
    "common/help": (),
    "common/log": ("common/base",),
    "common/network": (),
    "common/process": ("common/base", "common/log"),
    "common": ("common",),
    "controller/core": ("common/base",),
    "controller/storage": ("common/base", "common/log", "controller/core"),
    "controller/spec": ("common/base", "common/security", "common/spec", "controller/core"),
    "controller/engine": (
        "common/base",
        "common/log",
        "controller/core",
        "controller/metrics",
        "controller/spec",
        "controller/storage",
    ),
    "controller/metrics": ("common", "controller/core"),
    "controller/access": ("common", "controller/metrics"),
    "controller/service": (
        "common",
        "controller/access",
        "controller/core",
        "controller/engine",
        "controller/metrics",
        "controller/spec",
        "controller/storage",
    ),
    # main, server, options
    "controller": ("common", "controller"),
    "worker/evaluator": ("common/base", "common/log", "common/process"),
    "worker/trainer": ("common/base", "common/build_info", "common/help", "common/network"),
    "worker/agent": ("common", "worker/evaluator"),
    "worker": ("common", "worker/agent", "worker/evaluator"),
    "client": ("common", "worker/evaluator"),
}

# External headers -> the only folders (or files, without extension) that may include them.
_PROTO_USERS = (
    "controller/access",
    "controller/service",
    "controller/server",
    "controller/spec",
    "common/spec",
    "common/rpc",
    "client",
    "worker/agent",
)
RESTRICTED = {
    r"layernas/storage/v\d+/": ("controller/storage/records",),
    r"layernas/v\d+/": _PROTO_USERS,
    r"(grpc|grpcpp)/": _PROTO_USERS,
    r"google/(protobuf|rpc)/": _PROTO_USERS + ("controller/storage/records",),
    r"rocksdb/": ("controller/storage",),
    r"(torch|ATen|c10)/": ("worker/trainer",),
    r"openssl/": ("common/rpc", "common/security", "worker/trainer"),
    r"prometheus/": (
        "common/metrics",
        "controller/access",
        "controller/metrics",
        "controller/server",
        "controller/service",
        "worker/agent",
        "worker/main",
    ),
    r"yaml-cpp/": ("client", "common/cli", "common/spec"),
    r"CLI/": ("controller/options", "controller/main", "worker", "client", "common/base", "common/cli", "common/help"),
}

# Pure folders: besides the project's headers, they only include the standard library, absl and
# Eigen, which only compute.
PURE = ("common/base", "controller/core")

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_OUR_FOLDERS = ("common/", "controller/", "worker/", "client/")


def _within(path, folder):
    """Returns true if `path` is the folder, is in it, or is a file of that name."""
    return path == folder or path.startswith(folder + "/") or os.path.splitext(path)[0] == folder


def _layer_of(path):
    matching = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(matching, key=len, default=None)


def _fault(path, layer, header):
    """Returns why `path` may not include `header`; None if it may."""
    if header.startswith("tests/"):
        return "product code includes test code"
    if header.startswith(_OUR_FOLDERS):
        if _layer_of(header) == layer or any(_within(header, allowed) for allowed in LAYERS[layer]):
            return None
        return f"{layer} may include only itself and: {', '.join(LAYERS[layer]) or 'nothing else of ours'}"
    for pattern, users in RESTRICTED.items():
        if re.match(pattern, header) and not any(_within(path, user) for user in users):
            return f"only {', '.join(users)} may include it"
    if layer in PURE and "/" in header and not header.startswith(("absl/", "Eigen/")):
        return f"{layer} is pure: the standard library, absl and Eigen, nothing else"
    return None


def violations(root=repository.ROOT):
    """Returns one line per #include that crosses the layers: "file:line: header: why"."""
    found = []
    for path in repository.files(root):
        if not path.endswith((".cc", ".h")) or not path.startswith(_OUR_FOLDERS):
            continue
        layer = _layer_of(path)
        if layer is None:
            found.append(f"{path}:1: its folder is unknown to tests/repository/layering.py; say there what it may include")
            continue
        text = repository.read(path, root)
        for match in _INCLUDE.finditer(text):
            fault = _fault(path, layer, match.group(2))
            if fault:
                line = text.count("\n", 0, match.start(1)) + 1
                found.append(f"{path}:{line}: {match.group(2)}: {fault}")
    return found
