"""Consecutive strides of one person: joint angles and moments around the person's own average.

A person's cycle departs from the average of people by smooth periodic functions, scaled to the
published spread at every instant of the cycle; each stride departs from the person's cycle in the
same way, less. Departures of a joint's moment go with those of its angle as in a spring: the
joint's quasi-stiffness (Shamaei, Sawicki and Dollar 2013, PLoS ONE 8:e59935, e81841).

Published spreads include the errors of measurement: a share of a person's recorded departure is due
to the cause `measurement` and is not in the true motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline, PchipInterpolator

from nem2e_tf.cohort.causes import sample_parameter
from nem2e_tf.cohort.cycles import (
    COORDINATES,
    MOMENT,
    POINTS,
    Cycle,
    stride_time_spread,
    typical_cycle,
)
from nem2e_tf.cohort.subject import Subject, sample_bounded_normal
from nem2e_tf.signals import RATE

_VARIANCE_SHARES = (0.40, 0.25, 0.18, 0.11, 0.06)
"""Shares of a departure's variance in its mean and first four harmonics."""
_STIFFNESS = -0.5
"""Correlation of the departures of moment and angle."""
_STRIDE_VARIABILITY = {"walking": (0.15, 0.40), "running": (0.25, 0.90)}
"""Range of a person's spread of strides over the spread between people. Sagittal angles then vary
by 1-3 degrees at equal phase: Kadaba MP et al. (1989), J Orthop Res 7:849-860, find them excellent
to repeat within a day, with frontal and transverse angles and the moments behind. Running's is
chosen, and larger as `running.yaml` has smaller spreads between people."""
_MOMENT_SPREAD = 0.6
"""Of the published spread of moments between people. Chosen: `walking.csv` is of children of 4 to
17 years, and departures drawn for each joint by itself would pair large moments of one joint with
small ones of its neighbour, which people do not (Winter DA 1984, Hum Mov Sci 3:51-76)."""
_STRIDE_TIME = {"walking": (0.015, 0.030), "running": (0.010, 0.025)}
"""Range of a person's coefficient of variation: Hausdorff JM et al. (1996), J Appl Physiol
80:1448-1457, for walking; Nakayama Y, Kudo K, Ohtsuki T (2010), Gait Posture 31:331-335, for
running."""
_SCALING_EXPONENT = 0.8
"""Scaling exponent of stride times, 1/2 being memoryless: 0.76 of walking adults in Hausdorff JM et
al. (1995), J Appl Physiol 78:349-358."""
_DRIFT = 0.03
"""Largest slow change of amplitude and stride time over a trial, either way."""


@dataclass(frozen=True)
class Strides:
    """The motion and moments of a virtual person, as recorded and as they were.

    Args:
        motion: `(frames, coordinates)` at 100 Hz, radians, as recorded.
        moments: `(frames, coordinates)`, N m, columns `<coordinate>_moment`, as recorded.
        true_motion: the same shape, as it was.
        true_moments: the same shape, as they were.
        strikes: `(strides + 3,)`, seconds of the right foot's strikes. One stride before and one
            after those asked for let filters and delays settle.
    """

    motion: pd.DataFrame
    moments: pd.DataFrame
    true_motion: pd.DataFrame
    true_moments: pd.DataFrame
    strikes: np.ndarray

    @property
    def start(self) -> float:
        """Seconds at which the first of the requested strides begins."""
        return float(np.ceil(self.strikes[1] * RATE) / RATE)

    @property
    def end(self) -> float:
        """Seconds at which they end."""
        return float(np.floor(self.strikes[-2] * RATE) / RATE)


def walk_or_run(
    subject: Subject, task: str, strides: int, active_causes: frozenset[str] = frozenset()
) -> Strides:
    """Strides of one person at the person's speed for a task.

    What is recorded does not depend on which causes act.

    Args:
        subject: Subject.
        task: `walking` or `running`.
        strides: how many, at least 1, besides one before and one after.
        active_causes: names of the causes that act.

    Raises:
        ValueError: no such task or no strides.
    """
    if strides < 1:
        raise ValueError(f"{strides} strides are too few")
    typical = typical_cycle(task, subject.speeds[task], subject.height)
    person = subject.rng("person", task)
    varied = subject.rng("strides", task)
    count = strides + 2

    variation = person.uniform(*_STRIDE_TIME[task])
    average = typical.stride_time * (
        1.0 + sample_bounded_normal(person, 0.0, stride_time_spread(task))
    )
    slow = np.linspace(-0.5, 0.5, count) * varied.uniform(-_DRIFT, _DRIFT)
    times = average * (1.0 + variation * _fractional_gaussian_noise(varied, count, 1)[:, 0] + slow)
    strikes = np.concatenate([[0.0], np.cumsum(times)])
    time = np.arange(int(np.ceil(strikes[-1] * RATE)) + 1) / RATE

    number = np.arange(count + 1, dtype=float)
    # Two more strikes, so that the last frame, up to 10 ms later, is within.
    elapsed = PchipInterpolator(
        np.append(strikes, strikes[-1] + average), np.append(number, count + 1)
    )(time)
    recorded, true = _vary_cycle(
        task, typical, elapsed, count, subject, active_causes, person, varied
    )
    index = pd.Index(time, name="time")

    def angles(values: dict[str, np.ndarray]) -> pd.DataFrame:
        return pd.DataFrame({c: np.deg2rad(values[c]) for c in COORDINATES}, index=index)

    def moments(values: dict[str, np.ndarray]) -> pd.DataFrame:
        names = [f"{coordinate}{MOMENT}" for coordinate in COORDINATES]
        return pd.DataFrame({n: subject.mass * values[n] for n in names}, index=index)

    return Strides(angles(recorded), moments(recorded), angles(true), moments(true), strikes)


