"""A trained refiner: simulated activity in, EMG envelopes out."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.edge import (
    Network,
    Signals,
    StepNetwork,
    find_invalid_activity,
    refine_recording,
    refiner_folder,
)
from nem2e_tf.errors import InputError
from nem2e_tf.files import create_folder
from nem2e_tf.refiner import familiarity, intervals
from nem2e_tf.refiner.card import CARD, Card
from nem2e_tf.refiner.runtimes import WEIGHTS, KerasNetwork, open_network, write_keras_model
from nem2e_tf.signals import MuscleMap, Weights, combine, resample_to_rate


class Refiner:
    """A trained STDR-Net and its card.

    Args:
        card: Card.
        network: keras.Model of `(batch, time, inputs)` to `(batch, time, outputs)`, made by
            `nem2e_tf.network.stdr_net.stdr_net`, or the network in another runtime.
        folder: path or None. Where it was loaded from.
        runtime: str. What runs the network, as for `load`.
    """

    def __init__(
        self, card: Card, network: Any, folder: Path | None = None, runtime: str = "keras"
    ) -> None:
        if not hasattr(network, "layout"):
            network = KerasNetwork(network)
        self.network: Network = network
        shapes = self.network.layout.inputs, self.network.layout.outputs
        if shapes != (len(card.inputs), len(card.outputs)):
            raise InputError(
                f"{folder or card.name}: the network has {shapes[0]} inputs and {shapes[1]}"
                f" outputs, the card {len(card.inputs)} and {len(card.outputs)}"
            )
        self.card = card
        self.folder = folder
        self.runtime = runtime
        self.muscles = MuscleMap.parse(card.muscles, f"{folder or card.name}")
        self.signals = Signals.from_card(card.model_dump())

    def __repr__(self) -> str:
        facts = f"window {self.card.window:g} s", f"runtime {self.runtime}"
        return self.signals.describe(f"Refiner '{self.card.name}'", *facts)

    @property
    def model(self) -> Any:
        """The Keras model; `InputError` in another runtime."""
        if not isinstance(self.network, KerasNetwork):
            raise InputError(f"{self.card.name}: this needs the runtime keras")
        return self.network.model

    def step_network(self) -> StepNetwork:
        """The network step by step, for a stream; `InputError` if its runtime has no steps."""
        if isinstance(self.network, KerasNetwork):
            return self.network.step_network()
        if not isinstance(self.network, StepNetwork):
            raise InputError(
                f"{self.card.name}: SavedModel and ONNX refine whole recordings; for a stream"
                " choose the runtime tflite, tflite-int8 or keras"
            )
        return self.network

    def columns(self, available: Iterable[str], side: str, source: str) -> dict[str, Weights]:
        """Columns and weights of each input channel; `InputError` if one is missing.

        Args:
            available: iterable of str. Muscles of a model, or columns of a file.
            side: str. `r` or `l`.
            what: str. The model or file, for messages.
        """
        return self.muscles.require_columns(self.card.inputs, available, side, source)

    def names(self, available: Iterable[str], side: str) -> list[str]:
        """Names of the outputs: each is the input's name of the first muscle of its channel."""
        columns = self.muscles.columns(available, side)
        return [next(iter(columns.get(c, {c: 1.0}))) for c in self.card.outputs]

    def refine(self, frame: pd.DataFrame, side: str | None = None) -> pd.DataFrame:
        """Refine simulated muscle activity into EMG envelopes.

        Recordings longer than the refiner's window are refined in windows that overlap by half
        and are cross-faded.

        Args:
            frame: `(rows, columns)`, activations 0-1, index `time` in seconds. Columns are
                muscles as gait2392 or the Rajagopal models name them, or channels.
            side: str or None. `r` or `l`; None if the columns are of one side only.

        Returns:
            `(frames, outputs)` envelopes at the refiner's rate. A column is named as the first
            muscle that its channel stands for is named in `frame`. The card says what 1 means.

        Raises:
            InputError: a muscle is missing, or activity is not 0-1.
        """
        side = side or self.muscles.find_side(self.card.inputs, frame.columns)
        channels = self.channels(frame, side)
        window = round(self.card.window * self.card.rate)
        shares = channels.to_numpy() / self.signals.input_maximum
        refined = refine_recording(self.network, shares, window)
        names = self.names(frame.columns, side)
        envelopes = refined * self.signals.output_maximum
        return pd.DataFrame(envelopes, index=channels.index, columns=names)

    def interval(self, refined: pd.DataFrame) -> pd.DataFrame:
        """Prediction interval for the measured envelopes of a new person.

        Args:
            refined: `(frames, outputs)`, as `refine` returns it.

        Returns:
            `(frames, 2 * outputs)`, a column `<name>_lower` and one `<name>_upper` for every column
            of `refined`: bounds that contain 90 % of the samples of people like those of the
            calibration, on average over people.

        Raises:
            InputError: the card has no interval.
        """
        maximum = self.signals.output_maximum
        lower, upper = intervals.prediction_interval(self.offsets(), refined.to_numpy() / maximum)
        bounds = {}
        for i, name in enumerate(refined.columns):
            bounds[f"{name}_lower"] = lower[:, i] * maximum[i]
            bounds[f"{name}_upper"] = upper[:, i] * maximum[i]
        return pd.DataFrame(bounds, index=refined.index)

    def offsets(self) -> list[intervals.Offsets]:
        """Offsets of the prediction interval, by output; `InputError` if the card has none."""
        if self.card.interval is None:
            raise InputError(f"{self.card.name}: this refiner's card has no prediction interval")
        return [self.card.interval[c] for c in self.card.outputs]

    def unfamiliar_inputs(self, frame: pd.DataFrame, side: str | None = None) -> list[str]:
        """Ways in which simulated activity differs from the refiner's training data.

        Args:
            frame: as for `refine`.
            side: as for `refine`.

        Returns:
            A line for each finding, the most unusual first. Empty if there is none, or if the card
            has no ranges.
        """
        if self.card.familiar is None:
            return []
        side = side or self.muscles.find_side(self.card.inputs, frame.columns)
        channels = self.channels(frame, side)
        findings = familiarity.find_unusual(
            channels.to_numpy(), self.card.familiar, self.card.rate, float(channels.index[0])
        )
        return familiarity.describe(findings)

    def channels(self, frame: pd.DataFrame, side: str) -> pd.DataFrame:
        """Input channels `(frames, inputs)` at the card's rate, from activity as for `refine`."""
        source = str(frame.attrs.get("path", "simulated activity"))
        columns = self.columns(frame.columns, side, source)
        used = frame[sorted({column for weights in columns.values() for column in weights})]
        _check_activity(used, source)
        return combine(resample_to_rate(used, self.card.rate, source), columns)


