"""Dynamic time warping of simulated cycles to the mean measured cycle of the training data."""

from collections.abc import Sequence

import numpy as np

from nem2e_tf.network.baselines import gain
from nem2e_tf.pipeline import Pair
from nem2e_tf.signals import PHASES, gait_cycles, knee_flexion, stride_times

WARPING_WINDOW = 15
"""Per cent of the cycle by which an event may be moved (Sakoe and Chiba 1978)."""


class TimeWarping:
    """Warps the time of every simulated cycle to that of the mean measured cycle.

    Shapes are compared, not sizes: both are divided by their maximum before they are aligned. A
    factor for each channel follows. Cycles begin at the largest knee flexion; frames before the
    first and after the last cycle are not warped.
    """

    def fit(self, pairs: Sequence[Pair]) -> "TimeWarping":
        """Learn the mean measured cycle and the factors."""
        found = [gait_cycles(pair.measured, cycle_starts(pair)) for pair in pairs]
        self.template = np.concatenate(found).mean(axis=0)
        self.factors = np.ones(self.template.shape[1])
        warped = np.concatenate([self.predict(pair) for pair in pairs])
        self.factors = gain(warped, np.concatenate([pair.measured.to_numpy() for pair in pairs]))
        return self

    def predict(self, pair: Pair) -> np.ndarray:
        """The simulated side of a pair, warped: `(frames, channels)`."""
        values, time = pair.simulated.to_numpy().copy(), pair.simulated.index.to_numpy()
        starts = cycle_starts(pair)
        if len(starts) > 1:
            all_cycles = gait_cycles(pair.simulated, starts)
            for k, cycle in enumerate(all_cycles):
                inside = (time >= starts[k]) & (time < starts[k + 1])
                phase = (time[inside] - starts[k]) / (starts[k + 1] - starts[k])
                for i, template in enumerate(self.template.T):
                    values[inside, i] = np.interp(
                        phase, PHASES, warp_to_template(cycle[:, i], template)
                    )
        return values * self.factors


def warp_to_template(cycle: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Warp the time of a cycle to that of a template, `(101,)` each.

    Where several samples of the cycle are aligned with one of the template, their mean is taken.
    """
    from dtaidistance import dtw

    one, other = (x / max(float(x.max()), 1e-9) for x in (cycle, template))
    path = np.array(dtw.warping_path_fast(one, other, window=WARPING_WINDOW))
    total = np.bincount(path[:, 1], weights=cycle[path[:, 0]], minlength=len(template))
    return total / np.bincount(path[:, 1], minlength=len(template))


def cycle_starts(pair: Pair) -> np.ndarray:
    """Times at which the gait cycles of a recording begin; empty where none is complete."""
    found = stride_times(knee_flexion(pair.angles["knee_angle"]))
    return found if len(found) > 1 else found[:0]