def _vary_cycle(
    task: str,
    typical: Cycle,
    elapsed: np.ndarray,
    strides: int,
    subject: Subject,
    active_causes: frozenset[str],
    person: np.random.Generator,
    varied: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every column of the cycle at `elapsed` strides `(frames,)`, as recorded and as it was."""
    basis = _fourier_basis(elapsed)
    terms = basis.shape[1]
    variability = person.uniform(*_STRIDE_VARIABILITY[task])
    drift = varied.uniform(-_DRIFT, _DRIFT) * (elapsed / strides - 0.5)
    recorded: dict[str, np.ndarray] = {}
    true: dict[str, np.ndarray] = {}
    for coordinate in COORDINATES:
        angle_departures: list[np.ndarray] = []
        for name in (coordinate, f"{coordinate}{MOMENT}"):
            constant = person.standard_normal(terms)
            changing = _fractional_gaussian_noise(varied, strides, terms)
            # With what is recorded given, what was is the rest of its departure, and a part that
            # the error hides: together they spread as much as the error leaves.
            kind = "moment" if name.endswith(MOMENT) else "angle"
            error = float(sample_parameter(subject, active_causes, "measurement", kind, [""])[0])
            hidden = subject.rng("measurement", name).standard_normal(terms)
            actual = (1.0 - error) * constant + np.sqrt(error * (1.0 - error)) * hidden
            # One series for both, so that they share their strides.
            departures = np.stack([constant, actual])[:, None] + variability * changing
            coefficients = CubicSpline(np.arange(strides) + 0.5, departures, axis=1)(
                np.clip(elapsed, 0.5, strides - 0.5)
            )
            departure = np.einsum("ft,kft->kf", basis, coefficients)
            if angle_departures:
                departure = (
                    _STIFFNESS * angle_departures[0] + np.sqrt(1.0 - _STIFFNESS**2) * departure
                )
            angle_departures.append(departure)
            mean, spread = (
                CubicSpline(
                    np.arange(POINTS + 1) / POINTS,
                    np.append(frame[name], frame[name].iloc[0]),
                    bc_type="periodic",
                )(np.mod(elapsed, 1.0))
                for frame in (typical.mean, typical.spread)
            )
            middle = float(typical.mean[name].mean())
            if name.endswith(MOMENT):
                spread = _MOMENT_SPREAD * spread
            recorded[name], true[name] = (
                middle + (1.0 + drift) * (mean - middle) + spread * departure
            )
    return recorded, true


def _fourier_basis(elapsed: np.ndarray) -> np.ndarray:
    """Terms of a periodic function of unit variance: `(frames, 9)`."""
    columns = [np.full(len(elapsed), np.sqrt(_VARIANCE_SHARES[0]))]
    for harmonic, share in enumerate(_VARIANCE_SHARES[1:], start=1):
        angle = 2.0 * np.pi * harmonic * elapsed
        columns += [np.sqrt(share) * np.cos(angle), np.sqrt(share) * np.sin(angle)]
    return np.stack(columns, axis=1)


def _fractional_gaussian_noise(rng: np.random.Generator, count: int, series: int) -> np.ndarray:
    """Series of unit variance whose chance departures persist: `(count, series)`.

    Fractional Gaussian noise (Mandelbrot and Van Ness 1968, SIAM Rev 10:422).
    """
    lag = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(float)
    power = 2.0 * _SCALING_EXPONENT
    covariance = 0.5 * ((lag + 1.0) ** power - 2.0 * lag**power + np.abs(lag - 1.0) ** power)
    draws: np.ndarray = np.linalg.cholesky(covariance) @ rng.standard_normal((count, series))
    return draws
