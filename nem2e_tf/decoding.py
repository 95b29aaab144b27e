"""The attention decoder's loop in training: fused kernels, and its gradient written out.

TensorFlow differentiates a loop operation by operation, and keeps the result of each in every
step. Here a step keeps its state, and the way back does in a loop only what one step hands to the
one before; the gradients of weights and encoded steps come after it, for all steps at once.
"""

from typing import Any, NamedTuple

import tensorflow as tf

UNSEEN = -1e9
"""Energy of what attention must not look at."""


class Weights(NamedTuple):
    """The decoder's weights; the cell's as Keras has them: input, forget, cell and output gate."""

    query: Any
    energy: Any
    cell: Any
    recurrent: Any
    cell_bias: Any
    head: Any
    head_bias: Any


def around(series: Any, reach: int | None, beyond: float = 0.0) -> Any:
    """`(batch, steps, ...)` with as much of a constant at both ends as a step reaches."""
    if reach is None:
        return series
    ends = [[0, 0], [reach, reach], *[[0, 0]] * (len(series.shape) - 2)]
    return tf.pad(series, ends, constant_values=tf.cast(beyond, series.dtype))


def seen(series: Any, step: Any, reach: int | None) -> Any:
    """What of the result of `around` a step sees."""
    return series if reach is None else series[:, step : step + 2 * reach + 1]


def _unseen(gradient: Any, reach: int | None) -> Any:
    """Sum `(steps, batch, seen, features)` over the steps that saw the same: undoes `seen`."""
    if reach is None:
        return tf.reduce_sum(gradient, 0)
    width = 2 * reach + 1
    parts = [
        tf.pad(gradient[:, :, i], [[i, width - 1 - i], [0, 0], [0, 0]]) for i in range(width)
    ]
    steps = tf.shape(gradient)[0]
    return tf.transpose(tf.add_n(parts)[reach : reach + steps], (1, 0, 2))


def _sum_where_seen(alignment: Any, d_context: Any, reach: int | None) -> Any:
    """The gradient of encoded steps, `(batch, steps, features)`, through the contexts."""
    if reach is None:
        return tf.einsum("tbs,tbf->bsf", alignment, d_context)
    square = placed(tf.transpose(alignment, (1, 0, 2)), reach)
    return tf.einsum("bts,tbf->bsf", square, d_context)


def placed(alignment: Any, reach: int) -> Any:
    """Alignments by what lies around each step, `(batch, steps, 2 reach + 1)`, as a square."""
    batch, steps, width = (tf.shape(alignment)[i] for i in range(3))
    # Rows one longer than the square's shift by one place each when they are cut anew.
    flat = tf.reshape(tf.pad(alignment, [[0, 0], [0, 0], [0, steps]]), (batch, -1))
    rows = tf.reshape(flat[:, : steps * (steps + width - 1)], (batch, steps, steps + width - 1))
    return rows[:, :, reach : reach + steps]


def _over_all(inputs: Any, d_outputs: Any) -> Any:
    """The gradient of a matrix that took all these rows to those."""
    rows = [tf.reshape(x, (-1, x.shape[-1])) for x in (inputs, d_outputs)]
    return tf.matmul(*rows, transpose_a=True)


def _block_order(gates: Any) -> Any:
    """Columns of Keras's gates in the order of TensorFlow's fused cell, or back."""
    enter, forget, cell, leave = tf.split(gates, 4, axis=-1)
    return tf.concat([enter, cell, forget, leave], -1)


