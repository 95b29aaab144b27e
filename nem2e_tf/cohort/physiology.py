"""The hidden parameters of a virtual person, and the true activations of their muscles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohort.causes import sample_parameter
from nem2e_tf.cohort.effort import share_moments
from nem2e_tf.cohort.habit import habitual_activity
from nem2e_tf.cohort.strides import Strides
from nem2e_tf.cohort.subject import Subject
from nem2e_tf.signals import RATE, low_pass
from nem2e_tf.simulation import (
    CUTOFF,
    MIN_ACTIVATION,
    ForceCurves,
    LegModel,
    MuscleGeometry,
    coordinate_speeds,
    force_curves,
    muscle_geometry,
)

JOINTS = {"hip": ("hip_flexion_r", "hip_adduction_r", "hip_rotation_r"),
          "knee": ("knee_angle_r",), "ankle": ("ankle_angle_r",)}  # fmt: skip
_USUAL_SPEED = 1.3
"""m/s, at which the co-contraction floors are given."""
_HIGHEST_FLOOR = 0.25
"""Largest activation by co-contraction."""


@dataclass(frozen=True)
class Physiology:
    """One person's hidden parameters; `causes.yaml` says what each is.

    Args:
        muscles: names, the order of what follows.
        fibre_length: `(muscles,)`, factor.
        slack_shift: `(muscles,)`, optimal fibre lengths.
        strength: `(muscles,)`, factor.
        moment_arm: `(muscles,)`, factor.
        exponent: of the cost.
        weights: `(muscles,)`, of the cost.
        floor: by joint, least activation by co-contraction.
        loaded: by joint, activation added at the largest moment.
        floor_by_speed: per m/s.
        rise: s.
        fall: s.
        delay: `(muscles,)`, s.
        unsteadiness: `(muscles,)`, of the logarithm of a stride's excitation.
        weakening: share of force lost by the end of a trial.
        slowing: share of the EMG's frequencies lost by then.
        shape: `(muscles,)`, of EMG amplitude against excitation.
        habit: `(muscles,)`, activation at the peak of habitual bursts in walking.
        habit_shift: `(muscles,)`, lateness of these bursts, share of the cycle.
        feels_fast_motion: whether the muscles carry what the laboratory's low-pass removes.
    """

    muscles: tuple[str, ...]
    fibre_length: np.ndarray
    slack_shift: np.ndarray
    strength: np.ndarray
    moment_arm: np.ndarray
    exponent: float
    weights: np.ndarray
    floor: Mapping[str, float]
    loaded: Mapping[str, float]
    floor_by_speed: float
    rise: float
    fall: float
    delay: np.ndarray
    unsteadiness: np.ndarray
    weakening: float
    slowing: float
    shape: np.ndarray
    habit: np.ndarray
    habit_shift: np.ndarray
    feels_fast_motion: bool

    def as_json(self) -> dict[str, Any]:
        """The parameters as JSON types; values of muscles by name."""
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                plain[name] = dict(zip(self.muscles, value.tolist(), strict=True))
            elif name != "muscles":
                plain[name] = dict(value) if isinstance(value, Mapping) else value
        return plain


def sample_physiology(
    subject: Subject, muscles: Sequence[str], active_causes: frozenset[str]
) -> Physiology:
    """Draw a person's hidden parameters; those of causes that do not act are neutral."""

    def muscle_values(cause: str, parameter: str) -> np.ndarray:
        return sample_parameter(subject, active_causes, cause, parameter, muscles)

    def person_value(cause: str, parameter: str) -> float:
        return float(sample_parameter(subject, active_causes, cause, parameter, [""])[0])

    def joint_values(parameter: str) -> dict[str, float]:
        values = sample_parameter(subject, active_causes, "co_contraction", parameter, JOINTS)
        return dict(zip(JOINTS, values.tolist(), strict=True))

    delay = person_value("delay", "person") + muscle_values("delay", "muscle")
    return Physiology(
        muscles=tuple(muscles),
        fibre_length=muscle_values("fibre_length", "factor"),
        slack_shift=muscle_values("slack_length", "shift"),
        strength=muscle_values("strength", "factor"),
        moment_arm=muscle_values("moment_arm", "factor"),
        exponent=person_value("effort", "exponent"),
        weights=np.exp(muscle_values("effort", "log_weight")),
        floor=joint_values("floor"),
        loaded=joint_values("loaded"),
        floor_by_speed=person_value("co_contraction", "speed"),
        rise=person_value("activation_dynamics", "rise"),
        fall=person_value("activation_dynamics", "fall"),
        delay=np.maximum(delay, 0.0),
        unsteadiness=muscle_values("unsteadiness", "size"),
        weakening=person_value("fatigue", "weakening"),
        slowing=person_value("fatigue", "slowing"),
        shape=muscle_values("recruitment", "shape"),
        habit=muscle_values("habit", "size"),
        habit_shift=muscle_values("habit", "shift"),
        feels_fast_motion=bool(person_value("smoothing", "hidden")),
    )


