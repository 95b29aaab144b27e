"""The verdict on a simulation: from the definition of its shares, and on the recordings."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage
from nem2e_tf.simulation import LegModel, judge_simulation, simulate_files

Refused = Callable[..., AbstractContextManager[None]]


def slow_wave(leg: LegModel, peak: float = 50.0) -> pd.DataFrame:
    """3 s of joint moments that swing at 0.5 Hz, well under the low-pass; no residuals."""
    time = pd.Index(np.arange(301) / 100, name="time")
    wave = peak * np.sin(np.pi * time.to_numpy())
    columns = [f"{name}_moment" for name in leg.coordinates]
    columns += ["pelvis_tilt_moment", "pelvis_list_moment", "pelvis_rotation_moment"]
    columns += ["pelvis_tx_force", "pelvis_ty_force", "pelvis_tz_force"]
    frame = pd.DataFrame({c: wave for c in columns}, index=time)
    frame.loc[:, frame.columns.str.startswith("pelvis")] = 0.0
    return frame


def reserves(leg: LegModel, share: float) -> pd.DataFrame:
    """1 s of reserves that are a share of `slow_wave`."""
    inner = slow_wave(leg).loc[1.0:2.0]
    return pd.DataFrame({f"{c}_reserve": share * inner[f"{c}_moment"] for c in leg.coordinates})


@pytest.mark.parametrize(("share", "sound"), [(0.0, True), (0.045, True), (0.055, False)])
def test_a_reserve_is_judged_by_its_share_of_the_joint_moment(
    right_leg: LegModel, share: float, sound: bool
) -> None:
    verdict = judge_simulation(right_leg, reserves(right_leg, share), slow_wave(right_leg))
    assert verdict.is_sound is sound
    for reserve in verdict.reserves:
        assert reserve.peak == pytest.approx(share * 50, abs=1e-6)
        assert reserve.peak_share == pytest.approx(share, rel=0.01)
        assert reserve.rms_share == pytest.approx(share, rel=0.01)
    assert len(verdict.warnings()) == (0 if sound else 5)


def test_one_leaning_coordinate_is_named_with_its_share_and_time(right_leg: LegModel) -> None:
    simulated = reserves(right_leg, 0.0)
    simulated.loc[1.43, "hip_flexion_r_reserve"] = -4.5
    verdict = judge_simulation(right_leg, simulated, slow_wave(right_leg))
    assert len(verdict.warnings()) == 1
    assert verdict.warnings()[0].startswith(
        "hip_flexion_r relies on its reserve actuator: 9 % of peak moment at 1.4 s;"
    )
    assert [r.is_sound for r in verdict.reserves] == [False, True, True, True, True]
    assert verdict.reserves[0].time_share == pytest.approx(1 / 101)


def test_a_reserve_that_works_all_the_time_is_caught_by_its_rms(right_leg: LegModel) -> None:
    moments = slow_wave(right_leg)
    simulated = reserves(right_leg, 0.0)
    # Flat at 4.8 % of the peak: the RMS of a half sine is its peak over the root of two.
    simulated["knee_angle_r_reserve"] = 0.048 * 50
    knee = judge_simulation(right_leg, simulated, moments).reserves[3]
    assert knee.peak_share == pytest.approx(0.048, rel=0.01)
    assert knee.rms_share == pytest.approx(0.048 * np.sqrt(2), rel=0.02)
    assert not knee.is_sound and "RMS" in knee.sentence()


def test_a_tiny_reserve_of_a_leg_that_hardly_works_is_no_fault(right_leg: LegModel) -> None:
    moments = slow_wave(right_leg) / 25
    assert judge_simulation(right_leg, reserves(right_leg, 0.01), moments).is_sound
    assert (
        judge_simulation(right_leg, reserves(right_leg, 0.01), moments).reserves[0].peak_share > 0.2
    )


@pytest.mark.parametrize(("newtons", "sound"), [(0.045, True), (0.055, False)])
def test_a_residual_force_is_judged_against_the_external_force(
    right_leg: LegModel, newtons: float, sound: bool
) -> None:
    moments = slow_wave(right_leg)
    moments["pelvis_tx_force"] = 0.6 * newtons * 1000
    moments["pelvis_ty_force"] = 0.8 * newtons * 1000
    verdict = judge_simulation(right_leg, reserves(right_leg, 0.0), moments, external_force=1000.0)
    force, moment = verdict.residuals
    assert force.peak_share == pytest.approx(newtons) and force.rms_share == pytest.approx(newtons)
    assert force.is_sound is sound and moment.is_sound
    assert len(verdict.notes()) == (0 if sound else 1)
    assert verdict.is_sound, "residuals are told, but do not condemn"


def test_a_residual_moment_is_judged_against_the_height_of_the_centre_of_mass(
    right_leg: LegModel,
) -> None:
    moments = slow_wave(right_leg)
    moments["pelvis_tilt_moment"] = 9.0
    moment = judge_simulation(
        right_leg, reserves(right_leg, 0.0), moments, external_force=1000.0
    ).residuals[1]
    # An upright adult's centre of mass is at 0.53-0.58 of a stature of 1.65-1.85 m.
    assert 9.0 / moment.peak_share / 1000.0 == pytest.approx(0.97, abs=0.1)


def test_without_a_measured_force_the_body_weight_stands_for_it(right_leg: LegModel) -> None:
    verdict = judge_simulation(right_leg, reserves(right_leg, 0.0), slow_wave(right_leg))
    assert not verdict.has_measured_force
    assert verdict.external_force == pytest.approx(75.16 * 9.81, rel=0.001)


def test_moments_without_a_pelvis_have_no_residuals(right_leg: LegModel) -> None:
    moments = slow_wave(right_leg)[[f"{c}_moment" for c in right_leg.coordinates]]
    assert judge_simulation(right_leg, reserves(right_leg, 0.0), moments).residuals == ()


def test_a_frame_without_reserves_is_refused(right_leg: LegModel, refused: Refused) -> None:
    simulated = reserves(right_leg, 0.0).drop(columns="ankle_angle_r_reserve")
    with refused("ankle_angle_r_reserve"):
        judge_simulation(right_leg, simulated, slow_wave(right_leg))


def test_a_verdict_becomes_json(right_leg: LegModel) -> None:
    verdict = judge_simulation(right_leg, reserves(right_leg, 0.1), slow_wave(right_leg))
    table = json.loads(json.dumps(verdict.as_json()))
    assert table["sound"] is False and len(table["warnings"]) == 5
    assert [r["coordinate"] for r in table["reserves"]] == list(right_leg.coordinates)
    assert table["thresholds"]["reserve"] == 0.05


@pytest.mark.parametrize("start", [3.0, 10.0, 40.0])
def test_running_with_contaminated_forces_is_caught(
    lower_limb: Path, right_leg: LegModel, start: float
) -> None:
    trial = lower_limb / "run81"
    simulated = simulate_files(
        right_leg, trial / "ik.sto", trial / "id.sto", start=start, end=start + 2
    )
    verdict = judge_simulation(right_leg, simulated, read_storage(trial / "id.sto"))
    assert not verdict.is_sound
    worst = max(verdict.reserves, key=lambda reserve: reserve.peak_share)
    assert worst.peak_share > 0.15
    assert worst.sentence() in verdict.warnings()


@pytest.mark.parametrize("start", [3.0, 10.0, 40.0])
def test_sound_walking_is_not_condemned(
    lower_limb: Path, right_leg: LegModel, start: float
) -> None:
    trial = lower_limb / "walk45"
    simulated = simulate_files(
        right_leg, trial / "ik.sto", trial / "id.sto", start=start, end=start + 2
    )
    verdict = judge_simulation(right_leg, simulated, read_storage(trial / "id.sto"))
    assert verdict.is_sound and verdict.warnings() == []
    assert max(reserve.peak_share for reserve in verdict.reserves) < 0.01
