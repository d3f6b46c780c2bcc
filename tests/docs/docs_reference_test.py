"""Compares the reference pages with the programs, and checks the links between all pages."""

import os
import re
import subprocess
import unittest

import harness
import token_test
from layernas.v1 import admin_service_pb2
from layernas.v1 import fleet_service_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import worker_service_pb2

SERVICES = (search_service_pb2, fleet_service_pb2, admin_service_pb2, worker_service_pb2)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def read(name):
    with open(os.path.join(harness.REPOSITORY, name), encoding="utf-8") as file:
        return file.read()


def pages():
    """Returns README, ARCHITECTURE and all pages below docs."""
    found = ["README.md", "ARCHITECTURE.md", "python/README.md"]
    for folder, _, names in os.walk(os.path.join(harness.REPOSITORY, "docs")):
        found += [os.path.relpath(os.path.join(folder, name), harness.REPOSITORY) for name in names if name.endswith(".md")]
    return sorted(found)


def without_blocks(text):
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", text)


def links(page):
    """Returns [(as written, path from the root, anchor)] of the page's links to files of the repository."""
    found = []
    for match in LINK.finditer(without_blocks(read(page))):
        target = match.group(1) or match.group(2)
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            found.append((target, os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page, anchor))
    return found


def anchors(name):
    """Returns the page's anchors, formed from headings as on the page's host."""
    headings = re.findall(r"(?m)^#+ (.*)$", without_blocks(read(name)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class ReferenceTest(unittest.TestCase):

    maxDiff = None

    def test_command_line(self):
        done = subprocess.run(
            [os.path.join(harness.REPOSITORY, "scripts/cli-reference"), harness.BIN],
            stdout=subprocess.PIPE, check=True, timeout=300, text=True,
        )
        self.assertMultiLineEqual(
            read("docs/cli.md").rstrip(), done.stdout.rstrip(), "update it with: scripts/cli-reference >docs/cli.md"
        )

    def test_methods(self):
        rows = re.findall(r"(?m)^\| `([\w.]+)/(\w+)` \| .* \| (yes|) ?\| ?(yes|) ?\| ?(yes|) ?\| ?(yes|) ?\|$", read("docs/protocols.md"))
        written = {(service, method): {role for role, yes in zip(token_test.ROLES, may) if yes} for service, method, *may in rows}
        there = {
            (service.full_name, method.name): token_test.ALLOWED[service.full_name][method.name]
            for module in SERVICES
            for service in module.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }
        self.assertEqual(written, there)

    def test_links_lead_somewhere(self):
        checked = 0
        for page in pages():
            for target, name, anchor in links(page):
                with self.subTest(page=page, link=target):
                    self.assertTrue(os.path.exists(os.path.join(harness.REPOSITORY, name)), "is not there")
                    if anchor:
                        self.assertIn(anchor, anchors(name))
                checked += 1
        self.assertGreater(checked, 100)

    def test_readme_leads_to_every_page(self):
        reached, new = set(), {"README.md"}
        while new:
            reached |= new
            new = {name for page in new for _, name, _ in links(page) if name.endswith(".md")} - reached
            new = {name for name in new if os.path.exists(os.path.join(harness.REPOSITORY, name))}
        self.assertLessEqual({page for page in pages() if page.startswith("docs/")}, reached)


if __name__ == "__main__":
    harness.main()
