"""YAML and XML documents: read so that none can exhaust, crash or mislead what reads it."""

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

import yaml

from nem2e_tf.errors import InputError
from nem2e_tf.files.paths import check_input

MAX_YAML_BYTES = 1_000_000
"""Bytes. Ours have a few thousand."""

MAX_DEPTH = 100
"""Elements within each other. OpenSim's own reader calls itself for each, and crashes at some
thousands; models have about fifteen."""

FILE_ELEMENTS = ("mesh_file", "geometry_file", "filename", "controls_file")
"""Elements of a model that name files, which OpenSim opens as soon as it reads the model."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for more than any memory holds.

    And without whole numbers of more than 64 bits, which are neither written nor computed with.
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


def read_yaml(path: str | os.PathLike[str], what: str) -> Any:
    """Tables, lists and plain values of a YAML file.

    Args:
        path: str or path. The file.
        what: str. What it is wanted as, for messages.

    Raises:
        InputError: not YAML, too large, or with aliases or tags that stand for anything else.
    """
    path = check_input(path, what)
    if path.stat().st_size > MAX_YAML_BYTES:
        raise InputError(f"{path}: larger than {MAX_YAML_BYTES} bytes; this is not {what}")
    return parse_yaml(path.read_text(encoding="utf-8", errors="replace"), str(path))


def parse_yaml(text: str, what: str) -> Any:
    """The same of a text; `what` is where it comes from."""
    try:
        return yaml.load(text, _PlainLoader)
    # A date or number that is none is a ValueError; brackets within brackets exhaust the stack.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())[:200]
        raise InputError(f"{what}: not YAML: {detail}") from None


def check_document(path: Path, what: str, kind: str) -> None:
    """Refuse an XML file that OpenSim could not read, or that could make it crash.

    Args:
        path: path.
        what: str. What it is wanted as, for messages.
        kind: str. The element that an OpenSimDocument of this kind holds, such as `Model`.

    Raises:
        InputError: not well-formed, declares types or entities, holds another kind of object, is
            nested beyond all measure, or names a file outside its own folder that is there.
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
                f" {parser.CurrentLineNumber}; this is not {what}"
            )
        # Files of OpenSim's first versions hold their object at once.
        if len(names) == 1 or (not names and name != "OpenSimDocument"):
            held.add(name)
        names.append(name)
        text.clear()

    def end(name: str) -> None:
        if name in FILE_ELEMENTS:
            # Read byte for byte, so that a wrong encoding of a name or comment is no fault.
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
        raise InputError(f"{path}: not {what}: no XML: {error}; mend or export it again") from None
    if kind not in held:
        raise InputError(f"{path}: holds {_list_elements(held)}, not <{kind}>; expected {what}")


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
            f" and write '{PurePosixPath(named).name}'"
        )


def _list_elements(names: Collection[str]) -> str:
    return ", ".join(f"<{name}>" for name in sorted(names)[:3]) or "nothing"
