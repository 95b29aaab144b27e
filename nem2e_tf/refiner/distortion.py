"""Timing distortion that a refiner corrects: its attention, and the delay of each muscle.

Attention is shared by all muscles, so it does not show their delays, nor do the gradients of the
network's outputs. The delay is the shift at which the mean cycle of the simulation correlates best
with the refined one, within a part of the cycle. For virtual people whose only distortion is a
delay, this recovers the delay of each muscle to 1 ms.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from nem2e_tf.errors import InputError
from nem2e_tf.refiner.familiarity import cadence
from nem2e_tf.refiner.refiner import Refiner
from nem2e_tf.signals import combine, resample

PHASES = np.arange(100.0)
"""Per cent of a cycle."""
MAX_DELAY = 0.25
"""Longest delay or advance, seconds."""
PHASE_SD = 0.1
"""Standard deviation, in cycles, of the Gaussian weight of a part of the cycle."""
MIN_CORRELATION = 0.8
"""Least correlation within that part for a delay to be known."""
MIN_KNOWN_SHARE = 0.25
"""Least share of a muscle's activity with a known delay for a mean delay."""
MIN_CHANGE = 0.05
"""Least standard deviation within that part, relative to the range over the cycle."""


@dataclass(frozen=True)
class Distortion:
    """Timing distortion of a recording.

    Args:
        cycle: duration in seconds.
        origin: the muscle whose refined activity is largest at 0 % of the cycle.
        simulated: `(100, muscles)`, mean cycle.
        refined: `(100, muscles)`, mean cycle.
        truth: `(100, some muscles)`, mean cycle of the reference, or no columns.
        delays: `(100, muscles)`, ms by which the simulation is late, see `delays`.
        true_delays: `(100, some muscles)`, the same of the simulation against `truth`.
        attention: `(100, offsets)`, attention weights, mean over cycles; columns are ms from
            the refined frame, positive for later frames.
    """

    cycle: float
    origin: str
    simulated: pd.DataFrame
    refined: pd.DataFrame
    truth: pd.DataFrame
    delays: pd.DataFrame
    true_delays: pd.DataFrame
    attention: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Delay of every muscle, ms: the mean over the cycle, weighted by activity.

        Returns:
            Columns `delay` and, if there is a truth, `true_delay`; NaN if unknown.
        """
        delays = {"delay": _activity_weighted_mean(self.delays, self.refined)}
        if not self.truth.empty:
            delays["true_delay"] = _activity_weighted_mean(self.true_delays, self.truth)
        return pd.DataFrame(delays, index=self.delays.columns)

    def lines(self) -> list[str]:
        """The delay of every muscle in words."""
        lines = []
        for muscle, row in self.summary().iterrows():
            parts = [
                f"{prefix}{abs(value):.0f} ms {'late' if value >= 0 else 'early'}"
                for prefix, value in zip(("", "in truth "), row, strict=False)
                if np.isfinite(value)
            ]
            lines.append(f"{muscle}: simulated {', '.join(parts) or 'at no certain delay'}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Plain tables and lists."""
        return {
            "cycle": self.cycle,
            "origin": self.origin,
            "unit": "ms, positive where the simulation comes late",
            "mean": self.summary().to_dict("index"),
            "delay": self.delays.to_dict("list"),
            "true_delay": self.true_delays.to_dict("list"),
        }


