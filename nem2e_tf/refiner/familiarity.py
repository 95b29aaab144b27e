"""Whether simulated activity is like what a refiner was fitted on, and what is not.

A window of some seconds is described by the mean and the peak of every channel, by the correlation
of every two channels, and by the cadence. Each has a range that is familiar. NumPy is all that
this needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Range = tuple[float, float]

WINDOW, HOP = 4.0, 0.5
"""Seconds of a window, and from one to the next."""
MEDIAN_WINDOWS = 5
"""Windows of which a median is taken: what does not last is not told."""
MAX_LINES = 3
"""What is most unusual is told; of the rest only how much there is."""

_MIN_ACTIVITY = 0.005
"""Activation below which means and peaks are not told apart."""
_MIN_AUTOCORRELATION = 0.3
"""Autocorrelation of the channels at the length of a cycle, below which there is none."""
_MAX_CYCLE_SHARE = 0.6
"""Share of a window: the longest cycle that is looked for."""
_MIN_PEAK_RATIO = 0.7
"""Share of the best lag's autocorrelation that the cycle's own has at least."""
_NO_CADENCE = 0.05
"""Hz, stands for no cycle."""
_SLACK = {"mean": np.log(1.25), "peak": np.log(1.25), "cadence": np.log(1.15), "with": 0.1}
"""By which a range is widened at least: a step so small is not strange to a refiner."""


@dataclass(frozen=True)
class Finding:
    """Something unusual.

    Args:
        name: as `names` gives it.
        value: the most unusual one.
        familiar: range of what is familiar.
        start: seconds, of the first unusual window.
        end: seconds, of the last one's end.
        excess: how far outside the range, in widths of it.
    """

    name: str
    value: float
    familiar: Range
    start: float
    end: float
    excess: float

    def __str__(self) -> str:
        kind, _, channel = self.name.partition(" ")
        first, _, second = self.name.replace("_", " ").partition(" with ")
        low, high = (f"{edge:.2g}" for edge in self.familiar)
        what = f"{channel.replace('_', ' ')} {kind}s at {self.value:.2g}"
        if kind == "mean":
            what = f"{channel.replace('_', ' ')} has a mean of {self.value:.2g}"
        elif self.name == "cadence":
            what = f"{self.value:.2g} cycles a second"
            if self.value < 1.01 * _NO_CADENCE:
                what = "no cycle that repeats"
        elif second:
            what = f"{first} and {second} correlate by {self.value:.2f}"
        return f"{self.start:g}-{self.end:g} s: {what}; familiar is {low} to {high}"


def feature_names(channels: Sequence[str]) -> list[str]:
    """What a window is described by, in order."""
    return [
        *(f"mean {channel}" for channel in channels),
        *(f"peak {channel}" for channel in channels),
        "cadence",
        *(f"{one} with {other}" for one, other in combinations(channels, 2)),
    ]


def fit_ranges(
    people: Sequence[Sequence[np.ndarray]], channels: Sequence[str], rate: float
) -> dict[str, Range]:
    """Ranges of what is familiar.

    They hold all that was seen, and are widened until, for each kind of description, no more than
    one of the people, each left out in turn, would fall outside.

    Args:
        people: recordings of each, `(frames, channels)`, simulated activations 0-1.
        channels: their names.
        rate: float. Hz.

    Returns:
        Lowest and highest by name.
    """
    names = feature_names(channels)
    kinds = np.array([_feature_kind(name) for name in names])
    features = [
        np.concatenate(
            [_median_over_time(window_features(recording, rate)[1]) for recording in recordings]
        )
        for recordings in people
    ]
    lows = np.stack([np.nanmin(person, axis=0) for person in features])
    highs = np.stack([np.nanmax(person, axis=0) for person in features])
    width = np.maximum(highs.max(axis=0) - lows.min(axis=0), [_SLACK[kind] for kind in kinds])
    outside = np.zeros((len(features), len(kinds)))
    for i in range(len(features) if len(features) > 1 else 0):
        others = np.arange(len(features)) != i
        excess = np.maximum(
            lows[others].min(axis=0) - lows[i], highs[i] - highs[others].max(axis=0)
        )
        outside[i] = np.maximum(excess, 0.0) / width
    margin = np.zeros(len(kinds))
    for kind, slack in _SLACK.items():
        is_kind = kinds == kind
        # The second largest: one person that is like nobody must not blind it to all others.
        usual = np.sort(outside[:, is_kind].max(axis=1))[-2:][0]
        margin[is_kind] = np.maximum(usual * width[is_kind], slack)
    low = _from_scale(lows.min(axis=0) - margin, kinds)
    high = _from_scale(highs.max(axis=0) + margin, kinds)
    # Activations and correlations go no further.
    low, high = np.maximum(low, -1.0), np.where(kinds == "cadence", high, np.minimum(high, 1.0))
    return {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}


def find_unusual(
    activity: np.ndarray, ranges: Mapping[str, Range], rate: float, start: float = 0.0
) -> list[Finding]:
    """What of a recording is outside the familiar ranges, the most unusual first.

    Args:
        activity: `(frames, channels)`, simulated activations 0-1.
        ranges: from `learn`, for these channels.
        rate: float. Hz.
        start: float. Seconds, of the first frame.
    """
    kinds = np.array([_feature_kind(name) for name in ranges])
    low, high = (_to_scale(np.array(edge), kinds) for edge in zip(*ranges.values(), strict=True))
    starts, windows = window_features(activity, rate)
    # In a short recording a long cycle cannot show.
    if len(activity) * _MAX_CYCLE_SHARE / rate < 1.0 / ranges["cadence"][0]:
        windows[:, kinds == "cadence"] = np.nan
    windows = _median_over_time(windows)
    excess = np.nan_to_num(np.maximum(low - windows, windows - high) / (high - low))
    length = min(len(activity) / rate, WINDOW)
    is_short = len(starts) <= MEDIAN_WINDOWS
    found = []
    for i, name in enumerate(ranges):
        unusual = np.flatnonzero(excess[:, i] > 0.0)
        if not len(unusual):
            continue
        worst = int(excess[:, i].argmax())
        first, last = (
            (0, len(starts) - 1) if is_short else (unusual[0], unusual[-1] + MEDIAN_WINDOWS - 1)
        )
        found.append(
            Finding(
                name, float(_from_scale(windows[worst], kinds)[i]), ranges[name],
                round(start + starts[first], 2), round(start + starts[last] + length, 2),
                float(excess[worst, i]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda finding: -finding.excess)


def describe(findings: Sequence[Finding]) -> list[str]:
    """Lines for a person: what is most unusual, and how much more there is."""
    lines = [str(finding) for finding in findings[:MAX_LINES]]
    if len(findings) > MAX_LINES:
        lines.append(f"unlike the training data in {len(findings) - MAX_LINES} further ways")
    return lines


def window_features(activity: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Windows in numbers, on scales on which steps compare.

    Args:
        activity: `(frames, channels)`.
        rate: float. Hz.

    Returns:
        Seconds at which windows start, `(windows,)`, and their descriptions, `(windows, names)`:
        logarithms of means, peaks and cadence, and correlations, NaN where a channel is flat.
    """
    activity = np.clip(activity, 0.0, 1.0)
    frames, channels = activity.shape
    length = min(frames, round(WINDOW * rate))
    starts = np.arange(0, frames - length + 1, round(HOP * rate))
    upper = np.triu_indices(channels, 1)
    rows = []
    for first in starts:
        window = activity[first : first + length]
        centred = window - window.mean(axis=0)
        spread = centred.std(axis=0)
        shape = centred / np.where(spread > 1e-6, spread, np.nan)
        rows.append(
            [
                *np.log(np.maximum(window.mean(axis=0), _MIN_ACTIVITY)),
                *np.log(np.maximum(window.max(axis=0), _MIN_ACTIVITY)),
                np.log(cadence(np.nan_to_num(shape), rate)),
                *(shape.T @ shape / length)[upper],
            ]
        )
    return starts / rate, np.array(rows)


