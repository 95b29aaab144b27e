"""Prediction intervals of measured EMG around refined envelopes, calibrated on people.

Split conformal prediction after Dunn, Wasserman and Ramdas (2023), "Distribution-free prediction
sets for two-layer hierarchical models", J Am Stat Assoc, arXiv 1809.07441: samples of one person
are not exchangeable with those of another, so people are pooled with equal weights, however long
their recordings ("CDF pooling"). The width of an interval depends on the refined
value, as in conformalised quantile regression (Romano, Patterson and Candès 2019, arXiv
1905.03222).

All envelopes are relative to the channel's maximum. Needs NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COVERAGE = 0.9
"""Share of a new person's samples that an interval contains, on average over people."""

LEVELS = 6
"""Number of levels of refined values, with equal numbers of samples."""


@dataclass(frozen=True)
class Offsets:
    """Offsets of a channel's prediction interval from the refined value.

    Args:
        level: refined values, increasing; offsets are interpolated between them and constant
            beyond.
        lower: at every level, not positive.
        upper: at every level, not negative.

    >>> lower, upper = Offsets((0.0, 1.0), (0.0, -0.4), (0.1, 0.3)).interpolate(np.array([0.5]))
    >>> lower.round(2).tolist(), upper.round(2).tolist()
    ([-0.2], [0.2])
    """

    level: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        table = np.array([self.level, self.lower, self.upper])
        if not table.size or not np.isfinite(table).all():
            raise ValueError("offsets must be finite numbers, at one level or more")
        if (table[0, 1:] <= table[0, :-1]).any():
            raise ValueError("levels must rise")
        if (table[1] > 0).any() or (table[2] < 0).any():
            raise ValueError("lower offsets must not be positive, nor upper ones negative")

    def interpolate(self, refined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper offset, each `(frames,)`, of refined values `(frames,)`."""
        lower, upper = (np.interp(refined, self.level, side) for side in (self.lower, self.upper))
        return lower, upper


def calibrate(refined: Sequence[np.ndarray], measured: Sequence[np.ndarray]) -> list[Offsets]:
    """Calibrate offsets on people who are not in the training data.

    Quantiles of the residuals at each level are widened, or narrowed, by the factor with which
    they contain `COVERAGE` of the samples of people left out one by one.

    Args:
        refined: by person, `(frames, channels)`.
        measured: by person, `(frames, channels)`.

    Returns:
        Offsets of every channel.

    Raises:
        ValueError: there are fewer than two people, or shapes differ.
    """
    if len(refined) < 2:
        raise ValueError("an interval between people needs two people or more")
    pairs = list(zip(refined, measured, strict=True))
    if any(r.shape != m.shape or r.shape[1] != refined[0].shape[1] for r, m in pairs):
        raise ValueError("refined and measured differ in shape")
    tables = []
    for channel in range(refined[0].shape[1]):
        people = [(r[:, channel], m[:, channel] - r[:, channel]) for r, m in pairs]
        scores = [
            _conformity_scores(_fit_offsets([*people[:i], *people[i + 1 :]]), *person)
            for i, person in enumerate(people)
        ]
        factor = _weighted_quantile(np.concatenate(scores), _person_weights(scores), COVERAGE)
        tables.append(_fit_offsets(people, float(factor)))
    return tables


def prediction_interval(
    tables: Sequence[Offsets], refined: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the interval around refined envelopes.

    Args:
        tables: Offsets of every channel.
        refined: `(frames, channels)`.

    Returns:
        Lower and upper bound, each `(frames, channels)`, not negative; the refined value is
        between them.
    """
    offsets = [table.interpolate(column) for table, column in zip(tables, refined.T, strict=True)]
    lower, upper = (np.stack(side, axis=1) for side in zip(*offsets, strict=True))
    return np.maximum(refined + lower, 0.0), np.maximum(refined + upper, 0.0)


def _fit_offsets(people: Sequence[tuple[np.ndarray, np.ndarray]], factor: float = 1.0) -> Offsets:
    """Quantiles of people's residuals `(frames,)` at levels of their refined values `(frames,)`."""
    level, residual = (np.concatenate(series) for series in zip(*people, strict=True))
    weight = _person_weights([values for values, _ in people])
    edges = np.unique(_weighted_quantile(level, weight, np.linspace(0.0, 1.0, LEVELS + 1)))
    part = np.searchsorted(edges[1:-1], level, side="right")
    rows = []
    for k in range(max(1, len(edges) - 1)):
        in_part = part == k
        low, high = _weighted_quantile(
            residual[in_part], weight[in_part], np.array([1.0 - COVERAGE, 1.0 + COVERAGE]) / 2.0
        )
        middle, half = (low + high) / 2.0, factor * (high - low) / 2.0
        at = np.average(level[in_part], weights=weight[in_part])
        rows.append([at, min(middle - half, 0.0), max(middle + half, 0.0)])
    return Offsets(*(tuple(float(x) for x in column) for column in zip(*rows, strict=True)))


def _conformity_scores(offsets: Offsets, level: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Distance from the centre of the interval, 1 being its bound."""
    lower, upper = offsets.interpolate(level)
    half = np.maximum((upper - lower) / 2.0, 1e-6)
    return np.abs(residual - (lower + upper) / 2.0) / half


def _person_weights(series: Sequence[np.ndarray]) -> np.ndarray:
    """Weights of all samples, such that every person has the same total weight."""
    return np.concatenate([np.full(len(s), 1.0 / len(s)) for s in series])


def _weighted_quantile(
    values: np.ndarray, weight: np.ndarray, shares: np.ndarray | float
) -> np.ndarray:
    """Weighted quantile: the least value with at least a share of the weight at or below it."""
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    place = np.searchsorted(below, np.asarray(shares) * below[-1] * (1.0 - 1e-12))
    return values[order][place]
