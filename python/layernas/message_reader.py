"""Converts values of a spec to protobuf by reflection, as described at the head of spec.proto."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

MAX_DEPTH = 32
_MAX_VALUES = 3_000_000
_MAX_MISTAKES = 1000
_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*)([^0-9.]*)")
_DURATION_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_MAX_MILLIS = 100 * 365 * 24 * 3_600_000
_RANGES = {FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1), FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1)}


@dataclasses.dataclass
class Node:
    """A value as written. `content` is a string, a list of nodes, a list of pairs of nodes, or None for null."""

    content: str | list[Any] | None
    place: str
    is_mapping: bool = False
    # In quotes, and therefore always a string.
    quoted: bool = False
    # A Python number, and therefore never a string. A value in a file can be either.
    number: bool = False
    tag: str = ""

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.content, str)

    @property
    def is_list(self) -> bool:
        return isinstance(self.content, list) and not self.is_mapping


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _quote(text: str) -> str:
    return f"'{text[:40]}{'…' if len(text) > 40 else ''}'"


def _list_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else " or ".join([", ".join(words[:-1]), words[-1]]) if words else ""


def _is(node: Node) -> str:
    if node.is_scalar:
        return f"is {_quote(str(node.content))}"
    return "is a mapping" if node.is_mapping else "is a list" if node.is_list else "has no value"


def _parse_number(text: str) -> float | None:
    """Returns None for a text that is not a number, and for a number that overflows or underflows."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    vanished = value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])
    return None if math.isinf(value) or vanished else value


def _names_in_yaml(enum: Any) -> dict[str, int]:
    """Maps "linear" to BUCKET_SCALE_LINEAR of BucketScale. The first value means "not set" and has no name in YAML."""
    prefix = re.sub("(?<!^)([A-Z])", r"_\1", enum.name).upper() + "_"
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values[1:]}


def _parse_duration(text: str) -> float:
    """Returns milliseconds. Raises ValueError for a malformed duration."""

    def malformed(why: str) -> ValueError:
        return ValueError(f'not a duration: "{text}" ({why}); write it like 90s, 30m, 1h30m or 500ms')

    if not text:
        raise malformed("empty")
    units = list(_DURATION_UNITS)
    total, allowed, at = 0.0, 0, 0
    while at < len(text):
        part = _DURATION_PART.match(text, at)
        if part is None:
            raise malformed("a number was expected")
        number, unit = part.groups()
        if not unit:
            raise malformed("the unit is missing")
        if unit not in units:
            raise malformed("units are h, m, s and ms")
        if units.index(unit) < allowed:
            raise malformed("larger units come first, each once")
        allowed = units.index(unit) + 1
        total += float(number) * _DURATION_UNITS[unit]
        if total > _MAX_MILLIS:
            raise malformed("over 100 years")
        at = part.end()
    return total


