"""Refining a stream, frame by frame."""

from collections import deque
from typing import Protocol

import numpy as np

from nem2e_tf.edge.layout import Signals
from nem2e_tf.edge.refiner import check_activity
from nem2e_tf.edge.steps import OUTSIDE_BIAS, PADDING, StepNetwork
from nem2e_tf.edge.windows import smoothing_kernel
from nem2e_tf.errors import InputError


class Streamable(Protocol):
    """A refiner that can stream, in any runtime."""

    @property
    def signals(self) -> Signals:
        """Its input and output signals."""

    def step_network(self) -> StepNetwork:
        """Its network step by step; `InputError` if its runtime has none."""


class StreamingRefiner:
    """Refines a stream frame by frame, with a fixed delay and a fixed amount of memory.

    The result equals that of the refiner for the whole recording.

    Args:
        refiner: a refiner with a causal network, such as `nem2e_tf.load("stream")`.

    Attributes:
        signals: Signals.
        delay: frames from an input frame to its refined frame.
        look_ahead: the same in seconds.

    Raises:
        InputError: the network is not causal, or its runtime cannot go step by step.

    Example:

        stream = StreamingRefiner(nem2e_tf.load("stream", runtime="tflite-int8"))
        for frame in sensor:
            envelope = stream.push(frame)  # None for the first `delay` frames
    """

    def __init__(self, refiner: Streamable) -> None:
        self.signals = refiner.signals
        self._network = refiner.step_network()
        layout = self._network.layout
        if not layout.causal:
            raise InputError(
                "this refiner looks at a whole window and cannot stream; a causal one can: stream"
            )
        self._kernel = smoothing_kernel(layout.frames)
        self.delay = layout.frames * (1 + self._network.after) - 1 + len(self._kernel) // 2
        self.look_ahead = self.delay / self.signals.rate
        self.reset()

    def __repr__(self) -> str:
        delay = f"delay {self.delay} frames ({1000 * self.look_ahead:g} ms)"
        return self.signals.describe("StreamingRefiner", delay)

    def reset(self) -> None:
        """Return to the initial state."""
        layout, width = self._network.layout, self._network.before + 1 + self._network.after
        self._pushed = 0
        self._step = np.full((1, layout.frames * layout.inputs), PADDING, np.float32)
        self._encode = self._network.encoder()
        # The decoder's attention window; the newest step is the last.
        self._encoded = np.zeros((width, layout.encoder_units), np.float32)
        self._keys = np.zeros((width, layout.attention_units), np.float32)
        self._attention_bias = np.full((1, width), OUTSIDE_BIAS, np.float32)
        self._steps = self._decoded = 0
        self._raw: deque[np.ndarray] = deque(maxlen=len(self._kernel))
        self._ready: deque[np.ndarray] = deque()

    def push(self, frame: np.ndarray) -> np.ndarray | None:
        """Take the next frame and return the one that is refined by now.

        Args:
            frame: `(inputs,)`, activations 0-1, in the order of `signals.inputs`.

        Returns:
            `(outputs,)` envelopes of the frame `delay` frames earlier; None if there is none yet.

        Raises:
            InputError: other channels, or activity that is not 0-1; the frame is ignored.
        """
        frame, layout = np.asarray(frame, float), self._network.layout
        if frame.shape != (layout.inputs,):
            raise InputError(f"a frame of shape {frame.shape}; wanted ({layout.inputs},)")
        check_activity(frame[None], self.signals.inputs, start=self._pushed)
        offset = self._pushed % layout.frames * layout.inputs
        self._step[0, offset : offset + layout.inputs] = frame / self.signals.input_maximum
        self._pushed += 1
        if self._pushed % layout.frames == 0:
            self._advance(self._step)
        return self._ready.popleft() if self._pushed > self.delay else None

    def finish(self) -> np.ndarray:
        """Return the remaining frames, `(frames, outputs)`, and reset."""
        layout = self._network.layout
        remaining = min(self._pushed, self.delay)
        if filled := self._pushed % layout.frames:
            self._step[0, filled * layout.inputs :] = PADDING
            self._advance(self._step)
        for _ in range(self._network.after if self._pushed else 0):
            self._advance(None)
        for _ in range(len(self._kernel) // 2 if self._pushed else 0):
            self._smooth(self._raw[-1])
        frames = [self._ready.popleft() for _ in range(remaining)]
        self.reset()
        return np.array(frames).reshape(remaining, layout.outputs)

    def _advance(self, step: np.ndarray | None) -> None:
        """Encode a step (None after the last one), and decode the step whose window is complete."""
        for series in (self._encoded, self._keys, self._attention_bias.T):
            series[:-1] = series[1:]
        if step is None:
            self._encoded[-1], self._keys[-1], self._attention_bias[0, -1] = 0.0, 0.0, OUTSIDE_BIAS
        else:
            encoded, key = self._encode(step)
            if not self._steps:
                self._decode = self._network.decoder(encoded)
            self._encoded[-1], self._keys[-1], self._attention_bias[0, -1] = encoded[0], key[0], 0.0
        self._steps += 1
        if self._steps > self._network.after:
            for frame in self._decode(self._encoded, self._keys, self._attention_bias):
                if self._decoded < self._pushed:
                    self._decoded += 1
                    self._smooth(frame)

    def _smooth(self, frame: np.ndarray) -> None:
        """Add a decoded frame; a frame is ready when the smoothing kernel around it is filled."""
        if not self._raw:
            self._raw.extend([frame] * (len(self._kernel) // 2))
        self._raw.append(frame)
        if len(self._raw) == len(self._kernel):
            self._ready.append(self._kernel @ np.array(self._raw) * self.signals.output_maximum)
