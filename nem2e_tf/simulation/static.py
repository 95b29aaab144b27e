"""Static optimisation: muscle activations of least squares that give the joint moments."""

from ctypes import c_int

import daqp
import numpy as np
from scipy.sparse.csgraph import connected_components

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.geometry import MuscleGeometry

MIN_ACTIVATION, MAX_ACTIVATION = 0.01, 1.0
RESERVE = 1.0
"""N m of a reserve actuator at a control of one, which costs as much as a full activation.

It is weak compared with a muscle, so it gives only what the muscles cannot.
"""

TOLERANCE = 1e-9
"""Share of the largest joint moment by which the moment equation may be violated."""
MAX_STEPS = 30
"""Of Newton's method; recorded walking and running take fewer than ten."""


def static_optimisation(
    geometry: MuscleGeometry,
    moments: np.ndarray,
    reserves: float | np.ndarray = RESERVE,
    first: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Activations that give the joint moments of every frame at the least sum of squares.

    In each frame, with activations `a`, capacity `F`, moment arms `R`, joint moments `t` and
    reserve actuators `r` of strength `s` (Crowninshield and Brand 1981, J Biomech 14:793, with the
    exponent 2 of OpenSim's tool):

        minimise  Σ a² + Σ (r / s)²
        with      R diag(F) a + r = t,   0.01 <= a <= 1

    a strictly convex quadratic programme that always has one solution. With one multiplier `λ` a
    coordinate, its conditions are a = clip(Eᵀ λ, 0.01, 1) with E = R diag(F), r = s² λ, and the
    moment equation E a + r = t remains: one piecewise linear equation per coordinate, together the
    gradient of a convex function. Newton's method with a line search solves them for all frames
    at once (Qi and Sun 1993, Math Program 58:353). Frames where it does not converge, those whose
    moments are far beyond the muscles, are solved by a quadratic programming library (daqp:
    Arnström, Bemporad and Axehill 2022, IEEE Trans Autom Control 67:4362). Coordinates that no
    muscle connects, such as those of the two legs, are solved separately.

    Args:
        geometry: MuscleGeometry of `(frames, …)`.
        moments: `(frames, coordinates)`, N m (N of a translation).
        reserves: positive; one strength for all reserve actuators, or `(coordinates,)`, N m or N.
        first: int. The number of the first frame, for messages.

    Returns:
        `(frames, muscles)` activations and `(frames, coordinates)` reserve moments in N m.

    Raises:
        InputError: a moment, moment arm or capacity is not finite; the message gives the frame.
    """
    coordinates = moments.shape[1]
    strength = np.broadcast_to(np.asarray(reserves, dtype=float), (coordinates,))
    effect = geometry.moment_arms * geometry.capacity[:, None, :]
    activation = np.full(geometry.capacity.shape, MIN_ACTIVATION)
    for across, muscles in _independent_problems(effect):
        activation[:, muscles] = _solve_problem(
            np.ascontiguousarray(effect[:, across][:, :, muscles]),
            moments[:, across],
            strength[across] ** 2,
        )
    reserve_moments = moments - np.einsum("fcm,fm->fc", effect, activation)
    solved = np.isfinite(activation).all(axis=1) & np.isfinite(reserve_moments).all(axis=1)
    if not solved.all():
        raise InputError(
            f"static optimisation found no solution in frame {first + int(solved.argmin())}; check"
            " for an impossible pose or joint moment there"
        )
    return activation, reserve_moments


def _independent_problems(effect: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coordinates and muscles of each independent problem."""
    acts = (effect != 0.0).any(axis=0)
    coordinates, muscles = acts.shape
    graph = np.zeros((coordinates + muscles,) * 2, dtype=bool)
    graph[:coordinates, coordinates:] = acts
    count, label = connected_components(graph, directed=False)
    parts = [
        (np.flatnonzero(label[:coordinates] == i), np.flatnonzero(label[coordinates:] == i))
        for i in range(count)
    ]
    return [(across, own) for across, own in parts if len(across) and len(own)]


def _solve_problem(effect: np.ndarray, moments: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """The activations of one problem in all frames; NaN where there is no solution.

    Args:
        effect: `(frames, coordinates, muscles)`, N m at full activation.
        moments: `(frames, coordinates)`, N m.
        softness: `(coordinates,)`, N² m², a reserve's moment at a multiplier of one.
    """
    activation = np.full((len(effect), effect.shape[2]), np.nan)
    reserve = np.diag(softness)
    # The start is the solution without bounds of activation.
    multiplier = np.linalg.solve(effect @ effect.mT + reserve, moments[..., None])[..., 0]
    tolerance = TOLERANCE * (1.0 + np.abs(moments).max(axis=1))
    finite = np.isfinite(effect).all(axis=(1, 2)) & np.isfinite(moments).all(axis=1)
    open_frames = np.flatnonzero(finite)
    for _ in range(MAX_STEPS):
        gain, target, current = (x[open_frames] for x in (effect, moments, multiplier))
        drive = np.einsum("fcm,fc->fm", gain, current)
        trial = np.clip(drive, MIN_ACTIVATION, MAX_ACTIVATION)
        excess = np.einsum("fcm,fm->fc", gain, trial) + softness * current - target
        is_open = np.abs(excess).max(axis=1) > tolerance[open_frames]
        activation[open_frames[~is_open]] = trial[~is_open]
        open_frames = open_frames[is_open]
        if not len(open_frames):
            break
        gain, target, current = gain[is_open], target[is_open], current[is_open]
        free = (drive[is_open] > MIN_ACTIVATION) & (drive[is_open] < MAX_ACTIVATION)
        slope = (gain * free[:, None, :]) @ gain.mT + reserve
        step = -np.linalg.solve(slope, excess[is_open][..., None])[..., 0]
        length = _step_length(gain, target, softness, current, step)
        multiplier[open_frames] = current + length * step
    for frame in open_frames:
        activation[frame] = _solve_programme(effect[frame], moments[frame], softness)
    return activation


def _solve_programme(effect: np.ndarray, moments: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """The activations of one frame, with the reserves eliminated: `(muscles,)`."""
    muscles = effect.shape[1]
    weighted = effect.T / softness
    solution, _, flag, _ = daqp.solve(
        np.eye(muscles) + weighted @ effect,
        -weighted @ moments,
        np.zeros((0, muscles)),
        np.full(muscles, MAX_ACTIVATION),
        np.full(muscles, MIN_ACTIVATION),
        np.zeros(muscles, dtype=c_int),
    )
    if flag != 1:
        return np.full(muscles, np.nan)
    return np.clip(solution, MIN_ACTIVATION, MAX_ACTIVATION)


def _step_length(
    gain: np.ndarray,
    target: np.ndarray,
    softness: np.ndarray,
    current: np.ndarray,
    step: np.ndarray,
) -> np.ndarray:
    """The share of a Newton step that decreases the convex function: `(frames, 1)`.

    The slope along the step increases. The step is halved until the slope at its end is not above
    zero, so that it ends before the minimum along its line, and not before half the way to it.
    """

    def slope(length: np.ndarray) -> np.ndarray:
        multiplier = current + length * step
        trial = np.clip(np.einsum("fcm,fc->fm", gain, multiplier), MIN_ACTIVATION, MAX_ACTIVATION)
        excess = np.einsum("fcm,fm->fc", gain, trial) + softness * multiplier - target
        slopes: np.ndarray = (excess * step).sum(axis=1)
        return slopes

    length = np.ones((len(current), 1))
    # Close to the solution the slope is only rounding error.
    most = 1e-3 * np.abs(slope(np.zeros_like(length)))
    for _ in range(50):
        long = slope(length) > most
        if not long.any():
            break
        length[long] *= 0.5
    return length
