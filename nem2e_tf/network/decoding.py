"""The attention decoder's loop in training, with a gradient written by hand.

TensorFlow differentiates a loop operation by operation: it stores the result of every operation of
every step and repeats all of them backwards. Here a step stores little, and the backward loop
computes only what one step passes to the step before. The gradients of the weights are computed
after that loop, for all steps at once.

Series have time as their first axis, so that the attention window of a step is contiguous memory.
"""

from typing import Any, NamedTuple

import tensorflow as tf

MASKED_SCORE = -1e9
"""Attention score of steps that are masked."""

AttentionWindow = tuple[int, int] | None
"""Steps before and after its own that a step attends to; None: all."""


class Weights(NamedTuple):
    """The decoder's weights, with the gates in Keras's order: input, forget, candidate, output."""

    query: Any
    energy: Any
    cell: Any
    recurrent: Any
    cell_bias: Any
    head: Any
    head_bias: Any


def pad_for_attention(series: Any, attention_window: AttentionWindow, axis: int = 0) -> Any:
    """Pad a series with zeros (or False), so that every step has a whole attention window."""
    if attention_window is None:
        return series
    paddings = [list(attention_window) if i == axis else [0, 0] for i in range(len(series.shape))]
    return tf.pad(series, paddings)


def attention_slice(
    series: Any, step: Any, attention_window: AttentionWindow, axis: int = 0
) -> Any:
    """The attention window of a step, cut from a series that `pad_for_attention` returned."""
    if attention_window is None:
        return series
    window = slice(step, step + sum(attention_window) + 1)
    return series[window] if axis == 0 else series[:, window]


def decode(
    encoded: Any,
    keys: Any,
    hidden: Any,
    weights: Weights,
    *,
    mask: Any,
    use_truth: Any,
    truth: Any,
    attention_window: AttentionWindow,
) -> tuple[Any, Any]:
    """Decode all steps.

    Args:
        encoded: `(steps, batch, features)`.
        keys: `(steps, batch, attention_units)`.
        hidden: `(batch, units)`, the first state.
        weights: Weights.
        mask: `(steps, batch)` bool. False on padding.
        use_truth: `(steps, batch, 1)` bool. The next step is fed `truth` instead of the output.
        truth: `(steps, batch, outputs)`.
        attention_window: AttentionWindow.

    Returns:
        `(steps, batch, outputs)` activity and `(steps, window, batch)` attention weights.
    """
    attention_bias = tf.where(pad_for_attention(mask, attention_window), 0.0, MASKED_SCORE)

    def in_window(series: Any, step: Any) -> Any:
        return attention_slice(series, step, attention_window)

    @tf.custom_gradient
    def run(
        encoded: Any, keys: Any, hidden: Any, query: Any, energy: Any, cell: Any, bias: Any,
        head: Any, head_bias: Any,
    ) -> Any:  # fmt: skip
        steps = encoded.shape[0] or tf.shape(encoded)[0]
        features, units, outputs = encoded.shape[-1], hidden.shape[-1], head.shape[-1]
        sizes = [outputs, features, units]
        padded_keys = pad_for_attention(keys, attention_window)
        padded_encoded = pad_for_attention(encoded, attention_window)
        zero_output = tf.zeros_like(truth[0])

        def arrays(count: int) -> list[tf.TensorArray]:
            return [
                tf.TensorArray(encoded.dtype, steps, clear_after_read=False) for _ in range(count)
            ]

        def forward_step(i: Any, previous: Any, hidden: Any, carry: Any, saved: Any) -> Any:
            # (window, batch, attention_units)
            score_features = tf.tanh(in_window(padded_keys, i) + tf.matmul(hidden, query))
            scores = tf.reduce_sum(score_features * energy, 2)  # (window, batch)
            scores += in_window(attention_bias, i)
            exp_scores = tf.exp(scores - tf.reduce_max(scores, 0))
            attention_weights = exp_scores / tf.reduce_sum(exp_scores, 0)
            context = tf.reduce_sum(  # (batch, features)
                attention_weights[..., None] * in_window(padded_encoded, i), 0
            )
            inputs = tf.concat([previous, context, hidden], 1)
            preactivations = tf.nn.bias_add(tf.matmul(inputs, cell), bias)  # (batch, 4 * units)
            gates = tf.sigmoid(preactivations[:, : 3 * units])
            candidate = tf.tanh(preactivations[:, 3 * units :])
            input_gate, forget_gate, output_gate = tf.split(gates, 3, axis=1)
            previous_carry, carry = carry, forget_gate * carry + input_gate * candidate
            squashed_carry = tf.tanh(carry)
            hidden = output_gate * squashed_carry
            head_inputs = tf.concat([hidden, context], 1)
            output = tf.sigmoid(tf.nn.bias_add(tf.matmul(head_inputs, head), head_bias))
            row = (
                score_features, attention_weights, inputs, gates, candidate, previous_carry,
                squashed_carry, head_inputs, output,
            )  # fmt: skip
            saved = [array.write(i, value) for array, value in zip(saved, row, strict=True)]
            return i + 1, tf.where(use_truth[i], truth[i], output), hidden, carry, saved

        start = 0, zero_output, hidden, tf.zeros_like(hidden), arrays(9)
        *_, saved = tf.while_loop(
            lambda i, *_: i < steps, forward_step, start, maximum_iterations=steps
        )

        def gradient(d_activity: Any, d_attention_weights: Any) -> Any:
            def backward_step(
                i: Any, d_previous: Any, d_hidden: Any, d_carry: Any, d_keys: Any, d_energy: Any,
                gradients: Any,
            ) -> Any:  # fmt: skip
                (
                    score_features, attention_weights, _, gates, candidate, previous_carry,
                    squashed_carry, _, output,
                ) = (array.read(i) for array in saved)  # fmt: skip
                input_gate, forget_gate, output_gate = tf.split(gates, 3, axis=1)
                d_output = d_activity[i] + tf.where(use_truth[i], 0.0, d_previous)
                d_head = d_output * output * (1.0 - output)
                d_head_inputs, d_context = tf.split(
                    tf.matmul(d_head, head, transpose_b=True), [units, features], 1
                )
                d_hidden += d_head_inputs
                d_carry += d_hidden * output_gate * (1.0 - squashed_carry * squashed_carry)
                d_gates = tf.concat(
                    [d_carry * candidate, d_carry * previous_carry, d_hidden * squashed_carry], 1
                )
                d_candidate = d_carry * input_gate
                d_preactivations = tf.concat(
                    [
                        d_gates * gates * (1.0 - gates),
                        d_candidate * (1.0 - candidate * candidate),
                    ],
                    1,
                )
                d_previous, d_context_of_cell, d_hidden = tf.split(
                    tf.matmul(d_preactivations, cell, transpose_b=True), sizes, 1
                )
                d_context += d_context_of_cell
                d_weights = d_attention_weights[i] + tf.reduce_sum(
                    d_context * in_window(padded_encoded, i), 2
                )
                d_scores = attention_weights * (
                    d_weights - tf.reduce_sum(attention_weights * d_weights, 0)
                )
                d_score_features = tf.raw_ops.TanhGrad(
                    y=score_features, dy=d_scores[..., None] * energy
                )
                d_query = tf.reduce_sum(d_score_features, 0)
                d_energy += _weight_gradient(score_features, d_scores[..., None])
                d_hidden += tf.matmul(d_query, query, transpose_b=True)
                d_keys += d_score_features
                d_last_key = d_keys[-1]
                if attention_window is not None:
                    # No earlier step attends so far ahead; the rest of the window moves by one.
                    d_keys = tf.concat([zero_key, d_keys[:-1]], 0)
                row = d_preactivations, d_head, d_query, d_context, d_last_key
                gradients = [
                    array.write(i, value) for array, value in zip(gradients, row, strict=True)
                ]
                d_carry *= forget_gate
                return i - 1, d_previous, d_hidden, d_carry, d_keys, d_energy, gradients

            d_keys = tf.zeros_like(in_window(padded_keys, 0))
            zero_key, zero_state = d_keys[:1], tf.zeros_like(hidden)
            start = (
                steps - 1, zero_output, zero_state, zero_state, d_keys,
                tf.zeros_like(energy[:, None]), arrays(5),
            )  # fmt: skip
            _, _, d_first_state, _, d_keys, d_energy, gradients = tf.while_loop(
                lambda i, *_: i >= 0, backward_step, start, maximum_iterations=steps
            )
            d_preactivations, d_head, d_query, d_context, d_last_key = (
                array.stack() for array in gradients
            )
            if attention_window is not None:
                # Step i was the last to attend to the end of its window; the gradients of the
                # first keys are still in the moving window.
                d_keys = tf.concat([d_keys[1 + attention_window[0] :], d_last_key], 0)[:steps]
            attention_weights, inputs, head_inputs = (saved[i].stack() for i in (1, 2, 7))
            return (
                _encoded_gradient(attention_weights, d_context, attention_window),
                d_keys,
                d_first_state,
                _weight_gradient(inputs[..., -units:], d_query),
                d_energy[:, 0],
                _weight_gradient(inputs, d_preactivations),
                tf.reduce_sum(d_preactivations, (0, 1)),
                _weight_gradient(head_inputs, d_head),
                tf.reduce_sum(d_head, (0, 1)),
            )

        return (saved[8].stack(), saved[1].stack()), gradient

    cell = _move_candidate_last(tf.concat([weights.cell, weights.recurrent], 0))
    return run(
        encoded, keys, hidden, weights.query, weights.energy, cell,
        _move_candidate_last(weights.cell_bias), weights.head, weights.head_bias,
    )  # fmt: skip


