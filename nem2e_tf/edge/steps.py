"""STDR-Net step by step: the loops that its graphs of one step leave to their host.

A network is exported as graphs without loops, states or variables, which every runtime takes:

    forward_step   frames, hidden, carry                          to  hidden, carry, key
    backward_step  frames, hidden, carry                          to  hidden, carry, key
    start          encoded                                        to  hidden
    decode_step    encoded, keys, beyond, hidden, carry, activity to  hidden, carry, activity

`forward_step` goes over the steps of a window from the first on, `backward_step` from the last;
both begin with states of zero. What they leave in `hidden`, side by side, is the encoded step, and
the sum of their keys its key. `start` makes the decoder's first hidden state of the first encoded
step; its first carry and activity are zero. `decode_step` then gives the frames of one step after
the other, from the encoded steps within its sight. A causal network has no `backward_step`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from nem2e_tf.edge.layout import Layout

GRAPHS = ("forward_step", "backward_step", "start", "decode_step")
PADDING = -1.0
"""What all input channels hold in a frame that is padding. Activity is never negative."""
OUTSIDE_BIAS = -30.0
"""Added to the energy of steps outside a window: e^-30 is nothing, and integers can hold it."""

Graphs = Callable[..., dict[str, np.ndarray]]
"""Runs a graph: called with its name and its tensors by name, gives its results by name."""


class StepNetwork:
    """STDR-Net run by its graphs of one step.

    Args:
        layout: Layout, of a network whose decoder sees so many steps.
        graphs: Graphs.
    """

    def __init__(self, layout: Layout, graphs: Graphs) -> None:
        self.layout = layout
        self.before, self.after = layout.attention_window
        self._graphs = graphs

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """See `nem2e_tf.edge.Network`; `ValueError` for other channels or a NaN."""
        if windows.ndim != 3 or windows.shape[2] != self.layout.inputs:
            raise ValueError(
                f"windows of shape {windows.shape}; wanted (windows, frames, {self.layout.inputs})"
            )
        if not np.isfinite(windows).all():
            raise ValueError("windows hold values that are not finite numbers")
        return np.stack([self._refine_window(window) for window in windows.astype(np.float32)])

    def _refine_window(self, simulated: np.ndarray) -> np.ndarray:
        steps = fold_frames(simulated, self.layout.frames)
        encoded, keys = self._encode(steps)
        decoder = self.decoder(encoded[:1])
        ends = ((self.before, self.after), (0, 0))
        encoded, keys = np.pad(encoded, ends), np.pad(keys, ends)
        attention_bias = np.full((1, len(encoded)), OUTSIDE_BIAS, np.float32)
        attention_bias[:, self.before : self.before + len(steps)] = 0.0
        width = self.before + 1 + self.after
        activity = [
            decoder(encoded[i : i + width], keys[i : i + width], attention_bias[:, i : i + width])
            for i in range(len(steps))
        ]
        return np.concatenate(activity)[: len(simulated)]

    def _encode(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(steps, features)` encoded steps and `(steps, attention_units)` keys."""
        encoded, keys = _run_over(self.encoder("forward_step"), steps)
        if self.layout.causal:
            return encoded, keys
        backward, backward_keys = _run_over(self.encoder("backward_step"), steps[::-1])
        return np.concatenate([encoded, backward[::-1]], axis=1), keys + backward_keys[::-1]

    def encoder(self, graph: str = "forward_step") -> Callable[[np.ndarray], Any]:
        """One direction of the encoder at its start: a function of `(1, frames * inputs)`.

        It gives hidden `(1, encoder_units)` and key `(1, attention_units)`, and goes on from there.
        """
        state = dict.fromkeys(("hidden", "carry"), _zeros(self.layout.encoder_units))

        def step(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            nonlocal state
            state = self._graphs(graph, frames=frames, **state)
            return state["hidden"], state.pop("key")

        return step

    def decoder(self, first: np.ndarray) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Any]:
        """The decoder at its start: a function of what a step sees, which goes on from there.

        Args:
            first: `(1, features)`, the first encoded step.

        Returns:
            Takes encoded `(before + 1 + after, features)`, keys `(before + 1 + after,
            attention_units)` and beyond `(1, before + 1 + after)`, zero or `BEYOND`, to
            `(frames of a step, outputs)`.
        """
        step_shape = self.layout.frames, self.layout.outputs
        state = {
            "hidden": self._graphs("start", encoded=first)["hidden"],
            "carry": _zeros(self.layout.decoder_units),
            "activity": _zeros(step_shape[0] * step_shape[1]),
        }

        def step(encoded: np.ndarray, keys: np.ndarray, attention_bias: np.ndarray) -> np.ndarray:
            nonlocal state
            state = self._graphs(
                "decode_step", encoded=encoded, keys=keys, beyond=attention_bias, **state
            )
            return state["activity"].reshape(step_shape)

        return step


def fold_frames(series: np.ndarray, frames: int) -> np.ndarray:
    """`(time, channels)` to `(steps, 1, frames * channels)`, the last filled up with `PADDING`."""
    filled = np.pad(series, ((0, -len(series) % frames), (0, 0)), constant_values=PADDING)
    return filled.reshape(-1, 1, frames * series.shape[1])


def _run_over(
    step: Callable[[np.ndarray], Any], steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    hidden, keys = zip(*map(step, steps), strict=True)
    return np.concatenate(hidden), np.concatenate(keys)


def _zeros(units: int) -> np.ndarray:
    return np.zeros((1, units), np.float32)
