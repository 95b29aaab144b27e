"""From raw laboratory files to simulated activity, beside files that are worked up already."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_motion
from nem2e_tf.simulation import (
    LegModel,
    Recording,
    inverse_dynamics,
    load_leg,
    simulate,
    simulate_files,
    simulate_recording,
)

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def leg(overground: Path, opensim: object) -> LegModel:
    return load_leg(overground / "subject_walk_scaled.osim", "r")


def test_worked_up_files_are_simulated_as_ever(overground: Path, leg: LegModel) -> None:
    motion, moments = overground / "coordinates.sto", overground / "id_walk.sto"
    done = simulate_recording(leg, Recording(motion, moments=moments), start=0.8, end=1.0)
    expected = simulate_files(leg, motion, moments, start=0.8, end=1.0)
    pd.testing.assert_frame_equal(done.activity, expected)
    assert done.marker_errors is None


def test_loads_in_place_of_moments_are_inverse_dynamics_then_the_same_simulation(
    overground: Path, leg: LegModel
) -> None:
    motion, loads = overground / "coordinates.sto", overground / "grf_walk.xml"
    stages: list[str] = []

    def stage(what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        stages.append(what)
        return nullcontext(lambda done, total: None)

    done = simulate_recording(leg, Recording(motion, loads=loads), start=0.8, end=1.0, stages=stage)
    assert stages == ["inverse dynamics", "simulating"]
    angles = read_motion(motion, leg.rotations)
    moments = inverse_dynamics(leg.path, angles, loads)
    expected = simulate(leg, angles, moments, start=0.8, end=1.0)
    np.testing.assert_allclose(done.activity, expected, atol=1e-5)
    given = simulate_files(leg, motion, overground / "id_walk.sto", start=0.8, end=1.0)
    muscles = list(leg.muscles)
    assert (done.activity - given)[muscles].abs().max().max() < 0.05


def test_a_foot_beside_the_plates_is_told(
    overground_onset: Path, leg: LegModel, caplog: pytest.LogCaptureFixture
) -> None:
    files = Recording(
        markers=overground_onset / "markers_walk.trc",
        tasks=overground_onset / "ik_tasks_walk.xml",
        loads=overground_onset / "grf_walk.xml",
    )
    with caplog.at_level(logging.INFO):
        simulate_recording(leg, files, start=0.05, end=0.25)
    messages = [r.getMessage() for r in caplog.records if "beside the plates" in r.getMessage()]
    assert len(messages) == 1 and "25 %" in messages[0] and "--start" in messages[0]


def test_one_of_each_pair_of_files_is_needed(overground: Path, refused: Refused) -> None:
    motion, moments = overground / "coordinates.sto", overground / "id_walk.sto"
    with refused("neither motion nor markers"):
        Recording(moments=moments)
    with refused("moments and loads are both given"):
        Recording(motion, moments=moments, loads=moments)
    with refused("IK tasks", "give markers"):
        Recording(motion, moments=moments, tasks=moments)
    assert Recording(motion, moments=moments).files == [motion, moments]


def test_part_of_a_recording_is_what_it_is_within_the_whole(
    overground: Path, leg: LegModel
) -> None:
    files = Recording(motion=overground / "coordinates.sto", loads=overground / "grf_walk.xml")
    whole = simulate_recording(leg, files).activity
    part = simulate_recording(leg, files, start=0.7, end=1.0).activity
    again = whole.loc[part.index[0] - 1e-6 : part.index[-1] + 1e-6]
    np.testing.assert_allclose(part, again, atol=1e-3)