def _move_candidate_last(weights: Any) -> Any:
    """Columns of a Keras LSTM cell with the three sigmoid gates first and the candidate last."""
    input_gate, forget_gate, candidate, output_gate = tf.split(weights, 4, axis=-1)
    return tf.concat([input_gate, forget_gate, output_gate, candidate], -1)


def _weight_gradient(inputs: Any, d_outputs: Any) -> Any:
    """The gradient of a matrix that maps every row of `inputs` to a row of outputs."""
    rows = [tf.reshape(x, (-1, x.shape[-1])) for x in (inputs, d_outputs)]
    return tf.matmul(*rows, transpose_a=True)


def _encoded_gradient(
    attention_weights: Any, d_context: Any, attention_window: AttentionWindow
) -> Any:
    """The gradient of encoded steps, `(steps, batch, features)`, through the context vectors."""
    square = as_square_alignment(tf.transpose(attention_weights, (2, 0, 1)), attention_window)
    return tf.einsum("bts,tbf->sbf", square, d_context)


def as_square_alignment(alignment: Any, attention_window: AttentionWindow) -> Any:
    """Alignments within attention windows, `(batch, steps, window)`, as `(batch, steps, steps)`."""
    if attention_window is None:
        return alignment
    batch, steps, width = (tf.shape(alignment)[i] for i in range(3))
    # Rows that are one element longer than the square's shift by one place each when reshaped.
    flat = tf.reshape(tf.pad(alignment, [[0, 0], [0, 0], [0, steps]]), (batch, -1))
    rows = tf.reshape(flat[:, : steps * (steps + width - 1)], (batch, steps, steps + width - 1))
    return rows[:, :, attention_window[0] : attention_window[0] + steps]
