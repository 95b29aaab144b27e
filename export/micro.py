"""Graphs of one step with the kernels of microcontrollers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.edge import Manifest, TensorPort
from nem2e_tf.errors import InputError, require

from .child_process import run_function

FORM = "tflite/int8"
LARGEST = 256 * 1024
"""Bytes of memory that a graph may take at most."""
TOO_SMALL = 1024
"""Bytes that no graph gets by with. """
FINEST = 16
"""Bytes to which the smallest arena is found: what tflite-micro aligns to."""


class TFLiteMicro:
    """Graphs in tflite-micro, called by name; see `nem2e_tf.edge.steps.Graphs`.

    Args:
        manifest: of a refiner that was exported as `FORM`.

    Attributes:
        arenas: by graph, bytes of the memory that it runs in, the least that it can.

    Raises:
        InputError: tflite-micro is not installed, or cannot run a file.
    """

    def __init__(self, manifest: Manifest) -> None:
        require("tflite_micro")
        from tflite_micro.python.tflite_micro.runtime import Interpreter

        described = {Path(name).stem: of for name, of in manifest.forms[FORM]["files"].items()}
        self.arenas: dict[str, int] = {}
        self._graphs: dict[str, tuple[Any, dict[str, TensorPort], dict[str, TensorPort]]] = {}
        for graph, file in manifest.files(FORM).items():
            arena = smallest_arena(file)
            if arena is None:
                raise InputError(f"{file}: tflite-micro cannot run it in {LARGEST} bytes")
            interpreter = Interpreter.from_bytes(file.read_bytes(), arena_size=arena)
            self.arenas[graph] = arena
            sides = (
                ("inputs", interpreter.get_input_details),
                ("outputs", interpreter.get_output_details),
            )
            ports = [
                {name: _tensor_port(i, details(i)) for i, name in enumerate(described[graph][side])}
                for side, details in sides
            ]
            self._graphs[graph] = (interpreter, *ports)

    def __call__(self, graph: str, **tensors: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph."""
        interpreter, inputs, outputs = self._graphs[graph]
        for name, values in tensors.items():
            port = inputs[name]
            interpreter.set_input(port.quantize(values), port.index)
        interpreter.invoke()
        return {
            name: port.dequantize(interpreter.get_output(port.index))
            for name, port in outputs.items()
        }


def smallest_arena(file: Path) -> int | None:
    """Bytes of the smallest memory that a .tflite file runs in; None if `LARGEST` is too small.

    It is sought in a process of its own: where memory is short, tflite-micro may raise an error or
    end the process, and either is an answer.
    """
    low, high, fits = TOO_SMALL, LARGEST, False
    while high - low > FINEST:
        done = run_function("micro", "bisect_arena", str(file), str(low), str(high))
        lines = done.stdout.splitlines()
        for line in lines:
            tried, *outcome = line.split()
            if outcome == ["fits"]:
                high, fits = int(tried), True
            else:
                low = int(tried)
        if not lines:
            raise RuntimeError(f"{file}: nothing was tried: {done.stderr[-200:]}")
    return high if fits else None


def bisect_arena(file: str, low: str, high: str) -> None:
    """Try memories between two, in bytes, and print each, with `fits` after those that do."""
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    content = Path(file).read_bytes()
    bottom, top = int(low), int(high)
    while top - bottom > FINEST:
        middle = (bottom + top) // 2 // FINEST * FINEST
        print(middle, end=" ", flush=True)
        try:
            Interpreter.from_bytes(content, arena_size=middle).invoke()
            top = middle
            print("fits", flush=True)
        except RuntimeError:
            bottom = middle
            print(flush=True)


def _tensor_port(place: int, details: Mapping[str, Any]) -> TensorPort:
    """Of what tflite-micro says of a tensor."""
    numbers = details["quantization_parameters"]
    return TensorPort(
        place, details["dtype"], float(numbers["scales"][0]), int(numbers["zero_points"][0])
    )