def true_activation(
    leg: LegModel, strides: Strides, physiology: Physiology, speed: float, task: str
) -> pd.DataFrame:
    """The activations of the person's true muscles in the motion that they performed.

    Args:
        leg: LegModel, the right leg of the model that a laboratory would use.
        strides: the motion and moments.
        physiology: the parameters of the true muscles.
        speed: m/s.
        task: `walking` or `running`.

    Returns:
        `(frames, muscles)` at 100 Hz.
    """
    motion, moments = strides.true_motion, strides.true_moments
    if not physiology.feels_fast_motion:
        motion, moments = low_pass(motion, CUTOFF, "motion"), low_pass(moments, CUTOFF, "moments")
    torques = moments[[f"{name}_moment" for name in leg.coordinates]].to_numpy()
    model_geometry = muscle_geometry(leg, motion)
    geometry = _true_geometry(leg, motion, model_geometry, physiology)
    remaining_force = 1.0 - physiology.weakening * np.linspace(0.0, 1.0, len(motion))
    effect = geometry.moment_arms * (geometry.capacity * remaining_force[:, None])[:, None, :]
    activation = share_moments(
        effect,
        torques,
        _minimum_activation(leg, torques, physiology, speed)
        + _habitual_activation(leg, strides, physiology, task),
        physiology.weights,
        physiology.exponent,
    )
    return pd.DataFrame(activation, index=motion.index, columns=list(leg.muscles))


def _true_geometry(
    leg: LegModel, motion: pd.DataFrame, model_geometry: MuscleGeometry, physiology: Physiology
) -> MuscleGeometry:
    """Geometry of the true muscles: path lengths scaled by a factor about the upright pose."""
    muscles = leg.model.getMuscles()
    curves = force_curves([muscles.get(name) for name in leg.muscles])
    upright = pd.DataFrame(
        np.zeros((9, motion.shape[1])),
        index=pd.Index(np.arange(9) / RATE, name="time"),
        columns=motion.columns,
    )
    rest = muscle_geometry(leg, upright).lengths[0]
    speeds = coordinate_speeds(motion[list(leg.coordinates)])
    rates = -np.einsum("fcm,fc->fm", model_geometry.moment_arms, speeds)
    factor = physiology.moment_arm
    lengths = rest + factor * (model_geometry.lengths - rest)
    own = _true_curves(curves, physiology)
    return MuscleGeometry(
        lengths, factor * model_geometry.moment_arms, own.capacity(lengths, factor * rates)
    )


def _true_curves(curves: ForceCurves, physiology: Physiology) -> ForceCurves:
    longer = physiology.fibre_length
    return replace(
        curves,
        optimal_length=curves.optimal_length * longer,
        slack_length=curves.slack_length + physiology.slack_shift * curves.optimal_length,
        width=curves.width * longer,
        fastest=curves.fastest * longer,
        force_length=curves.force_length * physiology.strength[:, None],
    )


def _minimum_activation(
    leg: LegModel, torques: np.ndarray, physiology: Physiology, speed: float
) -> np.ndarray:
    """Least activation `(frames, muscles)`: the mean over the joints that a muscle crosses."""
    speed_factor = max(1.0 + physiology.floor_by_speed * (speed - _USUAL_SPEED), 0.0)
    load = np.abs(torques) / np.abs(torques).max(axis=0)
    activation_by_joint = {
        joint: (
            physiology.floor[joint]
            + physiology.loaded[joint]
            * load[:, [leg.coordinates.index(c) for c in coordinates]].max(axis=1)
        )
        for joint, coordinates in JOINTS.items()
    }
    floors = [
        np.mean(
            [
                activation_by_joint[j]
                for j, c in JOINTS.items()
                if set(c) & set(leg.crossed_coordinates[muscle])
            ],
            axis=0,
        )
        for muscle in leg.muscles
    ]
    return np.clip(np.stack(floors, axis=1) * speed_factor, MIN_ACTIVATION, _HIGHEST_FLOOR)


def _habitual_activation(
    leg: LegModel, strides: Strides, physiology: Physiology, task: str
) -> np.ndarray:
    """Least activation by habit `(frames, muscles)`, delayed as activation is after the EMG."""
    time = strides.motion.index.to_numpy()
    late = physiology.delay + (physiology.rise + physiology.fall) / 2.0
    strides_done = np.interp(
        time[:, None] - late, strides.strikes, np.arange(len(strides.strikes), dtype=float)
    )
    phases = np.mod(strides_done - physiology.habit_shift, 1.0)
    return physiology.habit * habitual_activity(task, leg.muscles, phases)