class MessageReader:
    """Converts nodes to protobuf by reflection. Continues after a mistake, so that one pass finds all mistakes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = 0
        self._values = 0
        self.mistakes: list[str] = []

    def read_message(self, node: Node, path: str, message: Any) -> None:
        kind: Descriptor = message.DESCRIPTOR
        if kind.full_name == "google.protobuf.Duration":
            self._read_duration(node, path, message)
        elif kind.full_name == "google.protobuf.Struct":
            self._read_struct(node, path, message)
        elif node.content is None:
            # `random:` means the same as `random: {}`.
            message.SetInParent()
        elif node.is_scalar and (field := _shorthand(kind)) is not None:
            # A plain value sets the field with number 1.
            message.SetInParent()
            self._read_one(node, _join(path, field.name), message, field)
        else:
            self._read_mapping(node, path, message)

    def _fail(self, node: Node, path: str, what: str) -> None:
        place = f"{self._name}:{node.place}" if node.place else self._name
        self.mistakes.append(f"{place}: {path}: {what}" if path else f"{place}: {what}")

    def _enter(self, node: Node, path: str) -> bool:
        if self._values >= _MAX_VALUES or len(self.mistakes) >= _MAX_MISTAKES:
            return False
        self._values += 1
        if self._values == _MAX_VALUES:
            self._fail(node, path, "the file has too many values, including aliases")
        elif self._depth >= MAX_DEPTH:
            self._fail(node, path, f"is nested more than {MAX_DEPTH} levels deep")
        elif node.number and node.content in ("nan", "inf", "-inf"):
            self._fail(node, path, f"must be a finite number, {_is(node)}")
        else:
            return self._check_tag(node, path)
        return False

    def _check_tag(self, node: Node, path: str) -> bool:
        if node.tag in ("", "!", "tag:yaml.org,2002:str"):
            return True
        self._fail(node, path, "must not have a YAML tag: the field determines the type")
        return False

    def _for_each_entry(self, node: Node, path: str, visit: Callable[[Node, str, Node, str], None]) -> bool:
        if not node.is_mapping:
            return False
        seen = set()
        for key_node, value in node.content or []:
            if not key_node.is_scalar:
                self._fail(key_node if key_node.place else node, path, "must have plain names as keys")
                continue
            key = str(key_node.content)
            inner = _join(path, key)
            if key == "<<" and not key_node.quoted:
                self._fail(key_node, inner, "merge keys are not supported: write the entries out")
                continue
            if key in seen:
                self._fail(key_node, inner, "occurs twice in the same mapping: remove one of them")
                continue
            seen.add(key)
            if not self._enter(value, inner):
                continue
            self._depth += 1
            visit(key_node, key, value, inner)
            self._depth -= 1
        return True

    def _read_mapping(self, node: Node, path: str, message: Any) -> None:
        kind: Descriptor = message.DESCRIPTOR
        names = [field.name for field in kind.fields]
        message.SetInParent()

        def visit(key_node: Node, key: str, value: Node, inner: str) -> None:
            field = kind.fields_by_name.get(key)
            if field is None:
                known = f"known here: {_list_of(names)}" if names else "no field is allowed here"
                self._fail(key_node, inner, f"unknown field; {known}")
                return
            choice = field.containing_oneof
            # Protobuf puts each "optional" field into a oneof of its own.
            if choice is not None and len(choice.fields) > 1 and (other := message.WhichOneof(choice.name)):
                self._fail(key_node, inner, f"cannot be combined with {other}: remove one of them")
                return
            self._read_field(value, inner, message, field)

        if not self._for_each_entry(node, path, visit):
            expected = f"a mapping of {_list_of(names)}" if names else "a mapping without entries"
            self._fail(node, path, f"must be {expected}, {_is(node)}")

    def _read_field(self, node: Node, path: str, message: Any, field: FieldDescriptor) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._read_map(node, path, message, field)
        elif field.label == FieldDescriptor.LABEL_REPEATED:
            self._read_list(node, path, message, field)
        else:
            self._read_one(node, path, message, field)

    def _read_list(self, node: Node, path: str, message: Any, field: FieldDescriptor) -> None:
        if not node.is_list:
            example = str(node.content)[:40] if node.is_scalar else "…"
            self._fail(node, path, f"must be a list, such as [{example}], {_is(node)}")
            return
        for index, item in enumerate(node.content or []):
            inner = f"{path}[{index}]"
            if not self._enter(item, inner):
                return
            self._depth += 1
            self._read_one(item, inner, message, field)
            self._depth -= 1

    def _read_map(self, node: Node, path: str, message: Any, field: FieldDescriptor) -> None:
        entries = getattr(message, field.name)

        def visit(_: Node, key: str, value: Node, inner: str) -> None:
            read = self._scalar(value, inner, field.message_type.fields_by_name["value"])
            if read is not None:
                entries[key] = read

        if not self._for_each_entry(node, path, visit):
            self._fail(node, path, f"must be a mapping, such as {{name: value}}, {_is(node)}")

    def _read_one(self, node: Node, path: str, message: Any, field: FieldDescriptor) -> None:
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            inner = getattr(message, field.name)
            self.read_message(node, path, inner.add() if repeated else inner)
            return
        read = self._scalar(node, path, field)
        if read is None:
            return
        if repeated:
            getattr(message, field.name).append(read)
        else:
            setattr(message, field.name, read)

    def _scalar(self, node: Node, path: str, field: FieldDescriptor) -> Any:
        """Returns the value of a field that is not a message, or None after a mistake."""
        if not node.is_scalar:
            self._fail(node, path, f"must be a single value, {_is(node)}")
            return None
        text = str(node.content)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return text
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            names = _names_in_yaml(field.enum_type)
            if text not in names:
                self._fail(node, path, f"must be {_list_of(list(names))}, {_is(node)}")
            return names.get(text)
        if node.quoted:
            self._fail(node, path, f"must not be quoted, {_is(node)}")
            return None
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            value = _parse_number(text)
            if value is None:
                self._fail(node, path, f"must be a number, {_is(node)}")
            return value
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if text not in ("true", "false"):
                self._fail(node, path, f"must be true or false, {_is(node)}")
                return None
            return text == "true"
        return self._whole(node, path, *_RANGES[field.cpp_type])

    def _whole(self, node: Node, path: str, lowest: int, highest: int) -> int | None:
        text = str(node.content)
        # Python converts at most a few thousand digits, and there can be any number of leading zeros.
        digits = text.lstrip("-").lstrip("0")
        if not _WHOLE.fullmatch(text):
            self._fail(node, path, f"must be a whole number, {_is(node)}")
        elif len(digits) > 20 or not lowest <= (value := int(f"{'-' * text.startswith('-')}{digits or 0}")) <= highest:
            limit = f"least {lowest}" if text.startswith("-") else f"most {highest}"
            self._fail(node, path, f"must be at {limit}, {_is(node)}")
        else:
            return value
        return None

    def _read_duration(self, node: Node, path: str, message: Any) -> None:
        if not node.is_scalar:
            self._fail(node, path, f"must be a duration such as 90s, 30m or 1h30m, {_is(node)}")
            return
        try:
            message.FromMilliseconds(math.floor(_parse_duration(str(node.content)) + 0.5))
        except ValueError as error:
            self._fail(node, path, str(error))

    def _read_struct(self, node: Node, path: str, struct: struct_pb2.Struct) -> None:
        struct.SetInParent()
        if node.content is None:
            return

        def visit(_: Node, key: str, value: Node, inner: str) -> None:
            self._read_value(value, inner, struct.fields[key])

        if not self._for_each_entry(node, path, visit):
            self._fail(node, path, f"must be a mapping, such as {{name: value}}, {_is(node)}")

    def _read_value(self, node: Node, path: str, value: struct_pb2.Value) -> None:
        if node.is_mapping:
            value.struct_value.SetInParent()
            self._read_struct(node, path, value.struct_value)
        elif node.is_list:
            value.list_value.SetInParent()
            for index, item in enumerate(node.content or []):
                inner = f"{path}[{index}]"
                if not self._enter(item, inner):
                    return
                self._depth += 1
                self._read_value(item, inner, value.list_value.values.add())
                self._depth -= 1
        elif node.content is None:
            value.null_value = struct_pb2.NULL_VALUE
        else:
            text = str(node.content)
            number = None if node.quoted else _parse_number(text)
            if not node.quoted and text in ("true", "false"):
                value.bool_value = text == "true"
            elif number is not None and (rounded := _rounded_to(text, number)) is not None:
                self._fail(node, path, f"must be quoted, because the number would be rounded to {rounded}, {_is(node)}")
            elif number is not None:
                value.number_value = number
            elif node.number:
                self._fail(node, path, f"must be a number of at most {sys.float_info.max:.2g}, {_is(node)}")
            else:
                value.string_value = text


def _rounded_to(text: str, value: float) -> int | None:
    """Returns the nearest number if the text is a whole number that `value` only approximates, as above 2^53."""
    digits = text.removeprefix("-").lstrip("0")
    if not _WHOLE.fullmatch(text) or digits == str(abs(int(value))).lstrip("0"):
        return None
    return int(value)


def _shorthand(kind: Descriptor) -> FieldDescriptor | None:
    field = kind.fields_by_number.get(1)
    usable = field is not None and field.label != FieldDescriptor.LABEL_REPEATED and field.message_type is None
    return field if usable else None