def load(refiner: str | os.PathLike[str], runtime: str = "keras") -> Refiner:
    """Load a refiner.

    Args:
        refiner: str or path. The name of a shipped refiner (`walking`, `running`), or a folder
            that holds `refiner.keras` and `card.json`. A name wins over a folder of that name;
            write `./walking` for the folder.
        runtime: str. Runtime of the network: `keras`, or, for an exported refiner,
            `savedmodel`, `tflite`, `tflite-int8` or `onnx`.

    Raises:
        InputError: there is no such refiner, its card or network cannot be read, or there is no
            such runtime.
    """
    folder = refiner_folder(refiner)
    return Refiner(Card.read(folder / CARD), open_network(folder, runtime), folder, runtime)


def save(refiner: Refiner, folder: str | os.PathLike[str]) -> None:
    """Write a refiner's folder, whole or not at all.

    Raises:
        InputError: something is there already, or the folder around it cannot be written to.
    """
    with create_folder(folder) as temporary:
        write_keras_model(refiner.model, temporary / WEIGHTS)
        refiner.card.write(temporary / CARD)


def _check_activity(frame: pd.DataFrame, source: str) -> None:
    values = frame.to_numpy(dtype=float)
    position = find_invalid_activity(values)
    if position is not None:
        row, column = position
        raise InputError(
            f"{source}: column '{frame.columns[column]}' is {values[row, column]:g} at time"
            f" {frame.index[row]:g} s; simulated activity is 0-1"
        )
