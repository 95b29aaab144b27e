"""STDR-Net step by step: the host loops around graphs of one step.

A network is exported as graphs without loops, states or variables, which every runtime supports:

    forward_step   frames, hidden, carry                          to  hidden, carry, key
    backward_step  frames, hidden, carry                          to  hidden, carry, key
    start          encoded                                        to  hidden
    decode_step    encoded, keys, beyond, hidden, carry, activity to  hidden, carry, activity

`forward_step` runs over the steps of a window from the first, `backward_step` from the last; both
begin with states of zero. The concatenation of their `hidden` is the encoded step, the sum of their
keys its key. `start` computes the decoder's first hidden state from the first encoded step; the
first carry and activity are zero. `decode_step` then gives the frames of one step after another,
from the encoded steps in its attention window; `beyond` is the attention bias. A causal network has
no `backward_step`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from nem2e_tf.edge.layout import Layout

GRAPHS = ("forward_step", "backward_step", "start", "decode_step")
PADDING = -1.0
"""Value of all input channels in frames of padding. Activity is never negative."""
OUTSIDE_BIAS = -30.0
"""Attention bias of steps outside a window: e^-30 is negligible, and integers can represent it."""

Graphs = Callable[..., dict[str, np.ndarray]]
"""Runs a graph: called with its name and its tensors by name, gives its results by name."""


class StepNetwork:
    """STDR-Net run by its graphs of one step.

    Args:
        layout: Layout, with a bounded attention window.
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
        """One direction of the encoder in its initial state.

        Returns:
            A function with state. Maps `(1, frames * inputs)` to hidden `(1, encoder_units)` and
            key `(1, attention_units)`.
        """
        state = dict.fromkeys(("hidden", "carry"), _zeros(self.layout.encoder_units))

        def step(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            nonlocal state
            state = self._graphs(graph, frames=frames, **state)
            return state["hidden"], state.pop("key")

        return step

    def decoder(self, first: np.ndarray) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Any]:
        """The decoder in its initial state.

        Args:
            first: `(1, features)`, the first encoded step.

        Returns:
            A function with state. Maps encoded `(before + 1 + after, features)`, keys
            `(before + 1 + after, attention_units)` and attention bias `(1, before + 1 + after)`,
            zero or `OUTSIDE_BIAS`, to `(frames of a step, outputs)`.
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
    """`(time, channels)` to `(steps, 1, frames * channels)`, padded with `PADDING`."""
    filled = np.pad(series, ((0, -len(series) % frames), (0, 0)), constant_values=PADDING)
    return filled.reshape(-1, 1, frames * series.shape[1])


def _run_over(
    step: Callable[[np.ndarray], Any], steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    hidden, keys = zip(*map(step, steps), strict=True)
    return np.concatenate(hidden), np.concatenate(keys)


def _zeros(units: int) -> np.ndarray:
    return np.zeros((1, units), np.float32)
