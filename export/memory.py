"""What a form of a refiner takes of memory, in a process that does nothing else.

It is the peak of a process that opens the form and refines some frames, without the peak of one
that imports the same modules, NumPy among them, and opens nothing.
"""

import sys
from pathlib import Path

import numpy as np
import psutil

from nem2e_tf.edge import Manifest
from nem2e_tf.refiner.runtimes import open_network

# No TensorFlow here: its memory would be part of every measurement.
from .child_process import describe_failure, run_function
from .networks import open_form, open_window_graph

FRAMES = 100
"""What every form refines to be measured."""


def print_peak(*of: str) -> None:
    """Print the peak memory of this process, bytes, once it has run what is given.

    Args:
        of: nothing; folder of a refiner and form; or that folder, `file` and a .tflite file that
            takes a whole window.
    """
    if of:
        folder, form, *file = Path(of[0]), *of[1:]
        manifest = Manifest.read(folder)
        network = (
            open_window_graph(Path(file[0]), manifest.layout)
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


def measure_peak(*of: str) -> int:
    """What `print_peak` prints in a process of its own."""
    done = run_function("memory", "print_peak", *of, small_parent=True)
    if done.returncode:
        raise RuntimeError(describe_failure(done))
    return int(done.stdout.split()[-1])
