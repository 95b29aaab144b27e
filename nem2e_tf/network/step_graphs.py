"""STDR-Net's graphs of one step, from the weights of a Keras model; see `nem2e_tf.edge.steps`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nem2e_tf.edge import Layout


def layout_of(model: Any) -> Layout:
    """Sizes of a Keras model, made by `stdr_net` or with the same inputs and outputs."""
    layers = {layer.name: layer for layer in model.layers}
    inputs, outputs = model.input_shape[-1], model.output_shape[-1]
    frames = layers["steps"].frames if "steps" in layers else 1
    decoder = layers.get("decoder")
    if decoder is None:
        return Layout(inputs, outputs, frames, None, None, False, 0, 0, 0)
    before, after = decoder.attention_window or (None, None)
    return Layout(
        inputs, outputs, frames, before, after, decoder.ahead is not None,
        _encoder_lstms(model)[0].units, decoder.units, decoder.attention_units,
    )  # fmt: skip


def step_functions(model: Any) -> dict[str, Any]:
    """The graphs of one step as `tf.function`s whose weights are constants.

    Args:
        model: keras.Model made by `nem2e_tf.network.stdr_net.stdr_net`, with a bounded attention
            window.

    Returns:
        By name, with the tensors of `nem2e_tf.edge.steps`, all float32.
    """
    layout = layout_of(model)
    decoder, lstms = model.get_layer("decoder"), _encoder_lstms(model)
    units, width = layout.encoder_units, sum(layout.attention_window) + 1
    features = units * len(lstms)
    key, key_bias = _arrays(decoder.key)
    query, energy = _arrays(decoder.query)[0], _arrays(decoder.energy)[0]
    first, first_bias = _arrays(decoder.first_state)
    head, head_bias = _arrays(decoder.head)

    def encoder_step(index: int) -> Callable[..., Any]:
        cell = _lstm_step(lstms[index].cell)
        key_part = key[index * units : (index + 1) * units]
        bias = key_bias if index == 0 else np.zeros_like(key_bias)

        def step(frames: Any, hidden: Any, carry: Any) -> dict[str, Any]:
            hidden, carry = cell(frames, hidden, carry)
            return {"hidden": hidden, "carry": carry, "key": tf.matmul(hidden, key_part) + bias}

        return step

    def start(encoded: Any) -> dict[str, Any]:
        return {"hidden": tf.tanh(tf.matmul(encoded, first) + first_bias)}

    cell = _lstm_step(decoder.cell)

    # `beyond` is the attention bias; exported files name the tensor so.
    def decode_step(
        encoded: Any, keys: Any, beyond: Any, hidden: Any, carry: Any, activity: Any
    ) -> dict[str, Any]:
        score_features = tf.tanh(keys + tf.matmul(hidden, query))
        attention_weights = tf.nn.softmax(
            tf.reshape(tf.matmul(score_features, energy), (1, width)) + beyond
        )
        context = tf.matmul(attention_weights, encoded)
        hidden, carry = cell(tf.concat([activity, context], 1), hidden, carry)
        activity = tf.sigmoid(tf.matmul(tf.concat([hidden, context], 1), head) + head_bias)
        return {"hidden": hidden, "carry": carry, "activity": activity}

    def graph(function: Callable[..., Any], **shapes: tuple[int, int]) -> Any:
        signature = [tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()]
        return tf.function(function, input_signature=signature)

    frames, state = (1, layout.frames * layout.inputs), (1, units)
    graphs = {
        name: graph(encoder_step(index), frames=frames, hidden=state, carry=state)
        for index, name in enumerate(("forward_step", "backward_step")[: len(lstms)])
    }
    state = (1, layout.decoder_units)
    return graphs | {
        "start": graph(start, encoded=(1, features)),
        "decode_step": graph(
            decode_step,
            encoded=(width, features),
            keys=(width, layout.attention_units),
            beyond=(1, width),
            hidden=state,
            carry=state,
            activity=(1, layout.frames * layout.outputs),
        ),
    }


def round_weights(model: Any) -> None:
    """Round every matrix of the graphs of one step to the 8-bit grid of TensorFlow Lite.

    Weights become multiples of 1/127 of the largest one in their column, so that exports with
    8-bit weights have exactly the weights of Keras. Outputs change by some thousandths.

    Args:
        model: keras.Model made by `nem2e_tf.network.stdr_net.stdr_net`; changed in place.
    """
    decoder = model.get_layer("decoder")
    lstms = _encoder_lstms(model)
    for cell in (*(lstm.cell for lstm in lstms), decoder.cell):
        weights = [cell.kernel, cell.recurrent_kernel]
        inputs = weights[0].shape[0]
        rounded = _round_to_grid(np.concatenate([weight.numpy() for weight in weights]))
        for weight, values in zip(weights, np.split(rounded, [inputs]), strict=True):
            weight.assign(values)
    parts = np.split(decoder.key.kernel.numpy(), len(lstms))
    decoder.key.kernel.assign(np.concatenate([_round_to_grid(part) for part in parts]))
    for layer in (decoder.query, decoder.energy, decoder.first_state, decoder.head):
        layer.kernel.assign(_round_to_grid(layer.kernel.numpy()))


def _round_to_grid(matrix: np.ndarray) -> np.ndarray:
    scale = np.abs(matrix).max(axis=0) / 127
    scale[scale == 0] = 1.0
    return np.round(matrix / scale) * scale


class KerasGraphs:
    """The graphs of one step run by TensorFlow; see `nem2e_tf.edge.steps.Graphs`."""

    def __init__(self, model: Any) -> None:
        self._functions = step_functions(model)

    def __call__(self, graph: str, **tensors: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph."""
        inputs = {name: tf.constant(values, tf.float32) for name, values in tensors.items()}
        return {name: x.numpy() for name, x in self._functions[graph](**inputs).items()}


def _encoder_lstms(model: Any) -> list[Any]:
    """The encoder's LSTMs: forwards, and where there is one backwards."""
    encoder = model.get_layer("encoder")
    if not hasattr(encoder, "forward_layer"):
        return [encoder]
    return [encoder.forward_layer, encoder.backward_layer]


def _lstm_step(layer: Any) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """An LSTM cell with one matrix; Keras's gates are input, forget, cell and output."""
    kernel, recurrent, bias = _arrays(layer)
    matrix = np.concatenate([kernel, recurrent])

    def cell(inputs: Any, hidden: Any, carry: Any) -> tuple[Any, Any]:
        gates = tf.matmul(tf.concat([inputs, hidden], 1), matrix) + bias
        input_gate, forget_gate, candidate, output_gate = tf.split(gates, 4, axis=1)
        carry = tf.sigmoid(forget_gate) * carry + tf.sigmoid(input_gate) * tf.tanh(candidate)
        return tf.sigmoid(output_gate) * tf.tanh(carry), carry

    return cell


def _arrays(layer: Any) -> list[np.ndarray]:
    return [weight.numpy() for weight in layer.trainable_weights]
