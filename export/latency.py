"""How long a call of a network takes: a window, and a step of a stream."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

from nem2e_tf.edge import Network, StepNetwork

from .memory import FRAMES
from .windows import synthetic_activity

ROUNDS, IN_A_ROW = 40, 5
"""How often every call is timed: so many rounds over all of them, so many times in each."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a call takes.

    Args:
        median_ms: by the clock.
        p99_ms: 99th percentile, by the clock.
        processor_ms: median of the processor time of all its threads.
    """

    median_ms: float
    p99_ms: float
    processor_ms: float


def time_calls(calls: Mapping[Any, Callable[[], Any]], rounds: int = ROUNDS) -> dict[Any, Latency]:
    """Time calls in turn."""
    seconds: dict[Any, list[tuple[float, float]]] = {key: [] for key in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for key, call in calls.items():
            # The first finds the caches as another call left them.
            call()
            for _ in range(IN_A_ROW):
                clock, processor = perf_counter(), process_time()
                call()
                seconds[key].append((perf_counter() - clock, process_time() - processor))
    found = {}
    for key, each in seconds.items():
        clocks, processors = 1e3 * np.array(each).T
        found[key] = Latency(
            float(np.median(clocks)), float(np.quantile(clocks, 0.99)), float(np.median(processors))
        )
    return found


def window_call(network: Network) -> Callable[[], Any]:
    """A call that refines 100 frames."""
    window = synthetic_activity(1, FRAMES, network.layout.inputs)
    return lambda: network(window)


def step_call(network: StepNetwork) -> Callable[[], Any]:
    """A call that takes a step into the encoder and another out of the decoder."""
    layout, attended = network.layout, network.before + 1 + network.after
    frames = np.full((1, layout.frames * layout.inputs), 0.1, np.float32)
    directions = 1 if layout.causal else 2
    encoded = np.zeros((attended, directions * layout.encoder_units), np.float32)
    keys = np.zeros((attended, layout.attention_units), np.float32)
    beyond = np.zeros((1, attended), np.float32)
    encode, decode = network.encoder(), network.decoder(encoded[:1])

    def step() -> None:
        encode(frames)
        decode(encoded, keys, beyond)

    return step
