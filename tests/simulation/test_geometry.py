"""Moment arms and coupled coordinates against OpenSim's own, on models with every kind of path."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.cohort import build_leg
from nem2e_tf.files import read_motion
from nem2e_tf.simulation import LegModel, geometry, load_leg
from nem2e_tf.simulation.geometry import (
    ExactPaths,
    _group_coordinates,
    coordinate_speeds,
    iterate_geometry,
    muscle_geometry,
)
from nem2e_tf.simulation.posture import Posture, find_couplers


@pytest.fixture(scope="module")
def both_legs(overground: Path, opensim: Any) -> LegModel:
    """Both legs of the 80-muscle model, sharing every free coordinate."""
    return load_leg(overground / "subject_walk_scaled.osim", "both", None)


@pytest.fixture(scope="module")
def stride(overground: Path, both_legs: LegModel) -> pd.DataFrame:
    """Poses along the overground stride."""
    return read_motion(overground / "coordinates.sto", both_legs.rotations).iloc[50::150]


def solved_arms(leg: LegModel, motion: pd.DataFrame) -> np.ndarray:
    """`computeMomentArm` of every muscle about every shared coordinate, pose by pose."""
    posture = Posture(leg.model, tuple(motion.columns))
    values, _ = posture.complete(motion.to_numpy(), np.zeros(motion.shape))
    muscles = [leg.model.getMuscles().get(name) for name in leg.muscles]
    coordinates = [leg.model.getCoordinateSet().get(name) for name in leg.coordinates]
    arms = []
    for pose in values:
        posture.set_pose(pose)
        arms.append([[m.computeMomentArm(posture.state, c) for m in muscles] for c in coordinates])
    return np.array(arms)


def test_moment_arms_over_moving_and_conditional_points_are_those_that_opensim_solves_for(
    right_leg: LegModel, walk45_motion: pd.DataFrame
) -> None:
    poses = walk45_motion.iloc[1000:1120:15]

    found = muscle_geometry(right_leg, poses).moment_arms

    np.testing.assert_allclose(found, solved_arms(right_leg, poses), atol=1e-6)


def test_moment_arms_over_wraps_and_patellae_are_those_that_opensim_solves_for(
    both_legs: LegModel, stride: pd.DataFrame
) -> None:
    found = muscle_geometry(both_legs, stride).moment_arms

    solved = solved_arms(both_legs, stride)
    crossings = both_legs.crossings
    np.testing.assert_allclose(found[:, crossings], solved[:, crossings], atol=1e-6)
    # A muscle that does not cross a joint cannot turn it. OpenSim says so of all but the lateral
    # gastrocnemius, whose path it leaves out of balance by a fraction of a millimetre.
    assert not found[:, ~crossings].any()
    lateral = np.array([name.startswith("gaslat") for name in both_legs.muscles])
    elsewhere = ~crossings & ~lateral
    np.testing.assert_allclose(solved[:, elsewhere], 0.0, atol=1e-6)
    np.testing.assert_allclose(solved[:, ~crossings & lateral], 0.0, atol=1e-3)


def test_both_legs_hold_the_muscles_of_each(overground: Path, both_legs: LegModel) -> None:
    assert len(both_legs.muscles) == 80
    # 33 coordinates, of which the two patellae follow the knees.
    assert len(both_legs.coordinates) == 31
    for side in ("r", "l"):
        one = load_leg(overground / "subject_walk_scaled.osim", side)
        assert set(one.muscles) == {m for m in both_legs.muscles if m.endswith(f"_{side}")}
        assert all(
            both_legs.crossed_coordinates[muscle] == one.crossed_coordinates[muscle]
            for muscle in one.muscles
        )
    forces = dict(zip(both_legs.coordinates, both_legs.generalised_forces, strict=True))
    assert forces["pelvis_ty"] == "pelvis_ty_force"
    assert forces["pelvis_tilt"] == "pelvis_tilt_moment"


def test_a_leg_shares_only_what_inverse_dynamics_gives(both_legs: LegModel) -> None:
    some = both_legs.restrict_to_forces(
        ["ankle_angle_r_moment", "hip_flexion_l_moment", "time", "grf"]
    )

    assert some.coordinates == ("ankle_angle_r", "hip_flexion_l")
    assert {"soleus_r", "psoas_l"} < set(some.muscles)
    assert not {"vasmed_r", "soleus_l"} & set(some.muscles)


def test_coordinates_that_one_muscle_crosses_do_not_move_together() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        crossings = generator.random((12, 30)) < 0.15

        groups = _group_coordinates(crossings)

        moved = [i for group in groups for i in group]
        assert sorted(moved) == np.flatnonzero(crossings.any(axis=1)).tolist()
        for group in groups:
            assert crossings[group].sum(axis=0).max() <= 1


def test_a_patella_follows_its_knee_in_value_and_speed(both_legs: LegModel) -> None:
    (right, _), others = find_couplers(both_legs.model)
    assert (right.dependent, right.independent, others) == (
        "knee_angle_r_beta",
        ("knee_angle_r",),
        False,
    )
    posture = Posture(both_legs.model, ("knee_angle_r", "knee_angle_r_beta"))

    # What is said of the patella itself does not count.
    values, speeds = posture.complete(np.array([[0.7, 9.0]]), np.array([[2.0, 9.0]]))

    beta = posture.names.index("knee_angle_r_beta")
    assert values[0, beta] == pytest.approx(0.7)
    assert speeds[0, beta] == pytest.approx(2.0)
    assert posture.rates(values, ["knee_angle_r"])[0, beta] == pytest.approx(1.0)


def test_geometry_does_not_depend_on_how_many_frames_are_held(
    right_leg: LegModel, walk45_motion: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    motion = walk45_motion.iloc[1000:1030]
    whole = muscle_geometry(right_leg, motion)

    monkeypatch.setattr(geometry, "FRAMES_PER_CHUNK", 7)
    paths = ExactPaths(right_leg, tuple(motion.columns))
    parts = list(iterate_geometry(paths, motion))

    assert [part.stop - part.start for part, _ in parts] == [7, 7, 7, 7, 2]
    for part, found in parts:
        np.testing.assert_allclose(found.capacity, whole.capacity[part], rtol=1e-9)
        np.testing.assert_allclose(found.moment_arms, whole.moment_arms[part], atol=1e-9)


def test_a_model_held_by_other_constraints_is_assembled_and_solved_for(
    tmp_path: Path, opensim: Any
) -> None:
    free, held = build_leg(), build_leg()
    free.printToXML(str(tmp_path / "free.osim"))
    # It holds the pelvis where it already is, so the muscles must not notice.
    pelvis = held.getBodySet().get("pelvis")
    anchor = opensim.PointConstraint(held.getGround(), opensim.Vec3(0), pelvis, opensim.Vec3(0))
    held.addConstraint(anchor)
    held.finalizeConnections()
    held.printToXML(str(tmp_path / "held.osim"))
    names = ("hip_flexion_r", "knee_angle_r", "ankle_angle_r")
    angles = np.linspace(0.0, 0.6, 8)
    motion = pd.DataFrame(
        np.stack([angles, -angles, angles / 3], axis=1), index=np.arange(8) / 100, columns=names
    )

    legs = [load_leg(tmp_path / name, "r") for name in ("free.osim", "held.osim")]
    found = [
        ExactPaths(leg, names)(
            motion.index.to_numpy(), motion.to_numpy(), coordinate_speeds(motion)
        )
        for leg in legs
    ]

    assert find_couplers(legs[1].model)[1]
    np.testing.assert_allclose(found[1].moment_arms, found[0].moment_arms, atol=1e-6)
    np.testing.assert_allclose(found[1].capacity, found[0].capacity, rtol=1e-4)
