"""Reads a spec from a file or a dictionary, exactly as the command line does; see docs/spec.md.

A YAML library would interpret `010`, `on`, `1e-3` and dates by its own rules, and would allow a key twice. Here the type
of the field determines the meaning of a value. Tests compare both readers on tests/corpus/specs.txt.
"""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from layernas.message_reader import MAX_DEPTH, MessageReader, Node
from layernas.v1 import spec_pb2

_MAX_FILE_BYTES = 4 << 20
# Control characters other than tabs and line feeds, and line breaks that YAML's versions read differently.
_ODD_CHARACTER = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ufffe\\uffff]|\\r(?!\\n)|(?<!^)\\ufeff")


class SpecError(ValueError):
    """The mistakes in a spec: one line each, with the position in the file."""


def read_spec(spec: str | os.PathLike[str] | Mapping[str, Any]) -> spec_pb2.SearchSpec:
    """Reads a spec file, or the same content as a dictionary. Raises SpecError with every mistake, or OSError if the file
    cannot be read."""
    if isinstance(spec, Mapping):
        try:
            return _read(_from_python(spec), "spec")
        except RecursionError:
            raise SpecError(f"spec: is nested more than {MAX_DEPTH} levels deep") from None
    path = os.fspath(spec)
    with open(path, "rb") as file:
        return read_spec_text(file.read(_MAX_FILE_BYTES + 1), path)


def read_spec_text(text: bytes, name: str) -> spec_pb2.SearchSpec:
    """Reads the content of a file. `name` is the file name for messages."""
    if len(text) > _MAX_FILE_BYTES:
        raise SpecError(f"{name}: is larger than 4 MiB: a spec describes layers and options, not data")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{name}:{_line_of(text, error.start)}: is not UTF-8 text") from None
    if line := _percent_line(decoded):
        raise SpecError(f"{name}:{line}:1: is not valid YAML: a line cannot begin with %")
    if odd := _ODD_CHARACTER.search(decoded):
        line = decoded.count("\n", 0, odd.start()) + 1
        column = len(decoded[decoded.rfind("\n", 0, odd.start()) + 1 : odd.start()].encode()) + 1
        raise SpecError(f"{name}:{line}:{column}: has the character U+{ord(odd.group()):04X}, which no spec may contain")
    return _read(_from_yaml(decoded, name), name)


def _percent_line(text: str) -> int:
    """Returns the first line, from 1, that begins with % and is no directive before the document; 0 if there is none.
    yaml-cpp, which the command line uses, ignores such lines."""
    is_before_document = True
    first_directive = 0
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("%"):
            if not is_before_document or not line.startswith(("%YAML ", "%TAG ")):
                return number
            first_directive = first_directive or number
        elif line == "---" or line.startswith(("--- ", "---\t", "---\r")):
            is_before_document = False
        elif is_before_document and (content := line.strip(" \t\r")) and not content.startswith("#"):
            if first_directive:
                return first_directive
            is_before_document = False
    return first_directive if is_before_document else 0


def _line_of(text: bytes, offset: int) -> int:
    return text.count(b"\n", 0, offset) + 1


def _read(node: Node, name: str) -> spec_pb2.SearchSpec:
    if node.content is None:
        raise SpecError(f"{name}: is empty: describe a search, starting with 'name: my-search'")
    reader = MessageReader(name)
    message = spec_pb2.SearchSpec()
    reader.read_message(node, "", message)
    if reader.mistakes:
        raise SpecError("\n".join(reader.mistakes))
    return message


def _from_yaml(text: str, name: str) -> Node:
    import yaml

    class Loader(yaml.BaseLoader):
        """A BaseLoader that keeps explicit tags, and that accepts tabs between tokens as the command line does."""

        def scan_to_next_token(self) -> None:
            while True:
                super().scan_to_next_token()
                if self.peek() != "\t":
                    return
                if not self.flow_level:
                    self.allow_simple_key = False
                while self.peek() == "\t":
                    self.forward()

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            node = super().compose_node(parent, index)
            if not isinstance(event, yaml.AliasEvent):
                node.written_tag = event.tag or ""
            return node

    try:
        root = yaml.compose(text, Loader=Loader)
        return Node(None, "") if root is None else _convert_yaml(root, {})
    except yaml.MarkedYAMLError as error:
        if error.context == "while scanning a quoted scalar" and error.problem == "found unexpected end of stream":
            error = yaml.MarkedYAMLError(problem="this quote is never closed", problem_mark=error.context_mark)
        if error.context == "while scanning a simple key":
            error = yaml.MarkedYAMLError(problem="no colon follows this key", problem_mark=error.context_mark)
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        if "single document" in str(error.context):
            raise SpecError(f"{name}{place}: begins a second YAML document: put one search into each file") from None
        raise SpecError(f"{name}{place}: is not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{name}: is not valid YAML: {error}") from None
    except RecursionError:
        raise SpecError(f"{name}: is nested more than {MAX_DEPTH} levels deep") from None


def _convert_yaml(node: Any, done: dict[int, Node]) -> Node:
    import yaml

    if id(node) in done:
        return done[id(node)]
    converted = done[id(node)] = Node(None, f"{node.start_mark.line + 1}:{node.start_mark.column + 1}", tag=node.written_tag)
    if node.id == "scalar":
        converted.quoted = node.style is not None or node.written_tag in ("!", "tag:yaml.org,2002:str")
        if not _is_utf8(node.value):
            raise yaml.MarkedYAMLError(problem="half a surrogate pair", problem_mark=node.start_mark)
        if converted.quoted or node.written_tag or node.value not in ("", "~", "null", "Null", "NULL"):
            converted.content = node.value
    elif node.id == "sequence":
        converted.content = [_convert_yaml(each, done) for each in node.value]
    else:
        converted.is_mapping = True
        converted.content = [(_convert_yaml(key, done), _convert_yaml(value, done)) for key, value in node.value]
    return converted


def _from_python(value: Any) -> Node:
    if value is None:
        return Node(None, "")
    if isinstance(value, str):
        return Node(_text_of(value), "", quoted=True)
    if isinstance(value, bool):
        return Node(str(value).lower(), "")
    if isinstance(value, numbers.Real):
        return Node(_written(value), "", number=True)
    if isinstance(value, Mapping):
        pairs = [(Node(_key(key), "", quoted=True), _from_python(each)) for key, each in value.items()]
        return Node(pairs, "", is_mapping=True)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return Node([_from_python(each) for each in value], "")
    raise SpecError(f"a spec cannot hold {value!r}")


def _is_utf8(value: str) -> bool:
    """Returns False for halves of surrogate pairs, which UTF-8 and protobuf cannot represent."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text_of(value: str) -> str:
    if not _is_utf8(value):
        raise SpecError(f"a spec cannot hold {value!r}: it is not UTF-8 text")
    # For a member of an enumeration, str() would return its name.
    return str.__str__(value)


def _key(key: Any) -> str:
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        return _written(key)
    return _text_of(key if isinstance(key, str) else str(key))


def _written(value: numbers.Real) -> str:
    """Returns a number as it is written in a file, or "inf", "-inf" or "nan" if it is not finite."""
    if isinstance(value, numbers.Integral):
        try:
            return str(int(value))
        except ValueError:
            # Python does not convert integers with more than a few thousand digits.
            return "inf" if value > 0 else "-inf"
    try:
        return repr(float(value))
    except OverflowError:
        return "inf" if value > 0 else "-inf"
