"""Load sharing among the muscles of one person, whose cost and least activations are their own."""

from __future__ import annotations

import numpy as np

from nem2e_tf.simulation import MAX_ACTIVATION, RESERVE

_MAXIMUM_STEPS = 200
_TOLERANCE = 1e-6
"""N m, of the largest moment and one more, to which a frame's moments are met."""


def share_moments(
    effect: np.ndarray,
    moments: np.ndarray,
    floor: np.ndarray,
    weights: np.ndarray,
    exponent: float,
) -> np.ndarray:
    """Activations that give the joint moments of every frame at the least effort of one person.

    In each frame, with activations `a`, effect `E`, moments `t` and reserve actuators `r`:

        minimise  2/p Σ w aᵖ + Σ (r / RESERVE)²
        with      E a + r = t,   floor <= a <= 1

    With p = 2, w = 1 and a floor of 0.01 this is `nem2e_tf.simulation.static`. As there, each
    muscle's activation follows from one multiplier λ a coordinate, a = (Eᵀ λ / w)^(1/(p-1)) within
    its bounds, and Newton's method on the multipliers solves all frames at once.

    Args:
        effect: `(frames, coordinates, muscles)`, N m at full activation.
        moments: `(frames, coordinates)`, N m.
        floor: `(frames, muscles)`, above zero.
        weights: `(muscles,)`, above zero.
        exponent: at least 2.

    Returns:
        `(frames, muscles)`.

    Raises:
        ValueError: the iteration did not converge in a frame.
    """
    coordinates = moments.shape[1]
    multiplier = np.zeros_like(moments)
    activation = np.zeros_like(floor)
    tolerance = _TOLERANCE * (1.0 + np.abs(moments).max(axis=1))
    remaining = np.arange(len(moments))
    for _ in range(_MAXIMUM_STEPS):
        effects, target, multipliers, floors = (
            effect[remaining],
            moments[remaining],
            multiplier[remaining],
            floor[remaining],
        )
        response, slope = _activation_response(effects, multipliers, floors, weights, exponent)
        residual = _moment_residual(effects, target, multipliers, response)
        activation[remaining] = response
        unconverged = np.abs(residual).max(axis=1) > tolerance[remaining]
        remaining = remaining[unconverged]
        if not len(remaining):
            return activation
        effects, target, multipliers, floors = (
            effects[unconverged],
            target[unconverged],
            multipliers[unconverged],
            floors[unconverged],
        )
        matrix = (effects * slope[unconverged][:, None, :]) @ effects.mT + RESERVE**2 * np.eye(
            coordinates
        )
        step = -np.linalg.solve(matrix, residual[unconverged][..., None])[..., 0]
        # The dual is convex: where it rises at the end of a step, the step has passed the minimum.
        length = np.ones((len(remaining), 1))
        slack = 1e-6 * np.abs((residual[unconverged] * step).sum(axis=1))
        for _ in range(40):
            trial = multipliers + length * step
            response, _ = _activation_response(effects, trial, floors, weights, exponent)
            overshoots = (_moment_residual(effects, target, trial, response) * step).sum(
                axis=1
            ) > slack
            if not overshoots.any():
                break
            length[overshoots] *= 0.5
        multiplier[remaining] = multipliers + length * step
    raise ValueError(f"load sharing did not converge in frame {int(remaining[0])}")


def _activation_response(
    effects: np.ndarray,
    multipliers: np.ndarray,
    floor: np.ndarray,
    weights: np.ndarray,
    exponent: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Activations `(frames, muscles)` at the multipliers, and their slope by `Eᵀ λ`."""
    drive = np.maximum(np.einsum("fcm,fc->fm", effects, multipliers) / weights, 1e-300)
    free = drive ** (1.0 / (exponent - 1.0))
    response = np.clip(free, floor, MAX_ACTIVATION)
    inside = (free > floor) & (free < MAX_ACTIVATION)
    return response, np.where(inside, free / ((exponent - 1.0) * drive * weights), 0.0)


def _moment_residual(
    effects: np.ndarray, target: np.ndarray, multipliers: np.ndarray, response: np.ndarray
) -> np.ndarray:
    return np.einsum("fcm,fm->fc", effects, response) + RESERVE**2 * multipliers - target
