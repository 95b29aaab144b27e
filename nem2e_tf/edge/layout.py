"""Sizes of a network and description of its signals: what is needed to run it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from nem2e_tf.errors import InputError

LARGEST_SIZE = 4096
"""Limit of channels, frames, units or steps of a network. A square matrix of it takes 64 MB."""

LARGEST_RATE, LONGEST_WINDOW = 10_000.0, 3600.0
"""Limits in Hz and seconds for a refiner's card. The shipped ones have 100 Hz and 2 s."""


@dataclass(frozen=True)
class Layout:
    """Sizes of an STDR-Net.

    Args:
        inputs: simulated channels.
        outputs: muscles.
        frames: frames of a step.
        before: steps before its own that a step of the decoder attends to; None: all.
        after: steps after its own; None: all.
        causal: the network uses no later steps than these.
        encoder_units: hidden size of the encoder, in each direction.
        decoder_units: hidden size of the decoder.
        attention_units: size of a key.
    """

    inputs: int
    outputs: int
    frames: int
    before: int | None
    after: int | None
    causal: bool
    encoder_units: int
    decoder_units: int
    attention_units: int

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Layout":
        """Layout of a manifest's table; `TypeError` or `ValueError` if the table is wrong."""
        layout = cls(**table)
        for name, value in asdict(layout).items():
            if name in ("before", "after") and value is None:
                continue
            if type(value) is not (bool if name == "causal" else int):
                raise TypeError(f"{name} is {value!r}")
            if not (name in ("inputs", "outputs", "frames")) <= value <= LARGEST_SIZE:
                raise ValueError(f"{name} is {value}")
        return layout

    @property
    def attention_window(self) -> tuple[int, int]:
        """`before` and `after`; `InputError` if attention covers the whole window."""
        if self.before is None or self.after is None:
            raise InputError("attention to a whole window cannot go step by step; give it a reach")
        return self.before, self.after


class Network(Protocol):
    """A network in any runtime."""

    @property
    def layout(self) -> Layout:
        """Sizes of the network."""

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Refine windows.

        Args:
            windows: `(windows, frames, inputs)` float32, each channel divided by its maximum.

        Returns:
            `(windows, frames, outputs)` float32, 0-1.
        """


@dataclass(frozen=True)
class Signals:
    """The signals of a refiner, from its card.

    Args:
        inputs: names of the simulated channels, in the network's order.
        outputs: names of the muscles.
        rate: Hz.
        window: length of the input window in seconds; a causal network uses the whole past.
        input_maximum: `(inputs,)`, by which inputs are divided.
        output_maximum: `(outputs,)`, by which outputs are multiplied.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rate: float
    window: float
    input_maximum: np.ndarray
    output_maximum: np.ndarray

    def describe(self, heading: str, *facts: str) -> str:
        """Several lines for a `repr`: a heading with sizes, rate and other facts; the channels."""
        sizes = f"{len(self.inputs)} inputs -> {len(self.outputs)} outputs"
        lines = [f"{heading}: {', '.join([sizes, f'{self.rate:g} Hz', *facts])}"]
        if self.inputs == self.outputs:
            return "\n".join([*lines, f"  inputs and outputs: {', '.join(self.inputs)}"])
        for side, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            lines.append(f"  {side}: {', '.join(names)}")
        return "\n".join(lines)

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "Signals":
        """Signals of a card's tables; `KeyError`, `TypeError` or `ValueError` if they are wrong."""
        inputs, outputs = (
            tuple(str(name) for name in card[side]) for side in ("inputs", "outputs")
        )
        rate, window = float(card["rate"]), float(card["window"])
        maxima = [
            np.array([card[f"{side}_maximum"][name] for name in names], float)
            for side, names in (("input", inputs), ("output", outputs))
        ]
        numbers = np.array([rate, window, *np.concatenate(maxima)])
        if not (np.isfinite(numbers) & (numbers > 0)).all():
            raise ValueError("rate, window and maxima must be positive numbers")
        if rate > LARGEST_RATE or window > LONGEST_WINDOW:
            raise ValueError(f"a rate of {rate:g} Hz or a window of {window:g} s is beyond use")
        return cls(inputs, outputs, rate, window, *maxima)
