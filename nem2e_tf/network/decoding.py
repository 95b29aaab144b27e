"""The attention decoder's loop in training, with its gradient written out.

TensorFlow differentiates a loop operation by operation: it keeps the result of each in every step
and undoes each in every step. Here a step keeps little, and the way back does in a loop only what
one step hands to the one before; the gradients of the weights come after it, for all steps at once.

Series are time first, so that what a step sees is one piece of memory.
"""

from typing import Any, NamedTuple

import tensorflow as tf

UNSEEN = -1e9
"""Energy of what attention must not look at."""

Sight = tuple[int, int] | None
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


def around(series: Any, sight: Sight, axis: int = 0) -> Any:
    """A series with as many steps of zeros (or False) before and after as a step sees."""
    if sight is None:
        return series
    ends = [list(sight) if i == axis else [0, 0] for i in range(len(series.shape))]
    return tf.pad(series, ends)


def seen(series: Any, step: Any, sight: Sight, axis: int = 0) -> Any:
    """What of the result of `around` a step sees."""
    if sight is None:
        return series
    window = slice(step, step + sum(sight) + 1)
    return series[window] if axis == 0 else series[:, window]


def decode(
    encoded: Any,
    keys: Any,
    hidden: Any,
    weights: Weights,
    *,
    mask: Any,
    teach: Any,
    truth: Any,
    sight: Sight,
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
    beyond = tf.where(around(mask, sight), 0.0, UNSEEN)

    @tf.custom_gradient
    def run(
        encoded: Any, keys: Any, hidden: Any, query: Any, energy: Any, cell: Any, bias: Any,
        head: Any, head_bias: Any,
    ) -> Any:  # fmt: skip
        steps = encoded.shape[0] or tf.shape(encoded)[0]
        features, units, outputs = encoded.shape[-1], hidden.shape[-1], head.shape[-1]
        sizes = [outputs, features, units]
        all_keys, all_encoded = around(keys, sight), around(encoded, sight)
        nothing = tf.zeros_like(truth[0])

        def rows(count: int) -> list[tf.TensorArray]:
            return [
                tf.TensorArray(encoded.dtype, steps, clear_after_read=False) for _ in range(count)
            ]

        def forwards(i: Any, told: Any, hidden: Any, carry: Any, kept: Any) -> Any:
            alike = tf.tanh(seen(all_keys, i, sight) + tf.matmul(hidden, query))
            energies = tf.reduce_sum(alike * energy, 2) + seen(beyond, i, sight)
            shares = tf.exp(energies - tf.reduce_max(energies, 0))
            alignment = shares / tf.reduce_sum(shares, 0)
            context = tf.reduce_sum(alignment[..., None] * seen(all_encoded, i, sight), 0)
            inputs = tf.concat([told, context, hidden], 1)
            gates = tf.nn.bias_add(tf.matmul(inputs, cell), bias)
            open_, new = tf.sigmoid(gates[:, : 3 * units]), tf.tanh(gates[:, 3 * units :])
            enter, forget, leave = tf.split(open_, 3, axis=1)
            before, carry = carry, forget * carry + enter * new
            shown = tf.tanh(carry)
            hidden = leave * shown
            read = tf.concat([hidden, context], 1)
            output = tf.sigmoid(tf.nn.bias_add(tf.matmul(read, head), head_bias))
            row = (alike, alignment, inputs, open_, new, before, shown, read, output)
            kept = [array.write(i, value) for array, value in zip(kept, row, strict=True)]
            return i + 1, tf.where(teach[i], truth[i], output), hidden, carry, kept

        start = 0, nothing, hidden, tf.zeros_like(hidden), rows(9)
        *_, kept = tf.while_loop(lambda i, *_: i < steps, forwards, start, maximum_iterations=steps)

        def gradient(d_activity: Any, d_alignment: Any) -> Any:
            def backwards(
                i: Any,
                d_told: Any,
                d_hidden: Any,
                d_carry: Any,
                d_keys: Any,
                d_weight: Any,
                found: Any,
            ) -> Any:
                alike, alignment, _, open_, new, before, shown, _, output = (
                    array.read(i) for array in kept
                )
                enter, forget, leave = tf.split(open_, 3, axis=1)
                d_output = d_activity[i] + tf.where(teach[i], 0.0, d_told)
                d_head = d_output * output * (1.0 - output)
                d_read, d_context = tf.split(
                    tf.matmul(d_head, head, transpose_b=True), [units, features], 1
                )
                d_hidden += d_read
                d_carry += d_hidden * leave * (1.0 - shown * shown)
                d_open = tf.concat([d_carry * new, d_carry * before, d_hidden * shown], 1)
                d_gates = tf.concat(
                    [d_open * open_ * (1.0 - open_), d_carry * enter * (1.0 - new * new)], 1
                )
                d_told, through_cell, d_hidden = tf.split(
                    tf.matmul(d_gates, cell, transpose_b=True), sizes, 1
                )
                d_context += through_cell
                d_share = d_alignment[i] + tf.reduce_sum(d_context * seen(all_encoded, i, sight), 2)
                d_energy = alignment * (d_share - tf.reduce_sum(alignment * d_share, 0))
                d_alike = tf.raw_ops.TanhGrad(y=alike, dy=d_energy[..., None] * energy)
                d_query = tf.reduce_sum(d_alike, 0)
                d_weight += _over_all(alike, d_energy[..., None])
                d_hidden += tf.matmul(d_query, query, transpose_b=True)
                d_keys += d_alike
                last = d_keys[-1]
                if sight is not None:
                    # No earlier step sees as far; what the others saw moves on by one.
                    d_keys = tf.concat([nowhere, d_keys[:-1]], 0)
                row = d_gates, d_head, d_query, d_context, last
                found = [array.write(i, value) for array, value in zip(found, row, strict=True)]
                return i - 1, d_told, d_hidden, d_carry * forget, d_keys, d_weight, found

            d_keys = tf.zeros_like(seen(all_keys, 0, sight))
            nowhere, zero = d_keys[:1], tf.zeros_like(hidden)
            start = steps - 1, nothing, zero, zero, d_keys, tf.zeros_like(energy[:, None]), rows(5)
            _, _, d_first, _, d_keys, d_weight, found = tf.while_loop(
                lambda i, *_: i >= 0, backwards, start, maximum_iterations=steps
            )
            d_gates, d_head, d_query, d_context, last = (x.stack() for x in found)
            if sight is not None:
                # Step i was the last to see the last of its sight; the first ones of all are
                # still under way.
                d_keys = tf.concat([d_keys[1 + sight[0] :], last], 0)[:steps]
            alignment, inputs, read = (kept[place].stack() for place in (1, 2, 7))
            return (
                _where_seen(alignment, d_context, sight),
                d_keys,
                d_first,
                _over_all(inputs[..., -units:], d_query),
                d_weight[:, 0],
                _over_all(inputs, d_gates),
                tf.reduce_sum(d_gates, (0, 1)),
                _over_all(read, d_head),
                tf.reduce_sum(d_head, (0, 1)),
            )

        return (kept[8].stack(), kept[1].stack()), gradient

    cell = _sigmoids_first(tf.concat([weights.cell, weights.recurrent], 0))
    return run(
        encoded, keys, hidden, weights.query, weights.energy, cell,
        _sigmoids_first(weights.cell_bias), weights.head, weights.head_bias,
    )  # fmt: skip


def _sigmoids_first(gates: Any) -> Any:
    """Columns of Keras's gates with the cell's last."""
    enter, forget, cell, leave = tf.split(gates, 4, axis=-1)
    return tf.concat([enter, forget, leave, cell], -1)


def _over_all(inputs: Any, d_outputs: Any) -> Any:
    """The gradient of a matrix that took all rows of inputs to outputs."""
    rows = [tf.reshape(x, (-1, x.shape[-1])) for x in (inputs, d_outputs)]
    return tf.matmul(*rows, transpose_a=True)


def _where_seen(alignment: Any, d_context: Any, sight: Sight) -> Any:
    """The gradient of encoded steps, `(steps, batch, features)`, through the contexts."""
    square = placed(tf.transpose(alignment, (2, 0, 1)), sight)
    return tf.einsum("bts,tbf->sbf", square, d_context)


def placed(alignment: Any, sight: Sight) -> Any:
    """Alignments by what each step sees, `(batch, steps, seen)`, as `(batch, steps, steps)`."""
    if sight is None:
        return alignment
    batch, steps, width = (tf.shape(alignment)[i] for i in range(3))
    # Rows one longer than the square's shift by one place each when they are cut anew.
    flat = tf.reshape(tf.pad(alignment, [[0, 0], [0, 0], [0, steps]]), (batch, -1))
    rows = tf.reshape(flat[:, : steps * (steps + width - 1)], (batch, steps, steps + width - 1))
    return rows[:, :, sight[0] : sight[0] + steps]
