"""Bursts of muscle activity in the gait cycle: where they begin, end and peak.

The criterion is the intensity-filtered average of Bogey, Barnes and Perry (1992), "Computer
algorithms to characterize individual subject EMG profiles during gait", Arch Phys Med Rehabil
73:835: activity of the mean cycle that is weak or shorter than 5 % of the cycle does not
count. Their threshold is 5 % of a maximal contraction. No maximal contraction is known here, so the
threshold is a share of the mean cycle's own peak, as in studies of pedalling, which take 15-25 %
(Hug and Dorel 2009, J Electromyogr Kinesiol 19:182).
"""

from dataclasses import dataclass

import numpy as np

ACTIVE_SHARE = 0.2
"""Share of the peak of the mean cycle above which a muscle is active."""

SHORTEST_BURST = 5
"""Per cent of the cycle. A shorter pause does not separate bursts; a shorter burst is ignored."""


@dataclass(frozen=True)
class Burst:
    """A burst, in per cent of the cycle.

    Args:
        onset: where it begins.
        offset: where it ends; less than `onset` where the end of the cycle is within the burst,
            and 100 after it where the muscle never rests.
        peak: where it is largest.
    """

    onset: int
    offset: int
    peak: int


def find_bursts(cycle: np.ndarray) -> list[Burst]:
    """The bursts of a mean cycle, in order; none where the cycle is flat.

    Args:
        cycle: `(100,)`, an envelope at every per cent of the cycle, which is periodic: after 99 %
            comes 0 %.
    """
    if np.ptp(cycle) <= 1e-9:
        return []
    active = cycle >= ACTIVE_SHARE * cycle.max()
    for value in (False, True):
        for onset, length in _find_runs(active == value):
            if length < SHORTEST_BURST:
                active[(onset + np.arange(length)) % len(cycle)] = not value
    if active.all():
        return [Burst(0, 100, int(cycle.argmax()))]
    found = []
    for onset, length in _find_runs(active):
        within = (onset + np.arange(length)) % len(cycle)
        peak = int(within[cycle[within].argmax()])
        found.append(Burst(onset, (onset + length) % len(cycle), peak))
    return found


def _find_runs(active: np.ndarray) -> list[tuple[int, int]]:
    """Start and length of every run of active frames in the periodic cycle, by start."""
    if active.all():
        return [(0, len(active))]
    starts = np.flatnonzero(active & ~np.roll(active, 1))
    ends = np.flatnonzero(active & ~np.roll(active, -1))
    # A run that begins last may end first, beyond the end of the cycle.
    after = [min((end - start) % len(active) for end in ends) + 1 for start in starts]
    return [(int(start), int(length)) for start, length in zip(starts, after, strict=True)]
