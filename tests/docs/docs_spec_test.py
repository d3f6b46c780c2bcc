"""Compares docs/spec.md with the API and a controller: it lists every field and no other, bounds are the values beyond
which specs are refused, and defaults are those that a search gets. The specs on all pages must be valid."""

import glob
import os
import re

import grpc
import harness
from google.protobuf import descriptor
from layernas.v1 import search_service_pb2
from layernas.v1 import spec_pb2

PAGE = os.path.join(harness.REPOSITORY, "docs/spec.md")
WHOLE = (descriptor.FieldDescriptor.TYPE_INT32, descriptor.FieldDescriptor.TYPE_INT64, descriptor.FieldDescriptor.TYPE_UINT32)
# The smallest step between a bound and a value beyond it.
STEP = 1e-5


def minimal_spec():
    spec = spec_pb2.SearchSpec(name="bounds")
    for layer in range(2):
        added = spec.space.layers.add(name=f"layer{layer}")
        for option in range(2):
            added.options.add(name=f"option{option}")
    spec.objective.cost = "latency_ms"
    spec.strategy.random.SetInParent()
    spec.budget.trainings = 1000
    return spec


def is_part(field):
    """Returns true for a message of the spec itself, not for a time, a map or a free-form value."""
    return field.message_type is not None and field.message_type.file.name == "layernas/v1/spec.proto" and not is_map(field)


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def type_of(field):
    """Returns the type as the page writes it."""
    kind = descriptor.FieldDescriptor
    if is_map(field):
        value = field.message_type.fields_by_name["value"]
        return "number by metric" if value.type == kind.TYPE_DOUBLE else "text by label"
    if is_part(field):
        word = "part"
    elif field.message_type is not None:
        return {"google.protobuf.Duration": "time", "google.protobuf.Struct": "anything"}[field.message_type.full_name]
    elif field.enum_type is not None:
        return "enum"
    else:
        word = "whole number" if field.type in WHOLE else {
            kind.TYPE_DOUBLE: "number", kind.TYPE_BOOL: "yes or no", kind.TYPE_STRING: "text"
        }[field.type]
    return f"list of {word}s" if field.label == kind.LABEL_REPEATED else word


def sections(message=spec_pb2.SearchSpec.DESCRIPTOR, path=""):
    """Returns [(path, message)] of the spec and all its parts."""
    found = [(path, message)]
    for field in message.fields:
        if is_part(field):
            inner = f"{path}.{field.name}".lstrip(".") + ("[]" if field.label == field.LABEL_REPEATED else "")
            found += sections(field.message_type, inner)
    return found


def tables():
    """Returns {path: {field: (type, default, bounds)}} of the page."""
    found, path = {}, None
    with open(PAGE, encoding="utf-8") as file:
        for line in file:
            heading = re.fullmatch(r"#+ (?:`(.*)`|(The file))\n", line)
            if heading:
                path = heading.group(1) or ""
                found[path] = {}
            row = re.fullmatch(r"\| `(\w+)` \| (.*?) \| (.*?) ?\| (.*?) ?\| .*\|\n", line)
            if row:
                found[path][row.group(1)] = tuple(cell.strip() for cell in row.groups()[1:])
    return found


def number(text):
    return float(text.replace(",", ""))


def part(spec, path):
    """Returns the message at a path; creates it if it is missing."""
    at = spec
    for name in path.split("."):
        name, repeated = name.removesuffix("[]"), name.endswith("[]")
        at = getattr(at, name)
        if repeated:
            at = at[0]
        else:
            at.SetInParent()
    return at


