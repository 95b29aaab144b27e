"""The sharing of joint moments against a quadratic programming library and OpenSim's own tool."""

from ctypes import c_int
from pathlib import Path
from typing import Any

import daqp
import numpy as np
import pytest
from benchmarks.opensim_tool import static_optimisation_tool, stride

from nem2e_tf.simulation import simulate_files
from nem2e_tf.simulation.geometry import ExactPaths, MuscleGeometry, coordinate_speeds
from nem2e_tf.simulation.static import MAX_ACTIVATION, MIN_ACTIVATION, static_optimisation


def problem(seed: int, frames: int, coordinates: int, muscles: int) -> tuple[Any, np.ndarray]:
    """Muscles with a leg's orders of magnitude, and moments that at times are out of reach."""
    generator = np.random.default_rng(seed)
    capacity = generator.uniform(0.0, 4000.0, (frames, muscles))
    spans = generator.random((coordinates, muscles)) < 0.4
    arms = generator.normal(0.0, 0.03, (frames, coordinates, muscles)) * spans
    size = 10.0 ** generator.uniform(0.0, 3.5, (frames, 1))
    moments = generator.normal(0.0, size, (frames, coordinates))
    return MuscleGeometry(np.ones((frames, muscles)), arms, capacity), moments


@pytest.mark.parametrize("seed", range(10))
def test_all_frames_together_give_what_a_programming_library_gives_one_by_one(seed: int) -> None:
    geometry, moments = problem(seed, 60, 6, 40)
    strengths = 10.0 ** np.random.default_rng(seed).uniform(-1.0, 2.0, 6)

    activation, reserves = static_optimisation(geometry, moments, strengths)

    effect = geometry.moment_arms * geometry.capacity[:, None, :]
    for frame in range(60):
        scaled = effect[frame] / strengths[:, None]
        expected, _, flag, _ = daqp.solve(
            np.eye(40) + scaled.T @ scaled,
            -scaled.T @ (moments[frame] / strengths),
            np.zeros((0, 40)),
            np.full(40, MAX_ACTIVATION),
            np.full(40, MIN_ACTIVATION),
            np.zeros(40, dtype=c_int),
        )
        assert flag == 1
        np.testing.assert_allclose(activation[frame], expected, atol=1e-6)
    np.testing.assert_allclose(
        np.einsum("fcm,fm->fc", effect, activation) + reserves, moments, atol=1e-8
    )


def test_two_legs_solved_together_are_two_legs_solved_apart() -> None:
    (right, first), (left, second) = problem(1, 20, 5, 43), problem(2, 20, 5, 43)
    arms = np.zeros((20, 10, 86))
    arms[:, :5, :43], arms[:, 5:, 43:] = right.moment_arms, left.moment_arms
    capacity = np.hstack([right.capacity, left.capacity])
    both = MuscleGeometry(np.ones((20, 86)), arms, capacity)

    activation, reserves = static_optimisation(both, np.hstack([first, second]))

    apart = [static_optimisation(right, first), static_optimisation(left, second)]
    np.testing.assert_allclose(activation, np.hstack([a for a, _ in apart]), atol=1e-9)
    np.testing.assert_allclose(reserves, np.hstack([r for _, r in apart]), atol=1e-6)


def test_a_coordinate_without_muscles_is_carried_by_its_reserve() -> None:
    geometry, moments = problem(3, 5, 3, 10)
    geometry.moment_arms[:, 1] = 0.0

    _, reserves = static_optimisation(geometry, moments, np.array([1.0, 100.0, 1.0]))

    np.testing.assert_allclose(reserves[:, 1], moments[:, 1], rtol=1e-12)


def test_a_stronger_reserve_carries_more_and_spares_the_muscles() -> None:
    geometry, moments = problem(4, 30, 5, 20)

    carried, activity = [], []
    for strength in (0.1, 1.0, 10.0, 100.0):
        activation, reserves = static_optimisation(geometry, moments, strength)
        carried.append((reserves**2).sum(axis=1))
        activity.append((activation**2).sum(axis=1))

    # The optimum trades one sum of squares for the other, monotonically in their weight.
    assert (np.diff(carried, axis=0) >= -1e-6).all()
    assert (np.diff(activity, axis=0) <= 1e-9).all()


def test_both_sides_and_all_coordinates_are_simulated_from_files(overground: Path) -> None:
    simulated = simulate_files(
        overground / "subject_walk_scaled.osim",
        overground / "coordinates.sto",
        overground / "id_walk.sto",
        side="both",
        coordinates=None,
        start=0.8,
        end=1.0,
    )

    # The recording's inverse dynamics has 31 columns, two of them of the patellae.
    assert simulated.shape == (21, 80 + 29)
    reserves = simulated.filter(regex="_reserve$")
    joints = reserves.filter(regex="^(hip|knee|ankle)")
    assert np.abs(joints).max().max() < 1.0


def test_activations_are_those_of_opensims_tool(overground: Path, tmp_path: Path) -> None:
    given = stride(overground, tmp_path, 100.0)
    tool = static_optimisation_tool(given, overground, tmp_path, start=0.8, frames=12)

    motion = given.motion
    first = int(np.searchsorted(motion.index, 0.8 - 1e-6))
    rows = slice(first, first + 12)
    np.testing.assert_allclose(motion.index[rows], tool.activation.index, atol=1e-6)
    geometry = ExactPaths(given.leg, tuple(motion.columns))(
        motion.index.to_numpy()[rows], motion.to_numpy()[rows], coordinate_speeds(motion)[rows]
    )
    activation, _ = static_optimisation(geometry, given.moments.to_numpy()[rows], given.reserves)

    difference = (activation - tool.activation.to_numpy())[1:-1]
    assert np.sqrt((difference**2).mean()) < 0.01
    assert np.abs(difference).max() < 0.05
    # Both sides hold a load that is worth comparing.
    assert tool.activation.max().max() > 0.3
