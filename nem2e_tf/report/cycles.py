"""The gait cycles of a trial, and means of curves over them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nem2e_tf.report.result import Result
from nem2e_tf.signals import gait

FEWEST_CYCLES = 2
"""Least number of whole cycles for a mean."""


@dataclass(frozen=True)
class Cycles:
    """The gait cycles of a trial, from one largest knee flexion to the next.

    Args:
        starts: seconds, `(cycles + 1,)`.
        steady: `(cycles,)` bool, True for cycles of usual length.
    """

    starts: np.ndarray
    steady: np.ndarray

    @classmethod
    def from_result(cls, result: Result) -> "Cycles":
        """Gait cycles of a result; none if its motion lacks the knee angle."""
        knee = f"knee_angle_{result.facts.inputs.side}"
        if knee not in result.motion:
            return cls(np.zeros(0), np.zeros(0, dtype=bool))
        return cls(*gait.find_steady_strides(result.motion[knee]))

    @property
    def count(self) -> int:
        """Number of steady cycles."""
        return int(self.steady.sum())

    @property
    def lengths(self) -> np.ndarray:
        """Durations of the steady cycles, seconds."""
        return np.diff(self.starts)[self.steady]

    @property
    def has_mean(self) -> bool:
        """Whether there are enough for a mean."""
        return self.count >= FEWEST_CYCLES

    def describe(self) -> str:
        """Number and duration of the cycles in a sentence."""
        if not self.has_mean:
            start = "One whole gait cycle was" if self.count == 1 else "No whole gait cycle was"
            return (
                f"{start} found in the knee's motion, and two are the least for a mean: there are"
                " no curves by gait cycle and no timing of bursts."
            )
        mean, spread = self.lengths.mean(), self.lengths.std()
        excluded = len(self.steady) - self.count
        left_out = (
            f" {excluded} of other lengths, a turn or a pause, are left out." if excluded else ""
        )
        return (
            f"{self.count} gait cycles of {mean:.2f} ± {spread:.2f} s (mean ± SD). Each runs from"
            " the largest flexion of the knee, in swing, to the next: 0 % is not the contact of"
            f" the foot.{left_out}"
        )

    def covered_by(self, frame: pd.DataFrame) -> np.ndarray:
        """Steady cycles that a frame covers, `(cycles,)` bool."""
        after = self.starts[:-1] >= frame.index[0] - 1e-6
        return self.steady & after & (self.starts[1:] <= frame.index[-1] + 1e-6)

    def mean(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and SD at 0-100 % of the cycle; None if fewer than two are covered."""
        frame = series.to_frame()
        covered = self.covered_by(frame)
        if covered.sum() < FEWEST_CYCLES:
            return None
        each = gait.gait_cycles(frame, self.starts)[covered, :, 0]
        return each.mean(axis=0), each.std(axis=0)
