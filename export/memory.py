"""What a form of a refiner takes of memory, in a process that does nothing else.

It is the peak of a process that opens the form and refines some frames, without the peak of one
that imports the same modules, NumPy among them, and opens nothing. The `ru_maxrss` of a process
begins at what its parent had; so that this is not TensorFlow's, a small process stands between.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil

from nem2e_tf.edge import Manifest
from nem2e_tf.refiner.runtimes import open_network

# No TensorFlow here: its memory would be part of every measurement.
from .networks import open_form, open_whole

REPOSITORY = Path(__file__).resolve().parent.parent
FRAMES = 100
"""What every form refines to be measured."""


def say_peak(*of: str) -> None:
    """Print the peak memory of this process, bytes, once it has run what is given.

    Args:
        of: nothing; folder of a refiner and form; or that folder, `file` and a .tflite file that
            takes a whole window.
    """
    if of:
        folder, form, *file = Path(of[0]), *of[1:]
        manifest = Manifest.read(folder)
        network = (
            open_whole(Path(file[0]), manifest.layout)
            if file
            else open_network(folder, "keras")
            if form == "keras"
            else open_form(manifest, form, threads=1)
        )
        network(np.zeros((1, FRAMES, manifest.layout.inputs), np.float32))
    print(_peak())


def _peak() -> int:
    """Peak memory of this process so far, bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def peak(*of: str) -> int:
    """What `say_peak` says in a process of its own."""
    code = "import sys; from export.memory import say_peak; say_peak(*sys.argv[1:])"
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    done = run("-c", between, "-c", code, *of)
    if done.returncode:
        raise RuntimeError(complaint(done))
    return int(done.stdout.split()[-1])


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a process of its own, from wherever this one was started."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-X", "utf8", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def complaint(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a process failed, in a line."""
    if done.returncode < 0:
        return f"the process ended by {signal.Signals(-done.returncode).name}"
    # What Python says last; before it, the converter says where in many words.
    said = re.search(r"^[\w.]*?(\w+(?:Error|Exception): .*)$", done.stderr, re.MULTILINE)
    if said is None:
        return f"exit status {done.returncode}"
    kind, detail = said[1].split(": ", 1)
    return f"{kind}: {detail.rsplit('error: ', 1)[-1].rsplit('): ', 1)[-1][:200]}"
