"""Simulated activity against OpenSim, optimisation theory and the published recordings."""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import lsq_linear

import nem2e_tf
from nem2e_tf.cohort import build_leg
from nem2e_tf.files import read_motion, read_storage, write_storage
from nem2e_tf.simulation import (
    LegModel,
    MuscleGeometry,
    load_leg,
    muscle_geometry,
    simulate,
    simulate_files,
)
from nem2e_tf.simulation.static import (
    MAX_ACTIVATION,
    MIN_ACTIVATION,
    RESERVE,
    static_optimisation,
)

Refused = Callable[..., AbstractContextManager[None]]

SCORED = ("soleus", "med_gas", "tib_ant", "bifemlh", "rect_fem", "vas_lat")


@pytest.fixture(scope="module")
def scaled_leg(overground: Path, opensim: Any) -> LegModel:
    """The right leg of the 80-muscle model of the Rajagopal family."""
    return load_leg(overground / "subject_walk_scaled.osim", "r")


@pytest.fixture(scope="module")
def stride(overground: Path, scaled_leg: LegModel) -> pd.DataFrame:
    """The overground stride's coordinates, 1000 Hz."""
    return read_motion(overground / "coordinates.sto", scaled_leg.rotations)


def random_problem(seed: int, frames: int = 1) -> tuple[MuscleGeometry, np.ndarray]:
    """43 muscles on 5 coordinates, with a leg's orders of magnitude and moments out of reach."""
    generator = np.random.default_rng(seed)
    capacity = generator.uniform(0.0, 4000.0, (frames, 43))
    arms = generator.normal(0.0, 0.03, (frames, 5, 43)) * (generator.random((5, 43)) < 0.4)
    moments = generator.normal(0.0, 10.0 ** generator.uniform(0.0, 3.0, (frames, 1)), (frames, 5))
    return MuscleGeometry(np.ones((frames, 43)), arms, capacity), moments


def still(pose: Any, frames: int = 8) -> pd.DataFrame:
    """A motion that stays in one pose."""
    time = pd.Index(np.arange(frames) / 100, name="time")
    return pd.DataFrame([pose] * frames, index=time)


def neighbours(poses: pd.DataFrame, coordinates: tuple[str, ...], step: float) -> pd.DataFrame:
    """Every pose, then it with each coordinate a step up and a step down."""
    rows = []
    for _, pose in poses.iterrows():
        rows.append(pose)
        for name in coordinates:
            for change in (step, -step):
                changed = pose.copy()
                changed[name] += change
                rows.append(changed)
    return pd.DataFrame(rows).set_axis(pd.Index(np.arange(len(rows)) / 100, name="time"))


@pytest.mark.parametrize("seed", range(40))
def test_static_optimisation_is_the_bounded_least_squares_solution(seed: int) -> None:
    geometry, moments = random_problem(seed)
    effect = geometry.moment_arms[0] * geometry.capacity[0] / RESERVE

    activation, reserves = static_optimisation(geometry, moments)

    expected = lsq_linear(
        np.vstack([np.eye(43), effect]),
        np.r_[np.zeros(43), moments[0] / RESERVE],
        bounds=(MIN_ACTIVATION, MAX_ACTIVATION),
        method="bvls",
        tol=1e-14,
    ).x
    np.testing.assert_allclose(activation[0], expected, atol=1e-6)
    np.testing.assert_allclose(
        reserves[0], moments[0] - RESERVE * effect @ activation[0], atol=1e-9
    )


