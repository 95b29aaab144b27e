"""STDR-Net: a sequence-to-sequence network that refines simulated muscle activity.

Teramae, Matsubara, Noda and Morimoto (2025), "Neural-enhanced motion-to-EMG: refining simulated
muscle activity from musculoskeletal models using a Seq2Seq approach", Frontiers in
Bioengineering and Biotechnology, doi 10.3389/fbioe.2025.1611414.

The attention is the additive one of Bahdanau, Cho and Bengio (2015), "Neural machine translation
by jointly learning to align and translate", arXiv 1409.0473. Departures from it: LSTM cells in
place of GRUs (embedded runtimes have a kernel for them), a sigmoid head in place of the maxout
output layer, and the envelope itself, not an embedded word, fed back. Encoder and decoder go in
steps of several frames, as Wang et al. (2017), "Tacotron", arXiv 1703.10135, let a decoder do:
envelopes change slower than their frames. Attention looks as far as a `reach` to either side, the
local attention of Luong, Pham and Manning (2015), arXiv 1508.04025, around the frame itself.
"""

from typing import Any

import keras
import tensorflow as tf

from nem2e_tf.decoding import UNSEEN, Weights, around, decode, placed, seen

PADDING = -1.0
"""What all input channels hold in a frame that is padding. Activity is never negative."""


@keras.saving.register_keras_serializable("nem2e_tf")
class PaddingMask(keras.layers.Layer):
    """`(batch, time, channels)` to `(batch, time)` bool, False on frames that are padding."""

    def call(self, simulated: Any) -> Any:
        """See the class."""
        return keras.ops.any(keras.ops.not_equal(simulated, PADDING), axis=-1)


