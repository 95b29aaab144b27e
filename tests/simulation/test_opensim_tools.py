"""OpenSim's own solvers on real trials, against each other and OpenSim's inverse dynamics."""

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_motion, read_storage, write_storage
from nem2e_tf.signals import low_pass, resample, time_grid
from nem2e_tf.simulation import MIN_ACTIVATION, LegModel, load_leg, simulate, simulate_files
from nem2e_tf.simulation.tool_trial import complete_coordinates, write_tool_trial

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def stride(overground: Path, opensim: Any) -> dict[str, Any]:
    """The overground stride, as arguments of `simulate`."""
    leg = load_leg(overground / "subject_walk_scaled.osim", "r")
    return {
        "leg": leg,
        "motion": read_motion(overground / "coordinates.sto", leg.rotations),
        "moments": read_storage(overground / "id_walk.sto"),
    }


@pytest.fixture(scope="module")
def treadmill(
    right_leg: LegModel, walk45_motion: pd.DataFrame, walk45_moments: pd.DataFrame
) -> dict[str, Any]:
    """`walk45`, as arguments of `simulate`."""
    return {"leg": right_leg, "motion": walk45_motion, "moments": walk45_moments}


def prepare_trial(
    trial: dict[str, Any], start: float, end: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Motion and the leg's moments at 100 Hz, low-passed as `simulate` does."""
    columns = [f"{name}_moment" for name in trial["leg"].coordinates]
    motion, moments = (
        resample(low_pass(frame, 6.0, "recording"), time_grid(start, end))
        for frame in (trial["motion"], trial["moments"][columns])
    )
    return motion, moments


def activations(trial: dict[str, Any], frame: pd.DataFrame) -> np.ndarray:
    return frame[list(trial["leg"].muscles)].to_numpy()


@pytest.mark.parametrize(("name", "span"), [("treadmill", (10.0, 10.5)), ("stride", (0.6, 1.1))])
def test_inverse_dynamics_under_equivalent_loads_gives_the_joint_moments(
    request: pytest.FixtureRequest, tmp_path: Path, opensim: Any, name: str, span: Any
) -> None:
    trial = request.getfixturevalue(name)
    leg = trial["leg"]
    motion, moments = prepare_trial(trial, span[0] - 0.2, span[1] + 0.2)
    files = write_tool_trial(leg, motion, moments, None, tmp_path)

    tool = opensim.InverseDynamicsTool()
    tool.setModelFileName(str(files.model))
    tool.setCoordinatesFileName(str(files.coordinates))
    tool.setExternalLoadsFileName(str(files.loads))
    tool.setLowpassCutoffFrequency(-1.0)
    excluded = opensim.ArrayStr()
    excluded.append("Muscles")
    tool.setExcludedForces(excluded)
    tool.setStartTime(span[0])
    tool.setEndTime(span[1])
    tool.setResultsDir(str(tmp_path))
    tool.setOutputGenForceFileName("id.sto")
    assert tool.run()

    found = read_storage(tmp_path / "id.sto")
    given = moments.loc[span[0] - 0.001 : span[1] + 0.001]
    np.testing.assert_allclose(found[given.columns], given, atol=0.2)
    pelvis = [column for column in found if column.startswith("pelvis")]
    assert len(pelvis) == 6
    # It holds the body up without the ground: 700 N, were it not for the equivalent loads.
    assert found[pelvis].abs().max().max() < 3.0


def test_every_coordinate_of_a_constrained_knee_satisfies_its_constraint(
    stride: dict[str, Any],
) -> None:
    motion, _ = prepare_trial(stride, 0.6, 0.9)
    # The recording has its patellae in degrees, under a header that says radians.
    motion = motion[[column for column in motion if not column.endswith("_beta")]]
    whole = complete_coordinates(stride["leg"], motion)
    assert list(whole.columns) == stride["leg"].coordinate_names
    # The patella of this model turns as far as the knee does.
    np.testing.assert_allclose(whole["knee_angle_r_beta"], whole["knee_angle_r"], atol=1e-6)
    np.testing.assert_allclose(whole[motion.columns], motion, atol=1e-6)


@pytest.mark.parametrize(("name", "start"), [("treadmill", 10.0), ("stride", 0.8)])
def test_the_static_optimisation_of_opensim_agrees_with_ours(
    request: pytest.FixtureRequest, name: str, start: float
) -> None:
    trial = request.getfixturevalue(name)
    static = simulate(**trial, start=start, end=start + 0.2)
    tool = simulate(**trial, start=start, end=start + 0.2, solver="opensim")
    assert list(tool.columns) == list(static.columns)
    np.testing.assert_array_equal(tool.index, static.index)
    np.testing.assert_allclose(tool, static, atol=0.03)
    assert np.sqrt(np.mean((activations(trial, tool) - activations(trial, static)) ** 2)) < 0.006


def test_reserves_of_opensim_are_ours_where_muscles_do_not_suffice(
    lower_limb: Path, right_leg: LegModel
) -> None:
    trial = [lower_limb / "run81" / name for name in ("ik.sto", "id.sto")]
    static, tool = (
        simulate_files(right_leg, *trial, start=10.3, end=10.5, solver=solver)
        for solver in ("static", "opensim")
    )
    reserves = [f"{name}_reserve" for name in right_leg.coordinates]
    assert static[reserves].abs().max().max() > 20
    np.testing.assert_allclose(tool[reserves], static[reserves], atol=0.1)


def test_external_loads_give_what_their_joint_moments_give(
    stride: dict[str, Any], overground: Path
) -> None:
    loads = overground / "grf_walk.xml"
    static = simulate(**stride, start=0.8, end=1.0)
    tool = simulate(**stride, start=0.8, end=1.0, solver="opensim", loads=loads)
    # id_walk.sto was made of these forces, by other filters.
    assert np.abs(activations(stride, tool) - activations(stride, static)).max() < 0.1
    together = np.corrcoef(activations(stride, tool).ravel(), activations(stride, static).ravel())
    assert together[0, 1] > 0.99


def test_moco_agrees_loosely_with_static_optimisation(treadmill: dict[str, Any]) -> None:
    static = simulate(**treadmill, start=10.0, end=10.2)
    tool = simulate(**treadmill, start=10.0, end=10.2, solver="moco")
    assert list(tool.columns) == list(static.columns)
    values = activations(treadmill, tool)
    assert values.min() >= MIN_ACTIVATION and values.max() <= 1.0
    assert np.corrcoef(values.ravel(), activations(treadmill, static).ravel())[0, 1] > 0.9
    reserves = [f"{name}_reserve" for name in treadmill["leg"].coordinates]
    assert tool[reserves].abs().max().max() < 0.5


@pytest.mark.slow
def test_moco_takes_external_loads(stride: dict[str, Any], overground: Path) -> None:
    loads = overground / "grf_walk.xml"
    static = simulate(**stride, start=0.8, end=1.0)
    tool = simulate(**stride, start=0.8, end=1.0, solver="moco", loads=loads)
    together = np.corrcoef(activations(stride, tool).ravel(), activations(stride, static).ravel())
    assert together[0, 1] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("name", "start"), [("treadmill", 10.0), ("stride", 0.8)])