def test_static_optimisation_satisfies_the_optimality_conditions_in_every_frame() -> None:
    geometry, moments = random_problem(seed=100, frames=200)

    activation, reserves = static_optimisation(geometry, moments)

    effect = geometry.moment_arms * geometry.capacity[:, None, :]
    np.testing.assert_allclose(
        np.einsum("fcm,fm->fc", effect, activation) + reserves, moments, atol=1e-9
    )
    assert (activation >= MIN_ACTIVATION).all() and (activation <= MAX_ACTIVATION).all()
    # Half the gradient of sum a^2 + sum (r / RESERVE)^2: it is zero between the bounds and points
    # outwards at them. Its two terms cancel from up to 1e5, which leaves a part in 1e9 of them.
    pull = np.einsum("fcm,fc->fm", effect, reserves) / RESERVE**2
    gradient = activation - pull
    slack = 1e-9 * np.einsum("fcm,fc->fm", np.abs(effect), np.abs(moments)) + 1e-9
    least, most = activation <= MIN_ACTIVATION + 1e-9, activation >= MAX_ACTIVATION - 1e-9
    assert least.any() and most.any() and (~least & ~most).any()
    assert (np.abs(gradient) <= slack)[~least & ~most].all()
    assert (gradient >= -slack)[least].all()
    assert (gradient <= slack)[most].all()


@pytest.mark.parametrize("moment", [-30.0, 0.0, 0.5, 20.0, 500.0])
def test_one_muscle_shares_a_moment_with_its_reserve_as_calculus_says(moment: float) -> None:
    arm, force = 0.05, 800.0
    geometry = MuscleGeometry(np.ones((1, 1)), np.full((1, 1, 1), arm), np.full((1, 1), force))

    activation, reserves = static_optimisation(geometry, np.array([[moment]]))

    # Zero of d/da [a^2 + (t - s a)^2] with s = arm * force.
    strength = arm * force
    best = np.clip(strength * moment / (1.0 + strength**2), MIN_ACTIVATION, MAX_ACTIVATION)
    np.testing.assert_allclose(activation, best, atol=1e-9)
    np.testing.assert_allclose(reserves, moment - strength * best, atol=1e-7)


def test_muscles_of_one_line_share_a_moment_by_their_capacity() -> None:
    # Least squared activation: equal moment arms give activations in proportion to force.
    capacity = np.array([[500.0, 1000.0, 1500.0]])
    geometry = MuscleGeometry(np.ones((1, 3)), np.full((1, 1, 3), 0.05), capacity)

    activation, _ = static_optimisation(geometry, np.array([[60.0]]))

    np.testing.assert_allclose(activation[0] / activation[0, 0], [1.0, 2.0, 3.0], rtol=1e-6)


def test_an_impossible_number_is_refused_with_its_frame(refused: Refused) -> None:
    geometry, moments = random_problem(seed=0, frames=3)
    moments[2, 1] = np.nan

    with refused("frame 2"):
        static_optimisation(geometry, moments)


@pytest.mark.parametrize("side", ["r", "l"])
def test_a_leg_of_gait2392_has_43_muscles(lower_limb: Path, side: str) -> None:
    leg = load_leg(lower_limb / "gait2392.osim", side)

    assert len(leg.muscles) == 43
    assert all(name.endswith(f"_{side}") for name in leg.muscles + leg.coordinates)
    assert {f"{name}_{side}" for name in SCORED} < set(leg.muscles)
    assert leg.mass == pytest.approx(75.16, abs=0.01)
    assert len(leg.coordinate_names) == 23
    # All but the three translations of the pelvis.
    assert len(leg.rotations) == 20 and "pelvis_tx" not in leg.rotations


@pytest.mark.parametrize("side", ["r", "l"])
def test_a_leg_of_the_rajagopal_family_has_40_muscles(overground: Path, side: str) -> None:
    leg = load_leg(overground / "subject_walk_scaled.osim", side)

    assert len(leg.muscles) == 40
    assert all(name.endswith(f"_{side}") for name in leg.muscles)


