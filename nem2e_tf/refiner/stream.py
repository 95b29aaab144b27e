"""Refining a stream of text lines, from a sensor to envelopes."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd

from nem2e_tf.edge import StreamingRefiner, find_invalid_activity
from nem2e_tf.errors import InputError
from nem2e_tf.refiner.refiner import Refiner

MAX_GAP = 0.25
"""Longest gap that is interpolated, seconds. After a longer one the stream begins anew."""
MAX_LATENESS = 1.0
"""Latest that a sample may be, seconds. A later one means that the clock was set back."""

MAX_TIME = 1e11
"""Largest time, seconds: beyond it, 64 bits do not resolve frames."""


def stream_lines(
    refiner: Refiner,
    lines: Iterable[str],
    side: str | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> Iterator[str]:
    """Refine lines as they arrive.

    Samples may come at any rate and unevenly; they are interpolated at the refiner's
    rate. A repeated sample, or one that arrives after a later one, is left out, and
    so is a line that is no sample. After a gap of more than `MAX_GAP`, and when the clock goes
    back by more than `MAX_LATENESS`, the remaining frames are returned and the stream begins anew.

    Args:
        refiner: Refiner with a causal network, in a runtime with steps.
        lines: the first names the columns, `time` and muscles or channels, comma-separated; the
            others hold numbers: seconds, and activations 0-1. Columns that the refiner does
            not use may hold any numbers.
        side: `r` or `l`; None if the columns are of one side only.
        warn: called with a sentence about every sample that is left out or restarts the stream.

    Yields:
        Comma-separated lines: the names, then `time` and envelopes, at the refiner's rate,
        `StreamingRefiner.look_ahead` seconds behind.

    Raises:
        InputError: no line of names, or a muscle is missing.
    """
    stream = StreamingRefiner(refiner)
    entries = iter(lines)
    names = [name.strip() for name in next(entries, "").split(",")]
    if names[0] != "time" or len(set(names)) != len(names):
        raise InputError(
            "standard input: the first line must name the columns: time and muscles, each once,"
            " between commas"
        )
    side = side or refiner.muscles.find_side(refiner.card.inputs, names[1:])
    columns = refiner.columns(names[1:], side, "standard input")
    weights = pd.DataFrame(columns).reindex(names[1:]).fillna(0.0).to_numpy().T
    is_used = (weights != 0.0).any(axis=0)
    yield ",".join(["time", *refiner.names(names[1:], side)])

    grid = _Grid(refiner.card.rate)
    written = 0  # frames since the stream began

    def format_frames(frames: Iterable[np.ndarray]) -> Iterator[str]:
        nonlocal written
        for frame in frames:
            yield ",".join([f"{grid.time(written):.4f}", *(f"{value:.6f}" for value in frame)])
            written += 1

    for number, line in enumerate(entries, start=2):
        sample = _parse_sample(line, is_used, number, warn)
        if sample is None:
            continue
        time, values = sample
        last = time if grid.last is None else grid.last
        if grid.last is not None and 0.0 <= last - time <= MAX_LATENESS:
            which = "again" if time == last else f"late, after {last:.10g} s"
            warn(f"line {number}: {time:.10g} s came {which}; left out")
            continue
        if time - last > MAX_GAP or last - time > MAX_LATENESS:
            between = f"nothing came between {last:.10g} and {time:.10g} s"
            back = f"the clock went back from {last:.10g} to {time:.10g} s"
            warn(f"line {number}: {between if time > last else back}; the stream begins anew")
            yield from format_frames(stream.finish())
            grid, written = _Grid(refiner.card.rate), 0
        for frame in grid.frames(time, weights[:, is_used] @ values):
            refined = stream.push(frame)
            if refined is not None:
                yield from format_frames([refined])
    yield from format_frames(stream.finish())


def _parse_sample(
    line: str, is_used: np.ndarray, number: int, warn: Callable[[str], None]
) -> tuple[float, np.ndarray] | None:
    """Time and activations of a line, in the columns in use; None if it is no sample."""
    if not line.strip():
        return None
    cells = line.strip().split(",")
    if len(cells) != 1 + len(is_used):
        warn(f"line {number}: {len(cells)} numbers, not {1 + len(is_used)}; left out")
        return None
    try:
        time, *values = map(float, cells)
    except ValueError:
        warn(f"line {number}: holds what is no number; left out")
        return None
    activity = np.array(values)[is_used]
    if not abs(time) < MAX_TIME or find_invalid_activity(activity[None]) is not None:
        warn(f"line {number}: activity is not 0-1, or time no number of seconds; left out")
        return None
    return time, activity


class _Grid:
    """Interpolates samples at a fixed rate, beginning at the first sample."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._start = 0.0
        self._count = 0
        self._values = np.empty(0)
        self.last: float | None = None

    def time(self, frame: int) -> float:
        """Seconds of a frame."""
        return self._start + frame / self._rate

    def frames(self, time: float, values: np.ndarray) -> Iterator[np.ndarray]:
        """The frames up to a new sample."""
        if self.last is None:
            self._start, self.last, self._values = time, time, values
        # The tolerance makes a frame at the time of a sample equal to it.
        while self.time(self._count) <= time + 1e-6:
            span = time - self.last
            share = 1.0 if span == 0.0 else min(1.0, (self.time(self._count) - self.last) / span)
            self._count += 1
            yield self._values + max(0.0, share) * (values - self._values)
        self.last, self._values = time, values
