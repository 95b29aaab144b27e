"""Virtual people against published gait, muscle theory, and the estimate they must differ from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize
from scipy.signal import welch

from nem2e_tf.cohort import Recipe, make_cohort
from nem2e_tf.cohort.causes import read_causes, sample_parameter, select_causes
from nem2e_tf.cohort.cycles import COLUMNS, typical_cycle
from nem2e_tf.cohort.effort import share_moments
from nem2e_tf.cohort.excitation import emg_amplitude, excitation
from nem2e_tf.cohort.physiology import Physiology, sample_physiology
from nem2e_tf.cohort.session import VirtualSession, record_session, write_leg
from nem2e_tf.cohort.strides import walk_or_run
from nem2e_tf.cohort.subject import Subject, sample_subject
from nem2e_tf.cohort.surface import ELECTRODES, RAW_RATE, record_emg
from nem2e_tf.files import read_storage, read_trials
from nem2e_tf.signals import metrics
from nem2e_tf.signals.emg import envelopes, normalise_envelopes, read_raw
from nem2e_tf.simulation import LegModel, MuscleGeometry, simulate, simulate_files
from nem2e_tf.simulation.static import static_optimisation

Refused = Callable[..., AbstractContextManager[None]]
NOTHING: frozenset[str] = frozenset()
TASKS = ("walking", "running")


@pytest.fixture(scope="module")
def subject() -> Subject:
    return sample_subject(1, 2)


@pytest.fixture(scope="module")
def leg(opensim: Any, subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> LegModel:
    return write_leg(subject, tmp_path_factory.mktemp("leg") / "leg.osim")


@pytest.fixture(scope="module")
def estimates(subject: Subject, leg: LegModel) -> dict[str, pd.DataFrame]:
    """What the simulation makes of the person's motion and moments, by task."""
    found = {}
    for task in TASKS:
        strides_done = walk_or_run(subject, task, 4)
        found[task] = simulate(
            leg,
            strides_done.motion,
            strides_done.moments,
            start=strides_done.start,
            end=strides_done.end,
        )
    return found


def scores(done: VirtualSession, task: str, estimates: dict[str, pd.DataFrame]) -> pd.DataFrame:
    estimate, measured = estimates[task], done.trials[task].emg
    return metrics.score_table(
        measured.set_axis(estimate.index), estimate[list(measured.columns)], 100.0
    )


# Gait


@pytest.mark.parametrize(("speed", "cadence"), [(1.04, 101.0), (1.32, 116.0), (1.62, 128.0)])
def test_people_step_as_often_at_a_speed_as_adults_do(speed: float, cadence: float) -> None:
    # Young women: Winiarski S, Pietraszewska J, Pietraszewski B (2019), BioMed Res Int 9232430.
    assert 120.0 / typical_cycle("walking", speed, 1.68).stride_time == pytest.approx(
        cadence, rel=0.06
    )


def test_running_at_three_and_a_half_metres_a_second_has_the_published_duty_factor() -> None:
    # Fukuchi, Fukuchi and Duarte (2017), PeerJ 5:e3298.
    cycle = typical_cycle("running", 3.5, 1.75)
    assert cycle.stance == pytest.approx(0.348, abs=0.002)
    assert 120.0 / cycle.stride_time == pytest.approx(171.0, rel=0.005)


@pytest.mark.parametrize(
    ("column", "pick", "published", "deviation"),
    [
        # Heiderscheit et al. (2011), Med Sci Sports Exerc 43:296, table 3, 2.9 m/s.
        ("knee_angle_r", "stance minimum", -46.3, 4.5),
        ("hip_adduction_r", "maximum", 10.4, 3.3),
        ("hip_adduction_r_moment", "minimum", -1.8, 0.4),
        ("knee_angle_r_moment", "maximum", 2.5, 0.6),
    ],
)
def test_running_peaks_where_runners_do(
    column: str, pick: str, published: float, deviation: float
) -> None:
    cycle = typical_cycle("running", 2.9, 1.75)
    values = cycle.mean[column].loc[: cycle.stance if "stance" in pick else 1.0]
    peak = values.max() if pick == "maximum" else values.min()
    assert peak == pytest.approx(published, abs=0.25 * deviation)


