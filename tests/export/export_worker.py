"""Exports that are killed: `python -m tests.export.export_worker PRISTINE FOLDER TIMES`.

Exports into `FOLDER`, again and again, forms copied from `PRISTINE`, in a process that is killed
with no warning, `TIMES` times. Prints how often the folder then worked, how often it asked for an
export, how often something was left half done, and whatever else was found.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from export.forms import Form, export
from export.tflite import describe_ports
from export.windows import Windows, synthetic_activity
from nem2e_tf import edge
from nem2e_tf.edge import LiteRT, Manifest, StepNetwork
from nem2e_tf.errors import InputError
from nem2e_tf.refiner import CARD, Card, Refiner, load


def form(name: str, pristine: Path) -> Form:
    """A form that has been converted already."""

    def write(folder: Path) -> None:
        shutil.copytree(pristine / name, folder / name)

    def opened(manifest: Manifest) -> StepNetwork:
        return StepNetwork(manifest.layout, LiteRT(manifest.files(name)))

    return Form(name, Path(name).name, False, write, opened, describe_ports)


def run_forever(pristine: Path, folder: Path) -> None:
    """Export, and again."""
    refiner = Refiner(Card.read(folder / CARD), load(pristine, "tflite").network, folder)
    simulated = synthetic_activity(6, 6, 9)
    windows = Windows(simulated, simulated, np.full(6, True))
    forms = [form(f"tflite/{recipe}", pristine) for recipe in ("float32", "int8")]
    while True:
        export(refiner, forms, windows)


def state(folder: Path, runtime: str) -> str:
    """What somebody finds who loads the refiner now."""
    try:
        found = edge.load(folder, runtime).refine(np.full((7, 9), 0.5))
    except InputError as error:
        return "asks" if f"nem2e export {folder}" in str(error) else str(error)
    return "works" if np.isfinite(found).all() else "no numbers"


def main(pristine: Path, folder: Path, times: int) -> None:
    """See the module."""
    draw = random.Random(1)
    found: dict[str, int] = {"works": 0, "asks": 0, "half done": 0}
    for _ in range(times):
        child = os.fork()
        if child == 0:
            run_forever(pristine, folder)
        time.sleep(draw.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found["half done"] += any(folder.glob(".unfinished*"))
        for what in map(partial(state, folder), ("tflite", "tflite-int8")):
            found[what] = found.get(what, 0) + 1
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
