"""Static optimisation: joint moments shared among muscles by least squared activation."""

from ctypes import c_int

import daqp
import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.geometry import MuscleGeometry

LEAST_ACTIVATION, MOST_ACTIVATION = 0.01, 1.0
RESERVE = 1.0
"""N m that a reserve actuator gives at a control of one, which costs as much as a full activation.

Weak against a muscle, it carries only what the muscles cannot.
"""


def static_optimisation(
    geometry: MuscleGeometry, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Activations that give the joint moments of every frame at the least sum of squares.

    In each frame, with activations `a`, capacity `F`, moment arms `R`, joint moments `t` and
    reserve actuators `r` (Crowninshield and Brand 1981, J Biomech 14:793, with the exponent 2 of
    OpenSim's tool):

        minimise  Σ a² + Σ (r / RESERVE)²
        with      R diag(F) a + r = t,   0.01 <= a <= 1

    The reserves are put in from the equation, which leaves a strictly convex box-constrained
    quadratic programme that always has one solution.

    Args:
        geometry: MuscleGeometry of `(frames, …)`.
        moments: `(frames, coordinates)`, N m.

    Returns:
        `(frames, muscles)` activations and `(frames, coordinates)` reserve moments in N m.
    """
    frames, muscles = geometry.capacity.shape
    unconstrained = np.zeros((0, muscles))
    upper = np.full(muscles, MOST_ACTIVATION)
    lower = np.full(muscles, LEAST_ACTIVATION)
    sense = np.zeros(muscles, dtype=c_int)
    activation = np.zeros((frames, muscles))
    effect = geometry.moment_arms * geometry.capacity[:, None, :]
    for frame in range(frames):
        scaled = effect[frame] / RESERVE
        hessian = np.eye(muscles) + scaled.T @ scaled
        linear = -scaled.T @ (moments[frame] / RESERVE)
        solution, _, flag, _ = daqp.solve(hessian, linear, unconstrained, upper, lower, sense)
        if flag != 1 or not np.isfinite(solution).all():
            raise InputError(
                f"static optimisation found no answer in frame {frame}; look for an impossible"
                " pose or joint moment there"
            )
        activation[frame] = np.clip(solution, LEAST_ACTIVATION, MOST_ACTIVATION)
    reserves = moments - np.einsum("fcm,fm->fc", effect, activation)
    return activation, reserves
