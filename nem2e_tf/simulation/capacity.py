"""Force capacity of muscles: active force by fibre length and speed, for all frames at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LENGTHS = np.linspace(0.0, 2.5, 2001)
"""Fibre lengths at which capacity is sampled, in optimal fibre lengths."""

SPEEDS = np.sinh(np.linspace(-1.5, 1.5, 2401) * np.arcsinh(50.0)) / 50.0
"""Fibre speeds at which capacity is sampled, as shares of the fibre's greatest speed; dense about
zero, and with a sample at the greatest speed of shortening, where force becomes zero."""


@dataclass(frozen=True)
class ForceCurves:
    """Active force of muscles with inextensible tendons, as tables of fibre length and speed.

    In the muscle models of OpenSim the active force is a function of length times a function of
    speed, both sampled here from the muscle's own methods. Interpolated between the samples they
    agree with OpenSim to 1e-4 of a muscle's greatest isometric force.

    Args:
        optimal_length: `(muscles,)`, metres, of the fibre.
        slack_length: `(muscles,)`, metres, of the tendon.
        width: `(muscles,)`, metres. The fibre's height in its parallelogram, which is constant.
        fastest: `(muscles,)`, metres a second, of the fibre.
        force_length: `(muscles, lengths)`, newtons at rest, at `LENGTHS`.
        force_velocity: `(muscles, speeds)`, of the force at rest, at `SPEEDS`.
    """

    optimal_length: np.ndarray
    slack_length: np.ndarray
    width: np.ndarray
    fastest: np.ndarray
    force_length: np.ndarray
    force_velocity: np.ndarray

    def capacity(self, lengths: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        """Active force along an inextensible tendon at full activation.

        Args:
            lengths: `(frames, muscles)`, metres. Muscle-tendon lengths.
            speeds: `(frames, muscles)`, metres a second. Lengthening speeds.

        Returns:
            `(frames, muscles)`, newtons, as `calcInextensibleTendonActiveFiberForce` gives it.
        """
        along = np.maximum(lengths - self.slack_length, 0.0)
        fibre = np.hypot(along, self.width)
        relative = fibre / self.optimal_length
        velocity = speeds * along / np.maximum(fibre, 1e-12) / self.fastest
        force = np.empty_like(lengths)
        for j in range(lengths.shape[1]):
            force[:, j] = np.interp(relative[:, j], LENGTHS, self.force_length[j])
            force[:, j] *= np.interp(velocity[:, j], SPEEDS, self.force_velocity[j])
        return force


def force_curves(muscles: list[Any]) -> ForceCurves:
    """Sample the active force of muscles for which `has_force_curves` holds."""
    optimal = np.array([m.getOptimalFiberLength() for m in muscles])
    fastest = optimal * [m.getMaxContractionVelocity() for m in muscles]
    force_length, force_velocity = [], []
    for muscle, length, speed in zip(muscles, optimal, fastest, strict=True):
        force = _force_function(muscle)
        rest = force(length, 0.0)
        force_length.append([force(x, 0.0) for x in (LENGTHS * length).tolist()])
        force_velocity.append([force(length, v) / rest for v in (SPEEDS * speed).tolist()])
    return ForceCurves(
        optimal_length=optimal,
        slack_length=np.array([m.getTendonSlackLength() for m in muscles]),
        width=optimal * np.sin([m.getPennationAngleAtOptimalFiberLength() for m in muscles]),
        fastest=fastest,
        force_length=np.reshape(force_length, (len(muscles), len(LENGTHS))),
        force_velocity=np.reshape(force_velocity, (len(muscles), len(SPEEDS))),
    )


def has_force_curves(muscle: Any) -> bool:
    """Whether force curves can represent this class of muscle."""
    return muscle.getConcreteClassName() in _FORCE_FUNCTIONS


def _force_function(muscle: Any) -> Callable[[float, float], float]:
    import opensim

    name = muscle.getConcreteClassName()
    return _FORCE_FUNCTIONS[name](getattr(opensim, name).safeDownCast(muscle))


def _force_along_tendon(muscle: Any) -> Callable[[float, float], float]:
    def force(length: float, velocity: float) -> float:
        return float(muscle.calcActiveFiberForceAlongTendon(1.0, length, velocity))

    return force


def _force_of_fibre(muscle: Any) -> Callable[[float, float], float]:
    # For this muscle OpenSim takes the fibre's own force as the force along the tendon.
    greatest, optimal = muscle.getMaxIsometricForce(), muscle.getOptimalFiberLength()
    fastest = optimal * muscle.getMaxContractionVelocity()

    def force(length: float, velocity: float) -> float:
        return float(
            greatest
            * muscle.calcActiveForceLengthMultiplier(length / optimal)
            * muscle.calcForceVelocityMultiplier(velocity / fastest)
        )

    return force


_FORCE_FUNCTIONS: dict[str, Callable[[Any], Callable[[float, float], float]]] = {
    "Thelen2003Muscle": _force_along_tendon,
    "Millard2012EquilibriumMuscle": _force_along_tendon,
    "DeGrooteFregly2016Muscle": _force_of_fibre,
}
"""By OpenSim's class name: force at full activation by fibre length (m) and speed (m/s)."""