def measure_distortion(
    refiner: Refiner,
    frame: pd.DataFrame,
    side: str | None = None,
    truth: pd.DataFrame | None = None,
) -> Distortion:
    """Measure the timing distortion of a steady recording of several cycles.

    Args:
        refiner: Refiner.
        frame: simulated activity, as for `Refiner.refine`.
        side: as for `Refiner.refine`.
        truth: `(rows, columns)` or None. Measured envelopes, or a virtual person's true excitation.

    Raises:
        InputError: there are fewer than three cycles.
    """
    card = refiner.card
    side = side or refiner.muscles.find_side(card.inputs, frame.columns)
    channels = refiner.channels(frame, side)
    refined = refiner.refine(frame, side)
    starts, origin = cycle_starts(refined, card.rate)
    times = refined.index

    def select_outputs(table: pd.DataFrame) -> pd.DataFrame:
        """The outputs that a frame has, with the names and times of the refined ones."""
        columns = refiner.muscles.columns(table.columns, side)
        named = {
            str(name): columns[channel]
            for name, channel in zip(refined, card.outputs, strict=True)
            if channel in columns
        }
        inside = times[(times >= table.index[0] - 1e-6) & (times <= table.index[-1] + 1e-6)]
        return resample(combine(table, named), inside.to_numpy())

    simulated = select_outputs(frame)
    compared = refined[[]]
    if truth is not None:
        starts = starts[(starts >= truth.index[0]) & (starts <= truth.index[-1])]
        if len(starts) < 4:
            source = truth.attrs.get("path", "what is compared")
            raise InputError(f"{source}: fewer than three cycles in common; put both on one clock")
        compared = select_outputs(truth)
    cycle = float(np.diff(starts).mean())
    means = {
        "simulated": mean_cycle(simulated, starts),
        "refined": mean_cycle(refined, starts),
        "truth": mean_cycle(compared, starts),
    }
    return Distortion(
        cycle=cycle,
        origin=origin,
        **means,
        delays=delays(means["simulated"], means["refined"], cycle),
        true_delays=delays(means["simulated"], means["truth"], cycle),
        attention=attention(refiner, channels, starts),
    )


def cycle_starts(activity: pd.DataFrame, rate: float) -> tuple[np.ndarray, str]:
    """Times of the peaks of the most regular muscle, seconds, and its name.

    Raises:
        InputError: there are fewer than three cycles.
    """
    values = activity.to_numpy()
    spread = values.std(axis=0)
    period = 1.0 / cadence((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1), rate)
    candidates = {}
    for name, column in activity.items():
        high = column.min() + 0.4 * (column.max() - column.min())
        peaks, _ = find_peaks(column, height=high, distance=max(1.0, 0.6 * period * rate))
        if len(peaks) > 3:
            candidates[np.diff(peaks).std() / np.diff(peaks).mean()] = str(name), peaks
    if not candidates:
        raise InputError("fewer than three cycles are found; a steady recording of more is needed")
    name, peaks = candidates[min(candidates)]
    return activity.index.to_numpy()[peaks], name


def mean_cycle(frame: pd.DataFrame, starts: np.ndarray) -> pd.DataFrame:
    """Mean over cycles: `(100, columns)`, index per cent of the cycle."""
    at = starts[:-1, None] + np.diff(starts)[:, None] * PHASES / 100.0
    means = {n: np.interp(at, frame.index, column).mean(axis=0) for n, column in frame.items()}
    return pd.DataFrame(means, index=pd.Index(PHASES, name="cycle"))


