"""What of a recording tells whether it is like people: cycle shapes, bursts, lag, variability."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nem2e_tf import metrics
from nem2e_tf.gait import PHASES, cycles, strides
from nem2e_tf.signals import RATE, low_pass

JOINTS = ("hip_flexion_r", "hip_adduction_r", "hip_rotation_r", "knee_angle_r", "ankle_angle_r")
CURVES = (*JOINTS, *(f"{joint}_moment" for joint in JOINTS))
_SMOOTH = 6.0
"""Hz, as the simulation low-passes motion and moments."""


@dataclass(frozen=True)
class Likeness:
    """A recording in the numbers by which it is compared.

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


def likeness(
    motion: pd.DataFrame,
    moments: pd.DataFrame,
    mass: float,
    simulated: pd.DataFrame,
    measured: pd.DataFrame,
) -> Likeness:
    """Describe a recording.

    Args:
        motion: `(frames, coordinates)`, radians, at 100 Hz.
        moments: `(frames, moments)`, N m.
        mass: of the body, kg.
        simulated: `(frames, muscles)`, activations, within the time of `motion`.
        measured: `(frames, muscles)`, envelopes, on the clock of `simulated`.
    """
    angles = low_pass(motion[list(JOINTS)], _SMOOTH, "motion").apply(np.rad2deg)
    torques = low_pass(moments[[f"{joint}_moment" for joint in JOINTS]], _SMOOTH, "moments") / mass
    joined = pd.concat([angles, torques], axis=1).reindex(
        simulated.index, method="nearest", tolerance=0.5 / RATE
    )
    starts = strides(-joined["knee_angle_r"])
    muscles = list(measured.columns)
    envelope, activity = cycles(measured, starts), cycles(simulated[muscles], starts)
    scores = metrics.table(measured, simulated[muscles], RATE)
    times = np.diff(starts)
    numbers: dict[tuple[str, str], float] = {
        ("stride time (s)", ""): float(times.mean()),
        ("stride time variation (%)", ""): float(100.0 * times.std(ddof=1) / times.mean()),
        ("hip flexion variation (deg)", ""): _variation(cycles(joined[["hip_flexion_r"]], starts)),
        ("knee angle variation (deg)", ""): _variation(cycles(joined[["knee_angle_r"]], starts)),
        ("ankle angle variation (deg)", ""): _variation(cycles(joined[["ankle_angle_r"]], starts)),
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
    return Likeness(
        pd.DataFrame(cycles(joined, starts).mean(axis=0), index=index, columns=joined.columns),
        pd.DataFrame(envelope.mean(axis=0), index=index, columns=muscles),
        pd.DataFrame(activity.mean(axis=0), index=index, columns=muscles),
        pd.Series(numbers),
    )


def centre_of_activity(cycle: np.ndarray) -> float:
    """Circular mean of activity above the cycle's least, in per cent of the cycle."""
    weight = cycle - cycle.min()
    turn = np.exp(2j * np.pi * np.arange(len(cycle)) / len(cycle))
    return float(100.0 * (np.angle((weight * turn).sum()) / (2.0 * np.pi) % 1.0))


def _variation(curves: np.ndarray) -> float:
    """Standard deviation between strides at equal phase, mean over the cycle."""
    return float(curves.std(axis=0, ddof=1).mean())
