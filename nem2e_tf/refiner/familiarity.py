"""Whether simulated activity is within the range of a refiner's training data.

The features of a window of a few seconds are the mean and the peak of every channel, the
correlation of every two channels, and the cadence. Each has a familiar range. Needs NumPy only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Range = tuple[float, float]

WINDOW, HOP = 4.0, 0.5
"""Length of a window, and hop to the next one, seconds."""
MEDIAN_WINDOWS = 5
"""Number of windows for a running median, so that short deviations are ignored."""
MAX_LINES = 3
"""Number of findings that are described; the others are only counted."""

_MIN_ACTIVITY = 0.005
"""Lower limit of means and peaks, activation."""
_MIN_AUTOCORRELATION = 0.3
"""Least autocorrelation of the channels at the length of a cycle."""
_MAX_CYCLE_SHARE = 0.6
"""Longest cycle, as a share of a window."""
_MIN_PEAK_RATIO = 0.7
"""Least autocorrelation at the length of a cycle, relative to that of the best lag."""
_NO_CADENCE = 0.05
"""Hz; cadence of windows without a cycle."""
_SLACK = {"mean": np.log(1.25), "peak": np.log(1.25), "cadence": np.log(1.15), "with": 0.1}
"""Least margin by which a range is widened."""


@dataclass(frozen=True)
class Finding:
    """An unusual feature.

    Args:
        name: of the feature, see `feature_names`.
        value: the most unusual value.
        familiar: the familiar range.
        start: seconds, of the first unusual window.
        end: seconds, of the last one's end.
        excess: distance from the range, relative to its width.
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
        text = f"{channel.replace('_', ' ')} {kind}s at {self.value:.2g}"
        if kind == "mean":
            text = f"{channel.replace('_', ' ')} has a mean of {self.value:.2g}"
        elif self.name == "cadence":
            text = f"{self.value:.2g} cycles a second"
            if self.value < 1.01 * _NO_CADENCE:
                text = "no cycle that repeats"
        elif second:
            text = f"{first} and {second} correlate by {self.value:.2f}"
        return f"{self.start:g}-{self.end:g} s: {text}; familiar is {low} to {high}"


def feature_names(channels: Sequence[str]) -> list[str]:
    """Names of the features of a window, in order."""
    return [
        *(f"mean {channel}" for channel in channels),
        *(f"peak {channel}" for channel in channels),
        "cadence",
        *(f"{one} with {other}" for one, other in combinations(channels, 2)),
    ]


def fit_ranges(
    people: Sequence[Sequence[np.ndarray]], channels: Sequence[str], rate: float
) -> dict[str, Range]:
    """Fit the familiar ranges of the features.

    Ranges contain all training data, and are widened until, for each kind of feature, no more than
    one of the people, each left out in turn, is outside.

    Args:
        people: recordings of each, `(frames, channels)`, simulated activations 0-1.
        channels: their names.
        rate: float. Hz.

    Returns:
        Lowest and highest value by name of the feature.
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
        # The second largest: one exceptional person must not widen the ranges for all.
        usual = np.sort(outside[:, is_kind].max(axis=1))[-2:][0]
        margin[is_kind] = np.maximum(usual * width[is_kind], slack)
    low = _from_scale(lows.min(axis=0) - margin, kinds)
    high = _from_scale(highs.max(axis=0) + margin, kinds)
    # Limits of activations and correlations.
    low, high = np.maximum(low, -1.0), np.where(kinds == "cadence", high, np.minimum(high, 1.0))
    return {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}


def find_unusual(
    activity: np.ndarray, ranges: Mapping[str, Range], rate: float, start: float = 0.0
) -> list[Finding]:
    """Find the features of a recording outside the familiar ranges, the most unusual first.

    Args:
        activity: `(frames, channels)`, simulated activations 0-1.
        ranges: from `fit_ranges`, for these channels.
        rate: float. Hz.
        start: float. Seconds, of the first frame.
    """
    kinds = np.array([_feature_kind(name) for name in ranges])
    low, high = (_to_scale(np.array(edge), kinds) for edge in zip(*ranges.values(), strict=True))
    starts, windows = window_features(activity, rate)
    # A short recording cannot show a long cycle.
    if len(activity) * _MAX_CYCLE_SHARE / rate < 1.0 / ranges["cadence"][0]:
        windows[:, kinds == "cadence"] = np.nan
    windows = _median_over_time(windows)
    excess = np.nan_to_num(np.maximum(low - windows, windows - high) / (high - low))
    length = min(len(activity) / rate, WINDOW)
    is_short = len(starts) <= MEDIAN_WINDOWS
    findings = []
    for i, name in enumerate(ranges):
        unusual = np.flatnonzero(excess[:, i] > 0.0)
        if not len(unusual):
            continue
        worst = int(excess[:, i].argmax())
        first, last = (
            (0, len(starts) - 1) if is_short else (unusual[0], unusual[-1] + MEDIAN_WINDOWS - 1)
        )
        findings.append(
            Finding(
                name, float(_from_scale(windows[worst], kinds)[i]), ranges[name],
                round(start + starts[first], 2), round(start + starts[last] + length, 2),
                float(excess[worst, i]),
            )
        )  # fmt: skip
    return sorted(findings, key=lambda finding: -finding.excess)


def describe(findings: Sequence[Finding]) -> list[str]:
    """Describe the most unusual findings, a line each, and the number of the others."""
    lines = [str(finding) for finding in findings[:MAX_LINES]]
    if len(findings) > MAX_LINES:
        lines.append(f"unlike the training data in {len(findings) - MAX_LINES} further ways")
    return lines


def window_features(activity: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Features of windows, on scales on which differences are comparable.

    Args:
        activity: `(frames, channels)`.
        rate: float. Hz.

    Returns:
        Seconds at which windows start, `(windows,)`, and their features, `(windows, names)`:
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
    """Cycles per second of standardised channels `(frames, channels)`, from autocorrelation."""
    frames = len(shape)
    spectrum = np.fft.rfft(shape, 2 * frames, axis=0)
    product = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:frames].sum(axis=1)
    energy = np.concatenate([[0.0], np.cumsum((shape**2).sum(axis=1))])
    # Energy of the two overlapping parts at each lag.
    energies = energy[frames - np.arange(frames)] * (energy[-1] - energy[:-1])
    autocorrelation = product / np.sqrt(np.maximum(energies, 1e-12))
    interior = autocorrelation[1:-1]
    peaks = 1 + np.flatnonzero(
        (interior >= autocorrelation[:-2]) & (interior > autocorrelation[2:])
    )
    peaks = peaks[(peaks >= 0.25 * rate) & (peaks < _MAX_CYCLE_SHARE * frames)]
    peaks = peaks[autocorrelation[peaks] > _MIN_AUTOCORRELATION]
    if not len(peaks):
        return _NO_CADENCE
    # Multiples of the cycle correlate as well: the first of the good lags is the cycle.
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
    """Kind of a feature: its key in `_SLACK`."""
    first = name.split(" ")[0]
    return first if first in _SLACK else "with"


def _to_scale(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    return np.where(kinds == "with", values, np.log(np.where(kinds == "with", 1.0, values)))


def _from_scale(values: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    return np.where(kinds == "with", values, np.exp(np.where(kinds == "with", 0.0, values)))