def test_faster_walking_is_briefer_in_stance_and_loads_knee_and_hip_more() -> None:
    slow, fast = (typical_cycle("walking", speed, 1.75) for speed in (0.9, 1.7))
    assert fast.stance < slow.stance and fast.stride_time < slow.stride_time
    for column in ("knee_angle_r_moment", "hip_flexion_r_moment"):
        assert fast.mean[column].max() > 1.3 * slow.mean[column].max()


@pytest.mark.parametrize(("task", "speed"), [("walking", 0.5), ("running", 6.0), ("hopping", 2.0)])
def test_a_gait_that_is_in_no_table_is_refused(task: str, speed: float) -> None:
    with pytest.raises(ValueError, match=task):
        typical_cycle(task, speed, 1.75)


def test_people_scatter_about_the_published_mean_by_the_published_spread() -> None:
    typical = typical_cycle("walking", 1.3, 1.75)
    means = []
    for number in range(1, 81):
        person = replace(sample_subject(3, number), height=1.75, mass=1.0)
        strides_done = walk_or_run(replace(person, speeds={"walking": 1.3}), "walking", 8)
        phase = np.interp(
            strides_done.motion.index, strides_done.strikes, np.arange(len(strides_done.strikes))
        )
        values = pd.concat([strides_done.motion.apply(np.rad2deg), strides_done.moments], axis=1)[
            list(COLUMNS)
        ]
        cycles = [
            np.stack([np.interp(k + typical.mean.index, phase, values[c]) for c in COLUMNS], axis=1)
            for k in range(1, 9)
        ]
        means.append(np.mean(cycles, axis=0))
    score = (np.array(means) - typical.mean.to_numpy()) / typical.spread.to_numpy()
    # 80 people: the standard error of a mean is 0.11, of a deviation 0.08.
    assert np.abs(score.mean(axis=0)).mean() < 0.2
    spread = score.std(axis=0)
    moments = np.array([c.endswith("_moment") for c in COLUMNS])
    assert np.median(spread[:, ~moments]) == pytest.approx(1.0, abs=0.15)
    # The published moments are of children of many ages.
    assert np.median(spread[:, moments]) == pytest.approx(0.6, abs=0.1)


def test_strides_vary_as_in_people_and_stay_smooth(subject: Subject) -> None:
    for task in TASKS:
        strides_done = walk_or_run(subject, task, 40)
        times = np.diff(strides_done.strikes)
        # 1-3 %: Hausdorff et al. (1996), Nakayama et al. (2010).
        assert 0.007 < times.std() / times.mean() < 0.04
        knee = strides_done.motion["knee_angle_r"]
        # Knees turn at up to some 12 rad/s in running, and no stride begins with a step.
        assert knee.diff().abs().max() < 0.16
        assert strides_done.motion.diff().diff().abs().max().max() < 0.03


def test_errors_of_measurement_leave_the_recording_and_take_their_share_of_the_truth() -> None:
    off: list[np.ndarray] = []
    on: list[np.ndarray] = []
    for number in range(1, 61):
        person = replace(sample_subject(3, number), height=1.75, mass=1.0, speeds={"walking": 1.3})
        plain, wrong = (
            walk_or_run(person, "walking", 3, active_causes)
            for active_causes in (NOTHING, frozenset({"measurement"}))
        )
        pd.testing.assert_frame_equal(plain.moments, wrong.moments)
        pd.testing.assert_frame_equal(plain.moments, plain.true_moments)
        middle = (100.0 * plain.strikes[1:4]).astype(int) + 20
        for strides_done, kept in ((plain, off), (wrong, on)):
            kept.append(strides_done.true_moments["knee_angle_r_moment"].to_numpy()[middle].mean())
    # Of the variance between people 0.5 to 0.8 is theirs; 60 people tell it within a third.
    assert 0.35 < np.var(on) / np.var(off) < 0.95
    assert 0.5 < np.corrcoef(off, on)[0, 1] < 0.97