def test_computed_muscle_control_agrees_loosely_with_static_optimisation(
    request: pytest.FixtureRequest, name: str, start: float
) -> None:
    trial = request.getfixturevalue(name)
    static = simulate(**trial, start=start, end=start + 0.2)
    tool = simulate(**trial, start=start, end=start + 0.2, solver="cmc")
    assert list(tool.columns) == list(static.columns)
    np.testing.assert_array_equal(tool.index, static.index)
    values = activations(trial, tool)
    assert np.corrcoef(values.ravel(), activations(trial, static).ravel())[0, 1] > 0.6


def test_a_tool_says_nothing_and_leaves_nothing_behind(
    treadmill: dict[str, Any], tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    simulate(**treadmill, start=10.0, end=10.16, solver="opensim")
    assert capfd.readouterr() == ("", "")
    assert [name for _, folders, files in os.walk(tmp_path) for name in files] == []
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.fixture
def own_loads(overground: Path, tmp_path: Path) -> Path:
    """A copy of the loads, to be spoilt; its data file stays where it is."""
    text = (overground / "grf_walk.xml").read_text()
    copy = tmp_path / "loads.xml"
    copy.write_text(text.replace("grf_walk.mot", str(overground / "grf_walk.mot")))
    return copy


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("calcn_r", "calcm_r", ["'calcm_r'", "nearest is 'calcn_r'"]),
        ("grf_walk.mot", "gone.mot", ["gone.mot", "no such file"]),
        ("<?xml", "# ", ["loads.xml", "not OpenSim ExternalLoads"]),
    ],
)
def test_bad_loads_are_refused_before_a_tool_runs(
    stride: dict[str, Any], own_loads: Path, refused: Refused, old: str, new: str, words: list[str]
) -> None:
    own_loads.write_text(own_loads.read_text().replace(old, new))
    with refused(*words):
        simulate(**stride, start=0.8, end=1.0, solver="opensim", loads=own_loads)


