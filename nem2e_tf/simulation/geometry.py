"""Muscle lengths, moment arms and force capacity along a motion, from the OpenSim API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.model import LegModel, reason

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames in all."""


@dataclass(frozen=True)
class MuscleGeometry:
    """What a motion makes of a leg's muscles.

    Args:
        lengths: `(frames, muscles)`, metres. Muscle-tendon lengths.
        moment_arms: `(frames, coordinates, muscles)`, metres.
        capacity: `(frames, muscles)`, newtons. Active force along a tendon taken as inextensible,
            at full activation: what a muscle could give at this length and speed.
    """

    lengths: np.ndarray
    moment_arms: np.ndarray
    capacity: np.ndarray


def muscle_geometry(
    leg: LegModel, motion: pd.DataFrame, progress: Progress | None = None
) -> MuscleGeometry:
    """Pose the model in every frame and ask it about its muscles.

    Speeds come from a quintic spline through the motion. Coordinates that the motion leaves out
    keep the model's default value; coupled ones (a patella) follow their constraint in value and
    speed, whatever the motion says of them.

    Args:
        leg: LegModel.
        motion: `(frames, coordinates)`, radians and metres, index `time` in seconds, smooth.
        progress: callable or None.

    Raises:
        InputError: a pose that the model cannot take; the message gives the time.
    """
    model = leg.model
    # The pose of an earlier call would otherwise stay in coordinates that this motion leaves out.
    state = model.initializeState()
    motion, constrained = _coupled(model, motion)
    coordinates = [model.getCoordinateSet().get(str(name)) for name in motion.columns]
    shared = [model.getCoordinateSet().get(name) for name in leg.coordinates]
    muscles = [model.getMuscles().get(name) for name in leg.muscles]
    time = motion.index.to_numpy()
    values = motion.to_numpy()
    speeds = make_interp_spline(time, values, k=5).derivative()(time)

    frames = len(time)
    lengths = np.zeros((frames, len(muscles)))
    capacity = np.zeros((frames, len(muscles)))
    moment_arms = np.zeros((frames, len(shared), len(muscles)))

    def pose(frame: int) -> None:
        for coordinate, value, speed in zip(coordinates, values[frame], speeds[frame], strict=True):
            coordinate.setValue(state, float(value), False)
            coordinate.setSpeedValue(state, float(speed))
        if constrained:
            model.assemble(state)
        model.realizeVelocity(state)

    frame = 0
    try:
        crossing = []
        # A moment arm that is exactly zero in poses over the whole motion is of a muscle that does
        # not span the joint, and need not be computed again.
        for frame in np.linspace(0, frames - 1, min(frames, 9)).astype(int):
            pose(frame)
            crossing.append([[m.computeMomentArm(state, c) for m in muscles] for c in shared])
        pairs = np.argwhere(np.abs(crossing).max(axis=0) > 1e-9)
        for frame in range(frames):
            pose(frame)
            for j, muscle in enumerate(muscles):
                lengths[frame, j] = muscle.getLength(state)
                capacity[frame, j] = muscle.calcInextensibleTendonActiveFiberForce(state, 1.0)
            for i, j in pairs:
                moment_arms[frame, i, j] = muscles[j].computeMomentArm(state, shared[i])
            if progress is not None:
                progress(frame + 1, frames)
    except RuntimeError as error:
        raise InputError(
            f"{leg.path}: OpenSim cannot pose the model at time {time[frame]:g} s: {reason(error)}"
        ) from None
    return MuscleGeometry(lengths, moment_arms, capacity)


def _coupled(model: Any, motion: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The motion with coupled coordinates as functions of others; whether more constrains it.

    Assembling a pose would give them their value, but not their speed.
    """
    import opensim

    motion = motion.copy()
    constraints = model.getConstraintSet()
    others = False
    for i in range(constraints.getSize()):
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraints.get(i))
        if coupler is None:
            others = True
        elif coupler.get_isEnforced():
            names = coupler.getIndependentCoordinateNames()
            given = [
                motion[name] if name in motion else np.full(len(motion), _default(model, name))
                for name in (names.get(j) for j in range(names.getSize()))
            ]
            function = coupler.getFunction()
            scale = opensim.PropertyHelper.getValueDouble(coupler.getPropertyByName("scale_factor"))
            motion[coupler.getDependentCoordinateName()] = [
                scale * function.calcValue(opensim.Vector([float(value) for value in values]))
                for values in zip(*given, strict=True)
            ]
    return motion, others


def _default(model: Any, coordinate: str) -> float:
    return float(model.getCoordinateSet().get(coordinate).getDefaultValue())