@keras.saving.register_keras_serializable("nem2e_tf")
class Fold(keras.layers.Layer):
    """`(batch, time, channels)` to `(batch, steps, frames * channels)`: some frames in each step.

    The last step is filled up with `PADDING`.

    Args:
        frames: int. Frames in a step.
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, series: Any) -> Any:
        """See the class."""
        channels = series.shape[-1]
        time = series.shape[1] or tf.shape(series)[1]
        filled = tf.pad(series, [[0, 0], [0, -time % self.frames], [0, 0]], constant_values=PADDING)
        return tf.reshape(
            filled, (tf.shape(series)[0], -(-time // self.frames), self.frames * channels)
        )

    def compute_output_shape(self, shape: Any) -> Any:
        """Shape of the folded series."""
        batch, time, channels = shape
        return batch, None if time is None else -(-time // self.frames), self.frames * channels

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable("nem2e_tf")
class Unfold(keras.layers.Layer):
    """Steps back to frames: undoes `Fold`, to the length of the series that it is shown."""

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames
        self.supports_masking = True

    def call(self, steps: Any, series: Any) -> Any:
        """See the class."""
        channels = steps.shape[-1] // self.frames
        time = series.shape[1] or tf.shape(series)[1]
        return tf.reshape(steps, (tf.shape(steps)[0], -1, channels))[:, :time]

    def compute_mask(self, *_: Any) -> None:
        """None: a mask of steps says nothing of frames; the loss takes sample weights."""

    def compute_output_shape(self, steps_shape: Any, series_shape: Any) -> Any:
        """Shape of the series."""
        return *series_shape[:2], steps_shape[-1] // self.frames

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable("nem2e_tf")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder that asks, at every step, where in the encoded motion to look.

    At step `i`, with the hidden state `s` and the output `y` of the step before and the encoded
    steps `h_j`, `|j - i| <= reach` (Bahdanau, Cho and Bengio 2015, appendix A.1.2):

        e_ij = v · tanh(W s_{i-1} + U h_j + b)      energy
        a_ij = softmax_j(e_ij)                      alignment, zero on padding
        c_i  = Σ_j a_ij h_j                         context vector
        s_i  = LSTM([y_{i-1}, c_i], s_{i-1})        y_{-1} = 0
        y_i  = sigmoid(V [s_i, c_i] + d)            activity, 0-1

    The first state is tanh(P h_0 + p): `h_0` ends the backward encoder's way over the window.

    Args:
        units: int. Size of the cell's hidden state.
        attention_units: int. Size of the space in which state and encoded steps are compared.
        outputs: int. Muscles, times the frames of a step.
        reach: int or None. Steps before and after its own that a step looks at; None: all.

    Call arguments:
        encoded: `(batch, steps, features)`.
        measured: `(batch, steps, outputs)`, optional. The true activity. In training the step
            before is taken from it with probability `teacher_forcing` (a variable that training
            does not change, drawn for every window and step), else from the decoder's own
            output: scheduled sampling, Bengio et al. (2015), arXiv 1506.03099.
        mask: `(batch, steps)` bool, optional. False on padding.

    Returns:
        `(batch, steps, outputs)` activity and `(batch, steps, steps)` alignment: row `i` says which
        encoded steps output step `i` was read from, and adds up to one.
    """

    def __init__(
        self,
        units: int,
        attention_units: int,
        outputs: int,
        reach: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.attention_units = attention_units
        self.outputs = outputs
        self.reach = reach
        self.first_state = keras.layers.Dense(units, activation="tanh", name="first_state")
        self.query = keras.layers.Dense(attention_units, use_bias=False, name="query")
        self.key = keras.layers.Dense(attention_units, name="key")
        self.energy = keras.layers.Dense(1, use_bias=False, name="energy")
        self.cell = keras.layers.LSTMCell(units, name="cell")
        self.head = keras.layers.Dense(outputs, activation="sigmoid", name="head")
        self.seed = keras.random.SeedGenerator(0)
        self.supports_masking = True
        # XLA refuses the gradient of a loop whose length is not known when it compiles.
        self.supports_jit = False

    def build(self, encoded_shape: Any, *_: Any) -> None:
        """Make the weights for encoded steps of this shape."""
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
        """Decode one step, from the encoded steps within its reach.

        Args:
            encoded: `(batch, seen, features)`.
            keys: `(batch, seen, attention_units)`, U h_j + b.
            mask: `(batch, seen)` bool or None.
            previous: `(batch, outputs)`, the output of the step before.
            state: `(batch, units)` twice, hidden and carry of the step before.

        Returns:
            `(batch, outputs)` output, `(batch, seen)` alignment and the state.
        """
        energy = self.energy(keras.ops.tanh(keys + self.query(state[0])[:, None, :]))[..., 0]
        if mask is not None:
            energy = keras.ops.where(mask, energy, UNSEEN)
        alignment = keras.ops.softmax(energy)
        context = keras.ops.einsum("bt,btf->bf", alignment, encoded)
        hidden, state = self.cell(keras.ops.concatenate([previous, context], axis=-1), state)
        output = self.head(keras.ops.concatenate([hidden, context], axis=-1))
        return output, alignment, state

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
            teach = tf.zeros((steps, batch, 1), tf.bool)
            truth = tf.zeros((steps, batch, self.outputs), encoded.dtype)
            if measured is not None:
                coin = keras.random.uniform((steps, batch, 1), seed=self.seed)
                teach, truth = coin < self.teacher_forcing, tf.transpose(measured, (1, 0, 2))
            activity, alignment = decode(
                tf.transpose(encoded, (1, 0, 2)), tf.transpose(keys, (1, 0, 2)), hidden,
                self._weights(),
                mask=tf.transpose(mask), teach=teach, truth=truth, reach=self.reach,
            )  # fmt: skip
            activity = tf.transpose(activity, (1, 0, 2))
            alignment = tf.transpose(alignment, (2, 0, 1))
        else:
            activity, alignment = self._run_freely(encoded, keys, mask, hidden)
        return activity, placed(alignment, self.reach)

    def _run_freely(self, encoded: Any, keys: Any, mask: Any, hidden: Any) -> tuple[Any, Any]:
        """All steps of `step`, from its own output on."""
        batch, steps = tf.shape(encoded)[0], tf.shape(encoded)[1]
        series = [around(x, self.reach, axis=1) for x in (encoded, keys, mask)]

        def body(i: Any, previous: Any, hidden: Any, carry: Any, out: Any, rows: Any) -> Any:
            encoded, keys, mask = (seen(x, i, self.reach, axis=1) for x in series)
            output, alignment, (hidden, carry) = self.step(
                encoded, keys, mask, previous, [hidden, carry]
            )
            return i + 1, output, hidden, carry, out.write(i, output), rows.write(i, alignment)

        width = encoded.shape[1] if self.reach is None else 2 * self.reach + 1
        *_, out, rows = tf.while_loop(
            lambda i, *_: i < steps,
            body,
            (
                0,
                tf.zeros((batch, self.outputs), encoded.dtype),
                hidden,
                tf.zeros_like(hidden),
                tf.TensorArray(encoded.dtype, steps, element_shape=(None, self.outputs)),
                tf.TensorArray(encoded.dtype, steps, element_shape=(None, width)),
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
        """Shapes of activity and alignment, for building a graph."""
        batch, time, _ = encoded.shape
        return (
            keras.KerasTensor((batch, time, self.outputs), encoded.dtype),
            keras.KerasTensor((batch, time, time), encoded.dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
        return super().get_config() | {
            "units": self.units,
            "attention_units": self.attention_units,
            "outputs": self.outputs,
            "reach": self.reach,
        }


def stdr_net(
    inputs: int,
    outputs: int,
    *,
    encoder_units: int = 32,
    decoder_units: int = 48,
    attention_units: int = 32,
    dropout: float = 0.1,
    frames: int = 4,
    reach: int | None = 20,
) -> keras.Model:
    """Build STDR-Net as one functional Keras model that runs freely on its own output.

    Args:
        inputs: int. Simulated channels.
        outputs: int. Muscles.
        encoder_units: int. Hidden state of the encoder's LSTM, in each direction.
        decoder_units: int. Hidden state of the decoder's LSTM.
        attention_units: int. Size of the attention's comparison space.
        dropout: float. Share of the encoded features that a training step leaves out.
        frames: int. Frames that encoder and decoder take in one step.
        reach: int or None. Steps to either side that attention looks at; None: all.

    Returns:
        Model of `(batch, time, inputs)`, simulated activity with each channel divided by its
        training maximum, to `(batch, time, outputs)`, envelopes in 0-1, 1 being the training
        maximum. Any length of time. Frames that hold `PADDING` in all channels are not looked at.

    Example:

        model = stdr_net(inputs=9, outputs=9)
        trainer = with_teacher(model)
        trainer.compile("adam", "mse")
        trainer.fit(dataset, callbacks=[ScheduledSampling(epochs=20)])
        envelopes = model.predict(simulated)
    """
    # Layers
    fold, unfold = Fold(frames, name="steps"), Unfold(frames, name="frames")
    padding_mask = PaddingMask(name="mask")
    encoder = keras.layers.Bidirectional(
        keras.layers.LSTM(encoder_units, return_sequences=True), name="encoder"
    )
    thin_out = keras.layers.Dropout(dropout, name="encoded")
    decoder = AttentionDecoder(
        decoder_units, attention_units, outputs * frames, reach, name="decoder"
    )

    # Graph
    simulated = keras.Input((None, inputs), name="simulated")
    steps = fold(simulated)
    mask = padding_mask(steps)
    encoded = thin_out(encoder(steps, mask=mask))
    activity, _ = decoder(encoded, mask=mask)
    return keras.Model(simulated, unfold(activity, simulated), name="stdr_net")


def with_teacher(model: keras.Model) -> keras.Model:
    """The graph to fit: the same layers, with the measured envelopes as teacher.

    Args:
        model: keras.Model made by `stdr_net`. Fitting the result fits it.

    Returns:
        Model of `{"simulated": (batch, time, inputs), "measured": (batch, time, outputs)}` to
        `(batch, time, outputs)`. In `evaluate` and `predict` the teacher is not asked.
    """
    fold, unfold, decoder = (model.get_layer(name) for name in ("steps", "frames", "decoder"))
    measured = keras.Input((None, model.output_shape[-1]), name="measured")
    activity, _ = decoder(
        model.get_layer("encoded").output, fold(measured), mask=model.get_layer("mask").output
    )
    inputs = {"simulated": model.input, "measured": measured}
    return keras.Model(inputs, unfold(activity, measured), name="stdr_net_with_teacher")


def with_alignment(model: keras.Model) -> keras.Model:
    """The same layers, giving `(activity, alignment)`.

    Activity is `(batch, time, outputs)`; the alignment `(batch, steps, steps)`, in steps of the
    network's `frames`; see `AttentionDecoder`.
    """
    _, alignment = model.get_layer("decoder").output
    return keras.Model(model.input, [model.output, alignment], name="stdr_net_with_alignment")


class ScheduledSampling(keras.callbacks.Callback):
    """Weans the decoder from its teacher: forcing falls in a straight line from 1 to 0.

    Args:
        epochs: int. The epoch from which the decoder runs freely.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the share of frames that the teacher gives."""
        share = max(0.0, 1.0 - epoch / self.epochs) if self.epochs > 0 else 0.0
        self.model.get_layer("decoder").teacher_forcing.assign(share)