def cadence(shape: np.ndarray, rate: float) -> float:
    """Cycles a second of standardised channels `(frames, channels)`, by their autocorrelation."""
    frames = len(shape)
    spectrum = np.fft.rfft(shape, 2 * frames, axis=0)
    product = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:frames].sum(axis=1)
    energy = np.concatenate([[0.0], np.cumsum((shape**2).sum(axis=1))])
    # At a lag, of the part that is compared: its beginning and its end.
    both = energy[frames - np.arange(frames)] * (energy[-1] - energy[:-1])
    autocorrelation = product / np.sqrt(np.maximum(both, 1e-12))
    interior = autocorrelation[1:-1]
    peaks = 1 + np.flatnonzero(
        (interior >= autocorrelation[:-2]) & (interior > autocorrelation[2:])
    )
    peaks = peaks[(peaks >= 0.25 * rate) & (peaks < _MAX_CYCLE_SHARE * frames)]
    peaks = peaks[autocorrelation[peaks] > _MIN_AUTOCORRELATION]
    if not len(peaks):
        return _NO_CADENCE
    # Two cycles are as alike as one: the first of the good lags is the cycle.
    return float(
        rate / peaks[autocorrelation[peaks] > _MIN_PEAK_RATIO * autocorrelation[peaks].max()][0]
    )


def _median_over_time(windows: np.ndarray) -> np.ndarray:
    """Medians of `LASTING` windows in a row, `(windows - LASTING + 1, names)`; of all, if fewer."""
    if len(windows) <= MEDIAN_WINDOWS:
        return np.median(windows, axis=0, keepdims=True)
    rows = np.lib.stride_tricks.sliding_window_view(windows, MEDIAN_WINDOWS, axis=0)
    return np.median(rows, axis=-1)


def _feature_kind(name: str) -> str:
    """Which key of `_SLACK` a name belongs to."""
    first = name.split(" ")[0]
    return first if first in _SLACK else "with"


def _to_scale(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    return np.where(kinds == "with", values, np.log(np.where(kinds == "with", 1.0, values)))


def _from_scale(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    return np.where(kinds == "with", values, np.exp(np.where(kinds == "with", 0.0, values)))
