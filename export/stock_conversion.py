"""What a user would try first to run a refiner in LiteRT, to measure ours beside.

Each is one .tflite file for one window of a fixed length, of the same Keras model:

    keras-model     `TFLiteConverter.from_keras_model`, as its page has it
    while           the model as a function of fixed shapes, its variables made constants
    while-int8      the same in 8 bits, calibrated
    unrolled        the steps one after the other in one graph, without a loop
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from nem2e_tf.cli import terminal
from nem2e_tf.edge import OUTSIDE_BIAS
from nem2e_tf.network.step_graphs import layout_of, step_functions
from nem2e_tf.refiner import load

from .windows import synthetic_activity

FRAMES = 100
SAMPLES = 20
"""Windows that the 8 bits are calibrated on."""


def keras_model_converter(model: Any) -> Any:
    """The stock converter of the model as it is."""
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_keras_model(model)


def frozen_converter(model: Any, integers: bool = False) -> Any:
    """The stock converter of a frozen function; its loops become `WHILE`."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = [tf.TensorSpec((1, FRAMES, model.input_shape[-1]), tf.float32)]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    constant = convert_variables_to_constants_v2(
        function.get_concrete_function(), lower_control_flow=False
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([constant])
    if integers:
        samples = synthetic_activity(SAMPLES, FRAMES, model.input_shape[-1])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter


def unrolled_converter(model: Any) -> Any:
    """The stock converter of `nem2e_tf.edge.StepNetwork`, written out in TensorFlow."""
    import tensorflow as tf

    layout, graphs = layout_of(model), step_functions(model)
    (before, after), steps = layout.attention_window, -(-FRAMES // layout.frames)
    beyond = np.pad(
        np.zeros((1, steps), np.float32), ((0, 0), (before, after)), constant_values=OUTSIDE_BIAS
    )
    if FRAMES % layout.frames:
        raise ValueError(f"{FRAMES} frames are no whole number of steps of {layout.frames}")

    def run_direction(graph: str, inputs: list[Any]) -> tuple[list[Any], list[Any]]:
        state = dict.fromkeys(("hidden", "carry"), tf.zeros((1, layout.encoder_units)))
        hidden, keys = [], []
        for frames in inputs:
            state = dict(graphs[graph](frames=frames, **state))
            keys.append(state.pop("key"))
            hidden.append(state["hidden"])
        return hidden, keys

    def refine(simulated: Any) -> Any:
        folded = tf.unstack(tf.reshape(simulated, (steps, 1, -1)))
        encoded, keys = run_direction("forward_step", folded)
        if not layout.causal:
            backward, more = (side[::-1] for side in run_direction("backward_step", folded[::-1]))
            encoded = [tf.concat(pair, 1) for pair in zip(encoded, backward, strict=True)]
            keys = [a + b for a, b in zip(keys, more, strict=True)]
        state = {
            "hidden": graphs["start"](encoded=encoded[0])["hidden"],
            "carry": tf.zeros((1, layout.decoder_units)),
            "activity": tf.zeros((1, layout.frames * layout.outputs)),
        }
        series = {
            name: tf.pad(tf.concat(x, 0), ((before, after), (0, 0)))
            for name, x in (("encoded", encoded), ("keys", keys))
        }
        activity = []
        for i in range(steps):
            window = slice(i, i + before + 1 + after)
            attended = {name: x[window] for name, x in series.items()}
            state = graphs["decode_step"](beyond=beyond[:, window], **attended, **state)
            activity.append(state["activity"])
        return tf.reshape(tf.concat(activity, 0), (1, FRAMES, layout.outputs))

    signature = [tf.TensorSpec((1, FRAMES, layout.inputs), tf.float32)]
    function = tf.function(refine, input_signature=signature)
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "keras-model": keras_model_converter,
    "while": frozen_converter,
    "while-int8": partial(frozen_converter, integers=True),
    "unrolled": unrolled_converter,
}


def convert(refiner: str, name: str, file: str) -> None:
    """Write one of `CONVERSIONS` and print the seconds that it took."""
    terminal.import_tensorflow_quietly()
    model = load(refiner).model
    # The converter prints on both; one line of what goes wrong is enough.
    printed, sys.stdout = sys.stdout, sys.stderr
    start = perf_counter()
    with terminal.silence_native_code():
        content = CONVERSIONS[name](model).convert()
    Path(file).write_bytes(content)
    print(perf_counter() - start, file=printed)


if __name__ == "__main__":
    convert(*sys.argv[1:])
