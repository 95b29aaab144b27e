"""Small C3D files of a test's own, byte by byte, also such as ezc3d does not write.

Source: the C3D file format (https://www.c3d.org): header, parameters and data in blocks of 512
bytes.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 512
MOST = 255
"""Entries of a parameter: the size of a dimension is one byte."""

Groups = Mapping[str, Mapping[str, Any]]

PLATE_CORNERS = ((200, -200, 0), (-200, -200, 0), (-200, 200, 0), (200, 200, 0))
"""mm, of a plate of 400 mm: +x+y, -x+y, -x-y, +x-y of its own axes. Its x is the laboratory's, its
y the laboratory's -y, and its z points into the ground."""


def write_c3d(
    path: Path,
    points: np.ndarray,
    analog: np.ndarray | None = None,
    *,
    labels: Sequence[str] = (),
    channels: Sequence[str] = (),
    units: Sequence[str] | None = None,
    rate: float = 100.0,
    first: int = 1,
    last: int | None = None,
    groups: Groups | None = None,
    left_out: Sequence[str] = (),
) -> Path:
    """Write a file of 32-bit numbers in Intel's order.

    Args:
        path: where to.
        points: `(frames, markers, 3)` millimetres.
        analog: `(frames × samples a frame, channels)`, or None.
        labels: names of the markers, split over LABELS, LABELS2 … beyond 255.
        channels: names of the channels, split in the same way.
        units: of the channels; V if left out.
        rate: frames a second.
        first: number of the first frame.
        last: last frame as the header has it; worked out if left out.
        groups: parameters to add or to replace, by group.
        left_out: groups to leave out.
    """
    frames, markers = points.shape[:2]
    analog = np.zeros((frames, 0)) if analog is None else analog
    count, each = analog.shape[1], analog.shape[0] // frames
    last = first + frames - 1 if last is None else last
    labels = labels or [f"M{i + 1}" for i in range(markers)]
    channels = channels or [f"A{i + 1}" for i in range(count)]
    found: dict[str, dict[str, Any]] = {
        "POINT": {
            "USED": _word(markers), "SCALE": -1.0, "RATE": float(rate), "DATA_START": 0,
            "FRAMES": _word(min(frames, 0xFFFF)), "UNITS": ["mm"], **_split("LABELS", labels),
            "X_SCREEN": ["+X"], "Y_SCREEN": ["+Z"],
        },
        "ANALOG": {
            "USED": _word(count), "RATE": float(rate * each), "GEN_SCALE": 1.0,
            **_split("LABELS", channels), **_split("UNITS", units or ["V"] * count),
            **_split("SCALE", [1.0] * count), **_split("OFFSET", [0] * count),
        },
    }  # fmt: skip
    for group, parameters in (groups or {}).items():
        found.setdefault(group, {}).update(parameters)
    for group in left_out:
        found.pop(group)
    section = _parameters(found, 0)
    start = 2 + math.ceil(len(section) / BLOCK)
    if "POINT" in found:
        found["POINT"]["DATA_START"] = start
    section = _parameters(found, start - 2)
    head = struct.pack(
        "<BBHHHHHfHHf", 2, 0x50, markers, count * each, first, last & 0xFFFF, 0, -1.0, start, each,
        rate,
    )  # fmt: skip
    rows = np.zeros((frames, markers * 4 + count * each), dtype="<f4")
    rows[:, : markers * 4].reshape(frames, markers, 4)[:, :, :3] = points
    rows[:, markers * 4 :] = analog.reshape(frames, count * each)
    data = rows.tobytes()
    with open(path, "wb") as file:
        for part in (head, section, data):
            file.write(part.ljust(math.ceil(len(part) / BLOCK) * BLOCK, b"\0"))
    return path


def plate_groups(
    kinds: Sequence[int],
    channels: Sequence[Sequence[int]],
    corners: Sequence[Any] | None = None,
    origins: Sequence[Sequence[float]] | None = None,
    **more: Any,
) -> dict[str, dict[str, Any]]:
    """The group FORCE_PLATFORM of plates of these types, fed by these channels, from 1."""
    count, most = len(kinds), max(map(len, channels))
    table = np.zeros((most, count), dtype=int)
    for plate, used in enumerate(channels):
        table[: len(used), plate] = used
    places = np.array(corners if corners is not None else [PLATE_CORNERS] * count, dtype=float)
    return {
        "FORCE_PLATFORM": {
            "USED": count, "TYPE": np.array(kinds), "ZERO": np.array([0, 0]),
            "CORNERS": places.transpose(2, 1, 0), "CHANNEL": table,
            "ORIGIN": np.array(origins or [(0.0, 0.0, 0.0)] * count, dtype=float).T, **more,
        }
    }  # fmt: skip


def _word(number: int) -> int:
    return number - 0x10000 if number > 0x7FFF else number


def _split(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """A parameter of up to 255 entries, and what is beyond in `NAME2`, `NAME3` …"""
    if not values:
        return {}
    parts = [values[i : i + MOST] for i in range(0, len(values), MOST)]
    return {f"{name}{i or ''}": list(part) for i, part in zip([0, *range(2, 99)], parts)}  # noqa: B905


def _parameters(groups: Groups, blocks: int) -> bytes:
    found = [bytes([1, 0x50, blocks, 84])]
    for number, (group, parameters) in enumerate(groups.items(), start=1):
        found.append(_entry(-number, group, b"\0"))
        for name, value in parameters.items():
            found.append(_entry(number, name, _encode(value) + b"\0"))
    return b"".join(found) + bytes(4)


def _entry(number: int, name: str, content: bytes) -> bytes:
    named = name.encode()
    return (
        struct.pack("<bb", len(named), number)
        + named
        + struct.pack("<h", len(content) + 2)
        + content
    )


def _encode(value: Any) -> bytes:
    """Type, dimensions and values: texts in equal lengths, numbers of 16 or 32 bits."""
    if isinstance(value, list) and (not value or isinstance(value[0], str)):
        texts = [text.encode("utf-8") for text in value]
        length = max([1, *map(len, texts)])
        body = b"".join(text.ljust(length) for text in texts)
        return struct.pack("<bBBB", -1, 2, length, len(texts)) + body
    array = np.asarray(value)
    kind, dtype = (4, "<f4") if array.dtype.kind == "f" else (2, "<i2")
    sizes = bytes(array.shape)
    return struct.pack("<bB", kind, len(sizes)) + sizes + array.astype(dtype).tobytes(order="F")
