"""Measures that compare virtual people with a recording: cycle shapes, bursts, lag, variability."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nem2e_tf.signals import PHASES, RATE, gait_cycles, low_pass, metrics, stride_times

JOINTS = ("hip_flexion_r", "hip_adduction_r", "hip_rotation_r", "knee_angle_r", "ankle_angle_r")
CURVES = (*JOINTS, *(f"{joint}_moment" for joint in JOINTS))
_LOW_PASS = 6.0
"""Hz, as the simulation low-passes motion and moments."""


@dataclass(frozen=True)
class ComparisonMeasures:
    """The measures of a recording.

    A cycle goes from one largest knee flexion, in swing, to the next: a sharp event that needs no
    force plate.

    Args:
        curves: `(101, angles and moments)`, mean cycle, degrees and N m per kg.
        envelopes: `(101, muscles)`, mean cycle.
        simulated: `(101, muscles)`, mean cycle.
        numbers: by `(what, of)`: stride time and its variation, and of every muscle its burst,
            and lag, r and RMSE of the raw simulation.
    """

    curves: pd.DataFrame
    envelopes: pd.DataFrame
    simulated: pd.DataFrame
    numbers: pd.Series


def comparison_measures(
    motion: pd.DataFrame,
    moments: pd.DataFrame,
    mass: float,
    simulated: pd.DataFrame,
    measured: pd.DataFrame,
) -> ComparisonMeasures:
    """Measure a recording.

    Args:
        motion: `(frames, coordinates)`, radians, at 100 Hz.
        moments: `(frames, moments)`, N m.
        mass: of the body, kg.
        simulated: `(frames, muscles)`, activations, within the time of `motion`.
        measured: `(frames, muscles)`, envelopes, on the clock of `simulated`.
    """
    angles = low_pass(motion[list(JOINTS)], _LOW_PASS, "motion").apply(np.rad2deg)
    torques = (
        low_pass(moments[[f"{joint}_moment" for joint in JOINTS]], _LOW_PASS, "moments") / mass
    )
    joined = pd.concat([angles, torques], axis=1).reindex(
        simulated.index, method="nearest", tolerance=0.5 / RATE
    )
    starts = stride_times(-joined["knee_angle_r"])
    muscles = list(measured.columns)
    envelope, activity = gait_cycles(measured, starts), gait_cycles(simulated[muscles], starts)
    scores = metrics.score_table(measured, simulated[muscles], RATE)
    times = np.diff(starts)
    numbers: dict[tuple[str, str], float] = {
        ("stride time (s)", ""): float(times.mean()),
        ("stride time variation (%)", ""): float(100.0 * times.std(ddof=1) / times.mean()),
        ("hip flexion variation (deg)", ""): _stride_variability(
            gait_cycles(joined[["hip_flexion_r"]], starts)
        ),
        ("knee angle variation (deg)", ""): _stride_variability(
            gait_cycles(joined[["knee_angle_r"]], starts)
        ),
        ("ankle angle variation (deg)", ""): _stride_variability(
            gait_cycles(joined[["ankle_angle_r"]], starts)
        ),
    }
    for i, muscle in enumerate(muscles):
        mean = envelope[:, :, i].mean(axis=0)
        numbers["EMG peak (% of cycle)", muscle] = float(100.0 * PHASES[mean[:-1].argmax()])
        numbers["EMG centre (% of cycle)", muscle] = centre_of_activity(mean[:-1])
        numbers["EMG trough / peak", muscle] = float(mean.min() / mean.max())
        numbers["EMG variation / peak", muscle] = float(
            envelope[:, :, i].std(axis=0, ddof=1).mean() / mean.max()
        )
        numbers["EMG peak", muscle] = float(mean.max())
        numbers["lag of the simulation (ms)", muscle] = float(scores["lag_ms"].iloc[i])
        numbers["r of the simulation", muscle] = float(scores["r"].iloc[i])
        numbers["RMSE of the simulation", muscle] = float(scores["rmse"].iloc[i])
    index = pd.Index(100.0 * PHASES, name="cycle")
    return ComparisonMeasures(
        pd.DataFrame(gait_cycles(joined, starts).mean(axis=0), index=index, columns=joined.columns),
        pd.DataFrame(envelope.mean(axis=0), index=index, columns=muscles),
        pd.DataFrame(activity.mean(axis=0), index=index, columns=muscles),
        pd.Series(numbers),
    )


def between_people_differences(people: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """How much people's mean cycles differ from one another.

    `CV` and `variance ratio` are of cycles divided by their own mean, as in most of the literature:
    the root mean square over the cycle of the deviation between people, over the mean (Winter 1984,
    Hum Mov Sci 3:51), and the variance between people at equal phase over all variance, 0 where
    people do not differ, 1 where they have nothing in common (Hershler and Milner 1978, IEEE Trans
    Biomed Eng 25:413). `with amplitude` is the latter of cycles as they are.

    Args:
        people: at least three mean cycles `(101, muscles)`, the last row the first of the next.

    Returns:
        By muscle: `r`, the mean over people of the correlation with the mean cycle of the others,
        `CV`, `variance ratio` and `with amplitude`.
    """
    whole = np.stack([person.to_numpy()[:-1] for person in people])
    shape = whole / whole.mean(axis=1, keepdims=True)
    others = (shape.sum(axis=0) - shape) / (len(shape) - 1)
    deviation = np.sqrt(shape.var(axis=0, ddof=1).mean(axis=0))
    return pd.DataFrame(
        {
            "r": correlation(shape, others).mean(axis=0),
            "CV": deviation / shape.mean(axis=(0, 1)),
            "variance ratio": _variance_ratio(shape),
            "with amplitude": _variance_ratio(whole),
        },
        index=people[0].columns,
    )


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's r over the phases of cycles `(..., phases, muscles)`."""
    a = one - one.mean(axis=-2, keepdims=True)
    b = other - other.mean(axis=-2, keepdims=True)
    found: np.ndarray = (a * b).sum(axis=-2) / np.sqrt((a**2).sum(axis=-2) * (b**2).sum(axis=-2))
    return found


def centre_of_activity(cycle: np.ndarray) -> float:
    """Circular mean of activity above the cycle's least, in per cent of the cycle."""
    weight = cycle - cycle.min()
    turn = np.exp(2j * np.pi * np.arange(len(cycle)) / len(cycle))
    return float(100.0 * (np.angle((weight * turn).sum()) / (2.0 * np.pi) % 1.0))


def _variance_ratio(curves: np.ndarray) -> np.ndarray:
    between: np.ndarray = curves.var(axis=0, ddof=1).mean(axis=0)
    return between / curves.reshape(-1, curves.shape[2]).var(axis=0, ddof=1)


def _stride_variability(curves: np.ndarray) -> float:
    """Standard deviation between strides at equal phase, mean over the cycle."""
    return float(curves.std(axis=0, ddof=1).mean())
