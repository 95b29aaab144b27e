"""Reads a C3D file with ezc3d, in a process of its own: `python c3d_process.py FILE RESULT.npz`.

ezc3d and OpenSim cannot be used in one process: both are wrapped by SWIG and share its table of
types, and the one that is imported second mistakes the other's std::vector for its own (ezc3d issue
406, opensim-core issue 3478). So this file and the package do not import each other.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any

import ezc3d
import numpy as np
import psutil

BASE_MEMORY, MEMORY_PER_BYTE = 2**30, 100
"""Bytes of memory for any file, and for each of its bytes; ezc3d takes some 30 for each."""

BLOCK = 512
"""Bytes."""

DEC, MIPS = 85, 86
"""Processors whose numbers are not Intel's."""

BASE_SECONDS, BYTES_PER_SECOND = 60, 10**6
"""Of processor time. ezc3d reads some ten million bytes in one."""


def read_contents(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, and everything else that JSON holds."""
    notes = []
    content = ezc3d.c3d(path)
    groups = {
        group: {
            name: np.asarray(parameter["value"]).tolist()
            for name, parameter in parameters.items()
            if not name.startswith("__")
        }
        for group, parameters in content["parameters"].items()
        if not group.startswith("__")
    }
    points, analogs = content["data"]["points"][:3], content["data"]["analogs"][0]
    layout = read_layout(path)
    first, frames, announced = int(content["header"]["points"]["first_frame"]), points.shape[2], 0
    if not np.any(groups.get("ROTATION", {}).get("USED", 0)):
        announced, frames = count_frames(layout, groups, frames)
        start = long_number(groups, "ACTUAL_START_FIELD")
        if start > 0xFFFF and start & 0xFFFF == layout["first"]:
            first = start - 1
        each, channels = layout["each"], len(analogs) if layout["samples"] else 0
        # ezc3d goes by the group POINT, and takes no markers where it is missing.
        is_other = layout["points"] != points.shape[1] or layout["samples"] != channels * each
        if frames > points.shape[2] or (is_other and announced == frames > 0):
            points, analogs = read_data(path, layout, groups, frames)
        if announced == 0:
            frames -= count_padding(points, analogs, layout)
        points, analogs = points[:, :, :frames], analogs[:, : frames * each]
        unread = layout["bytes"] - frames * layout["frame"]
        if unread >= layout["frame"] + 2 * BLOCK > 2 * BLOCK:
            notes.append(f"{unread} bytes behind its {frames} frames are not read")
    rest = {
        "groups": groups,
        "rate": layout["rate"],
        "first_frame": first,
        "announced": announced,
        "events": header_events(content["header"].get("events", {})),
        "notes": notes,
    }
    return {"points": points, "analogs": analogs}, rest


def read_layout(path: str) -> dict[str, Any]:
    """The header: sizes in bytes, the numbers of frames, and how numbers are written."""
    with open(path, "rb") as file:
        head = file.read(BLOCK)
        file.seek((head[0] - 1) * BLOCK)
        processor = file.read(4)[3]
    order = ">" if processor == MIPS else "<"
    words = np.frombuffer(head, dtype=f"{order}u2")
    scale, rate = (float(_floats(head[at : at + 4], processor)[0]) for at in (12, 20))
    start = (int(words[8]) - 1) * BLOCK
    size = 4 if scale < 0 else 2
    frame = (4 * int(words[1]) + int(words[2])) * size
    return {
        "processor": processor, "order": order, "scale": scale, "rate": rate, "start": start,
        "points": int(words[1]), "first": int(words[3]), "last": int(words[4]),
        "samples": int(words[2]), "each": int(words[9]), "frame": frame,
        "bytes": max(os.path.getsize(path) - start, 0),
    }  # fmt: skip


def long_number(groups: dict[str, Any], name: str) -> int:
    """A number of 32 bits in two words, as the group TRIAL has it; 0 if it has none."""
    words = [int(word) & 0xFFFF for word in np.ravel(groups.get("TRIAL", {}).get(name, []))]
    return words[0] | (words[1] << 16 if len(words) > 1 else 0) if words else 0


def count_frames(layout: dict[str, Any], groups: dict[str, Any], read: int) -> tuple[int, int]:
    """Frames that the file announces, and frames that it holds.

    The header counts to 65,535 and many programs let it run over. TRIAL and POINT:LONG_FRAMES go
    further, but are not always kept when a recording is cropped. So the number is one that fits
    the size of the file, whose last block of 512 bytes is filled up.
    """
    if not layout["frame"]:
        return 0, read
    most = layout["bytes"] // layout["frame"]
    least = max(-(-(layout["bytes"] - BLOCK + 1) // layout["frame"]), 0)
    header = layout["last"] - layout["first"] + 1 if layout["last"] < 0xFFFF else 0
    start, end = (long_number(groups, f"ACTUAL_{key}_FIELD") for key in ("START", "END"))
    point = groups.get("POINT", {})
    longer = [int(v) for v in np.ravel(point.get("LONG_FRAMES", [])) if 0 < v < 2**40]
    named = [*longer, end - start + 1 if 0 < start <= end else 0, header]
    run_over = header + 0x10000 * round((most - header) / 0x10000)
    for count in (*named, run_over):
        if count > 0 and least <= count <= most:
            return count, count
    if 0 < header <= most:
        return header, header
    if header > 0:
        return header, min(read, most)
    beyond = [count for count in named if count > most]
    if beyond:
        return min(beyond), min(read, most)
    return 0, most


def count_padding(points: np.ndarray, analogs: np.ndarray, layout: dict[str, Any]) -> int:
    """Frames at the end that are all zero and may be the rest of the last block."""
    frames, each = points.shape[2], layout["each"]
    most = min((BLOCK - 1) // layout["frame"] if layout["frame"] else 0, frames - 1)
    for count in range(most):
        last = frames - 1 - count
        part = analogs[:, last * each : (last + 1) * each] if each else np.zeros(0)
        if np.nan_to_num(points[:, :, last]).any() or part.any():
            return count
    return max(most, 0)


def read_data(
    path: str, layout: dict[str, Any], groups: dict[str, Any], frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points `(3, points, frames)` and analog values `(channels, samples)`, scaled.

    For what ezc3d leaves out, which stops at the number of frames that a parameter of 16 bits has.
    """
    count, each, processor = layout["points"], layout["each"], layout["processor"]
    with open(path, "rb") as file:
        file.seek(layout["start"])
        raw = file.read(frames * layout["frame"])
    real = layout["scale"] < 0
    values = _floats(raw, processor) if real else np.frombuffer(raw, f"{layout['order']}i2")
    rows = values.reshape(frames, -1)
    points = rows[:, : 4 * count].reshape(frames, count, 4)
    places = points[:, :, :3] * (1.0 if real else layout["scale"])
    places = np.where(points[:, :, 3:] < 0, np.nan, places)
    group = groups.get("ANALOG", {})
    analog = rows[:, 4 * count :]
    if not real and "UNSIGNED" in str(group.get("FORMAT", "")).upper():
        analog = analog.view(f"{layout['order']}u2")
    channels = layout["samples"] // each if each else 0
    analog = analog[:, : channels * each].reshape(frames * each, channels)
    scale, offset = (
        (_long_parameter(group, key) + [default] * channels)[:channels]
        for key, default in (("SCALE", 1.0), ("OFFSET", 0.0))
    )
    general = float(np.ravel(group.get("GEN_SCALE", [1.0]))[0])
    scaled = (analog - np.array(offset)) * np.array(scale) * general
    return places.transpose(2, 1, 0).astype(float), scaled.T


def header_events(events: dict[str, Any]) -> list[list[Any]]:
    """Time and label of the header's own events, an older way than the group EVENT."""
    pairs = zip(events.get("events_time", ()), events.get("events_label", ()), strict=False)
    return [[float(time), str(label).strip(" \0")] for time, label in pairs if label.strip(" \0")]


def _floats(raw: bytes, processor: int) -> np.ndarray:
    if processor == MIPS:
        return np.frombuffer(raw, ">f4")
    if processor == DEC:
        words = np.frombuffer(raw, "<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(words).view("<f4").ravel() / 4
    return np.frombuffer(raw, "<f4")


def _long_parameter(group: dict[str, Any], name: str) -> list[float]:
    keys = [name, *(f"{name}{number}" for number in range(2, 100))]
    return [float(value) for key in keys for value in np.ravel(group.get(key, []))]


def limit_resources(path: str) -> None:
    """Limit the time and memory of this process by the file's size: a header can ask for any.

    Windows has no such limits, and macOS may not keep that of memory.
    """
    if sys.platform == "win32":
        return
    import resource

    size = os.path.getsize(path)
    limit_memory(BASE_MEMORY + MEMORY_PER_BYTE * size)
    seconds = BASE_SECONDS + size // BYTES_PER_SECOND
    with suppress(ValueError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def limit_memory(more: int) -> None:
    """Limit memory to so many bytes more than this process has now, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    most = psutil.Process().memory_info().vms + more
    with suppress(ValueError):  # a lower limit is set already, or macOS does not take this one
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def convert(path: str, result: str) -> str:
    """Write the content of a C3D file as .npz; returns why it cannot be read, empty if it can."""
    try:
        arrays, rest = read_contents(path)
        np.savez(result, json=np.array(json.dumps(rest)), **arrays)  # type: ignore[arg-type]
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def main() -> None:
    """Read the file that the first argument names, write to the one that the second names."""
    limit_resources(sys.argv[1])
    fault = convert(sys.argv[1], sys.argv[2])
    if fault:
        sys.exit(fault)


if __name__ == "__main__":
    main()
