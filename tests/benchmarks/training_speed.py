"""Windows a second in training, beside the same network written as a plain Keras RNN.

    python -m tests.benchmarks.training_speed

All run through `fit` on the same synthetic windows, each network in a process of its own, in turn.
Ours is what `training.fit` compiles, at its batch and with its threads. Plain is what a Keras user
writes first: the decoder a cell under `keras.layers.RNN` that attends over the captured encoder
outputs, Adam, batches of 32, TensorFlow as it comes; once as the same network, which gives the same
output for the same weights, and once with every frame a step and attention over the whole window.

No dataset is tuned as it runs: the thread that tunes holds the end of a `fit` until it wakes, at
2.6, 5.1, 10.2 s and so on, whatever network it is.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
import typer

from nem2e_tf.cli import terminal
from nem2e_tf.network.stdr_net import Fold, PaddingMask, Unfold, build_training_model, stdr_net
from nem2e_tf.pipeline.windows import disable_autotuning
from nem2e_tf.signals import RATE
from training.experiment import read_experiment
from training.fit import configure_tensorflow, make_optimizer
from training.places import CONFIGS, REPOSITORY

CHANNELS, PLAIN_BATCH = 9, 32


class Kind(StrEnum):
    """What is fitted."""

    ours = "ours"
    plain = "plain"
    plain_every_frame = "plain_every_frame"


class AttentionCell(keras.layers.Layer):
    """A step of the decoder, as `keras.layers.RNN` wants it.

    Inputs are the measured activity of the step before and, in the last column, whether it is to
    be taken; states hidden, carry, output and number of the step before.
    """

    def __init__(
        self, units: int, attention_units: int, outputs: int, reach: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.attention_units, self.reach = units, attention_units, reach
        self.query = keras.layers.Dense(attention_units, use_bias=False)
        self.energy = keras.layers.Dense(1, use_bias=False)
        self.cell = keras.layers.LSTMCell(units)
        self.head = keras.layers.Dense(outputs, activation="sigmoid")
        self.state_size = [units, units, outputs, 1]
        self.output_size = outputs
        self.over: tuple[Any, Any, Any] = (None, None, None)

    def build(self, inputs_shape: Any) -> None:
        """Make the weights; `over` is set."""
        outputs, features = inputs_shape[-1] - 1, self.over[0].shape[-1]
        self.query.build((None, self.units))
        self.energy.build((None, None, self.attention_units))
        self.cell.build((None, outputs + features))
        self.head.build((None, self.units + features))

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
        self.supports_masking = True

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


def build_plain_network(
    inputs: int, outputs: int, *, encoder_units: int = 32, decoder_units: int = 48,
    attention_units: int = 32, dropout: float = 0.1, frames: int = 4, reach: int | None = 5,
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


def trainable_weights(network: keras.Model) -> list[Any]:
    """The trainable weights of either network, in the same order."""
    by_kind = {type(layer).__name__: layer for layer in network.layers}
    decoder = by_kind.get("AttentionDecoder") or by_kind["PlainDecoder"]
    within = getattr(decoder, "attention_cell", decoder)
    layers = [
        by_kind["Bidirectional"], decoder.first_state, decoder.key,
        within.query, within.energy, within.cell, within.head,
    ]  # fmt: skip
    return [weight for layer in layers for weight in layer.trainable_weights]


def copy_weights(model: keras.Model, plain: keras.Model) -> None:
    """Give a plain network the weights of `stdr_net`'s."""
    for one, other in zip(trainable_weights(model), trainable_weights(plain), strict=True):
        other.assign(one)
    forcing = model.get_layer("decoder").teacher_forcing
    next(x for x in plain.layers if isinstance(x, PlainDecoder)).teacher_forcing.assign(forcing)


def make_training_run(
    network: keras.Model, batch: int, frames: int, steps: int
) -> Callable[[], float]:
    """A function that fits for so many steps and gives windows a second."""
    values = np.random.default_rng(0).random((2, 4 * batch, frames, CHANNELS), dtype=np.float32)
    x, y = ({"simulated": values[0], "measured": values[1]}, values[1])
    ones = np.ones(values.shape[1:3], np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((x, y, ones)).cache().repeat()
    dataset = disable_autotuning(
        dataset.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    )

    def run(steps: int = steps) -> float:
        begun = perf_counter()
        network.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)
        return steps * batch / (perf_counter() - begun)

    run(3)  # compiles
    return run


def measure_network(kind: Kind, frames: int, steps: int) -> dict[str, Any]:
    """What one network does in this process."""
    experiment = read_experiment(CONFIGS / "walking.yaml")
    network = stdr_net(CHANNELS, CHANNELS, **experiment.network)
    differences: dict[str, Any] = {}
    if kind is Kind.ours:
        fitted, batch = build_training_model(network), experiment.batch
        fitted.compile(make_optimizer(experiment), loss="mse")
    else:
        every_frame = {"frames": 1, "reach": None} if kind is Kind.plain_every_frame else {}
        fitted = build_plain_network(CHANNELS, CHANNELS, **experiment.network | every_frame)
        batch = PLAIN_BATCH
        fitted.compile("adam", "mse")
    if kind is Kind.plain:
        copy_weights(network, fitted)
        x = np.random.default_rng(1).random((4, frames, CHANNELS), dtype=np.float32)
        outputs = network(x), fitted({"simulated": x, "measured": x})
        differences["largest_difference_of_outputs"] = float(np.abs(np.subtract(*outputs)).max())
    run = make_training_run(fitted, batch, frames, steps)
    rate = median(run() for _ in range(5))
    return differences | {
        "batch": batch,
        "parameters": fitted.count_params(),
        "windows_per_second": rate,
    }


def main(
    repeats: Annotated[int, typer.Option(help="Processes of each network, in turn.")] = 5,
    steps: Annotated[int, typer.Option(help="Training steps a time.")] = 60,
    seconds: Annotated[float, typer.Option(help="Length of a window.")] = 1.0,
    only: Annotated[Kind | None, typer.Option(help="This one alone, in this process.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure all in one run."""
    if only is not None:
        (configure_tensorflow if only is Kind.ours else terminal.import_tensorflow_quietly)()
        terminal.print_json(measure_network(only, round(seconds * RATE), steps))
        return
    options = ["--steps", str(steps), "--seconds", str(seconds), "--json"]
    runs: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in Kind}
    for _ in range(repeats):
        for kind in Kind:
            command = [sys.executable, "-m", "tests.benchmarks.training_speed", "--only", kind]
            made = subprocess.run(
                [*command, *options], cwd=REPOSITORY, check=True,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            runs[kind].append(json.loads(made.stdout))
    rates = {kind: [run["windows_per_second"] for run in of] for kind, of in runs.items()}
    result = {
        "frames": round(seconds * RATE),
        "networks": {
            kind: of[0] | {"windows_per_second": median(rates[kind])} for kind, of in runs.items()
        },
        "ratio": {
            kind: median(a / b for a, b in zip(rates[Kind.ours], rates[kind], strict=True))
            for kind in (Kind.plain, Kind.plain_every_frame)
        },
    }
    if as_json:
        terminal.print_json(result)
    else:
        for name, value in result.items():
            terminal.stdout.print(f"{name}: {value}")


if __name__ == "__main__":
    app = terminal.make_app("Training beside plain Keras.")
    app.command()(main)
    terminal.run(app)
