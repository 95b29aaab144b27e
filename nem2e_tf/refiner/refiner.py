"""A trained refiner: simulated activity in, EMG envelopes out."""

import importlib.metadata
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from nem2e_tf.edge import (
    LARGEST_RATE,
    LONGEST_WINDOW,
    Network,
    Signals,
    StepNetwork,
    outside,
    refiner_folder,
    windows,
)
from nem2e_tf.errors import InputError
from nem2e_tf.files import new_folder, replacing
from nem2e_tf.refiner import familiarity, intervals
from nem2e_tf.refiner.runtimes import WEIGHTS, KerasNetwork, open_network, write_keras_model
from nem2e_tf.signals import MuscleMap, Weights, at_rate, combine

CARD = "card.json"
Maximum = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class Source(BaseModel):
    """A recording that a refiner was fitted on: which part of it, and of whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str
    task: str
    start: float
    end: float
    synthetic: bool


class Card(BaseModel):
    """What has to be known of a refiner to use it and to judge it.

    Args:
        name: what it is called.
        summary: what it is for, in a sentence or two, with its limits.
        inputs: channels of simulated activity, in the network's order.
        outputs: channels of EMG envelopes, in the network's order.
        muscles: the muscle map, as plain tables; covers inputs and outputs.
        rate: Hz.
        window: seconds that the network sees at once.
        input_maximum: by channel, what the network calls 1 of the simulated activity.
        output_maximum: by channel, the envelope that the network calls 1.
        unit: what an envelope of 1 means.
        fitted_on: the data.
        scores: by channel, errors on data that the fit never saw.
        versions: the packages that made it.
        interval: by output, how far measured envelopes of people unseen in fitting were from
            refined ones, both as shares of the channel's maximum; None if that is not known.
        familiar: ranges of the simulated activity that it was fitted on, as
            `nem2e_tf.refiner.familiarity.learn` gives them; None if they are not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    summary: str
    inputs: list[str]
    outputs: list[str]
    muscles: dict[str, list[Weights]]
    rate: Annotated[PositiveFloat, Field(le=LARGEST_RATE)]
    window: Annotated[PositiveFloat, Field(le=LONGEST_WINDOW)]
    input_maximum: dict[str, Maximum]
    output_maximum: dict[str, Maximum]
    unit: str
    fitted_on: list[Source]
    scores: dict[str, Any]
    versions: dict[str, str]
    interval: dict[str, intervals.Offsets] | None = None
    familiar: dict[str, tuple[FiniteFloat, FiniteFloat]] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Card":
        for channel in {*self.inputs, *self.outputs} - set(self.muscles):
            raise ValueError(f"channel '{channel}' is not in muscles")
        if set(self.inputs) != set(self.input_maximum):
            raise ValueError("input_maximum does not list the inputs")
        if set(self.outputs) != set(self.output_maximum):
            raise ValueError("output_maximum does not list the outputs")
        if not self.inputs or not self.outputs:
            raise ValueError("no inputs or no outputs")
        if self.window * self.rate < 2:
            raise ValueError("the window is shorter than two frames")
        if self.interval is not None and set(self.interval) != set(self.outputs):
            raise ValueError("interval does not list the outputs")
        if self.familiar is not None:
            if list(self.familiar) != familiarity.names(self.inputs):
                raise ValueError("familiar does not describe the inputs")
            if any(low >= high for low, high in self.familiar.values()):
                raise ValueError("a range of familiar is empty")
        return self

    @classmethod
    def read(cls, path: Path) -> "Card":
        """Read card.json; `InputError` where it is missing or wrong."""
        if not path.is_file():
            raise InputError(f"{path.parent}: no {path.name} in this folder; it is not a refiner")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise InputError(f"{path}: {place}: {first['msg']}") from None

    def write(self, path: Path) -> None:
        """Write card.json."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


class Refiner:
    """A trained STDR-Net and its card.

    Args:
        card: Card.
        network: keras.Model of `(batch, time, inputs)` to `(batch, time, outputs)`, made by
            `nem2e_tf.network.stdr_net.stdr_net`, or the network in another runtime.
        folder: path or None. Where it was loaded from.
    """

    def __init__(self, card: Card, network: Any, folder: Path | None = None) -> None:
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
        self.muscles = MuscleMap.parse(card.muscles, f"{folder or card.name}")
        self.signals = Signals.of(card.model_dump())

    @property
    def model(self) -> Any:
        """The Keras model; `InputError` in another runtime."""
        if not isinstance(self.network, KerasNetwork):
            raise InputError(f"{self.card.name}: this needs the runtime keras")
        return self.network.model

    def stepwise(self) -> StepNetwork:
        """The network step by step, for a stream; `InputError` where its runtime has no steps."""
        if isinstance(self.network, KerasNetwork):
            return self.network.stepwise()
        if not isinstance(self.network, StepNetwork):
            raise InputError(
                f"{self.card.name}: SavedModel and ONNX refine whole recordings; for a stream"
                " choose the runtime tflite, tflite-int8 or keras"
            )
        return self.network

    def columns(self, available: Iterable[str], side: str, what: str) -> dict[str, Weights]:
        """The columns that give each input channel, or an `InputError` naming the one missing.

        Args:
            available: iterable of str. Muscles of a model, or columns of a file.
            side: str. `r` or `l`.
            what: str. The model or file, for messages.
        """
        return self.muscles.require(self.card.inputs, available, side, what)

    def names(self, available: Iterable[str], side: str) -> list[str]:
        """What the outputs are called: as the first muscle of their channel is in the input."""
        found = self.muscles.columns(available, side)
        return [next(iter(found.get(c, {c: 1.0}))) for c in self.card.outputs]

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
        side = side or self.muscles.side_of(self.card.inputs, frame.columns)
        channels = self.channels(frame, side)
        window = round(self.card.window * self.card.rate)
        shares = channels.to_numpy() / self.signals.input_maximum
        refined = windows.refined(self.network, shares, window)
        names = self.names(frame.columns, side)
        envelopes = refined * self.signals.output_maximum
        return pd.DataFrame(envelopes, index=channels.index, columns=names)

    def interval(self, refined: pd.DataFrame) -> pd.DataFrame:
        """Where the measured envelopes of a person unlike those fitted on are to be expected.

        Args:
            refined: `(frames, outputs)`, as `refine` gives it.

        Returns:
            `(frames, 2 * outputs)`, for every column of `refined` one that ends in `_lower` and one
            that ends in `_upper`: bounds that hold 90 % of the samples of people like those that
            the refiner was calibrated on, on average over them.

        Raises:
            InputError: the card has no interval.
        """
        maximum = self.signals.output_maximum
        lower, upper = intervals.interval(self.offsets(), refined.to_numpy() / maximum)
        bounds = {}
        for i, name in enumerate(refined.columns):
            bounds[f"{name}_lower"] = lower[:, i] * maximum[i]
            bounds[f"{name}_upper"] = upper[:, i] * maximum[i]
        return pd.DataFrame(bounds, index=refined.index)

    def offsets(self) -> list[intervals.Offsets]:
        """What the intervals are made of, by output; `InputError` if the card has none."""
        if self.card.interval is None:
            raise InputError(f"{self.card.name}: this refiner's card has no prediction interval")
        return [self.card.interval[c] for c in self.card.outputs]

    def unlike(self, frame: pd.DataFrame, side: str | None = None) -> list[str]:
        """What of simulated activity is unlike all that the refiner was fitted on.

        Args:
            frame: as for `refine`.
            side: as for `refine`.

        Returns:
            A line a finding, the most unusual first. Empty if nothing is, or if the card does not
            say what is familiar.
        """
        if self.card.familiar is None:
            return []
        side = side or self.muscles.side_of(self.card.inputs, frame.columns)
        channels = self.channels(frame, side)
        found = familiarity.unusual(
            channels.to_numpy(), self.card.familiar, self.card.rate, float(channels.index[0])
        )
        return familiarity.told(found)

    def channels(self, frame: pd.DataFrame, side: str) -> pd.DataFrame:
        """The input channels, at the card's rate, of activity as `refine` takes it."""
        what = str(frame.attrs.get("path", "simulated activity"))
        columns = self.columns(frame.columns, side, what)
        used = frame[sorted({column for weights in columns.values() for column in weights})]
        _check_activity(used, what)
        return combine(at_rate(used, self.card.rate, what), columns)


