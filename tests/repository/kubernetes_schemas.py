"""Checks Kubernetes objects against the schemas of Kubernetes, KEDA and the Prometheus operator in npm's
@kubernetes-models. TypeScript's compiler refuses unknown fields and wrong types; the models' own validation refuses
wrong values."""

import json
import os
import shutil
import tempfile

import repository

_CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "layernas/kubernetes-models")
_PACKAGES = {
    "keda.sh": "@kubernetes-models/keda/",
    "monitoring.coreos.com": "@kubernetes-models/prometheus-operator/",
}


def why_not():
    """Returns why validation is impossible here; empty if it is possible."""
    if not shutil.which("node"):
        return "Node.js is missing: scripts/install-deps --test"
    if not os.path.isdir(os.path.join(_CACHE, "node_modules/typescript")):
        return "@kubernetes-models are missing: scripts/install-deps --test"
    return ""


def complaints(objects):
    """Returns what is wrong with the objects, as text; empty if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(_CACHE, "node_modules"), os.path.join(folder, "node_modules"))
        _write(folder, "package.json", '{ "type": "module" }')
        _write(folder, "objects.ts", "".join(_check(number, one) for number, one in enumerate(objects)))
        compiler = os.path.join(_CACHE, "node_modules/.bin/tsc")
        options = ("--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022")
        compiled = repository.run(compiler, *options, "objects.ts", cwd=folder)
        if compiled.returncode != 0:
            return compiled.stdout
        validated = repository.run("node", "objects.js", cwd=folder)
        return validated.stdout if validated.returncode != 0 else ""


def _check(number, one):
    """Returns a literal of the object's type, because unknown fields are only errors in literals."""
    group, kind = one["apiVersion"].split("/")[0], one["kind"]
    package = f"{_PACKAGES.get(group, 'kubernetes-models/')}{one['apiVersion']}"
    return (
        f'import {{ {kind} as Model{number}, type I{kind} as Type{number} }} from "{package}";\n'
        f"const object{number}: Type{number} = {json.dumps(one, indent=1)};\n"
        f"new Model{number}(object{number}).validate();\n"
    )


def _write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