class SpecPageTest(harness.IntegrationTest):

    def setUp(self):
        super().setUp()
        self.api = self.client(self.controller())
        self.tables = tables()

    def mistakes(self, spec):
        try:
            self.api.call("ValidateSearch", search_service_pb2.ValidateSearchRequest(spec=spec))
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
            return error.details().splitlines()
        return []

    def test_every_field_has_a_row_and_every_row_a_field(self):
        expected = {path: [field.name for field in message.fields] for path, message in sections()}
        self.assertEqual({path: sorted(rows) for path, rows in self.tables.items()}, {p: sorted(f) for p, f in expected.items()})
        for path, message in sections():
            for field in message.fields:
                written = self.tables[path][field.name][0]
                with self.subTest(path=path, field=field.name):
                    if field.enum_type is not None:
                        names = {value.name.lower() for value in field.enum_type.values if value.number != 0}
                        words = re.findall(r"`(\w+)`", written)
                        self.assertEqual(len(words), len(names))
                        for word in words:
                            self.assertTrue(any(name.endswith(f"_{word}") for name in names), word)
                    elif not re.fullmatch(r"`\w+` or `\w+`", written):
                        self.assertEqual(written, type_of(field))

    def refused(self, path, field, value):
        """Returns true if the controller refuses this value of this field."""
        spec = minimal_spec()
        at = part(spec, path) if path else spec
        if field.label == field.LABEL_REPEATED:
            del getattr(at, field.name)[:]
            getattr(at, field.name).append(value)
        else:
            setattr(at, field.name, value)
        name = re.escape(f"{path}.{field.name}".replace("[]", "[0]"))
        return any(re.match(rf"{name}(\[0\])?:", mistake) for mistake in self.mistakes(spec))

    def test_bounds_are_where_values_begin_to_be_refused(self):
        checked = 0
        for path, message in sections():
            for field in message.fields:
                bounds = self.tables[path][field.name][2]
                is_number = field.type in WHOLE or field.type == field.TYPE_DOUBLE
                if not is_number:
                    continue
                step = 1 if field.type in WHOLE else STEP
                between = re.fullmatch(r"(-?[\d.,]+) to ([\d.,]+)", bounds)
                least = re.fullmatch(r"≥ ([\d.,]+)", bounds)
                low, high = between.groups() if between else (least.group(1), None) if least else (None, None)
                with self.subTest(path=path, field=field.name, bounds=bounds):
                    if low is not None:
                        convert = int if field.type in WHOLE else float
                        low, high = convert(number(low)), high and convert(number(high))
                        self.assertFalse(self.refused(path, field, low))
                        below = low - step
                        # 0 means that a field without presence is not set.
                        if below == 0 and not field.has_presence:
                            below = -1
                        if below >= 0 or field.type != field.TYPE_UINT32:
                            self.assertTrue(self.refused(path, field, below))
                        if high is not None:
                            self.assertFalse(self.refused(path, field, high))
                            self.assertTrue(self.refused(path, field, high + step))
                        checked += 1
                    elif bounds == "> 0":
                        self.assertTrue(self.refused(path, field, 0.0))
                        self.assertFalse(self.refused(path, field, STEP))
                        checked += 1
        self.assertGreater(checked, 35)

    def test_defaults_are_what_a_search_gets(self):
        checked = 0
        for path, message in sections():
            spec = minimal_spec()
            if path == "strategy.exhaustive":
                continue  # its default is not written into the spec
            if path == "evaluation.early_stop":
                spec.evaluation.measure_on["device"] = "phone"
            if path:
                part(spec, path)
            kept = self.api.create(spec).spec
            at = part(kept, path) if path else kept
            for field in message.fields:
                default = re.fullmatch(r"`([\w.]+)`", self.tables[path][field.name][1])
                if not default or default.group(1).startswith("train."):
                    continue
                value = getattr(at, field.name)
                if field.enum_type is not None:
                    value = field.enum_type.values_by_number[value].name.rpartition("_")[2].lower()
                elif field.message_type is not None:
                    value = f"{value.seconds // 3600}h"
                elif isinstance(value, bool):
                    value = str(value).lower()
                elif isinstance(value, float):
                    value = f"{value:g}"
                with self.subTest(path=path, field=field.name):
                    self.assertEqual(str(value), default.group(1))
                checked += 1
        self.assertGreater(checked, 20)

    def test_specs_on_all_pages_are_valid(self):
        checked = 0
        for page in ["README.md", *glob.glob("docs/**/*.md", root_dir=harness.REPOSITORY, recursive=True)]:
            with open(os.path.join(harness.REPOSITORY, page), encoding="utf-8") as file:
                blocks = re.findall(r"(?ms)^```yaml[^\n]*\n(.*?)^```$", file.read())
            for text in blocks:
                if not re.match(r"(#.*\n)*name: ", text):
                    continue  # a part of one
                done = self.cli(None, "validate", self.write("page.yaml", text))
                self.assertEqual(done.returncode, 0, f"{page}: {done.stderr}")
                checked += 1
        self.assertGreaterEqual(checked, 3)


if __name__ == "__main__":
    harness.main()