def test_loads_without_a_force_are_refused(
    stride: dict[str, Any], tmp_path: Path, refused: Refused, opensim: Any
) -> None:
    opensim.ExternalLoads().printToXML(str(tmp_path / "none.xml"))
    with refused("none.xml", "no ExternalForce"):
        simulate(**stride, start=0.8, end=1.0, solver="moco", loads=tmp_path / "none.xml")


@pytest.mark.parametrize("solver", ["opensim", "moco", "cmc"])
def test_a_tool_that_fails_says_why_in_one_line(
    stride: dict[str, Any], own_loads: Path, refused: Refused, solver: str
) -> None:
    text = own_loads.read_text().replace("ground_force_r_v", "force_plate_9")
    own_loads.write_text(text)
    with refused("over 0.", "s failed", "force_plate_9"):
        simulate(**stride, start=0.8, end=1.0, solver=solver, loads=own_loads)


def test_loads_out_of_reach_are_refused_with_their_time(
    stride: dict[str, Any], own_loads: Path, overground: Path, tmp_path: Path, refused: Refused
) -> None:
    forces = read_storage(overground / "grf_walk.mot")
    sideways = forces.copy()
    # 30 kN to the side in the last frames of the window.
    sideways.loc[0.985:1.5, "ground_force_r_vz"] = 30_000.0
    write_storage(sideways, tmp_path / "forces.sto", "forces")
    text = own_loads.read_text()
    own_loads.write_text(text.replace(str(overground / "grf_walk.mot"), "forces.sto"))
    with refused("no solution at 0.99 s", "out of reach"):
        simulate(**stride, start=0.84, end=1.0, solver="opensim", loads=own_loads)


def test_computed_muscle_control_wants_a_recording_that_reaches_further(
    treadmill: dict[str, Any], refused: Refused
) -> None:
    with refused("computed muscle control needs", "--start"):
        simulate(**treadmill, end=0.3, solver="cmc")


def test_what_no_solver_takes_is_refused(
    treadmill: dict[str, Any], overground: Path, tmp_path: Path, refused: Refused
) -> None:
    some = {"start": 10.0, "end": 10.2}
    with refused("'mocco'", "nearest is 'moco'"):
        simulate(**treadmill, **some, solver="mocco")
    with refused("nowhere.xml", "no such file"):
        simulate(**treadmill, **some, solver="moco", loads=tmp_path / "nowhere.xml")
    with refused("grf_walk.xml", "joint moments"):
        simulate(**treadmill, **some, loads=overground / "grf_walk.xml")
