"""C3D files: a recorded walk against physics, and the file changed in ways that laboratories do."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_markers
from nem2e_tf.files.c3d import C3D, read_c3d
from nem2e_tf.signals import low_pass, resample, time_grid
from nem2e_tf.signals.emg import read_raw
from nem2e_tf.simulation.dynamics import read_loads
from nem2e_tf.simulation.model import read_model

Refused = Callable[..., AbstractContextManager[None]]
MIDSTANCES = (2.218, 2.678)
"""Seconds: the two least forces in walking5.c3d, a step apart, when the body is highest."""


@pytest.fixture(scope="module")
def walk(walking_c3d: Path) -> C3D:
    return read_c3d(walking_c3d)


CHANGE = """
import sys
import ezc3d
import numpy as np
content = ezc3d.c3d(sys.argv[1]) if sys.argv[1] else ezc3d.c3d()
parameters, data = content["parameters"], content["data"]
def put(group, key, value):
    parameters[group][key]["value"] = value
"""


def ezc3d(code: str, *arguments: object) -> None:
    """Run code on a file in a process of its own: OpenSim does not bear ezc3d in the same one."""
    command = [sys.executable, "-c", CHANGE + code, *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def rewrite_c3d(walking_c3d: Path, folder: Path, code: str) -> Path:
    """The recording with something else in it."""
    path = folder / "changed.c3d"
    ezc3d(f"{code}\ncontent.write(sys.argv[2])", walking_c3d, path)
    return path


@pytest.fixture(scope="module")
def ezc3d_values(
    walking_c3d: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """The recording as ezc3d gives it, in the laboratory's axes and millimetres."""
    path = tmp_path_factory.mktemp("ezc3d") / "walk.npz"
    code = """
plates = ezc3d.c3d(sys.argv[1], extract_forceplat_data=True)["data"]["platform"]
names = parameters["POINT"]["LABELS"]["value"]
found = {name: data["points"][:3, i].T for i, name in enumerate(names)}
for i, plate in enumerate(plates, start=1):
    found[f"pressure_{i}"] = plate["center_of_pressure"]
    found[f"free_{i}"] = plate["Tz"]
np.savez(sys.argv[2], **found)
"""
    ezc3d(code, walking_c3d, path)
    with np.load(path) as found:
        return dict(found)


def test_markers_stand_upright_and_keep_their_distances(
    walk: C3D, ezc3d_values: dict[str, np.ndarray]
) -> None:
    markers = walk.markers
    assert markers.shape == (1103, 120)
    np.testing.assert_allclose(markers.index, np.arange(1103) / 250)
    heights = markers.xs("y", axis=1, level="axis").mean()
    assert heights["LCAL"] < 0.2 < heights["LKJC"] < 0.6 < heights["LASI"] < 1.2 < heights["C7"]
    names = ["LASI", "RASI", "C7", "CLAV"]
    positions = np.stack([markers[name].to_numpy() for name in names])
    before = np.stack([ezc3d_values[name] / 1000 for name in names])

    def volume(points: np.ndarray) -> np.ndarray:
        a, b, c = points[1:] - points[0]
        return (np.cross(a, b) * c).sum(axis=1)

    # A rotation keeps distances, and unlike a mirror also signed volumes.
    np.testing.assert_allclose(
        np.linalg.norm(positions[0] - positions[2], axis=1),
        np.linalg.norm(before[0] - before[2], axis=1),
    )
    np.testing.assert_allclose(volume(positions), volume(before), atol=1e-12)


