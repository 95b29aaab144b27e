"""A refiner as TensorFlow Lite: `python -m export.tflite saved_models/walking`.

The network goes out as graphs of one step (`nem2e_tf.edge.steps`), a file each, of built-in
operations without loops, states or variables. The same files run in LiteRT on phones and computers,
in tflite-micro on microcontrollers, and in LiteRT.js in browsers; the host does the loops.

Recipes:

    float32    as Keras has it
    float16    weights in 16 bits, computed in float32
    dynamic    weights in 8 bits, computed in part in 8 bits
    int8       weights in 8 bits, activations in 16, integers at the border
    int8-web   the same with float32 at the border, for LiteRT.js, which has no 16-bit tensors

A recurrent network hands its states from step to step: in 8 bits their rounding adds up, in 16 it
does not (TensorFlow's own LSTM keeps its carry in 16 bits too).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.cli import terminal
from nem2e_tf.edge import LiteRT, Manifest, StepNetwork
from nem2e_tf.refiner import Refiner

from .forms import Form, choose_recipes, command, fitted_tasks
from .windows import fitted_recordings

RECIPES = ("float32", "float16", "dynamic", "int8", "int8-web")
LOUDER = (1.0, 4.0)
"""Integers are calibrated on recordings and on the same made louder, to no more than an activation
of 1: who is stronger in one muscle than all who taught must not be cut off."""
ROOM = 1.5
"""What integers can hold of a state without bounds, in shares of the largest in calibration."""
SECONDS = 4.0
"""Of each recording, for calibration."""


Rows = Mapping[str, list[dict[str, np.ndarray]]]
"""By graph, tensors by name that were put into it."""


def record_calibration(refiner: Refiner) -> Rows:
    """What goes into every graph while virtual people who taught are refined; all synthetic."""
    from nem2e_tf.network.step_graphs import KerasGraphs

    rows: dict[str, list[dict[str, np.ndarray]]] = {}
    graphs, signals = KerasGraphs(refiner.model), refiner.signals

    def run_and_record(graph: str, **tensors: np.ndarray) -> dict[str, np.ndarray]:
        rows.setdefault(graph, []).append(tensors)
        return graphs(graph, **tensors)

    network = StepNetwork(refiner.network.layout, run_and_record)
    largest = 1.0 / signals.input_maximum
    for shares in fitted_recordings(signals, fitted_tasks(refiner)):
        part = shares[: round(SECONDS * signals.rate)]
        for factor in LOUDER:
            network(np.minimum(factor * part, largest)[None])
    step = np.tile(largest, network.layout.frames)
    energy = refiner.model.get_layer("decoder").energy.kernel.numpy()[:, 0]
    for recordings in rows.values():
        recordings += [
            row for sign in (-1.0, 1.0) for row in _extreme_rows(recordings, sign, step, energy)
        ]
    return rows


def _extreme_rows(
    rows: Sequence[Mapping[str, np.ndarray]], sign: float, step: np.ndarray, energy: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Rows whose tensors hold as much as they ever can, upwards or downwards.

    Args:
        rows: what recordings put into a graph.
        sign: 1 or -1.
        step: `(frames of a step * inputs,)`, an activation of 1 everywhere.
        energy: `(attention_units,)`, weights of the energy, which is largest where keys have their
            signs.
    """

    def largest_state(name: str) -> float:
        return sign * ROOM * max(float(np.abs(row[name]).max()) for row in rows)

    def fill(**values: Any) -> dict[str, np.ndarray]:
        known = rows[0].items()
        return {name: np.full_like(x, values[name]) if name in values else x for name, x in known}

    bounds: dict[str, Any] = {"hidden": sign, "encoded": sign}
    bounds |= {"frames": max(sign, 0.0) * step, "activity": max(sign, 0.0)}
    if "carry" in rows[0]:
        bounds["carry"] = largest_state("carry")
    yield fill(**bounds)
    if "keys" in rows[0]:
        yield fill(keys=largest_state("keys") * np.sign(energy), hidden=0.0)


def convert(graph: str, function: Any, recipe: str = "float32", rows: Rows | None = None) -> bytes:
    """A TensorFlow Lite model of one graph.

    Args:
        graph: name of its signature.
        function: tf.function of `nem2e_tf.network.step_graphs.step_functions`.
        recipe: one of `RECIPES`.
        rows: what integers are calibrated on.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, terminal.silence_native_code():
        tf.saved_model.save(tf.Module(), folder, signatures={graph: function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, [graph])
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe.startswith("int8"):
            if rows is None:
                raise ValueError(f"{recipe} needs something to be calibrated on")
            # The converter wants signature and tensors of every sample.
            samples: Callable[[], Iterator[Any]] = lambda: ((graph, row) for row in rows[graph])  # noqa: E731
            converter.representative_dataset = samples
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
            if recipe == "int8":
                converter.inference_input_type = converter.inference_output_type = tf.int16
        content: bytes = converter.convert()
    return content


def forms(refiner: Refiner, recipes: list[str] | None = None) -> list[Form]:
    """The forms of a refiner in TensorFlow Lite; `InputError` where its attention has no bounds."""
    from nem2e_tf.network.step_graphs import step_functions

    chosen = choose_recipes(recipes, RECIPES)
    functions = step_functions(refiner.model)
    has_integers = any(recipe.startswith("int8") for recipe in chosen)
    rows = record_calibration(refiner) if has_integers else None

    def write(recipe: str, folder: Path) -> None:
        target = folder / "tflite" / recipe
        target.mkdir(parents=True)
        for graph, function in functions.items():
            (target / f"{graph}.tflite").write_bytes(convert(graph, function, recipe, rows))

    return [
        Form(
            f"tflite/{recipe}",
            recipe,
            recipe == "float32",
            partial(write, recipe),
            partial(_open, f"tflite/{recipe}"),
            describe_ports,
        )
        for recipe in chosen
    ]


def _open(form: str, manifest: Manifest) -> StepNetwork:
    return StepNetwork(manifest.layout, LiteRT(manifest.files(form)))


def describe_ports(file: Path) -> dict[str, Any]:
    """Inputs and outputs of a graph in the order of the file: shape, type, scale, zero point."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.read_bytes())
    runner = interpreter.get_signature_runner(file.stem)
    found = {}
    for side, named, ordered in (
        ("inputs", runner.get_input_details(), interpreter.get_input_details()),
        ("outputs", runner.get_output_details(), interpreter.get_output_details()),
    ):
        order = [details["index"] for details in ordered]
        tensors = sorted(named.items(), key=lambda item: order.index(item[1]["index"]))
        found[side] = {
            name: {
                "shape": details["shape"].tolist(),
                "type": np.dtype(details["dtype"]).name,
                "scale": float(details["quantization"][0]),
                "zero_point": int(details["quantization"][1]),
            }
            for name, details in tensors
        }
    return found


if __name__ == "__main__":
    terminal.run(command("tflite/<recipe>/", RECIPES, forms))