def load(refiner: str | os.PathLike[str], runtime: str = "keras") -> Refiner:
    """Load a refiner.

    Args:
        refiner: str or path. The name of a shipped refiner (`walking`, `running`), or a folder
            that holds `refiner.keras` and `card.json`. A name wins over a folder of that name;
            write `./walking` for the folder.
        runtime: str. What runs the network: `keras`, or, of a refiner that was exported,
            `savedmodel`, `tflite`, `tflite-int8` or `onnx`.

    Raises:
        InputError: there is no such refiner, its card or network cannot be read, or there is no
            such runtime.
    """
    folder = refiner_folder(refiner)
    return Refiner(Card.read(folder / CARD), open_network(folder, runtime), folder)


def save(refiner: Refiner, folder: str | os.PathLike[str]) -> None:
    """Write a refiner's folder, whole or not at all.

    Raises:
        InputError: something is there already, or the folder around it cannot be written to.
    """
    with new_folder(folder) as whole:
        write_keras_model(refiner.model, whole / WEIGHTS)
        refiner.card.write(whole / CARD)


def versions() -> dict[str, str]:
    """Versions of the packages that make a refiner."""
    return {name: importlib.metadata.version(name) for name in ("nem2e-tf", "tensorflow", "keras")}


def _check_activity(frame: pd.DataFrame, what: str) -> None:
    values = frame.to_numpy(dtype=float)
    found = outside(values)
    if found is not None:
        row, column = found
        raise InputError(
            f"{what}: column '{frame.columns[column]}' is {values[row, column]:g} at time"
            f" {frame.index[row]:g} s; simulated activity is 0-1"
        )
