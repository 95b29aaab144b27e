"""Muscle lengths, moment arms and force capacity along a motion, from the OpenSim API."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.model import LegModel, opensim_reason
from nem2e_tf.simulation.posture import Posture

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames in all."""

FRAMES_PER_CHUNK = 100
"""Frames whose muscle geometry is held in memory together.

More are no faster, and from 200 on linear algebra libraries split the small matrices of polynomial
paths among threads, which costs ten times what it saves.
"""


@dataclass(frozen=True)
class MuscleGeometry:
    """Lengths, moment arms and force capacity of a leg's muscles along a motion.

    Args:
        lengths: `(frames, muscles)`, metres. Muscle-tendon lengths.
        moment_arms: `(frames, coordinates, muscles)`, metres.
        capacity: `(frames, muscles)`, newtons. Active force along a tendon taken as inextensible,
            at full activation: the largest force at this length and speed.
    """

    lengths: np.ndarray
    moment_arms: np.ndarray
    capacity: np.ndarray


class Paths(Protocol):
    """Muscle paths of a leg: a callable from joint motion to muscle geometry."""

    def __call__(self, time: np.ndarray, values: np.ndarray, speeds: np.ndarray) -> MuscleGeometry:
        """The muscles in some frames.

        Args:
            time: `(frames,)`, seconds, for messages.
            values: `(frames, given coordinates)`, radians and metres.
            speeds: `(frames, given coordinates)`, radians and metres a second.
        """


def coordinate_speeds(motion: pd.DataFrame) -> np.ndarray:
    """Speeds along a smooth motion, from a quintic spline through it: `(frames, coordinates)`."""
    time = motion.index.to_numpy()
    speeds: np.ndarray = make_interp_spline(time, motion.to_numpy(), k=5).derivative()(time)
    return speeds


class ExactPaths:
    """The model's own muscle paths, evaluated by posing the model in each frame.

    A moment arm is how fast a muscle shortens while its coordinate moves at unit speed and the
    others rest (Sherman, Seth and Delp 2013, ASME DETC2013-13633). The path itself is computed
    once a frame, and coordinates that have no muscle in common move at the same time, so a leg
    needs about six changes of speed however many muscles it has. For a path that wraps over more
    than one object `computeMomentArm` is used instead: OpenSim does not always find the shortest
    such path (a gastrocnemius of the Rajagopal model); its length, speed and force then disagree,
    and the moment arm of the force is the one that is needed.

    Args:
        leg: LegModel.
        names: the coordinates whose values will be given, in their order.
    """

    def __init__(self, leg: LegModel, names: tuple[str, ...]) -> None:
        self.leg = leg
        self.posture = Posture(leg.model, names)
        self._muscles = [leg.model.getMuscles().get(name) for name in leg.muscles]
        self._coordinates = [leg.model.getCoordinateSet().get(name) for name in leg.coordinates]
        crossings = leg.crossings
        several = [self.posture.needs_assembly or _count_wraps(m) > 1 for m in self._muscles]
        solved = np.array(several, dtype=bool)
        self._solved: list[list[int]] = np.argwhere(crossings & solved).tolist()
        self._moved = crossings & ~solved
        self._together = _group_coordinates(self._moved)

    def __call__(self, time: np.ndarray, values: np.ndarray, speeds: np.ndarray) -> MuscleGeometry:
        """The muscles in some frames; see `Paths`.

        Raises:
            InputError: a pose that the model cannot take; the message gives the time.
        """
        frames, muscles, state = len(time), self._muscles, self.posture.state
        lengths = np.zeros((frames, len(muscles)))
        capacity = np.zeros((frames, len(muscles)))
        moment_arms = np.zeros((frames, len(self._coordinates), len(muscles)))
        frame = 0
        try:
            values, speeds = self.posture.complete(values, speeds)
            moves = [
                (
                    self.posture.rates(values, [self.leg.coordinates[i] for i in group]),
                    [(i, j) for i in group for j in np.flatnonzero(self._moved[i]).tolist()],
                )
                for group in self._together
            ]
            for frame in range(frames):
                self.posture.set_pose(values[frame])
                lengths[frame] = [muscle.getLength(state) for muscle in muscles]
                for rates, pairs in moves:
                    self.posture.set_speeds(rates[frame])
                    for i, j in pairs:
                        moment_arms[frame, i, j] = -muscles[j].getLengtheningSpeed(state)
                for i, j in self._solved:
                    coordinate = self._coordinates[i]
                    moment_arms[frame, i, j] = muscles[j].computeMomentArm(state, coordinate)
                self.posture.set_speeds(speeds[frame])
                capacity[frame] = [
                    muscle.calcInextensibleTendonActiveFiberForce(state, 1.0) for muscle in muscles
                ]
        except RuntimeError as error:
            raise InputError(
                f"{self.leg.path}: OpenSim cannot pose the model at time {time[frame]:g} s:"
                f" {opensim_reason(error)}"
            ) from None
        return MuscleGeometry(lengths, moment_arms, capacity)


def _count_wraps(muscle: Any) -> int:
    """Number of objects over which a muscle's path may wrap."""
    import opensim

    path = opensim.GeometryPath.safeDownCast(muscle.getPath())
    return 0 if path is None else int(path.getWrapSet().getSize())


def _group_coordinates(crossings: np.ndarray) -> list[list[int]]:
    """Groups of coordinates of which no two have a muscle in common (Curtis, Powell and Reid 1974).

    Args:
        crossings: `(coordinates, muscles)` of bool.
    """
    groups: list[list[int]] = []
    for i in np.flatnonzero(crossings.any(axis=1)).tolist():
        for group in groups:
            if not (crossings[group].any(axis=0) & crossings[i]).any():
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def muscle_geometry(
    leg: LegModel, motion: pd.DataFrame, progress: Progress | None = None
) -> MuscleGeometry:
    """The muscles of a leg in all frames of a motion, by the model's own paths.

    Speeds come from a quintic spline through the motion. Coordinates that are not in the motion
    keep the model's default value; coupled ones (a patella) follow their constraint in value and
    speed, whatever the motion has for them.

    Args:
        leg: LegModel.
        motion: `(frames, coordinates)`, radians and metres, index `time` in seconds, smooth.
        progress: callable or None.

    Raises:
        InputError: a pose that the model cannot take; the message gives the time.
    """
    parts = list(iterate_geometry(ExactPaths(leg, tuple(motion.columns)), motion, progress))
    return MuscleGeometry(
        *(np.concatenate([getattr(part, f.name) for _, part in parts]) for f in fields(parts[0][1]))
    )


def iterate_geometry(
    paths: Paths, motion: pd.DataFrame, progress: Progress | None = None
) -> Iterator[tuple[slice, MuscleGeometry]]:
    """The muscles in chunks of frames, so that memory does not grow with the recording.

    Yields:
        The frames, and the muscles in them.
    """
    time, values, speeds = motion.index.to_numpy(), motion.to_numpy(), coordinate_speeds(motion)
    for first in range(0, len(time), FRAMES_PER_CHUNK):
        frames = slice(first, min(first + FRAMES_PER_CHUNK, len(time)))
        yield frames, paths(time[frames], values[frames], speeds[frames])
        if progress is not None:
            progress(frames.stop, len(time))