# Body


def test_a_person_depends_on_seed_and_number_alone() -> None:
    assert sample_subject(4, 7) == sample_subject(4, 7)
    people = [sample_subject(4, number) for number in range(1, 60)]
    assert len({(p.mass, p.height) for p in people}) == len(people)
    assert all(18.5 < p.mass / p.height**2 < 30.0 for p in people)
    assert all(1.49 < p.height < 1.90 for p in people)
    assert all(0.8 <= p.speeds["walking"] <= 1.8 for p in people)
    assert all(2.2 <= p.speeds["running"] <= 4.0 for p in people)


def test_a_leg_of_other_proportions_keeps_its_fibres_on_their_curves(opensim: Any) -> None:
    from nem2e_tf.cohort import build_leg

    def relative_fibre(model: Any, name: str) -> float:
        state = model.initSystem()
        muscle = model.getMuscles().get(name)
        along = muscle.getLength(state) - muscle.getTendonSlackLength()
        return float(along / muscle.getOptimalFiberLength())

    usual, other = build_leg(70.0, 1.7), build_leg(70.0, 1.7, {"femur_r": 1.06, "tibia_r": 0.95})
    lengths = [m.getMuscles().get("vas_lat_r").getTendonSlackLength() for m in (usual, other)]
    assert lengths[1] > 1.02 * lengths[0]
    for name in ("soleus_r", "med_gas_r", "vas_lat_r", "bifemlh_r"):
        assert relative_fibre(other, name) == pytest.approx(relative_fibre(usual, name), abs=1e-6)


def test_a_leg_weighs_what_the_body_does(leg: LegModel, subject: Subject) -> None:
    assert leg.mass == pytest.approx(subject.mass, rel=1e-6)


# Effort