def decode(
    encoded: Any,
    keys: Any,
    hidden: Any,
    weights: Weights,
    *,
    mask: Any,
    teach: Any,
    truth: Any,
    reach: int | None,
) -> tuple[Any, Any]:
    """Decode all steps.

    Args:
        encoded: `(batch, steps, features)`.
        keys: `(batch, steps, attention_units)`.
        hidden: `(batch, units)`, the first state.
        weights: Weights.
        mask: `(batch, steps)` bool. False on padding.
        teach: `(steps, batch, 1)` bool: the next step is told `truth`.
        truth: `(steps, batch, outputs)`.
        reach: int or None. Steps to either side that a step sees; None: all.

    Returns:
        `(batch, steps, outputs)` activity and `(batch, steps, seen)` alignment.
    """
    beyond = around(tf.where(mask, 0.0, UNSEEN), reach, UNSEEN)

    @tf.custom_gradient
    def run(
        encoded: Any, keys: Any, hidden: Any, query: Any, energy: Any, cell: Any, bias: Any,
        head: Any, head_bias: Any,
    ) -> Any:  # fmt: skip
        batch, steps = tf.shape(encoded)[0], tf.shape(encoded)[1]
        features, units, outputs = encoded.shape[-1], hidden.shape[-1], head.shape[-1]
        all_keys, all_encoded = around(keys, reach), around(encoded, reach)
        none = tf.zeros(units, encoded.dtype)
        peepholes = {"wci": none, "wcf": none, "wco": none}
        nothing = tf.zeros((batch, outputs), encoded.dtype)

        def array() -> tf.TensorArray:
            return tf.TensorArray(encoded.dtype, steps)

        def forwards(i: Any, previous: Any, hidden: Any, carry: Any, kept: Any, alikes: Any) -> Any:
            alike = tf.tanh(seen(all_keys, i, reach) + tf.matmul(hidden, query)[:, None])
            energies = tf.linalg.matvec(alike, energy) + seen(beyond, i, reach)
            alignment = tf.nn.softmax(energies)
            context = tf.linalg.matvec(seen(all_encoded, i, reach), alignment, transpose_a=True)
            new = tf.raw_ops.LSTMBlockCell(
                x=tf.concat([previous, context], 1), cs_prev=carry, h_prev=hidden, w=cell, b=bias,
                forget_bias=0.0, cell_clip=-1.0, **peepholes,
            )  # fmt: skip
            output = tf.sigmoid(tf.matmul(tf.concat([new.h, context], 1), head) + head_bias)
            state = tf.concat([previous, context, hidden, carry, *new, output, alignment], 1)
            told = tf.where(teach[i], truth[i], output)
            return i + 1, told, new.h, new.cs, kept.write(i, state), alikes.write(i, alike)

        *_, kept, alikes = tf.while_loop(
            lambda i, *_: i < steps,
            forwards,
            (0, nothing, hidden, tf.zeros_like(hidden), array(), array()),
            maximum_iterations=steps,
        )
        kept, alike = kept.stack(), alikes.stack()
        sizes = [outputs, features, *[units] * 9, outputs, tf.shape(alike)[2]]
        _, context, before, *_, h, activity, alignment = tf.split(kept, sizes, axis=-1)

        def gradient(d_activity: Any, d_alignment: Any) -> Any:
            def backwards(i: Any, d_told: Any, d_hidden: Any, d_carry: Any, found: Any) -> Any:
                previous, context, hidden, carry, *new, h, output, alignment = tf.split(
                    kept[i], sizes, axis=-1
                )
                d_output = d_activity[i] + tf.where(teach[i], 0.0, d_told)
                d_head = tf.raw_ops.SigmoidGrad(y=output, dy=d_output)
                d_h, d_context = tf.split(
                    tf.matmul(d_head, head, transpose_b=True), [units, features], axis=1
                )
                names = ("i", "cs", "f", "o", "ci", "co")
                back = tf.raw_ops.LSTMBlockCellGrad(
                    x=tf.concat([previous, context], 1), cs_prev=carry, h_prev=hidden, w=cell,
                    b=bias, cs_grad=d_carry, h_grad=d_hidden + d_h, use_peephole=False,
                    **peepholes, **dict(zip(names, new, strict=True)),
                )  # fmt: skip
                d_told, through_cell, d_hidden = tf.split(
                    tf.matmul(back.dicfo, cell, transpose_b=True), [outputs, features, units], 1
                )
                d_context += through_cell
                d_share = tf.linalg.matvec(seen(all_encoded, i, reach), d_context) + d_alignment[i]
                d_energy = alignment * (
                    d_share - tf.reduce_sum(alignment * d_share, 1, keepdims=True)
                )
                # That of tanh, 1 - tanh²; the 1 falls out, as these gradients add up to zero.
                d_query = -energy * tf.linalg.matvec(tf.square(alike[i]), d_energy, True)
                d_hidden += tf.matmul(d_query, query, transpose_b=True)
                row = tf.concat([back.dicfo, d_head, d_context, d_energy, d_query], 1)
                return i - 1, d_told, d_hidden, back.cs_prev_grad, found.write(i, row)

            start = (steps - 1, nothing, tf.zeros_like(hidden), tf.zeros_like(hidden), array())
            _, _, d_first, _, found = tf.while_loop(
                lambda i, *_: i >= 0, backwards, start, maximum_iterations=steps
            )
            d_gates, d_head, d_context, d_energy, d_query = tf.split(
                found.stack(), [4 * units, outputs, features, sizes[-1], query.shape[-1]], axis=-1
            )
            d_alike = d_energy[..., None] * (energy * (1.0 - tf.square(alike)))
            return (
                _sum_where_seen(alignment, d_context, reach),
                _unseen(d_alike, reach),
                d_first,
                _over_all(before, d_query),
                _over_all(alike, d_energy[..., None])[:, 0],
                _over_all(kept[..., : cell.shape[0]], d_gates),
                tf.reduce_sum(d_gates, (0, 1)),
                _over_all(tf.concat([h, context], -1), d_head),
                tf.reduce_sum(d_head, (0, 1)),
            )

        return (activity, alignment), gradient

    cell = _block_order(tf.concat([weights.cell, weights.recurrent], 0))
    activity, alignment = run(
        encoded, keys, hidden, weights.query, weights.energy, cell,
        _block_order(weights.cell_bias), weights.head, weights.head_bias,
    )  # fmt: skip
    return tf.transpose(activity, (1, 0, 2)), tf.transpose(alignment, (1, 0, 2))
