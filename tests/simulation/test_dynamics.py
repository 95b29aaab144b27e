"""Inverse dynamics: OpenSim's own tool on the same motion, the recording's own moments, physics."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_motion, read_storage, write_storage
from nem2e_tf.signals import low_pass
from nem2e_tf.simulation import COORDINATES, inverse_dynamics, unsupported_times
from nem2e_tf.simulation.external_loads import read_loads
from nem2e_tf.simulation.model import read_model
from nem2e_tf.simulation.motion_columns import select_coordinates

Refused = Callable[..., AbstractContextManager[None]]
MOMENTS = [f"{name}_{side}_moment" for name in COORDINATES for side in "rl"]


@pytest.fixture(scope="module")
def model(overground: Path) -> Path:
    return overground / "subject_walk_scaled.osim"


@pytest.fixture(scope="module")
def motion(overground: Path) -> pd.DataFrame:
    """State paths as column names, radians, and the patellae in degrees among them."""
    return read_motion(overground / "coordinates.sto", [])


@pytest.fixture(scope="module")
def moments(overground: Path, model: Path, motion: pd.DataFrame) -> pd.DataFrame:
    return inverse_dynamics(model, motion, overground / "grf_walk.xml")


@pytest.fixture
def loads(overground: Path, tmp_path: Path) -> Callable[..., Path]:
    """The recording's loads with something changed in the .xml, its data beside it."""

    def write(*changes: tuple[str, str], data: str = "grf_walk.mot") -> Path:
        text = (overground / "grf_walk.xml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "loads.xml").write_text(text)
        (tmp_path / data).write_bytes((overground / "grf_walk.mot").read_bytes())
        return tmp_path / "loads.xml"

    return write


def test_the_moments_are_those_of_opensims_tool(
    overground: Path, model: Path, motion: pd.DataFrame, tmp_path: Path, opensim: Any
) -> None:
    smooth = low_pass(motion, 6.0, "motion").iloc[::10]
    smooth = smooth.assign(
        knee_angle_r_beta=smooth["knee_angle_r"], knee_angle_l_beta=smooth["knee_angle_l"]
    )
    write_storage(smooth, tmp_path / "motion.sto", "motion")
    tool, excluded = opensim.InverseDynamicsTool(), opensim.ArrayStr()
    excluded.append("Muscles")
    loaded = opensim.Model(str(model))
    tool.setModel(loaded)
    tool.setCoordinatesFileName(str(tmp_path / "motion.sto"))
    tool.setExternalLoadsFileName(str(overground / "grf_walk.xml"))
    tool.setExcludedForces(excluded)
    tool.setResultsDir(str(tmp_path))
    tool.setOutputGenForceFileName("moments.sto")
    tool.run()
    expected = read_storage(tmp_path / "moments.sto")
    computed = inverse_dynamics(model, smooth, overground / "grf_walk.xml", cutoff=None)
    assert set(computed.columns) == set(expected.columns)
    expected = expected[list(computed.columns)]
    scale = np.maximum(expected.abs().max(), 0.1)
    assert ((computed - expected).abs().max() / scale).max() < 1e-6


def test_the_moments_are_those_that_the_recording_brings_along(
    overground: Path, moments: pd.DataFrame
) -> None:
    published = read_storage(overground / "id_walk.sto")
    inner = slice(0.55, 1.7)
    for name in MOMENTS:
        computed, expected = moments.loc[inner, name], published.loc[inner, name]
        assert len(computed) == len(expected)
        # Another filter of the same 6 Hz, and another version of the model.
        assert np.abs(computed.to_numpy() - expected.to_numpy()).max() < 0.05 * 65.0
        assert np.corrcoef(computed, expected)[0, 1] > 0.995


def test_the_ankle_has_no_moment_in_swing(moments: pd.DataFrame) -> None:
    assert moments.loc[1.1:1.3, "ankle_angle_r_moment"].abs().max() < 5.0


def test_a_coupled_coordinate_follows_its_coupler_whatever_the_motion_says(
    overground: Path, model: Path, motion: pd.DataFrame, moments: pd.DataFrame
) -> None:
    assert motion["knee_angle_r_beta"].max() > 60 > 2 > motion["knee_angle_r"].max()
    without = motion.drop(columns=["knee_angle_r_beta", "knee_angle_l_beta"])
    again = inverse_dynamics(model, without, overground / "grf_walk.xml")
    np.testing.assert_allclose(again[MOMENTS], moments[MOMENTS], atol=1e-6)


def test_the_loads_hold_the_body_up_where_both_feet_are_on_plates(
    overground: Path, model: Path, moments: pd.DataFrame, loads: Callable[..., Path]
) -> None:
    opened, _ = read_model(model)
    mass = opened.getTotalMass(opened.initSystem())
    # From 1.79 s on the published moments too leave a quarter of the weight to the pelvis.
    assert len(unsupported_times(moments.loc[:1.78], mass)) == 0
    # Without the left plate, its single stance from about 1.1 to 1.4 s hangs in the air.
    left = (
        "<applied_to_body>calcn_l</applied_to_body>",
        "<applied_to_body>ground</applied_to_body>",
    )
    path = loads(left)
    motion = read_motion(overground / "coordinates.sto", [])
    halved = inverse_dynamics(model, motion, path, start=0.6, end=1.7)
    hanging = unsupported_times(halved, mass)
    assert ((hanging > 1.15) & (hanging < 1.35)).sum() >= 195
    assert not ((hanging > 0.7) & (hanging < 0.85)).any()


def test_only_times_that_the_loads_cover_have_moments(
    overground: Path, model: Path, motion: pd.DataFrame, tmp_path: Path, refused: Refused
) -> None:
    data = read_storage(overground / "grf_walk.mot").loc[0.6:1.5]
    write_storage(data, tmp_path / "grf_walk.mot", "loads")
    path = tmp_path / "grf_walk.xml"
    path.write_bytes((overground / "grf_walk.xml").read_bytes())
    moments = inverse_dynamics(model, motion, path)
    assert (moments.index[0], moments.index[-1]) == pytest.approx((0.6, 1.5))
    with refused("outside the recording", "0.6-1.5 s"):
        inverse_dynamics(model, motion, path, start=0.5, end=1.0)


@pytest.mark.parametrize(
    "named", [r"C:\Users\lab\trial1\grf_walk.mot", r".\grf_walk.mot", "/gone/grf_walk.mot"]
)
def test_data_of_loads_are_found_by_their_name_beside_the_xml(
    model: Path, loads: Callable[..., Path], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = loads(("<datafile>grf_walk.mot", f"<datafile>{named}"))
    with caplog.at_level("INFO", "nem2e_tf"):
        _, forces = read_loads(path, read_model(model)[0])
    assert forces.equals(read_storage(path.parent / "grf_walk.mot"))
    assert named in caplog.text
    assert str(path.parent / "grf_walk.mot") in caplog.text


def test_a_centre_of_pressure_is_needed_under_load_only(
    model: Path, loads: Callable[..., Path], refused: Refused
) -> None:
    path = loads()
    data = read_storage(path.parent / "grf_walk.mot")
    force, point = (["ground_force_r_" + kind + axis for axis in "xyz"] for kind in "vp")
    data.loc[:0.3, force] = 0.0
    data.loc[:0.3, point] = np.nan
    write_storage(data, path.parent / "grf_walk.mot", "loads")
    _, read = read_loads(path, read_model(model)[0])
    assert (read.loc[:0.3, point] == 0).all(axis=None)
    assert read.loc[0.31:].equals(data.loc[0.31:])
    time = data.index[data[force[1]].argmax()]
    data.loc[time, point[0]] = np.nan
    write_storage(data, path.parent / "grf_walk.mot", "loads")
    with refused(point[0], f"{time:g} s", "under load"):
        read_loads(path, read_model(model)[0])


def test_a_column_that_is_no_coordinate_is_ignored_with_a_note(
    caplog: pytest.LogCaptureFixture, refused: Refused
) -> None:
    motion = pd.DataFrame({"knee_angle_r": [0.1], "arm_flex": [0.2]})
    motion.attrs = {"path": "ik.mot"}
    with caplog.at_level("INFO", "nem2e_tf"):
        kept = select_coordinates(motion, ["knee_angle_r"], ["knee_angle_r"], "leg.osim")
    assert list(kept.columns) == ["knee_angle_r"]
    assert kept.attrs == {"path": "ik.mot"}
    assert "arm_flex" in caplog.text
    with refused("ik.mot", "'ankle_angle_r'", "nearest is 'knee_angle_r'"):
        select_coordinates(motion, ["ankle_angle_r"], ["ankle_angle_r"], "leg.osim")


def test_what_cannot_be_used_is_refused_in_one_line(
    model: Path, motion: pd.DataFrame, loads: Callable[..., Path], tmp_path: Path, refused: Refused
) -> None:
    with refused("grf_gone.mot", "does not exist", tmp_path):
        inverse_dynamics(model, motion, loads(("grf_walk.mot", "grf_gone.mot")))
    with refused("names no data file"):
        inverse_dynamics(model, motion, loads(("<datafile>grf_walk.mot</datafile>", "")))
    with refused("ground_force_q_vx", "'ground_force_r_vx'"):
        inverse_dynamics(model, motion, loads(("ground_force_r_v", "ground_force_q_v")))
    with refused("calcn_right", "not a body", "'calcn_r'"):
        inverse_dynamics(model, motion, loads(("calcn_r<", "calcn_right<")))
    with refused(".mot, .sto or .c3d"):
        inverse_dynamics(model, motion, loads(("grf_walk.mot", "grf.txt"), data="grf.txt"))
    bad = tmp_path / "bad.xml"
    for text in (
        "",
        "<a>",
        '<?xml version="1.0"?><OpenSimDocument Version="1"><B/></OpenSimDocument>',
    ):
        bad.write_text(text)
        with refused(bad):
            inverse_dynamics(model, motion, bad)
    with refused("no coordinate 'knee_angle_r'", "needs"):
        inverse_dynamics(model, motion.rename(columns={"knee_angle_r": "knee"}), loads())
