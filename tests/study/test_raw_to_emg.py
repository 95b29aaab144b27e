"""The whole raw way of a recorded stride: markers and forces to muscles, beside their EMG."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks.raw_to_emg import (
    MUSCLES,
    PAGE,
    RANGE,
    Comparison,
    compare,
    moment_differences,
    page,
)

from nem2e_tf.files import read_storage
from nem2e_tf.signals import MuscleMap
from nem2e_tf.simulation import MAX_MARKER_RMS

GLUTEI = {"gluteus_maximus", "gluteus_medius"}


@pytest.fixture(scope="module")
def stance(overground_stance: Path) -> Comparison:
    """0.4 s of right stance."""
    return compare(overground_stance, 0.7, 1.1)


def test_the_map_has_the_ten_channels_of_the_recording(overground: Path) -> None:
    measured = read_storage(overground / "electromyography.sto")
    assert list(MuscleMap.load(MUSCLES).channels) == list(measured.columns)


def test_markers_and_forces_become_the_recordings_own_moments(
    overground: Path, stance: Comparison
) -> None:
    errors = stance.simulation.marker_errors
    assert errors is not None and len(errors) == 24
    assert np.sqrt((errors["rms"] ** 2).mean()) < MAX_MARKER_RMS
    differences = moment_differences(overground, stance.simulation)
    # The recording's motion went through residual reduction, which moves pelvis and trunk most.
    assert (differences["angle"] < 10.0).all()
    assert (differences["moment"] < 0.15 * differences["peak"].max()).all()


def test_muscles_carry_the_moments_of_the_raw_way(stance: Comparison) -> None:
    activity = stance.simulation.activity
    reserves = activity.filter(like="_reserve")
    assert len(activity) == 41 and len(activity.columns) == 45
    assert reserves.shape[1] == 5 and reserves.abs().max().max() < 1.0
    assert activity.drop(columns=reserves.columns).max().max() <= 1.0


def test_calf_muscles_are_active_when_their_emg_says_so(stance: Comparison) -> None:
    assert (stance.raw.loc[["soleus", "gastrocnemius"], "aligned_r"] > 0.8).all()


def test_the_refiner_is_silent_on_muscles_that_it_does_not_speak_of(stance: Comparison) -> None:
    assert len(stance.raw) == 10
    assert set(stance.raw.index) - set(stance.refined.index) == GLUTEI


@pytest.mark.slow
def test_the_page_tells_of_all_ten_muscles_good_and_bad(overground: Path) -> None:
    comparison = compare(overground, *RANGE)
    text = page(comparison, moment_differences(overground, comparison.simulation))
    rows = [line for line in text.splitlines() if line.count("|") == 11][2:]
    assert len(rows) == 10
    assert sum("no output of the refiner" in row for row in rows) == 2
    eight = comparison.raw.drop(index=list(GLUTEI))
    assert eight["r"].mean() > 0.5 and eight["aligned_r"].mean() > 0.7
    kept = PAGE.read_text(encoding="utf-8").splitlines()
    names = [row.split("|")[1] for row in rows]
    assert [line.split("|")[1] for line in kept if line.count("|") == 11][2:] == names
