"""YAML and XML documents: readers and checks that refuse harmful or wrong content."""

import os
from collections.abc import Collection
from pathlib import Path, PureWindowsPath
from typing import Any
from xml.parsers import expat

import yaml

from nem2e_tf.errors import InputError
from nem2e_tf.files.paths import check_input

MAX_YAML_BYTES = 1_000_000
"""The package's own files have a few thousand."""

MAX_DEPTH = 100
"""Nested XML elements. OpenSim's own reader is recursive and crashes at some thousands; models have
about fifteen."""

FILE_ELEMENTS = ("mesh_file", "geometry_file", "filename", "controls_file")
"""Elements of a model that name files, which OpenSim opens as soon as it reads the model."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, a few lines of which can expand to more than memory holds.

    Whole numbers of more than 64 bits are refused as well.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("holds an alias (*name); write out what it stands for")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> int:
        number: int = super().construct_yaml_int(node)
        if abs(number) >= 2**63:
            raise yaml.YAMLError("holds a whole number of more than 64 bits")
        return number


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


def read_yaml(path: str | os.PathLike[str], role: str) -> Any:
    """Tables, lists and plain values of a YAML file.

    Args:
        path: str or path. The file.
        role: str. What the file should be, for messages.

    Raises:
        InputError: not YAML, too large, or with aliases or tags that stand for anything else.
    """
    path = check_input(path, role)
    if path.stat().st_size > MAX_YAML_BYTES:
        raise InputError(f"{path}: larger than {MAX_YAML_BYTES} bytes; this is not {role}")
    return parse_yaml(path.read_text(encoding="utf-8", errors="replace"), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """The same for a text; `source` names its source in messages."""
    try:
        return yaml.load(text, _PlainLoader)
    # An impossible date or number is a ValueError; deeply nested brackets exhaust the stack.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())[:200]
        raise InputError(f"{source}: not YAML: {detail}") from None


def check_document(path: Path, role: str, kind: str) -> None:
    """Refuse an XML file that OpenSim could not read, or that could make it crash.

    Args:
        path: path.
        role: str. What the file should be, for messages.
        kind: str. The element that an OpenSimDocument of this kind holds, such as `Model`.

    Raises:
        InputError: not well-formed, declares types or entities, holds another kind of object, is
            nested too deeply, or names an existing file outside its own folder.
    """
    names: list[str] = []
    text: list[str] = []
    held: set[str] = set()

    def refuse_type(*_: object) -> None:
        raise InputError(
            f"{path}: declares a document type (<!DOCTYPE); OpenSim files have none: remove it"
        )

    def start(name: str, _: dict[str, str]) -> None:
        if len(names) >= MAX_DEPTH:
            raise InputError(
                f"{path}: more than {MAX_DEPTH} elements within each other, at line"
                f" {parser.CurrentLineNumber}; this is not {role}"
            )
        # Files of OpenSim's first versions have no OpenSimDocument around their object.
        if len(names) == 1 or (not names and name != "OpenSimDocument"):
            held.add(name)
        names.append(name)
        text.clear()

    def end(name: str) -> None:
        if name in FILE_ELEMENTS:
            # Read byte for byte, so that a wrong encoding of a name or comment is not an error.
            letters = (c.encode("utf-8" if c > "\xff" else "latin-1") for c in "".join(text))
            named = b"".join(letters).decode("utf-8", errors="replace")
            _check_inside(path, name, named.strip())
        names.pop()

    parser = expat.ParserCreate("iso-8859-1")
    parser.StartDoctypeDeclHandler = refuse_type
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        with open(path, "rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise InputError(
            f"{path}: not {role}: not well-formed XML: {error}; export it again"
        ) from None
    if kind not in held:
        raise InputError(f"{path}: holds {_list_elements(held)}, not <{kind}>; expected {role}")


def find_named_file(document: Path, named: str) -> Path | None:
    """The file that a document names: at its path, else of the same name beside the document.

    Args:
        document: path. The document.
        named: str. A path as any system writes it, absolute or relative to the document.

    Returns:
        The file, or None if it is at neither place.
    """
    windows = PureWindowsPath(named)
    folder = document.parent
    for path in (folder / named, folder / windows.as_posix(), folder / windows.name):
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # no name of a file
            continue
    return None


def _check_inside(path: Path, element: str, named: str) -> None:
    folder = path.absolute().parent
    try:
        found = (folder / named).resolve()
        outside = found.exists() and not found.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links; no name of a file
        return
    if outside:
        raise InputError(
            f"{path}: <{element}> names '{named}', outside its folder; put a copy beside the model"
            f" and write '{PureWindowsPath(named).name}'"
        )


def _list_elements(names: Collection[str]) -> str:
    return ", ".join(f"<{name}>" for name in sorted(names)[:3]) or "nothing"
