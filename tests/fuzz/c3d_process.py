"""ezc3d in a process of its own, which reads file after file: a path and a result a line.

With `--seeds FOLDER` it writes synthetic recordings instead. Like `nem2e_tf/files/c3d_process.py`,
whose code it runs, it imports nothing else of the package.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ezc3d
import numpy as np

SECONDS = 0.1
"""Of processor time. `files.c3d` allows far more; here, files that never end cost that each."""


FORCE_PLATE = ("Fx", "Fy", "Fz", "Mx", "My", "Mz")


def reader() -> Any:
    """The module that reads a file for `nem2e_tf.files.c3d`."""
    # `tests.repository` cannot be imported in a file that runs with -P.
    path = Path(__file__).parents[2] / "nem2e_tf" / "files" / "c3d_process.py"
    spec = importlib.util.spec_from_file_location("reader", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seeds(folder: Path) -> None:
    """Markers alone; markers, two force plates and a channel of EMG; and a little of each."""
    for number, plates in enumerate((0, 1, 2)):
        content = ezc3d.c3d()
        parameters, data = content["parameters"], content["data"]
        names = ["S:ASI", "S:KNE"][: number + 1]
        labels = [f"{kind}{p + 1}" for p in range(plates) for kind in FORCE_PLATE]
        labels += ["EMG"] * (number > 0)
        frames, each = 3, 2
        units = ["N", "N", "N", "Nmm", "Nmm", "Nmm"] * plates + ["V"] * (number > 0)
        square = np.array([[1, -1, -1, 1], [-1, -1, 1, 1], [0, 0, 0, 0]]) * 200.0
        for group, key, value in (
            ("POINT", "RATE", [100.0]), ("POINT", "LABELS", names), ("POINT", "UNITS", ["mm"]),
            ("ANALOG", "RATE", [100.0 * each]), ("ANALOG", "LABELS", labels),
            ("ANALOG", "UNITS", units),
        ):  # fmt: skip
            parameters[group][key]["value"] = value
        content.add_parameter("POINT", "X_SCREEN", ["+X"])
        content.add_parameter("POINT", "Y_SCREEN", ["+Z"])
        if plates:
            for key, value in (
                ("USED", np.array([plates])), ("TYPE", np.full(plates, 2)),
                ("CORNERS", np.dstack([square] * plates)), ("ORIGIN", np.zeros((3, plates))),
                ("CHANNEL", np.arange(1, 6 * plates + 1).reshape(plates, 6).T),
            ):  # fmt: skip
                parameters["FORCE_PLATFORM"][key]["value"] = value
        data["points"] = np.ones((4, len(names), frames)) * np.arange(1, frames + 1)
        data["analogs"] = np.ones((1, len(labels), frames * each)) * 3.0
        content.write(str(folder / f"seed-{number}.c3d"))


def main() -> None:
    """Read what standard input names, in a process that is begun anew where a file ends it."""
    if "--seeds" in sys.argv:
        seeds(Path(sys.argv[-1]))
        return
    c3d = reader()
    # A copy of a process that has everything loaded is begun a hundred times sooner than a new one.
    while child := os.fork():
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        print(flush=True)
    c3d.limit_memory(c3d.BASE_MEMORY)
    for line in iter(sys.stdin.readline, ""):
        path, result = line.rstrip("\n").split("\t")
        # Not handled, so that it ends this process, whatever compiled code is at.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        fault = c3d.convert(path, result)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(fault or "read", flush=True)


if __name__ == "__main__":
    main()
