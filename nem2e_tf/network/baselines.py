"""Baselines: simple corrections of simulated activity."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PENALTIES = tuple(10.0**power for power in range(-3, 5))
"""Candidate ridge penalties, for inputs scaled to a maximum of one."""


def gain(simulated: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Least-squares factor of each simulated channel to the measured one.

    Args:
        simulated: `(frames, channels)`.
        measured: `(frames, channels)`.

    Returns:
        `(channels,)`.
    """
    return (simulated * measured).sum(axis=0) / (simulated**2).sum(axis=0)


class GainAndLag:
    """A delay and a factor for each channel, in least squares.

    Args:
        longest: int. Largest delay or advance, frames.
    """

    def __init__(self, max_delay: int) -> None:
        self.max_delay = max_delay

    def fit(self, simulated: Sequence[np.ndarray], measured: Sequence[np.ndarray]) -> "GainAndLag":
        """Fit on recordings, each `(frames, channels)`."""
        y = np.concatenate(measured)
        delays = np.array(sorted(range(-self.max_delay, self.max_delay + 1), key=abs))
        errors, factors = [], []
        for delay in delays:
            x = np.concatenate([_delay(s, int(delay)) for s in simulated])
            factors.append(gain(x, y))
            errors.append(((x * factors[-1] - y) ** 2).sum(axis=0))
        best = np.argmin(errors, axis=0)
        self.delays = delays[best]
        self.factors = np.array(factors)[best, np.arange(len(best))]
        return self

    def predict(self, simulated: np.ndarray) -> np.ndarray:
        """`(frames, channels)` to `(frames, channels)`."""
        columns = [_delay(column, d) for column, d in zip(simulated.T, self.delays, strict=True)]
        return np.stack(columns, axis=1) * self.factors


def _delay(simulated: np.ndarray, frames: int) -> np.ndarray:
    """Delay by a number of frames, or advance if negative; end values are repeated."""
    rows = np.arange(len(simulated)) - frames
    return simulated[np.clip(rows, 0, len(simulated) - 1)]


class Ridge:
    """Ridge regression of every measured channel on a window of all simulated ones.

    The penalty is that of `PENALTIES` with the least squared error on validation data; the
    regression is then fitted on all data. Hoerl and Kennard (1970),
    Technometrics 12:55.

    Args:
        context: int. Frames before and after the one that is estimated.
    """

    def __init__(self, context: int) -> None:
        self.context = context

    def fit(
        self,
        simulated: Sequence[np.ndarray],
        measured: Sequence[np.ndarray],
        validation_simulated: Sequence[np.ndarray],
        validation_measured: Sequence[np.ndarray],
    ) -> "Ridge":
        """Fit on recordings and validation recordings, each `(frames, channels)`."""
        x = np.concatenate([self._context_windows(s) for s in simulated])
        y = np.concatenate(measured)
        validation_x = np.concatenate([self._context_windows(s) for s in validation_simulated])
        validation_y = np.concatenate(validation_measured)
        errors = [
            np.mean((validation_x @ _solve(x, y, penalty) - validation_y) ** 2)
            for penalty in PENALTIES
        ]
        self.penalty = PENALTIES[int(np.argmin(errors))]
        self.weights = _solve(
            np.concatenate([x, validation_x]), np.concatenate([y, validation_y]), self.penalty
        )
        return self

    def predict(self, simulated: np.ndarray) -> np.ndarray:
        """`(frames, inputs)` to `(frames, outputs)`."""
        return self._context_windows(simulated) @ self.weights

    def _context_windows(self, simulated: np.ndarray) -> np.ndarray:
        """`(frames, inputs)` to `(frames, inputs * (2 context + 1) + 1)`, the last column one."""
        padded = np.pad(simulated, ((self.context, self.context), (0, 0)), mode="edge")
        windows = sliding_window_view(padded, 2 * self.context + 1, axis=0)
        return np.hstack([windows.reshape(len(simulated), -1), np.ones((len(simulated), 1))])


def _solve(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    diagonal = np.full(x.shape[1], penalty)
    diagonal[-1] = 1e-9  # the intercept is not shrunk
    return np.linalg.solve(x.T @ x + np.diag(diagonal), x.T @ y)