def delays(late: pd.DataFrame, reference: pd.DataFrame, cycle: float) -> pd.DataFrame:
    """Delay of one mean cycle against another, in each part of the cycle.

    Args:
        late: `(100, muscles)`, the simulation.
        reference: `(100, some of them)`.
        cycle: float. Duration of a cycle in seconds.

    Returns:
        `(100, muscles of reference)`, ms, positive where `late` is late. NaN where
        the correlation or the change of activity is too low.
    """
    muscles = [m for m in reference.columns if m in late.columns]
    a, b = late[muscles].to_numpy().T, reference[muscles].to_numpy().T
    step = cycle / len(PHASES)
    shifts = np.arange(-round(MAX_DELAY / step), round(MAX_DELAY / step) + 1)
    distance = np.minimum(PHASES, len(PHASES) - PHASES) / len(PHASES)
    bell = np.exp(-0.5 * (distance / PHASE_SD) ** 2)
    spectrum = np.fft.fft(bell / bell.sum())

    def local_mean(series: np.ndarray) -> np.ndarray:
        """Weighted mean over the part of the cycle around each phase."""
        return np.fft.ifft(np.fft.fft(series) * spectrum).real

    spread_b = np.sqrt(np.maximum(local_mean(b**2) - local_mean(b) ** 2, 0.0))
    scores = []
    for shift in shifts:
        moved = np.roll(a, -shift, axis=1)
        spread = np.sqrt(np.maximum(local_mean(moved**2) - local_mean(moved) ** 2, 0.0))
        covariance = local_mean(moved * b) - local_mean(moved) * local_mean(b)
        scores.append(covariance / np.maximum(spread * spread_b, 1e-9))
    score = np.stack(scores)
    best = np.clip(score.argmax(axis=0), 1, len(shifts) - 2)
    before, at, after = (np.take_along_axis(score, best[None] + k, 0)[0] for k in (-1, 0, 1))
    # A parabola through the best score and its neighbours refines the shift between phases.
    curvature = before - 2.0 * at + after
    refinement = 0.5 * (before - after) / np.where(curvature < 0.0, curvature, np.inf)
    is_known = (at >= MIN_CORRELATION) & (at >= before) & (at >= after)
    is_known &= spread_b > MIN_CHANGE * np.ptp(b, axis=1)[:, None]
    result = np.where(is_known, (shifts[best] + refinement) * step * 1000.0, np.nan)
    return pd.DataFrame(result.T, index=reference.index, columns=muscles)


def attention(refiner: Refiner, channels: pd.DataFrame, starts: np.ndarray) -> pd.DataFrame:
    """Attention of the decoder along the cycle.

    Args:
        refiner: Refiner.
        channels: `(frames, inputs)`, as `Refiner.channels` returns them.
        starts: seconds at which cycles start.

    Returns:
        `(100, offsets)`, attention weights, mean over cycles; columns are ms from the refined step.
        Steps whose attention exceeds the input window are left out.
    """
    from nem2e_tf.network.stdr_net import build_alignment_model

    card = refiner.card
    scaled = channels.to_numpy() / [card.input_maximum[c] for c in card.inputs]
    window = min(len(scaled), 2 * round(card.window * card.rate))
    firsts = range(0, len(scaled) - window + 1, max(1, window // 4))
    stacked = np.stack([scaled[first : first + window] for first in firsts]).astype(np.float32)
    alignment = np.asarray(build_alignment_model(refiner.model).predict(stacked, verbose=0)[1])
    steps = alignment.shape[1]
    frames = -(-window // steps)
    reach = min(steps // 4, refiner.model.get_layer("decoder").reach or steps // 4)
    time = channels.index.to_numpy()
    phases, rows = [], []
    for first, square in zip(firsts, alignment, strict=True):
        for step in range(reach, steps - reach):
            at = time[min(first + step * frames + frames // 2, len(time) - 1)]
            k = int(np.searchsorted(starts, at, side="right")) - 1
            if 0 <= k < len(starts) - 1:
                phases.append(100.0 * (at - starts[k]) / (starts[k + 1] - starts[k]))
                rows.append(square[step, step - reach : step + reach + 1])
    distance = np.abs((np.array(phases)[None] - PHASES[:, None] + 50.0) % 100.0 - 50.0)
    weight = np.exp(-0.5 * distance**2)
    offsets = np.arange(-reach, reach + 1) * frames * 1000.0 / card.rate
    shares = weight @ np.array(rows) / weight.sum(axis=1, keepdims=True)
    # Weights outside the attention window are exactly zero.
    within_reach = (shares > 0).any(axis=0)
    return pd.DataFrame(
        shares[:, within_reach], index=pd.Index(PHASES, name="cycle"), columns=offsets[within_reach]
    )


def _activity_weighted_mean(delay: pd.DataFrame, activity: pd.DataFrame) -> pd.Series:
    """Mean delay over the cycle, weighted by the activity above its minimum."""
    amount = (activity - activity.min())[delay.columns]
    weight = amount.where(delay.notna()).sum()
    mean = (delay * amount).sum() / weight.where(weight > 0)
    return mean.where(weight >= MIN_KNOWN_SHARE * amount.sum())