def problem(frames: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moment arms, capacities and moments that muscles can carry."""
    rng = np.random.default_rng(0)
    arms = rng.normal(0.0, 0.04, (frames, 3, 9))
    capacity = rng.uniform(500.0, 3000.0, (frames, 9))
    target = rng.uniform(0.05, 0.6, (frames, 9))
    return arms, capacity, np.einsum("fcm,fm->fc", arms * capacity[:, None, :], target)


def test_usual_effort_is_the_static_optimisation_of_the_package() -> None:
    arms, capacity, moments = problem()
    expected, _ = static_optimisation(MuscleGeometry(capacity, arms, capacity), moments)
    effect = arms * capacity[:, None, :]
    found = share_moments(effect, moments, np.full((40, 9), 0.01), np.ones(9), 2.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_personal_effort_is_the_least_that_a_general_optimiser_finds() -> None:
    arms, capacity, moments = problem(6)
    effect = arms * capacity[:, None, :]
    weights = np.exp(np.random.default_rng(1).normal(0.0, 0.5, 9))
    floor, exponent = np.full((6, 9), 0.04), 3.0
    found = share_moments(effect, moments, floor, weights, exponent)
    for frame in range(6):
        effects, target = effect[frame], moments[frame]

        def cost(
            a: np.ndarray, effects: np.ndarray = effects, target: np.ndarray = target
        ) -> float:
            left = target - effects @ a
            return float(2.0 / exponent * (weights * a**exponent).sum() + (left**2).sum())

        best = minimize(
            cost, np.full(9, 0.3), bounds=[(0.04, 1.0)] * 9, method="L-BFGS-B",
            options={"maxiter": 20000, "maxfun": 10**6, "ftol": 1e-16, "gtol": 1e-12},
        )  # fmt: skip
        assert cost(found[frame]) <= best.fun * (1.0 + 1e-6)


# Excitation


def physiology_without_causes(muscles: tuple[str, ...], **changes: Any) -> Physiology:
    usual = sample_physiology(sample_subject(1, 1), muscles, NOTHING)
    return replace(usual, **changes)


def burst() -> pd.DataFrame:
    time = np.arange(201) / 100.0
    return pd.DataFrame(
        {"soleus_r": 0.3 - 0.25 * np.cos(2 * np.pi * time)}, index=pd.Index(time, name="time")
    )


def test_activation_dynamics_driven_by_the_excitation_give_back_the_activation() -> None:
    activation = burst()
    drive = excitation(activation, physiology_without_causes(("soleus_r",), rise=0.015, fall=0.05))
    time, u = drive.index.to_numpy(), drive["soleus_r"].to_numpy()

    def rate(t: float, a: np.ndarray) -> np.ndarray:
        gap, pace = np.interp(t, time, u) - a, 0.5 + 1.5 * a
        return gap / np.where(gap > 0.0, 0.015 * pace, 0.05 / pace)

    start = activation["soleus_r"].iloc[0]
    followed = solve_ivp(rate, (0.0, 2.0), [start], t_eval=time, max_step=0.002).y[0]
    np.testing.assert_allclose(followed, activation["soleus_r"], atol=0.01)


def test_the_emg_shows_an_excitation_one_delay_before_its_force() -> None:
    activation = burst()
    early = excitation(activation, physiology_without_causes(("soleus_r",), delay=np.array([0.08])))
    np.testing.assert_allclose(early.to_numpy()[:-8], activation.to_numpy()[8:], atol=1e-12)


def test_amplitude_is_the_inverse_of_the_shape_that_emg_driven_models_use() -> None:
    activation = burst()
    e = emg_amplitude(activation, physiology_without_causes(("soleus_r",), shape=np.array([-2.0])))
    # Lloyd and Besier (2003): u = (exp(A e) - 1) / (exp(A) - 1).
    again = (np.exp(-2.0 * e) - 1.0) / (np.exp(-2.0) - 1.0)
    np.testing.assert_allclose(again, activation, atol=1e-12)


# Electrodes


def steady(subject: Subject, level: dict[str, float]) -> tuple[Any, pd.DataFrame]:
    """A steady excitation of some muscles, the rest silent, while the person walks."""
    strides_done = walk_or_run(subject, "walking", 20)
    muscles = {*ELECTRODES, *(other for _, others in ELECTRODES.values() for other in others)}
    frame = pd.DataFrame(
        dict.fromkeys(sorted(muscles), 0.0) | level, index=strides_done.motion.index
    )
    return strides_done, frame


def test_emg_is_noise_with_the_published_spectrum_and_its_envelope_is_the_mean_of_it(
    subject: Subject,
) -> None:
    strides_done, frame = steady(subject, {"soleus_r": 0.5})
    smooth, raw = record_emg(subject, "walking", strides_done, frame, 0.0, frozenset({"carrier"}))
    assert raw is not None
    signal = raw["soleus_r"].to_numpy()
    assert signal.std() == pytest.approx(0.5, rel=0.01)
    low, high = (
        sample_parameter(subject, frozenset({"carrier"}), "carrier", name, [""])[0]
        for name in ("low", "high")
    )
    frequency, power = welch(signal, RAW_RATE, nperseg=256)
    published = high**4 * frequency**2 / ((frequency**2 + low**2) * (frequency**2 + high**2) ** 2)
    inside = (frequency > 20.0) & (frequency < 300.0)
    assert np.corrcoef(power[inside], published[inside])[0, 1] > 0.97
    # The mean of a rectified Gaussian is sqrt(2 / pi) of its deviation; the band takes some of it.
    expected = 0.5 * np.sqrt(2.0 / np.pi)
    assert smooth["soleus_r"].mean() == pytest.approx(expected, rel=0.06)


def test_an_electrode_over_a_silent_muscle_hears_its_neighbour_by_the_share_of_crosstalk(
    subject: Subject,
) -> None:
    strides_done, frame = steady(subject, {"med_gas_r": 0.6})
    active_causes = frozenset({"crosstalk"})
    recorded_emg, _ = record_emg(subject, "walking", strides_done, frame, 0.0, active_causes)
    share = sample_parameter(subject, active_causes, "crosstalk", "share", ["soleus_r med_gas_r"])[
        0
    ]
    np.testing.assert_allclose(recorded_emg["soleus_r"], 0.6 * share, rtol=1e-9)
    assert (recorded_emg["vas_lat_r"] == 0.0).all()


def test_fatigue_lowers_the_frequencies_of_the_emg(subject: Subject) -> None:
    strides_done, frame = steady(subject, {"soleus_r": 0.5})
    _, raw = record_emg(subject, "walking", strides_done, frame, 0.3, frozenset({"carrier"}))
    assert raw is not None
    half = len(raw) // 2

    def median_frequency(signal: np.ndarray) -> float:
        frequency, power = welch(signal, RAW_RATE, nperseg=1024)
        return float(frequency[np.searchsorted(power.cumsum(), power.sum() / 2.0)])

    values = raw["soleus_r"].to_numpy()
    assert median_frequency(values[half:]) < 0.93 * median_frequency(values[:half])


# Causes


def test_every_cause_has_sourced_ranges_that_hold_what_is_drawn(subject: Subject) -> None:
    assert len(read_causes()) >= 15
    for cause in read_causes().values():
        for name, parameter in cause.parameters.items():
            assert len(parameter.source) > 10 and parameter.low <= parameter.high
            drawn = sample_parameter(
                subject, select_causes(), cause.name, name, [str(i) for i in range(50)]
            )
            assert (drawn >= parameter.low).all() and (drawn <= parameter.high).all()
            if parameter.low < parameter.high:
                assert len(set(drawn)) == 50
            off = sample_parameter(
                subject, select_causes(without=[cause.name]), cause.name, name, ["a"]
            )
            assert off == [parameter.neutral]


def test_switching_one_cause_off_leaves_the_others_as_they_were(subject: Subject) -> None:
    every = sample_physiology(subject, ("soleus_r", "vas_lat_r"), select_causes())
    without = sample_physiology(
        subject, ("soleus_r", "vas_lat_r"), select_causes(without=["delay", "effort"])
    )
    assert (without.delay == 0.0).all() and without.exponent == 2.0
    same = {"strength", "moment_arm", "fibre_length", "floor", "loaded", "rise", "weakening"}
    for name in same:
        np.testing.assert_equal(getattr(without, name), getattr(every, name))


def test_an_unknown_cause_is_refused_with_the_nearest(refused: Refused) -> None:
    with refused("crostalk", "crosstalk"):
        select_causes(without=["crostalk"])


@pytest.mark.parametrize("task", TASKS)
def test_without_causes_the_estimate_is_the_truth(
    subject: Subject, leg: LegModel, estimates: dict[str, pd.DataFrame], task: str
) -> None:
    done = record_session(subject, TASKS, 4, NOTHING, leg)
    assert (scores(done, task, estimates)["r"] > 0.999).all()
    truth = done.trials[task].activation.loc[estimates[task].index]
    np.testing.assert_allclose(truth, estimates[task][list(truth.columns)], atol=2e-3)


@pytest.mark.parametrize("cause", list(read_causes()))
def test_each_cause_alone_parts_the_estimate_from_the_truth(
    subject: Subject, leg: LegModel, estimates: dict[str, pd.DataFrame], cause: str
) -> None:
    done = record_session(subject, ("walking",), 4, frozenset({cause}), leg)
    table = scores(done, "walking", estimates)
    # The strictest of what "parted" can mean: gain alone would leave r at one.
    assert table["r"].min() < 0.9999


def test_a_delay_alone_makes_the_estimate_late_by_just_that(
    subject: Subject, leg: LegModel, estimates: dict[str, pd.DataFrame]
) -> None:
    done = record_session(subject, ("running",), 4, frozenset({"delay"}), leg)
    lag = scores(done, "running", estimates)["lag_ms"]
    hidden = dict(zip(done.physiology.muscles, 1000.0 * done.physiology.delay, strict=True))
    for muscle in ("soleus_r", "med_gas_r", "vas_lat_r"):
        assert lag[muscle] == pytest.approx(hidden[muscle], abs=10.0)


def test_true_muscles_carry_the_same_moments_with_other_activations(
    subject: Subject, leg: LegModel
) -> None:
    muscles = frozenset({"fibre_length", "slack_length", "strength", "moment_arm"})
    usual, other = (record_session(subject, ("walking",), 3, on, leg) for on in (NOTHING, muscles))
    pd.testing.assert_frame_equal(
        usual.trials["walking"].strides.moments, other.trials["walking"].strides.moments
    )
    change = usual.trials["walking"].activation - other.trials["walking"].activation
    assert change.abs().max().max() > 0.1


def test_all_causes_together_delay_and_distort_as_in_recordings(
    subject: Subject, leg: LegModel, estimates: dict[str, pd.DataFrame]
) -> None:
    # shared/data/README.md: measured EMG leads by 40-140 ms, r of -0.4 to 0.6.
    table = scores(record_session(subject, TASKS, 4, select_causes(), leg), "walking", estimates)
    assert -0.3 < table["r"].median() < 0.75
    assert 20.0 <= table["lag_ms"].median() <= 150.0


# On disk


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_cohort_is_a_data_set_of_the_same_bytes_however_many_processes_make_it(
    opensim: Any, tmp_path: Path
) -> None:
    recipe = Recipe(seed=5, strides=3, raw=True)
    one = make_cohort(tmp_path / "one", 2, recipe, jobs=1)
    two = make_cohort(tmp_path / "two", 2, recipe, jobs=2)
    assert digest(one.parent) == digest(two.parent)
    trials = read_trials(one)
    assert [t.task for t in trials] == [*TASKS, *TASKS]
    first = trials[0]
    assert first.moments is not None and first.emg is not None
    simulated = simulate_files(
        first.model, first.motion, first.moments, start=first.start, end=first.end
    )
    assert np.isfinite(simulated.to_numpy()).all()
    # Another seed, other people; more of them, the same first ones.
    other = make_cohort(tmp_path / "other", 1, replace(recipe, seed=6), jobs=1)
    assert (
        digest(other.parent).keys().isdisjoint(name for name in digest(one.parent) if "/" in name)
    )


def test_the_measured_envelopes_come_from_the_raw_emg_as_peoples_do(
    opensim: Any, tmp_path: Path
) -> None:
    trials = read_trials(make_cohort(tmp_path / "people", 1, Recipe(strides=3, raw=True)))
    smooth = []
    for trial in trials:
        assert trial.emg is not None
        raw = read_raw(trial.emg.with_name("raw_emg.sto"))
        smooth.append(envelopes(raw).loc[trial.start - 1e-6 : trial.end + 1e-6])
    for trial, expected in zip(trials, normalise_envelopes(smooth), strict=True):
        assert trial.emg is not None
        np.testing.assert_allclose(read_storage(trial.emg), expected, atol=1e-3)


def test_a_folder_that_holds_a_cohort_is_not_overwritten(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "trials.csv").write_text("subject\n")
    with refused(tmp_path, "holds a cohort already"):
        make_cohort(tmp_path, 1)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"strides": 1}, {"tasks": ("hopping",)}, {"tasks": ()}]
)
def test_an_impossible_recipe_is_refused(wrong: dict[str, Any], refused: Refused) -> None:
    with refused(*(str(v) for v in wrong.values() if isinstance(v, int))):
        Recipe(**wrong)


@pytest.mark.slow
def test_without_causes_the_estimate_is_the_truth_for_anyone(opensim: Any, tmp_path: Path) -> None:
    for number in range(1, 13):
        person = sample_subject(11, number)
        leg = write_leg(person, tmp_path / f"{number}.osim")
        done = record_session(person, TASKS, 30, NOTHING, leg)
        for task, trial in done.trials.items():
            strides_done = trial.strides
            estimate = simulate(
                leg,
                strides_done.motion,
                strides_done.moments,
                start=strides_done.start,
                end=strides_done.end,
            )
            assert (scores(done, task, {task: estimate})["r"] > 0.999).all()