def test_the_plates_carry_the_weight_of_a_body(walk: C3D) -> None:
    loads = walk.ground_reactions()
    total = (loads["ground_force_1_vy"] + loads["ground_force_2_vy"]).to_frame("force")
    # From one highest point to the next the body gains no momentum: the mean force is its weight.
    by_impulse = total.loc[slice(*MIDSTANCES), "force"].mean() / 9.81
    assert 45 < by_impulse < 100
    # And in between its mass times its acceleration, which the pelvis' markers tell.
    names = ["LASI", "RASI", "LPSI", "RPSI"]
    heights = walk.markers.xs("y", axis=1, level="axis")[names].loc[1.9:3.1].mean(axis=1)
    height = low_pass(heights.to_frame("height"), 6.0, "pelvis")["height"]
    speed = np.gradient(height, height.index)
    acceleration = pd.DataFrame({"a": np.gradient(speed, height.index)}, index=height.index)
    times = time_grid(*MIDSTANCES)
    force = resample(low_pass(total.loc[1.9:3.1], 6.0, "force"), times)["force"].to_numpy()
    pull = 9.81 + resample(acceleration, times)["a"].to_numpy()
    assert np.corrcoef(force, pull)[0, 1] > 0.95
    assert (force * pull).sum() / (pull**2).sum() == pytest.approx(by_impulse, rel=0.08)
    # A foot brakes, then pushes off: the walker goes towards -x.
    stance = loads.loc[loads["ground_force_2_vy"] > 50, "ground_force_2_vx"]
    assert stance.iloc[: len(stance) // 3].mean() > 0 > stance.iloc[-len(stance) // 3 :].mean()


@pytest.mark.parametrize(("plate", "heel", "toe"), [(1, "LCAL", "LMT2"), (2, "RCAL", "RMT2")])
def test_the_centre_of_pressure_goes_from_heel_to_toe_of_the_foot_on_the_plate(
    walk: C3D, plate: int, heel: str, toe: str
) -> None:
    loads = walk.ground_reactions()
    on = loads[loads[f"ground_force_{plate}_vy"] > 100]
    pressure = on[[f"ground_force_{plate}_p{axis}" for axis in "xyz"]].to_numpy()
    middle = slice(len(on) // 10, -len(on) // 10)
    corners = walk.plates[plate - 1].corners
    assert (pressure[middle] >= corners.min(axis=0) - 1e-9).all()
    assert (pressure[middle] <= corners.max(axis=0) + 1e-9).all()
    feet = walk.markers.reindex(on.index, method="nearest")
    along = feet[toe].to_numpy() - feet[heel].to_numpy()
    along[:, 1] = 0.0
    length = np.linalg.norm(along, axis=1)
    along /= length[:, None]
    behind = pressure - feet[heel].to_numpy()
    share = (behind * along).sum(axis=1) / length
    aside = np.abs(behind[:, 0] * along[:, 2] - behind[:, 2] * along[:, 0])
    assert (share[middle] > -0.1).all() and (share[middle] < 1.3).all()
    assert (aside[middle] < 0.08).all()
    # The left heel comes down beside its plate; the right one upon it.
    begins = {1: 0.9, 2: 0.4}[plate]
    assert share[len(on) // 10] < begins < 1.0 < share[-len(on) // 50]


def test_centre_of_pressure_and_free_moment_are_those_of_ezc3d(
    walk: C3D, ezc3d_values: dict[str, np.ndarray]
) -> None:
    for number, plate in enumerate(walk.plates, start=1):
        force, point, free = plate.reactions()
        on = force[:, 1] > 0
        x, y, z = ezc3d_values[f"pressure_{number}"][:, on] / 1000
        np.testing.assert_allclose(point[on], np.stack([x, z, -y], axis=1), atol=1e-6)
        np.testing.assert_allclose(
            free[on, 1], ezc3d_values[f"free_{number}"][2, on] / 1000, atol=1e-4
        )
        # Force at the centre of pressure with the free moment is all that the plate measured.
        arm = point - plate.corners.mean(axis=0)
        np.testing.assert_allclose((np.cross(arm, force) + free)[on], plate.moment[on], atol=0.05)


def test_an_empty_plate_has_no_force_and_no_centre_of_pressure(walk: C3D) -> None:
    before = walk.ground_reactions().loc[:1.5]
    assert (before == 0).all(axis=None)


def test_moments_in_newton_metres_give_the_same_loads(
    walk: C3D, walking_c3d: Path, tmp_path: Path
) -> None:
    code = """
moments = [3, 4, 5, 9, 10, 11]
data["analogs"][0, moments] /= 1000
units = parameters["ANALOG"]["UNITS"]["value"]
put("ANALOG", "UNITS", ["Nm" if i in moments else unit for i, unit in enumerate(units)])
"""
    other = read_c3d(rewrite_c3d(walking_c3d, tmp_path, code))
    pd.testing.assert_frame_equal(
        other.ground_reactions(), walk.ground_reactions(), atol=1e-4, check_exact=False
    )


def test_a_plate_with_a_calibration_matrix_gives_the_same_loads(
    walk: C3D, walking_c3d: Path, tmp_path: Path
) -> None:
    code = """
calibration = np.diag([100.0, 90.0, 400.0, 2e5, 1.5e5, 1e5])
calibration[0, 1] = 3.0
for first in (0, 6):
    measured = data["analogs"][0, first : first + 6]
    data["analogs"][0, first : first + 6] = np.linalg.solve(calibration, measured)
put("FORCE_PLATFORM", "TYPE", [4, 4])
put("FORCE_PLATFORM", "CAL_MATRIX", np.stack([calibration, calibration], axis=2))
parameters["FORCE_PLATFORM"]["CAL_MATRIX"]["type"] = 4
"""
    other = read_c3d(rewrite_c3d(walking_c3d, tmp_path, code))
    pd.testing.assert_frame_equal(
        other.ground_reactions(), walk.ground_reactions(), atol=1e-2, check_exact=False
    )


def test_forces_given_as_those_on_the_plate_are_turned_round(
    walk: C3D, walking_c3d: Path, tmp_path: Path
) -> None:
    other = read_c3d(rewrite_c3d(walking_c3d, tmp_path, 'data["analogs"] *= -1'))
    pd.testing.assert_frame_equal(
        other.ground_reactions(), walk.ground_reactions(), atol=1e-4, check_exact=False
    )


def test_the_axis_that_points_up_is_the_files_or_the_one_that_is_named(
    walk: C3D, walking_c3d: Path, tmp_path: Path, refused: Refused
) -> None:
    pd.testing.assert_frame_equal(read_markers(walking_c3d, up="+z"), walk.markers)
    sideways = read_markers(walking_c3d, up="y")
    np.testing.assert_allclose(sideways["C7"]["y"], -walk.markers["C7"]["z"])
    with refused("'w'", "x, y, z"):
        read_c3d(walking_c3d, up="w")

    silent = 'put("POINT", "Y_SCREEN", [""])\n'
    turned = read_c3d(rewrite_c3d(walking_c3d, tmp_path, silent))
    pd.testing.assert_frame_equal(turned.markers, walk.markers, atol=1e-6, check_exact=False)
    with refused("Y_SCREEN", "--up"):
        read_c3d(rewrite_c3d(walking_c3d, tmp_path, 'put("POINT", "Y_SCREEN", ["+Y"])'))
    with refused("--up"):
        plateless = silent + 'put("FORCE_PLATFORM", "USED", [0])'
        read_c3d(rewrite_c3d(walking_c3d, tmp_path, plateless))


def test_channels_that_are_of_no_plate_are_emg(
    walk: C3D, walking_c3d: Path, tmp_path: Path, refused: Refused
) -> None:
    assert walk.analog.empty
    with refused(walking_c3d, "no EMG"):
        read_raw(walking_c3d)
    signal = np.sin(np.arange(8824) / 7)

    code = """
signal = np.sin(np.arange(8824) / 7)
data["analogs"] = np.concatenate([data["analogs"], signal[None, None]], axis=1)
for key, value in (
    ("LABELS", "EMG soleus"), ("UNITS", "mV"), ("DESCRIPTIONS", ""),
    ("SCALE", 1.0), ("OFFSET", 0), ("GAIN", 1),
):
    put("ANALOG", key, [*np.asarray(parameters["ANALOG"][key]["value"]).tolist(), value])
"""
    path = rewrite_c3d(walking_c3d, tmp_path, code)
    emg = read_raw(path)
    assert list(emg.columns) == ["EMG soleus"]
    np.testing.assert_allclose(emg["EMG soleus"], signal, atol=1e-6)
    np.testing.assert_allclose(emg.index, np.arange(8824) / 2000)
    assert read_c3d(path).units == {"EMG soleus": "mV"}
    assert len(read_c3d(path).plates) == 2


def test_markers_of_a_z_up_laboratory_are_those_of_the_y_up_trc(
    overground: Path, tmp_path: Path
) -> None:
    trc = read_markers(overground / "markers_walk.trc")
    names = [f"walker:{name}" for name in dict.fromkeys(trc.columns.get_level_values("marker"))]
    x, y, z = trc.to_numpy().reshape(len(trc), -1, 3).transpose(2, 1, 0) * 1000
    np.savez(tmp_path / "points.npz", points=np.stack([x, -z, y, np.ones_like(x)]), names=names)
    code = """
found = np.load(sys.argv[2])
names = [str(name) for name in found["names"]]
for key, value in (("RATE", [100.0]), ("LABELS", names), ("UNITS", ["mm"])):
    put("POINT", key, value)
content.add_parameter("POINT", "X_SCREEN", ["+X"])
content.add_parameter("POINT", "Y_SCREEN", ["+Z"])
data["points"] = found["points"]
content.write(sys.argv[3])
"""
    ezc3d(code, "", tmp_path / "points.npz", tmp_path / "walk.c3d")
    markers = read_markers(tmp_path / "walk.c3d")
    assert list(markers.columns) == list(trc.columns)
    np.testing.assert_allclose(markers.index, trc.index, atol=1e-9)
    # C3D keeps 32-bit numbers.
    np.testing.assert_allclose(markers, trc, atol=1e-6)


def test_force_plates_are_loads_for_inverse_dynamics(
    walk: C3D, walking_c3d: Path, overground: Path, tmp_path: Path, refused: Refused
) -> None:
    text = (overground / "grf_walk.xml").read_text().replace("grf_walk.mot", "walk.c3d")
    for side, plate in (("r", 2), ("l", 1)):
        text = text.replace(f"force_{side}_", f"force_{plate}_")
        text = text.replace(f"torque_{side}_", f"torque_{plate}_")
    (tmp_path / "loads.xml").write_text(text)
    (tmp_path / "walk.c3d").write_bytes(walking_c3d.read_bytes())
    model, _ = read_model(overground / "subject_walk_scaled.osim")
    _, forces = read_loads(tmp_path / "loads.xml", model)
    pd.testing.assert_frame_equal(forces, walk.ground_reactions())
    (tmp_path / "loads.xml").write_text(text.replace("force_2_v", "force_3_v"))
    with refused("no column 'ground_force_3_vx'", "ground_force_"):
        read_loads(tmp_path / "loads.xml", model)


def test_damaged_files_are_refused_in_one_line(
    walking_c3d: Path, tmp_path: Path, refused: Refused
) -> None:
    content, path = walking_c3d.read_bytes(), tmp_path / "cut.c3d"
    for size in (0, 100, 600, 5000, 7000, 20000, len(content) - 100):
        path.write_bytes(content[:size])
        with refused(path):
            read_c3d(path)
    for size in (20000, len(content) - 100):
        path.write_bytes(content[:size])
        with refused("cut short", "1103"):
            read_c3d(path)
    path.write_text("time,a\n0,1\n" * 100)
    with refused("not a C3D file"):
        read_c3d(path)


def test_a_kind_of_plate_that_is_not_read_does_not_cost_the_markers(
    walk: C3D, walking_c3d: Path, tmp_path: Path
) -> None:
    code = 'put("FORCE_PLATFORM", "TYPE", [2, 7])'
    other = read_c3d(rewrite_c3d(walking_c3d, tmp_path, code))
    pd.testing.assert_frame_equal(other.markers, walk.markers, atol=1e-6, check_exact=False)
    loads = other.ground_reactions()
    first = walk.ground_reactions().iloc[:, :9]
    pd.testing.assert_frame_equal(loads, first, atol=1e-4, check_exact=False)
    assert "plate 2 is of type 7" in other.plate_fault


def test_opensim_still_works_where_a_c3d_was_read(walk: C3D, opensim: Any) -> None:
    assert len(walk.markers) == 1103
    assert "ezc3d" not in sys.modules
    table = opensim.TimeSeriesTable(opensim.StdVectorDouble([0.0, 0.1, 0.2]))
    assert table.getNumRows() == 3
