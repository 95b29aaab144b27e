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

BASE_SECONDS, BYTES_PER_SECOND = 60, 10**6
"""Of processor time. ezc3d reads some ten million bytes in one."""


def read_contents(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, and everything else that JSON holds."""
    unread = ""
    try:
        content = ezc3d.c3d(path, extract_forceplat_data=True)
    except Exception as error:  # ezc3d raises whatever C++ threw
        # With a type of force plate that ezc3d does not know, the markers are still read.
        unread = f": {' '.join(str(error).split())}"
        content = ezc3d.c3d(path)
    arrays = {"points": content["data"]["points"][:3], "analogs": content["data"]["analogs"][0]}
    platforms = content["data"].get("platform", []) if not unread else []
    for number, platform in enumerate(platforms):
        for key in ("corners", "origin", "force", "moment"):
            arrays[f"platform_{number}_{key}"] = np.asarray(platform[key], dtype=float)
    groups = {
        group: {
            name: np.asarray(parameter["value"]).tolist()
            for name, parameter in parameters.items()
            if not name.startswith("__")
        }
        for group, parameters in content["parameters"].items()
        if not group.startswith("__")
    }
    points = content["header"]["points"]
    rest = {
        "groups": groups,
        "rate": float(points["frame_rate"]),
        "first_frame": int(points["first_frame"]),
        "platforms": len(platforms),
        "unread": unread,
    }
    return arrays, rest


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
