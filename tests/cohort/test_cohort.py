"""Virtual subjects: the leg against published anatomy, the gait against published walking."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import lsq_linear

from nem2e_tf.cohort import build_leg, synthetic_walking, walking_cycle
from tests.repository import ROOT

Array = npt.NDArray[np.float64]

COORDINATES = [
    "hip_flexion_r",
    "hip_adduction_r",
    "hip_rotation_r",
    "knee_angle_r",
    "ankle_angle_r",
]
MUSCLES = [
    *("soleus_r", "med_gas_r", "lat_gas_r", "tib_ant_r", "semimem_r", "bifemlh_r", "vas_lat_r"),
    *("rect_fem_r", "vas_med_r", "vas_int_r", "bifemsh_r", "semiten_r", "glut_max1_r"),
    *("glut_max2_r", "glut_max3_r", "glut_med1_r", "glut_med2_r", "glut_med3_r", "iliacus_r"),
    *("psoas_r", "add_mag2_r", "add_long_r"),
]
VASTI = ["vas_lat_r", "vas_med_r", "vas_int_r"]
STRIDE = 1.1
MASS = 75.0


@pytest.fixture(scope="module")
def opensim() -> Any:
    module = pytest.importorskip("opensim")
    module.Logger.setLevelString("error")
    return module


class Leg:
    """A leg that can be posed, and asked what its muscles do there."""

    def __init__(self, opensim: Any, model: Any) -> None:
        self.model = model
        self.state = model.initSystem()
        every = model.getMuscles()
        self.muscles = {
            every.get(index).getName(): opensim.Muscle.safeDownCast(every.get(index))
            for index in range(every.getSize())
        }

    def pose(self, angles: Mapping[Any, float], speeds: Mapping[Any, float] | None = None) -> None:
        for name in COORDINATES:
            coordinate = self.model.getCoordinateSet().get(name)
            coordinate.setValue(self.state, angles.get(name, 0.0), False)
            coordinate.setSpeedValue(self.state, (speeds or {}).get(name, 0.0))
        self.model.realizeVelocity(self.state)

    def moment_arm(self, muscle: str, coordinate: str) -> float:
        owner = self.model.getCoordinateSet().get(coordinate)
        return float(self.muscles[muscle].computeMomentArm(self.state, owner))

    def capacity(self, muscle: str) -> float:
        return float(self.muscles[muscle].calcInextensibleTendonActiveFiberForce(self.state, 1.0))

    def fibre_length(self, name: str) -> float:
        """In optimal lengths, at rigid tendon: the fibre keeps its height over the tendon."""
        muscle = self.muscles[name]
        optimal = muscle.getOptimalFiberLength()
        along = muscle.getLength(self.state) - muscle.getTendonSlackLength()
        height = optimal * math.sin(muscle.getPennationAngleAtOptimalFiberLength())
        return math.hypot(along, height) / optimal if along > 0.0 else 0.0


@pytest.fixture(scope="module")
def leg(opensim: Any) -> Leg:
    return Leg(opensim, build_leg(MASS, 1.75))


class Walk(NamedTuple):
    cycle: Array  # per cent
    activations: pd.DataFrame
    reserves: pd.DataFrame
    moments: pd.DataFrame
    fibre_lengths: pd.DataFrame


@pytest.fixture(scope="module")
def walk(leg: Leg) -> Walk:
    """Static optimisation of one stride: least squared activation, reserves of 1 N m."""
    motion, moments = synthetic_walking(STRIDE, MASS, STRIDE, rate=100.0 / STRIDE)
    velocity = pd.DataFrame(
        np.gradient(motion.to_numpy(), motion.index.to_numpy(), axis=0), columns=motion.columns
    )
    names = list(leg.muscles)
    coordinates = [str(column).removesuffix("_moment") for column in moments]
    lower = np.r_[np.full(len(names), 0.01), np.full(len(coordinates), -np.inf)]
    upper = np.r_[np.ones(len(names)), np.full(len(coordinates), np.inf)]
    frames = range(0, len(motion), 4)
    solutions, fibres = [], []
    for frame in frames:
        leg.pose(motion.iloc[frame].to_dict(), velocity.iloc[frame].to_dict())
        capacity = np.array([leg.capacity(name) for name in names])
        arms = [[leg.moment_arm(name, coordinate) for name in names] for coordinate in coordinates]
        balance = np.hstack([np.array(arms) * capacity, np.eye(len(coordinates))])
        # The balance outweighs the cost so far that it holds to a hundredth of a newton metre.
        rows = np.vstack([np.eye(lower.size), 100.0 * balance])
        right = np.r_[np.zeros(lower.size), 100.0 * moments.iloc[frame].to_numpy()]
        solutions.append(lsq_linear(rows, right, bounds=(lower, upper)).x)
        fibres.append([leg.fibre_length(name) for name in names])
    values = np.array(solutions)
    return Walk(
        cycle=100.0 * motion.index.to_numpy()[list(frames)] / STRIDE,
        activations=pd.DataFrame(values[:, : len(names)], columns=names),
        reserves=pd.DataFrame(values[:, len(names) :], columns=moments.columns),
        moments=moments.iloc[list(frames)].reset_index(drop=True),
        fibre_lengths=pd.DataFrame(fibres, columns=names),
    )


def test_importing_the_cohort_does_not_load_opensim() -> None:
    code = "import sys, nem2e_tf.cohort; sys.exit('opensim' in sys.modules)"
    root = ROOT
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_leg_has_the_coordinates_and_the_muscles_of_walking(leg: Leg) -> None:
    coordinates = leg.model.getCoordinateSet()
    names = [coordinates.get(index).getName() for index in range(coordinates.getSize())]
    assert names == COORDINATES
    assert set(MUSCLES) <= set(leg.muscles)


def test_the_soleus_has_a_plantar_flexor_moment_arm_of_four_to_five_centimetres(leg: Leg) -> None:
    arms = []
    for angle in np.radians(np.arange(-25.0, 16.0, 5.0)):
        leg.pose({"ankle_angle_r": angle})
        arms.append(leg.moment_arm("soleus_r", "ankle_angle_r"))
    assert max(arms) < 0.0
    assert 0.04 < max(np.abs(arms)) < 0.05


@pytest.mark.parametrize("muscle", VASTI)
def test_a_vastus_extends_the_knee_with_three_to_five_and_a_half_centimetres(
    leg: Leg, muscle: str
) -> None:
    for flexion in (0.0, 20.0, 40.0, 60.0):
        leg.pose({"knee_angle_r": -math.radians(flexion)})
        assert 0.03 < leg.moment_arm(muscle, "knee_angle_r") < 0.055


@pytest.mark.parametrize(
    ("muscle", "coordinate", "sign"),
    [
        ("iliacus_r", "hip_flexion_r", +1),
        ("rect_fem_r", "hip_flexion_r", +1),
        ("rect_fem_r", "knee_angle_r", +1),
        ("semimem_r", "hip_flexion_r", -1),
        ("semimem_r", "knee_angle_r", -1),
        ("bifemsh_r", "knee_angle_r", -1),
        ("med_gas_r", "knee_angle_r", -1),
        ("med_gas_r", "ankle_angle_r", -1),
        ("tib_ant_r", "ankle_angle_r", +1),
        ("glut_max2_r", "hip_flexion_r", -1),
        ("glut_med2_r", "hip_adduction_r", -1),
        ("add_long_r", "hip_adduction_r", +1),
        ("glut_med1_r", "hip_rotation_r", +1),
        ("glut_max2_r", "hip_rotation_r", -1),
    ],
)
def test_a_muscle_turns_its_joint_the_way_anatomy_says(
    leg: Leg, muscle: str, coordinate: str, sign: int
) -> None:
    leg.pose({"knee_angle_r": -math.radians(15.0)})
    assert sign * leg.moment_arm(muscle, coordinate) > 0.004


def test_moment_arms_are_proportional_to_height(opensim: Any) -> None:
    angles = {"hip_flexion_r": 0.3, "knee_angle_r": -0.6, "ankle_angle_r": 0.1}
    short, tall = (Leg(opensim, build_leg(MASS, height)) for height in (1.5, 1.8))
    for subject in (short, tall):
        subject.pose(angles)
    for muscle in MUSCLES:
        for coordinate in COORDINATES:
            expected = 1.2 * short.moment_arm(muscle, coordinate)
            assert tall.moment_arm(muscle, coordinate) == pytest.approx(expected, abs=1e-6)
        assert tall.fibre_length(muscle) == pytest.approx(short.fibre_length(muscle), abs=1e-6)


def test_strength_grows_with_mass_to_the_power_two_thirds_and_inertia_with_mass(
    opensim: Any,
) -> None:
    light, heavy = (Leg(opensim, build_leg(mass, 1.75)) for mass in (50.0, 100.0))
    for muscle in MUSCLES:
        ratio = (
            heavy.muscles[muscle].getMaxIsometricForce()
            / light.muscles[muscle].getMaxIsometricForce()
        )
        assert ratio == pytest.approx(2.0 ** (2.0 / 3.0))
    masses = [subject.model.getTotalMass(subject.state) for subject in (light, heavy)]
    assert masses[1] == pytest.approx(2.0 * masses[0])


def test_a_leg_written_to_a_file_and_read_back_is_the_same_leg(
    opensim: Any, leg: Leg, tmp_path: Path
) -> None:
    path = tmp_path / "leg.osim"
    leg.model.printToXML(str(path))
    again = Leg(opensim, opensim.Model(str(path)))
    angles = {"hip_flexion_r": -0.2, "knee_angle_r": -1.3, "ankle_angle_r": -0.2}
    leg.pose(angles)
    again.pose(angles)
    for muscle in MUSCLES:
        for coordinate in COORDINATES:
            expected = leg.moment_arm(muscle, coordinate)
            assert again.moment_arm(muscle, coordinate) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [{"mass": 0.0}, {"mass": math.nan}, {"height": -1.7}])
def test_a_leg_of_impossible_size_is_refused(size: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(size))):
        build_leg(**size)


def test_the_average_cycle_ends_as_it_began() -> None:
    cycle = walking_cycle()
    assert (cycle.index[0], cycle.index[-1]) == (0.0, 100.0)
    pd.testing.assert_series_equal(cycle.iloc[0], cycle.iloc[-1], check_names=False)


def test_the_knee_flexes_once_in_loading_response_and_most_in_swing() -> None:
    cycle = walking_cycle()
    percent = cycle.index.to_numpy()
    flexion = -cycle["knee_angle_r"].to_numpy()
    stance = flexion[percent <= 40.0]
    assert 10.0 <= percent[stance.argmax()] <= 18.0
    assert 15.0 < stance.max() < 25.0
    assert 68.0 <= percent[flexion.argmax()] <= 76.0
    assert 55.0 < flexion.max() < 70.0


def test_the_hip_is_flexed_at_foot_strike_and_extended_behind_the_body_in_late_stance() -> None:
    # From upright standing, not from the tilted plane of the pelvic markers: Perry and Burnfield
    # (2010) give the thigh 20 degrees forward at foot strike and 20 back in terminal stance.
    cycle = walking_cycle()
    flexion = cycle["hip_flexion_r"].to_numpy()
    assert flexion[0] == pytest.approx(20.0, abs=6.0)
    assert flexion.min() == pytest.approx(-20.0, abs=6.0)
    assert 48.0 <= cycle.index.to_numpy()[flexion.argmin()] <= 56.0


def test_the_hip_is_adducted_in_stance_abducted_at_toe_off_and_held_by_its_abductors() -> None:
    cycle = walking_cycle()
    angle, moment = cycle["hip_adduction_r"], cycle["hip_adduction_r_moment"]
    assert (angle.loc[10:40] > 2.0).all()
    assert (angle.loc[58:72] < -3.0).all()
    assert (moment.loc[10:50] < -0.3).all()


def test_the_plantar_flexor_moment_peaks_in_late_stance() -> None:
    cycle = walking_cycle()
    moment = cycle["ankle_angle_r_moment"].to_numpy()
    assert 45.0 <= cycle.index.to_numpy()[moment.argmin()] <= 55.0
    assert 1.2 < -moment.min() < 1.7


@pytest.mark.parametrize(
    ("coordinate", "power", "between"),
    [
        ("ankle_angle_r", +2.80, (50.0, 58.0)),
        ("hip_flexion_r", +0.83, (58.0, 66.0)),
        ("knee_angle_r", -0.98, (88.0, 96.0)),
    ],
)
def test_moment_times_velocity_is_the_power_that_the_source_reports(
    coordinate: str, power: float, between: tuple[float, float]
) -> None:
    # Peaks of Schwartz et al. 2008, free speed, W/kg; their strides took about one second.
    motion, moments = synthetic_walking(1.0, mass=1.0, stride_time=1.0, rate=500.0)
    velocity = np.gradient(motion[coordinate].to_numpy(), motion.index.to_numpy())
    produced = velocity * moments[f"{coordinate}_moment"]
    burst = produced[(produced.index >= between[0] / 100) & (produced.index <= between[1] / 100)]
    peak = burst.max() if power > 0 else burst.min()
    assert peak == pytest.approx(power, rel=0.25)


def test_walking_repeats_every_stride_without_a_step() -> None:
    motion, moments = synthetic_walking(duration=3.3, stride_time=1.1, rate=100.0)
    for frame in (motion, moments):
        np.testing.assert_allclose(frame.to_numpy()[:110], frame.to_numpy()[110:220], atol=1e-9)
        change = frame.diff().abs().dropna().reset_index(drop=True)
        into_foot_strike = [109, 219, 329]
        elsewhere = change.drop(into_foot_strike).max()
        assert (change.loc[into_foot_strike].max() < elsewhere).all()
        assert (elsewhere < 0.25 * (frame.max() - frame.min())).all()


def test_walking_is_in_radians_and_newton_metres_at_the_times_asked_for() -> None:
    motion, moments = synthetic_walking(duration=2.0, mass=80.0, stride_time=1.0, rate=50.0)
    cycle = walking_cycle()
    assert motion.index.name == moments.index.name == "time"
    np.testing.assert_allclose(motion.index, np.arange(101) / 50.0)
    assert list(motion.columns) == COORDINATES
    np.testing.assert_allclose(
        np.degrees(motion["knee_angle_r"].to_numpy()[:51]), cycle["knee_angle_r"], atol=1e-9
    )
    np.testing.assert_allclose(
        moments["ankle_angle_r_moment"].to_numpy()[:51] / 80.0,
        cycle["ankle_angle_r_moment"],
        atol=1e-9,
    )


@pytest.mark.parametrize("name", ["duration", "mass", "stride_time", "rate"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_walking_refuses_what_no_one_can_walk(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        synthetic_walking(**{name: value})


def test_walking_shorter_than_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than one sample"):
        synthetic_walking(duration=0.005, rate=100.0)


def test_fibres_stay_within_their_working_range_in_walking(walk: Walk) -> None:
    lengths = walk.fibre_lengths
    assert lengths.min().min() > 0.35
    assert lengths.max().max() < 1.6
    # Fibres make hardly any active force below 0.5 optimal lengths: nothing may work there.
    working = lengths.where(walk.activations > 0.05)
    assert working.min().min() > 0.5
    assert working.max().max() < 1.4


def test_the_muscles_carry_the_moments_of_walking(walk: Walk) -> None:
    share = walk.reserves.abs().max() / walk.moments.abs().max()
    assert (share < 0.05).all(), share


@pytest.mark.parametrize(
    ("muscle", "first", "last"),
    [
        # Perry and Burnfield (2010), Gait Analysis: when a muscle works hardest.
        ("soleus_r", 30.0, 56.0),
        ("med_gas_r", 30.0, 55.0),
        ("vas_lat_r", 4.0, 20.0),
        ("glut_max2_r", 0.0, 20.0),
        ("iliacus_r", 44.0, 66.0),
        ("rect_fem_r", 48.0, 66.0),
    ],
)
def test_a_muscle_works_hardest_when_it_does_in_people(
    walk: Walk, muscle: str, first: float, last: float
) -> None:
    activation = walk.activations[muscle].to_numpy()
    assert activation.max() > 0.1
    assert first <= walk.cycle[activation.argmax()] <= last


def test_the_tibialis_anterior_works_in_loading_response_and_swing_only(walk: Walk) -> None:
    activation = walk.activations["tib_ant_r"].to_numpy()
    mid_stance = (walk.cycle > 15.0) & (walk.cycle < 58.0)
    assert activation[walk.cycle < 12.0].max() > 0.15
    assert activation[walk.cycle > 62.0].mean() > 0.05
    assert activation[mid_stance].max() < 0.03


@pytest.mark.parametrize("muscle", ["glut_med1_r", "glut_med2_r", "glut_med3_r"])
def test_the_gluteus_medius_works_in_stance_and_rests_in_swing(walk: Walk, muscle: str) -> None:
    activation = walk.activations[muscle].to_numpy()
    assert activation[(walk.cycle > 15.0) & (walk.cycle < 45.0)].min() > 0.2
    assert activation[(walk.cycle > 60.0) & (walk.cycle < 95.0)].max() < 0.06


@pytest.mark.parametrize("muscle", ["semimem_r", "bifemlh_r"])
def test_the_hamstrings_work_from_late_swing_to_early_stance(walk: Walk, muscle: str) -> None:
    activation = walk.activations[muscle].to_numpy()
    around_foot_strike = (walk.cycle < 20.0) | (walk.cycle > 84.0)
    assert activation[walk.cycle > 88.0].max() > 0.05
    assert activation[walk.cycle < 12.0].max() > 0.1
    assert activation[~around_foot_strike].max() < 0.03
