"""Muscle excitation from activation, and the relative EMG amplitude that it gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from nem2e_tf.cohort.physiology import Physiology
from nem2e_tf.cohort.strides import Strides
from nem2e_tf.cohort.subject import Subject


def excitation(activation: pd.DataFrame, physiology: Physiology) -> pd.DataFrame:
    """The excitation whose delayed activation dynamics give an activation.

    Activation `a` follows excitation `u` as da/dt = (u - a) / τ, with τ = rise (0.5 + 1.5 a) while
    it rises and fall / (0.5 + 1.5 a) while it falls (Winters 1995, Ann Biomed Eng 23:359; Thelen
    2003, J Biomech Eng 125:70). The equation is solved for `u`, which is clipped to 0-1: a
    muscle deactivates fastest without excitation. The EMG leads by the electromechanical delay.

    Args:
        activation: `(frames, muscles)`, index `time` in seconds.
        physiology: Physiology of these muscles.

    Returns:
        `(frames, muscles)`, excitation at the time at which the EMG shows it.
    """
    time = activation.index.to_numpy()
    values = activation.to_numpy()
    drive = values
    if physiology.rise > 0.0 or physiology.fall > 0.0:
        rate = np.gradient(values, time, axis=0)
        rate_factor = 0.5 + 1.5 * values
        constant = np.where(
            rate > 0.0, physiology.rise * rate_factor, physiology.fall / rate_factor
        )
        drive = np.clip(values + constant * rate, 0.0, 1.0)
    advanced = np.stack(
        [
            np.interp(time + delay, time, column)
            for delay, column in zip(physiology.delay, drive.T, strict=True)
        ],
        axis=1,
    )
    return pd.DataFrame(advanced, index=activation.index, columns=activation.columns)


def vary_between_strides(
    drive: pd.DataFrame, strides: Strides, subject: Subject, task: str, physiology: Physiology
) -> pd.DataFrame:
    """Vary the size of the excitation from stride to stride, each muscle independently.

    Args:
        drive: `(frames, muscles)`, excitation.
        strides: its foot strikes separate the strides.
        subject: Subject.
        task: str.
        physiology: Physiology of these muscles.
    """
    middle = 0.5 * (strides.strikes[1:] + strides.strikes[:-1])
    time = drive.index.to_numpy()
    varied = {}
    for muscle, size in zip(drive.columns, physiology.unsteadiness, strict=True):
        score = subject.rng("unsteadiness", task, str(muscle)).standard_normal(len(middle))
        # The mean of the factor is one, whatever the size.
        factor = np.exp(size * score - 0.5 * size**2)
        smooth = PchipInterpolator(middle, factor)(np.clip(time, middle[0], middle[-1]))
        varied[muscle] = np.clip(drive[muscle].to_numpy() * smooth, 0.0, 1.0)
    return pd.DataFrame(varied, index=drive.index)


def emg_amplitude(drive: pd.DataFrame, physiology: Physiology) -> pd.DataFrame:
    """Relative EMG amplitude of an excitation, 0-1.

    Excitation `u` and amplitude `e` are related by u = (exp(A e) - 1) / (exp(A) - 1), with the
    shape factor A between -3 and 0, 0 being proportional (Lloyd and Besier 2003, J Biomech
    36:765).

    Args:
        drive: `(frames, muscles)`, excitation.
        physiology: Physiology of these muscles.
    """
    shape = np.minimum(physiology.shape, -1e-6)
    curved = np.log1p(drive.to_numpy() * np.expm1(shape)) / shape
    return pd.DataFrame(
        np.where(physiology.shape < -1e-6, curved, drive.to_numpy()),
        index=drive.index,
        columns=drive.columns,
    )
