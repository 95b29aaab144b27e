"""Windows a second in training, beside the same network written as a plain Keras RNN.

    python -m tests.benchmarks.training_speed

Both networks have the same layers and weights and give the same output; `fit` runs both, on the
same synthetic windows. Plain is what a Keras user writes first: the decoder a cell under
`keras.layers.RNN` that attends over the captured encoder outputs, Adam, batches of 32.
"""

from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
import typer

from nem2e_tf import terminal
from nem2e_tf.stdr_net import Fold, PaddingMask, Unfold, stdr_net, with_teacher
from training.experiment import CONFIGS, read_experiment
# from training.fit import trainer_of

CHANNELS, FRAMES, PLAIN_BATCH = 9, 100, 32


class AttentionCell(keras.layers.Layer):
    """A step of the decoder, as `keras.layers.RNN` wants it.

    Inputs are the measured activity of the step before and, in the last column, whether it is to
    be taken; states hidden, carry, output and number of the step before.
    """

    def __init__(
        self, units: int, attention_units: int, outputs: int, reach: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.reach = reach
        self.query = keras.layers.Dense(attention_units, use_bias=False)
        self.energy = keras.layers.Dense(1, use_bias=False)
        self.cell = keras.layers.LSTMCell(units)
        self.head = keras.layers.Dense(outputs, activation="sigmoid")
        self.state_size = [units, units, outputs, 1]
        self.output_size = outputs
        self.over: tuple[Any, Any, Any] = (None, None, None)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Output and states of the step."""
        encoded, keys, mask = self.over
        hidden, carry, output, number = states
        previous = keras.ops.where(inputs[:, -1:] > 0, inputs[:, :-1], output)
        query = self.query(hidden)[:, None]
        energy = keras.ops.squeeze(self.energy(keras.ops.tanh(keys + query)), -1)
        seen = mask
        if self.reach is not None:
            places = keras.ops.arange(keras.ops.shape(keys)[1], dtype="float32")
            seen = keras.ops.logical_and(seen, keras.ops.abs(places - number) <= self.reach)
        alignment = keras.ops.softmax(keras.ops.where(seen, energy, -1e9))
        context = keras.ops.sum(alignment[..., None] * encoded, axis=1)
        hidden, (_, carry) = self.cell(
            keras.ops.concatenate([previous, context], -1), [hidden, carry]
        )
        output = self.head(keras.ops.concatenate([hidden, context], -1))
        return output, [hidden, carry, output, number + 1]


class PlainDecoder(keras.layers.Layer):
    """The decoder of STDR-Net under `keras.layers.RNN`."""

    def __init__(
        self, units: int, attention_units: int, outputs: int, reach: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.first_state = keras.layers.Dense(units, activation="tanh")
        self.key = keras.layers.Dense(attention_units)
        self.attention_cell = AttentionCell(units, attention_units, outputs, reach)
        self.rnn = keras.layers.RNN(self.attention_cell, return_sequences=True)
        self.seed = keras.random.SeedGenerator(0)
        self.teacher_forcing = self.add_weight(shape=(), initializer="ones", trainable=False)

    def call(self, encoded: Any, measured: Any, mask: Any, training: bool = False) -> Any:
        """`(batch, steps, outputs)`."""
        batch, steps = keras.ops.shape(encoded)[0], keras.ops.shape(encoded)[1]
        before = keras.ops.pad(measured, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        coin = keras.random.uniform((batch, steps, 1), seed=self.seed)
        share = self.teacher_forcing if training else 0.0
        taken = keras.ops.cast(keras.ops.logical_and(coin < share, True), "float32")
        first = self.first_state(encoded[:, 0])
        self.attention_cell.over = (encoded, self.key(encoded), mask)
        states = [
            first, keras.ops.zeros_like(first), keras.ops.zeros_like(before[:, 0]),
            keras.ops.zeros_like(first[:, :1]),
        ]  # fmt: skip
        # The first step's output before is zero, and so is what was measured before it.
        return self.rnn(keras.ops.concatenate([before, taken], -1), initial_state=states)


def plain_net(
    inputs: int, outputs: int, *, encoder_units: int = 32, decoder_units: int = 48,
    attention_units: int = 32, dropout: float = 0.1, frames: int = 4, reach: int | None = 10,
) -> keras.Model:  # fmt: skip
    """The network of `with_teacher(stdr_net(...))`, plainly."""
    simulated = keras.Input((None, inputs), name="simulated")
    measured = keras.Input((None, outputs), name="measured")
    fold = Fold(frames)
    steps = fold(simulated)
    mask = PaddingMask()(steps)
    encoder = keras.layers.Bidirectional(keras.layers.LSTM(encoder_units, return_sequences=True))
    encoded = keras.layers.Dropout(dropout)(encoder(steps, mask=mask))
    decoder = PlainDecoder(decoder_units, attention_units, outputs * frames, reach)
    activity = decoder(encoded, fold(measured), mask)
    return keras.Model(
        {"simulated": simulated, "measured": measured}, Unfold(frames)(activity, simulated)
    )


def copy_weights(model: keras.Model, plain: keras.Model) -> None:
    """Give a plain network the weights of `stdr_net`'s."""
    ours, its = model.get_layer("decoder"), plain.layers
    theirs = next(layer for layer in its if isinstance(layer, PlainDecoder))
    cell = theirs.attention_cell
    pairs = [
        (ours.first_state, theirs.first_state), (ours.key, theirs.key), (ours.query, cell.query),
        (ours.energy, cell.energy), (ours.cell, cell.cell), (ours.head, cell.head),
        (model.get_layer("encoder"), next(x for x in its if isinstance(x, keras.layers.Bidirectional))),
    ]  # fmt: skip
    for one, other in pairs:
        other.set_weights(one.get_weights())
    theirs.teacher_forcing.assign(ours.teacher_forcing)
