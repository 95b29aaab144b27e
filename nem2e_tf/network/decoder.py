"""The decoder of STDR-Net as a Keras layer."""

from typing import Any

import keras
import tensorflow as tf

from nem2e_tf.network.decoding import (
    MASKED_SCORE,
    AttentionWindow,
    Weights,
    as_square_alignment,
    attention_slice,
    decode,
    pad_for_attention,
)


@keras.saving.register_keras_serializable("nem2e_tf")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder with additive attention over the encoded steps.

    At step `i`, with the hidden state `s` and the output `y` of the previous step and the encoded
    steps `h_j`, `i - reach <= j <= i + ahead` (Bahdanau, Cho and Bengio 2015, appendix A.1.2):

        e_ij = v · tanh(W s_{i-1} + U h_j + b)      energy
        a_ij = softmax_j(e_ij)                      alignment, zero on padding
        c_i  = Σ_j a_ij h_j                         context vector
        s_i  = LSTM([y_{i-1}, c_i], s_{i-1})        y_{-1} = 0
        y_i  = sigmoid(V [s_i, c_i] + d)            activity, 0-1

    The first state is tanh(P h_0 + p): in `h_0` a backward encoder has read the whole window.

    Args:
        units: int. Hidden size of the LSTM cell.
        attention_units: int. Size of the space in which state and encoded steps are compared.
        outputs: int. Muscles times frames of a step.
        reach: int or None. Steps before and after its own that a step attends to; None: all.
        ahead: int or None. Steps after its own, if fewer than `reach`.

    Call arguments:
        encoded: `(batch, steps, features)`.
        measured: `(batch, steps, outputs)`, optional. The true activity. In training, the
            previous output is taken from it with probability `teacher_forcing` (a non-trainable
            variable; drawn for every window and step), else it is the decoder's own: scheduled
            sampling, Bengio et al. (2015), arXiv 1506.03099.
        mask: `(batch, steps)` bool, optional. False on padding.

    Returns:
        `(batch, steps, outputs)` activity and `(batch, steps, steps)` alignment: row `i` holds the
        attention weights of step `i` over the encoded steps; they sum to one.
    """

    def __init__(
        self,
        units: int,
        attention_units: int,
        outputs: int,
        reach: int | None = None,
        ahead: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if ahead is not None and (reach is None or ahead > reach):
            raise ValueError(f"ahead of {ahead} steps is not within a reach of {reach}")
        self.units = units
        self.attention_units = attention_units
        self.outputs = outputs
        self.reach = reach
        self.ahead = ahead
        self.attention_window: AttentionWindow = (
            None if reach is None else (reach, reach if ahead is None else ahead)
        )
        self.first_state = keras.layers.Dense(units, activation="tanh", name="first_state")
        self.query = keras.layers.Dense(attention_units, use_bias=False, name="query")
        self.key = keras.layers.Dense(attention_units, name="key")
        self.energy = keras.layers.Dense(1, use_bias=False, name="energy")
        self.cell = keras.layers.LSTMCell(units, name="cell")
        self.head = keras.layers.Dense(outputs, activation="sigmoid", name="head")
        self.seed = keras.random.SeedGenerator(0)
        self.supports_masking = True
        # XLA cannot compile the gradient of a loop of unknown length.
        self.supports_jit = False

    def build(self, encoded_shape: Any, *_: Any) -> None:
        """Create the weights for encoded steps of this shape."""
        features = encoded_shape[-1]
        self.first_state.build((None, features))
        self.query.build((None, self.units))
        self.key.build((None, None, features))
        self.energy.build((None, None, self.attention_units))
        self.cell.build((None, self.outputs + features))
        self.head.build((None, self.units + features))
        self.teacher_forcing = self.add_weight(
            name="teacher_forcing", shape=(), initializer="ones", trainable=False
        )
        self.built = True

    def step(self, encoded: Any, keys: Any, mask: Any, previous: Any, state: Any) -> Any:
        """Decode one step, from the encoded steps of its attention window.

        Args:
            encoded: `(batch, window, features)`.
            keys: `(batch, window, attention_units)`, U h_j + b.
            mask: `(batch, window)` bool or None.
            previous: `(batch, outputs)`, the previous output.
            state: `(batch, units)` twice, hidden and carry of the previous step.

        Returns:
            `(batch, outputs)` output, `(batch, window)` attention weights and the new state.
        """
        query = self.query(state[0])[:, None, :]  # (batch, 1, attention_units)
        scores = self.energy(keras.ops.tanh(keys + query))[..., 0]  # (batch, window)
        if mask is not None:
            scores = keras.ops.where(mask, scores, MASKED_SCORE)
        attention_weights = keras.ops.softmax(scores)
        context = keras.ops.einsum("bt,btf->bf", attention_weights, encoded)  # (batch, features)
        hidden, state = self.cell(keras.ops.concatenate([previous, context], axis=-1), state)
        output = self.head(keras.ops.concatenate([hidden, context], axis=-1))  # (batch, outputs)
        return output, attention_weights, state

    def call(
        self, encoded: Any, measured: Any = None, mask: Any = None, training: bool = False
    ) -> tuple[Any, Any]:
        """See the class."""
        batch = encoded.shape[0] or tf.shape(encoded)[0]
        steps = encoded.shape[1] or tf.shape(encoded)[1]
        if mask is None:
            mask = tf.ones((batch, steps), tf.bool)
        keys, hidden = self.key(encoded), self.first_state(encoded[:, 0])
        if training:
            use_truth = tf.zeros((steps, batch, 1), tf.bool)
            truth = tf.zeros((steps, batch, self.outputs), encoded.dtype)
            if measured is not None:
                draw = keras.random.uniform((steps, batch, 1), seed=self.seed)
                use_truth, truth = draw < self.teacher_forcing, tf.transpose(measured, (1, 0, 2))
            activity, alignment = decode(
                tf.transpose(encoded, (1, 0, 2)), tf.transpose(keys, (1, 0, 2)), hidden,
                self._weights(),
                mask=tf.transpose(mask), use_truth=use_truth, truth=truth,
                attention_window=self.attention_window,
            )  # fmt: skip
            activity = tf.transpose(activity, (1, 0, 2))
            alignment = tf.transpose(alignment, (2, 0, 1))
        else:
            activity, alignment = self._decode_freely(encoded, keys, mask, hidden)
        return activity, as_square_alignment(alignment, self.attention_window)

    def _decode_freely(self, encoded: Any, keys: Any, mask: Any, hidden: Any) -> tuple[Any, Any]:
        """All steps, each fed with the output of the previous one."""
        batch, steps = tf.shape(encoded)[0], tf.shape(encoded)[1]
        static_batch = encoded.shape[0]  # TensorFlow Lite needs static shapes
        series = [
            pad_for_attention(x, self.attention_window, axis=1) for x in (encoded, keys, mask)
        ]

        def body(i: Any, previous: Any, hidden: Any, carry: Any, out: Any, rows: Any) -> Any:
            encoded, keys, mask = (
                attention_slice(x, i, self.attention_window, axis=1) for x in series
            )
            output, alignment, (hidden, carry) = self.step(
                encoded, keys, mask, previous, [hidden, carry]
            )
            return i + 1, output, hidden, carry, out.write(i, output), rows.write(i, alignment)

        width = (
            encoded.shape[1] if self.attention_window is None else sum(self.attention_window) + 1
        )
        *_, out, rows = tf.while_loop(
            lambda i, *_: i < steps,
            body,
            (
                0,
                tf.zeros((batch, self.outputs), encoded.dtype),
                hidden,
                tf.zeros_like(hidden),
                tf.TensorArray(encoded.dtype, steps, element_shape=(static_batch, self.outputs)),
                tf.TensorArray(encoded.dtype, steps, element_shape=(static_batch, width)),
            ),
            maximum_iterations=steps,
        )
        activity, alignment = (tf.transpose(r.stack(), (1, 0, 2)) for r in (out, rows))
        return activity, alignment

    def _weights(self) -> Weights:
        layers = self.query, self.energy, self.cell, self.head
        query, energy, cell, recurrent, cell_bias, head, head_bias = (
            tf.convert_to_tensor(w) for layer in layers for w in layer.trainable_weights
        )
        return Weights(query, energy[:, 0], cell, recurrent, cell_bias, head, head_bias)

    def compute_output_spec(self, encoded: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Shapes of activity and alignment."""
        batch, time, _ = encoded.shape
        return (
            keras.KerasTensor((batch, time, self.outputs), encoded.dtype),
            keras.KerasTensor((batch, time, time), encoded.dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return super().get_config() | {
            "units": self.units,
            "attention_units": self.attention_units,
            "outputs": self.outputs,
            "reach": self.reach,
            "ahead": self.ahead,
        }
