"""The attention decoder's loop in training, with its gradient written out.

TensorFlow differentiates a loop operation by operation: it keeps the result of each in every step
and undoes each in every step. Here a step keeps little, and the way back does in a loop only what
one step hands to the one before; the gradients of the weights come after it, for all steps at once.

Series are time first, so that what a step sees is one piece of memory.
"""

from typing import Any, NamedTuple

import tensorflow as tf

MASKED_SCORE = -1e9
"""Energy of what attention must not look at."""

AttentionWindow = tuple[int, int] | None
"""How many steps before and after its own a step sees; None: all."""


class Weights(NamedTuple):
    """The decoder's weights; the cell's gates as Keras has them: input, forget, cell, output."""

    query: Any
    energy: Any
    cell: Any
    recurrent: Any
    cell_bias: Any
    head: Any
    head_bias: Any


def pad_for_attention(series: Any, attention_window: AttentionWindow, axis: int = 0) -> Any:
    """A series with as many steps of zeros (or False) before and after as a step sees."""
    if attention_window is None:
        return series
    ends = [list(attention_window) if i == axis else [0, 0] for i in range(len(series.shape))]
    return tf.pad(series, ends)


def attention_slice(
    series: Any, step: Any, attention_window: AttentionWindow, axis: int = 0
) -> Any:
    """What of the result of `around` a step sees."""
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
        teach: `(steps, batch, 1)` bool: the step after is told `truth`.
        truth: `(steps, batch, outputs)`.
        sight: Sight.

    Returns:
        `(steps, batch, outputs)` activity and `(steps, seen, batch)` alignment.
    """
    attention_bias = tf.where(pad_for_attention(mask, attention_window), 0.0, MASKED_SCORE)

    @tf.custom_gradient
    def run(
        encoded: Any, keys: Any, hidden: Any, query: Any, energy: Any, cell: Any, bias: Any,
        head: Any, head_bias: Any,
    ) -> Any:  # fmt: skip
        steps = encoded.shape[0] or tf.shape(encoded)[0]
        features, units, outputs = encoded.shape[-1], hidden.shape[-1], head.shape[-1]
        sizes = [outputs, features, units]
        all_keys, all_encoded = (
            pad_for_attention(keys, attention_window),
            pad_for_attention(encoded, attention_window),
        )
        zero_output = tf.zeros_like(truth[0])

        def rows(count: int) -> list[tf.TensorArray]:
            return [
                tf.TensorArray(encoded.dtype, steps, clear_after_read=False) for _ in range(count)
            ]

        def forwards(i: Any, previous: Any, hidden: Any, carry: Any, saved: Any) -> Any:
            score_features = tf.tanh(
                attention_slice(all_keys, i, attention_window) + tf.matmul(hidden, query)
            )
            scores = tf.reduce_sum(score_features * energy, 2) + attention_slice(
                attention_bias, i, attention_window
            )
            exp_scores = tf.exp(scores - tf.reduce_max(scores, 0))
            attention_weights = exp_scores / tf.reduce_sum(exp_scores, 0)
            context = tf.reduce_sum(
                attention_weights[..., None] * attention_slice(all_encoded, i, attention_window), 0
            )
            inputs = tf.concat([previous, context, hidden], 1)
            preactivations = tf.nn.bias_add(tf.matmul(inputs, cell), bias)
            gates, candidate = (
                tf.sigmoid(preactivations[:, : 3 * units]),
                tf.tanh(preactivations[:, 3 * units :]),
            )
            input_gate, forget_gate, output_gate = tf.split(gates, 3, axis=1)
            previous_carry, carry = carry, forget_gate * carry + input_gate * candidate
            cell_output = tf.tanh(carry)
            hidden = output_gate * cell_output
            head_inputs = tf.concat([hidden, context], 1)
            output = tf.sigmoid(tf.nn.bias_add(tf.matmul(head_inputs, head), head_bias))
            row = (
                score_features,
                attention_weights,
                inputs,
                gates,
                candidate,
                previous_carry,
                cell_output,
                head_inputs,
                output,
            )
            saved = [array.write(i, value) for array, value in zip(saved, row, strict=True)]
            return i + 1, tf.where(use_truth[i], truth[i], output), hidden, carry, saved

        start = 0, zero_output, hidden, tf.zeros_like(hidden), rows(9)
        *_, saved = tf.while_loop(
            lambda i, *_: i < steps, forwards, start, maximum_iterations=steps
        )

        def gradient(d_activity: Any, d_attention_weights: Any) -> Any:
            def backwards(
                i: Any,
                d_previous: Any,
                d_hidden: Any,
                d_carry: Any,
                d_keys: Any,
                d_energy: Any,
                gradients: Any,
            ) -> Any:
                (
                    score_features,
                    attention_weights,
                    _,
                    gates,
                    candidate,
                    previous_carry,
                    cell_output,
                    _,
                    output,
                ) = (array.read(i) for array in saved)
                input_gate, forget_gate, output_gate = tf.split(gates, 3, axis=1)
                d_output = d_activity[i] + tf.where(use_truth[i], 0.0, d_previous)
                d_head = d_output * output * (1.0 - output)
                d_head_inputs, d_context = tf.split(
                    tf.matmul(d_head, head, transpose_b=True), [units, features], 1
                )
                d_hidden += d_head_inputs
                d_carry += d_hidden * output_gate * (1.0 - cell_output * cell_output)
                d_gates = tf.concat(
                    [d_carry * candidate, d_carry * previous_carry, d_hidden * cell_output], 1
                )
                d_preactivations = tf.concat(
                    [
                        d_gates * gates * (1.0 - gates),
                        d_carry * input_gate * (1.0 - candidate * candidate),
                    ],
                    1,
                )
                d_previous, d_context_cell, d_hidden = tf.split(
                    tf.matmul(d_preactivations, cell, transpose_b=True), sizes, 1
                )
                d_context += d_context_cell
                d_weights = d_attention_weights[i] + tf.reduce_sum(
                    d_context * attention_slice(all_encoded, i, attention_window), 2
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
                last_d_keys = d_keys[-1]
                if attention_window is not None:
                    # No earlier step sees as far; what the others saw moves on by one.
                    d_keys = tf.concat([zero_step, d_keys[:-1]], 0)
                row = d_preactivations, d_head, d_query, d_context, last_d_keys
                gradients = [
                    array.write(i, value) for array, value in zip(gradients, row, strict=True)
                ]
                return (
                    i - 1,
                    d_previous,
                    d_hidden,
                    d_carry * forget_gate,
                    d_keys,
                    d_energy,
                    gradients,
                )

            d_keys = tf.zeros_like(attention_slice(all_keys, 0, attention_window))
            zero_step, zero = d_keys[:1], tf.zeros_like(hidden)
            start = (
                steps - 1,
                zero_output,
                zero,
                zero,
                d_keys,
                tf.zeros_like(energy[:, None]),
                rows(5),
            )
            _, _, d_first, _, d_keys, d_energy, gradients = tf.while_loop(
                lambda i, *_: i >= 0, backwards, start, maximum_iterations=steps
            )
            d_preactivations, d_head, d_query, d_context, last_d_keys = (
                x.stack() for x in gradients
            )
            if attention_window is not None:
                # Step i was the last to see the last of its sight; the first ones of all are
                # still under way.
                d_keys = tf.concat([d_keys[1 + attention_window[0] :], last_d_keys], 0)[:steps]
            attention_weights, inputs, head_inputs = (saved[index].stack() for index in (1, 2, 7))
            return (
                _context_gradient(attention_weights, d_context, attention_window),
                d_keys,
                d_first,
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


def _move_candidate_last(gates: Any) -> Any:
    """Columns of Keras's gates with the cell's last."""
    enter, forget, cell, leave = tf.split(gates, 4, axis=-1)
    return tf.concat([enter, forget, leave, cell], -1)


def _weight_gradient(inputs: Any, d_outputs: Any) -> Any:
    """The gradient of a matrix that took all rows of inputs to outputs."""
    rows = [tf.reshape(x, (-1, x.shape[-1])) for x in (inputs, d_outputs)]
    return tf.matmul(*rows, transpose_a=True)


def _context_gradient(alignment: Any, d_context: Any, attention_window: AttentionWindow) -> Any:
    """The gradient of encoded steps, `(steps, batch, features)`, through the contexts."""
    square = as_square_alignment(tf.transpose(alignment, (2, 0, 1)), attention_window)
    return tf.einsum("bts,tbf->sbf", square, d_context)


def as_square_alignment(alignment: Any, attention_window: AttentionWindow) -> Any:
    """Alignments by what each step sees, `(batch, steps, seen)`, as `(batch, steps, steps)`."""
    if attention_window is None:
        return alignment
    batch, steps, width = (tf.shape(alignment)[i] for i in range(3))
    # Rows one longer than the square's shift by one place each when they are cut anew.
    flat = tf.reshape(tf.pad(alignment, [[0, 0], [0, 0], [0, steps]]), (batch, -1))
    rows = tf.reshape(flat[:, : steps * (steps + width - 1)], (batch, steps, steps + width - 1))
    return rows[:, :, attention_window[0] : attention_window[0] + steps]