def test_loading_a_model_writes_no_log_and_says_nothing(lower_limb: Path, tmp_path: Path) -> None:
    program = "import sys; from nem2e_tf.simulation import load_leg; load_leg(sys.argv[1], 'r')"
    done = subprocess.run(
        [sys.executable, "-c", program, str(lower_limb / "gait2392.osim")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(nem2e_tf.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused_in_one_line(
    lower_limb: Path, tmp_path: Path, refused: Refused
) -> None:
    whole = (lower_limb / "gait2392.osim").read_text()
    path = tmp_path / "model.osim"
    for text in ("rubbish", "", "<a></a>", whole[:300000]):
        path.write_text(text)
        with refused(path, "an OpenSim model"):
            load_leg(path, "r")
    path.write_text(whole.replace("Thelen2003Muscle", "Thelen1492Muscle"))
    with refused(path, "Thelen1492Muscle"):
        load_leg(path, "r")

    with refused("absent.osim", "no such file"):
        load_leg(tmp_path / "absent.osim", "r")
    shutil.copy(lower_limb / "gait2392.osim", tmp_path / "model.xml")
    with refused("model.xml", ".osim"):
        load_leg(tmp_path / "model.xml", "r")


def test_a_model_without_the_side_is_refused(
    tmp_path: Path, opensim: Any, refused: Refused
) -> None:
    path = tmp_path / "right.osim"
    model = build_leg()
    model.printToXML(str(path))
    assert load_leg(path, "r").side == "r"

    with refused(path, "'hip_flexion_l'", "nearest is 'hip_flexion_r'"):
        load_leg(path, "l")


def test_a_leg_whose_muscles_apply_no_force_is_refused(
    tmp_path: Path, opensim: Any, refused: Refused
) -> None:
    model = build_leg()
    for i in range(model.getMuscles().getSize()):
        model.getMuscles().get(i).set_appliesForce(False)
    model.printToXML(str(tmp_path / "idle.osim"))

    with refused("idle.osim", "no muscle", "_r"):
        load_leg(tmp_path / "idle.osim", "r")


def test_moment_arms_are_the_slopes_of_lengths(
    right_leg: LegModel, walk45_motion: pd.DataFrame
) -> None:
    step = 1e-4
    poses = walk45_motion.loc[[10.0, 10.2, 10.4, 10.6, 10.8, 11.0]]
    motion = neighbours(poses, right_leg.coordinates, step)

    geometry = muscle_geometry(right_leg, motion)

    count = 1 + 2 * len(right_leg.coordinates)
    lengths = geometry.lengths.reshape(len(poses), count, -1)
    slopes = (lengths[:, 1::2] - lengths[:, 2::2]) / (2.0 * step)
    # A central difference is off by step^2 / 6 times the third derivative, here below 1 m/rad^3.
    np.testing.assert_allclose(geometry.moment_arms[::count], -slopes, atol=1e-8)
    assert np.abs(slopes).max() > 0.04


def test_wrapped_moment_arms_are_near_those_of_published_polynomial_paths(
    overground: Path, scaled_leg: LegModel, stride: pd.DataFrame, tmp_path: Path, opensim: Any
) -> None:
    paths = str(overground / "subject_walk_scaled_FunctionBasedPathSet.xml")
    processor = opensim.ModelProcessor(str(overground / "subject_walk_scaled.osim"))
    processor.append(opensim.ModOpReplacePathsWithFunctionBasedPaths(paths))
    processor.process().printToXML(str(tmp_path / "polynomial.osim"))
    polynomial = load_leg(tmp_path / "polynomial.osim", "r")
    assert polynomial.muscles == scaled_leg.muscles
    poses = stride.iloc[::150]

    wrapped = muscle_geometry(scaled_leg, poses).moment_arms
    fitted = muscle_geometry(polynomial, poses).moment_arms

    # The polynomials are a fit: a millimetre or two nearly everywhere, a few at their worst.
    difference = np.abs(wrapped - fitted)
    assert np.quantile(difference, 0.99) < 0.002
    assert difference.max() < 0.005


def test_capacity_is_that_of_opensim_in_the_same_poses_at_the_same_speeds(
    lower_limb: Path, right_leg: LegModel, walk45_motion: pd.DataFrame, opensim: Any
) -> None:
    # A swing about a recorded pose, whose speeds are known.
    time = np.arange(60) / 100
    swing = {"hip_flexion_r": 0.5, "knee_angle_r": -0.4, "ankle_angle_r": 0.2}
    motion = pd.DataFrame([walk45_motion.loc[10.0]] * 60, index=pd.Index(time, name="time"))
    for name, amplitude in swing.items():
        motion[name] += amplitude * np.sin(2 * np.pi * time)

    geometry = muscle_geometry(right_leg, motion)

    model = opensim.Model(str(lower_limb / "gait2392.osim"))
    state = model.initSystem()
    for frame in (5, 20, 35, 50):
        for column in motion.columns:
            coordinate = model.getCoordinateSet().get(column)
            coordinate.setValue(state, float(motion[column].iloc[frame]), False)
            speed = swing.get(column, 0.0) * 2 * np.pi * np.cos(2 * np.pi * time[frame])
            coordinate.setSpeedValue(state, float(speed))
        model.realizeVelocity(state)
        muscles = [model.getMuscles().get(name) for name in right_leg.muscles]
        np.testing.assert_allclose(
            geometry.lengths[frame], [m.getLength(state) for m in muscles], rtol=1e-12
        )
        # Speeds of a quintic spline through 60 samples are right to 1e-5 of themselves.
        forces = [m.calcInextensibleTendonActiveFiberForce(state, 1.0) for m in muscles]
        np.testing.assert_allclose(geometry.capacity[frame], forces, rtol=1e-4)


def test_capacity_at_rest_is_isometric_force_at_the_fibre_length(
    right_leg: LegModel, walk45_motion: pd.DataFrame, opensim: Any
) -> None:
    geometry = muscle_geometry(right_leg, still(walk45_motion.loc[10.0]))

    # Thelen (2003): a Gaussian of the fibre length; the fibre keeps its height as it turns.
    for name in ("soleus_r", "tib_ant_r", "vas_lat_r", "bifemlh_r"):
        muscle = opensim.Thelen2003Muscle.safeDownCast(right_leg.model.getMuscles().get(name))
        optimal = muscle.getOptimalFiberLength()
        height = optimal * math.sin(muscle.getPennationAngleAtOptimalFiberLength())
        column = right_leg.muscles.index(name)
        along = geometry.lengths[0, column] - muscle.getTendonSlackLength()
        fibre = math.hypot(along, height)
        share = math.exp(-((fibre / optimal - 1.0) ** 2) / muscle.get_KshapeActive())
        expected = muscle.getMaxIsometricForce() * share * along / fibre
        np.testing.assert_allclose(geometry.capacity[:, column], expected, rtol=1e-6)


def test_the_left_leg_mirrors_the_right(lower_limb: Path, right_leg: LegModel) -> None:
    left_leg = load_leg(lower_limb / "gait2392.osim", "l")
    pose = pd.Series({"hip_flexion": 0.4, "hip_adduction": -0.1, "hip_rotation": 0.05,
                      "knee_angle": -0.7, "ankle_angle": 0.1})  # fmt: skip

    right = muscle_geometry(right_leg, still(pose.add_suffix("_r")))
    left = muscle_geometry(left_leg, still(pose.add_suffix("_l")))

    assert [name[:-2] for name in left_leg.muscles] == [name[:-2] for name in right_leg.muscles]
    np.testing.assert_allclose(left.lengths, right.lengths, atol=1e-6)
    np.testing.assert_allclose(left.moment_arms, right.moment_arms, atol=1e-6)


def test_geometry_does_not_remember_the_motion_before(
    right_leg: LegModel, walk45_motion: pd.DataFrame
) -> None:
    whole = walk45_motion.iloc[:8]
    part = whole[list(right_leg.coordinates)]
    before = muscle_geometry(right_leg, part)
    turned = whole.assign(subtalar_angle_r=0.3)

    assert np.abs(muscle_geometry(right_leg, turned).lengths - before.lengths).max() > 1e-3
    np.testing.assert_array_equal(muscle_geometry(right_leg, part).lengths, before.lengths)


def test_a_coupled_patella_follows_the_knee_whatever_the_file_says_of_it(
    scaled_leg: LegModel, stride: pd.DataFrame
) -> None:
    motion = stride.iloc[:200:10]
    # This recording has the patella in degrees among radians.
    assert motion["knee_angle_r_beta"].max() > 5.0
    right = motion.assign(knee_angle_r_beta=motion["knee_angle_r"])
    silent = motion.drop(columns=["knee_angle_r_beta", "knee_angle_l_beta"])

    expected = muscle_geometry(scaled_leg, right)

    for given in (motion, silent):
        found = muscle_geometry(scaled_leg, given)
        np.testing.assert_allclose(found.lengths, expected.lengths, atol=1e-9)
        np.testing.assert_allclose(found.capacity, expected.capacity, rtol=1e-6)


def test_the_speed_of_a_muscle_over_the_patella_is_the_slope_of_its_length(
    scaled_leg: LegModel,
) -> None:
    time = np.arange(21) / 100
    knee = pd.DataFrame({"knee_angle_r": 1.0 + 2.0 * (time - 0.1)}, index=time)

    geometry = muscle_geometry(scaled_leg, knee)

    # The model stays in the last pose: knee at 1.2 rad, turning at 2 rad/s.
    for name in ("vaslat_r", "vasint_r", "recfem_r"):
        lengths = geometry.lengths[:, scaled_leg.muscles.index(name)]
        slope = (1.5 * lengths[-1] - 2.0 * lengths[-2] + 0.5 * lengths[-3]) * 100
        muscle = scaled_leg.model.getMuscles().get(name)
        assert muscle.getLengtheningSpeed(scaled_leg.state) == pytest.approx(slope, rel=0.01)


def published_correlations(trial: str) -> tuple[float, ...]:
    """Pearson r of plain static optimisation, in the order of `SCORED` (data/README.md)."""
    return {
        "walk45": (0.19, 0.50, 0.58, 0.10, -0.31, 0.16),
        "run81": (0.14, -0.14, 0.45, 0.02, -0.26, 0.03),
    }[trial]


def correlations(simulated: pd.DataFrame, emg: Path) -> list[float]:
    measured = read_storage(emg).loc[simulated.index[0] - 1e-6 : simulated.index[-1] + 1e-6]
    assert len(measured) == len(simulated) == 1141
    return [np.corrcoef(measured[f"{m}_r"], simulated[f"{m}_r"])[0, 1] for m in SCORED]


def test_walking_correlates_with_emg_as_published(
    lower_limb: Path, walk45_simulated: pd.DataFrame
) -> None:
    found = correlations(walk45_simulated, lower_limb / "walk45" / "emgFilt.sto")

    np.testing.assert_allclose(found, published_correlations("walk45"), atol=0.05)


@pytest.mark.slow
def test_running_correlates_with_emg_as_published(lower_limb: Path) -> None:
    trial = lower_limb / "run81"
    simulated = simulate_files(
        lower_limb / "gait2392.osim", trial / "ik.sto", trial / "id.sto", start=18.6, end=30.0
    )

    found = correlations(simulated, trial / "emgFilt.sto")

    np.testing.assert_allclose(found, published_correlations("run81"), atol=0.05)


def test_a_simulation_has_activations_and_reserves_at_100_hz(
    walk45_simulated: pd.DataFrame, right_leg: LegModel
) -> None:
    reserves = [f"{name}_reserve" for name in right_leg.coordinates]
    assert list(walk45_simulated.columns) == [*right_leg.muscles, *reserves]
    np.testing.assert_allclose(walk45_simulated.index, np.arange(1860, 3001) / 100)
    activations = walk45_simulated[list(right_leg.muscles)].to_numpy()
    assert activations.min() >= 0.01 and activations.max() <= 1.0
    # Muscles are strong enough to walk: the reserves of 1 N m stay below a tenth of a control.
    assert walk45_simulated[reserves].abs().to_numpy().max() < 0.1


def test_muscles_and_reserves_give_the_joint_moments(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame
) -> None:
    # A recording below the cut-off, which the filter leaves alone: one pose, a slow moment.
    time = pd.Index(np.arange(301) / 100, name="time")
    motion = pd.DataFrame([walk45_motion.loc[10.0]] * 301, index=time)
    columns = [f"{name}_moment" for name in right_leg.coordinates]
    level = np.array([20.0, -30.0, 2.0, 15.0, -40.0])
    moments = pd.DataFrame(
        level * (1.0 + 0.5 * np.sin(2 * np.pi * 0.5 * time.to_numpy()))[:, None], time, columns
    )

    simulated = simulate(right_leg, motion, moments, start=1.4, end=1.6)

    geometry = muscle_geometry(right_leg, motion.iloc[:8])
    effect = geometry.moment_arms[0] * geometry.capacity[0]
    given = simulated[list(right_leg.muscles)].to_numpy() @ effect.T
    reserves = simulated[[f"{name}_reserve" for name in right_leg.coordinates]].to_numpy()
    # Second-order Butterworth run twice: 1 - 0.41 * (0.5 / 6)^4 of the wave is left.
    np.testing.assert_allclose(given + reserves, moments.loc[simulated.index].to_numpy(), rtol=1e-3)


def test_the_range_asked_for_does_not_change_what_is_in_it(
    right_leg: LegModel,
    walk45_motion: pd.DataFrame,
    walk45_moments: pd.DataFrame,
    walk45_simulated: pd.DataFrame,
) -> None:
    part = simulate(right_leg, walk45_motion, walk45_moments, start=20.0, end=20.4)

    assert (part.index[0], part.index[-1], len(part)) == (20.0, 20.4, 41)
    whole = walk45_simulated.iloc[140:181]
    np.testing.assert_allclose(whole.index, part.index)
    # What a 6 Hz filter still holds of an end a second away; speeds at the very ends a little more.
    assert np.abs(whole.to_numpy() - part.to_numpy()).max() < 1e-3


def test_progress_counts_the_frames(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame
) -> None:
    progress_calls: list[tuple[int, int]] = []
    simulate(
        right_leg, walk45_motion, walk45_moments, start=5.0, end=7.5,
        progress=lambda done, total: progress_calls.append((done, total)),
    )  # fmt: skip
    done = [frames for frames, _ in progress_calls]
    assert len(progress_calls) > 2 and done == sorted(set(done)) and done[-1] == 251
    assert {total for _, total in progress_calls} == {251}


def test_an_80_muscle_model_runs_with_state_paths_at_1000_hz(overground: Path) -> None:
    simulated = simulate_files(
        overground / "subject_walk_scaled.osim",
        overground / "coordinates.sto",
        overground / "id_walk.sto",
        start=0.5,
        end=0.7,
    )

    np.testing.assert_allclose(simulated.index, np.arange(50, 71) / 100)
    assert simulated.shape == (21, 40 + 5)
    assert np.isfinite(simulated.to_numpy()).all()
    assert simulated.filter(like="_reserve").abs().to_numpy().max() < 0.1


def test_a_motion_of_another_model_is_refused_by_its_column(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame, refused: Refused
) -> None:
    renamed = walk45_motion.rename(columns={"knee_angle_r": "knee_flexion_r"})
    with refused("ik.sto", "'knee_angle_r'", "gait2392.osim", "nearest is 'knee_flexion_r'"):
        simulate(right_leg, renamed, walk45_moments)
    with refused("ik.sto", "no coordinate 'ankle_angle_r'", "nearest is 'ankle_angle_l'"):
        simulate(right_leg, walk45_motion.drop(columns="ankle_angle_r"), walk45_moments)


def test_a_missing_moment_is_refused_with_the_nearest_column(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame, refused: Refused
) -> None:
    renamed = walk45_moments.rename(columns={"knee_angle_r_moment": "knee_angle_r_torque"})
    with refused("id.sto", "'knee_angle_r_moment'", "nearest is 'knee_angle_"):
        simulate(right_leg, walk45_motion, renamed)
    for swapped in (walk45_motion, walk45_moments[["pelvis_tx_force"]]):
        with refused("no column 'hip_flexion_r_moment'"):
            simulate(right_leg, walk45_motion, swapped)


def test_a_range_outside_or_too_short_is_refused(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame, refused: Refused
) -> None:
    with refused("70-80 s", "outside", "0-59.03 s"):
        simulate(right_leg, walk45_motion, walk45_moments, start=70.0, end=80.0)
    with refused("5-4 s", "empty"):
        simulate(right_leg, walk45_motion, walk45_moments, start=5.0, end=4.0)
    with refused("0.1 s", "too few"):
        simulate(right_leg, walk45_motion, walk45_moments, start=5.0, end=5.1)


@pytest.mark.parametrize("late", ["motion", "moments"])
def test_recordings_on_different_clocks_are_refused(
    right_leg: LegModel,
    walk45_motion: pd.DataFrame,
    walk45_moments: pd.DataFrame,
    refused: Refused,
    late: str,
) -> None:
    both = {"motion": walk45_motion, "moments": walk45_moments}
    for shift, words in ((100.0, ["in common", "100-159.03"]), (10.0, ["different clocks"])):
        shifted = both[late].set_axis(both[late].index + shift)
        with refused(*words, "ik.sto", "id.sto"):
            simulate(right_leg, **(both | {late: shifted}))  # type: ignore[arg-type]
    in_frames = both[late].set_axis(np.arange(len(both[late]), dtype=float))
    with refused("ik.sto" if late == "motion" else "id.sto", "in seconds?"):
        simulate(right_leg, **(both | {late: in_frames}))  # type: ignore[arg-type]


def test_degrees_under_a_header_that_does_not_say_so_are_refused(
    lower_limb: Path, right_leg: LegModel, tmp_path: Path, refused: Refused
) -> None:
    text = (lower_limb / "walk45" / "ik.sto").read_text()
    path = tmp_path / "degrees.sto"
    path.write_text(text.replace("inDegrees=yes\n", ""))

    with refused(path, "'knee_angle_r'", "rad at", "inDegrees=yes"):
        simulate_files(right_leg, path, lower_limb / "walk45" / "id.sto", start=10.0, end=11.0)


def test_inverse_dynamics_that_misread_its_motion_is_refused(
    overground: Path, tmp_path: Path, opensim: Any, scaled_leg: LegModel, refused: Refused
) -> None:
    # OpenSim's tool takes state paths and radians without a word, and finds nothing.
    tool = opensim.InverseDynamicsTool()
    tool.setModelFileName(str(overground / "subject_walk_scaled.osim"))
    tool.setCoordinatesFileName(str(overground / "coordinates.sto"))
    tool.setExternalLoadsFileName(str(overground / "grf_walk.xml"))
    tool.setStartTime(1.3)
    tool.setEndTime(1.7)
    forces = opensim.ArrayStr()
    forces.append("Muscles")
    tool.setExcludedForces(forces)
    tool.setResultsDir(str(tmp_path))
    tool.setOutputGenForceFileName("wrong.sto")
    assert tool.run()

    with refused(tmp_path / "wrong.sto", "_r_moment'", "N m a kilogram", "85 kg"):
        simulate_files(scaled_leg, overground / "coordinates.sto", tmp_path / "wrong.sto")


def test_files_are_read_as_frames_are(
    lower_limb: Path,
    right_leg: LegModel,
    walk45_motion: pd.DataFrame,
    walk45_moments: pd.DataFrame,
    tmp_path: Path,
) -> None:
    write_storage(walk45_motion.iloc[:600], tmp_path / "radians.sto", "motion")
    trial = lower_limb / "walk45"

    from_frames = simulate(right_leg, walk45_motion, walk45_moments, start=3.0, end=3.2)
    radians = simulate_files(
        right_leg, tmp_path / "radians.sto", trial / "id.sto", start=3.0, end=3.2
    )
    degrees = simulate_files(
        lower_limb / "gait2392.osim", trial / "ik.sto", trial / "id.sto", start=3.0, end=3.2
    )

    np.testing.assert_allclose(radians, from_frames, atol=1e-9)
    np.testing.assert_allclose(degrees, from_frames, atol=1e-9)
