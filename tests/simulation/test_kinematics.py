"""Inverse kinematics: OpenSim's own tool on the same markers, gaps, and names that do not match."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.files.trc import read_trc
from nem2e_tf.simulation import inverse_kinematics
from nem2e_tf.simulation.kinematics import marker_errors

Refused = Callable[..., AbstractContextManager[None]]
START, END = 0.5, 0.62


@pytest.fixture(scope="module")
def markers(overground: Path) -> pd.DataFrame:
    return read_trc(overground / "markers_walk.trc")


@pytest.fixture(scope="module")
def model(overground: Path) -> Path:
    return overground / "subject_walk_scaled.osim"


@pytest.fixture(scope="module")
def tasks(overground: Path) -> Path:
    return overground / "ik_tasks_walk.xml"


def opensim_tool(opensim: Any, folder: Path, model: Path, trc: Path, tasks: Path) -> pd.DataFrame:
    """The coordinates of OpenSim's InverseKinematicsTool, radians and metres."""
    tool, loaded = opensim.InverseKinematicsTool(), opensim.Model(str(model))
    tool.setModel(loaded)
    tool.setMarkerDataFileName(str(trc))
    tool.set_IKTaskSet(opensim.IKTaskSet(str(tasks)))
    tool.setStartTime(START)
    tool.setEndTime(END)
    tool.setOutputMotionFileName(str(folder / "tool.mot"))
    tool.setResultsDir(str(folder))
    tool.run()
    found = loaded.getCoordinateSet()
    rotational = opensim.Coordinate.Rotational
    rotations = [c.getName() for c in found if c.getMotionType() == rotational]
    return read_motion(folder / "tool.mot", rotations)


def test_the_motion_and_errors_are_those_of_opensims_tool(
    overground: Path, markers: pd.DataFrame, model: Path, tasks: Path, tmp_path: Path, opensim: Any
) -> None:
    expected = opensim_tool(opensim, tmp_path, model, overground / "markers_walk.trc", tasks)
    progress_calls: list[tuple[int, int]] = []
    motion, errors = inverse_kinematics(
        model,
        markers,
        tasks=tasks,
        start=START,
        end=END,
        progress=lambda *now: progress_calls.append(now),
    )
    assert list(motion.columns) == list(expected.columns)
    np.testing.assert_allclose(motion.index, expected.index, atol=1e-9)
    # The tool's file has eight decimals, of degrees.
    np.testing.assert_allclose(motion, expected, atol=1e-8)
    assert progress_calls[0] == (1, 13) and progress_calls[-1] == (13, 13)
    reported = read_storage(next(tmp_path.glob("*marker_errors.sto")))
    assert errors["worst"].max() == pytest.approx(reported["marker_error_max"].max(), abs=1e-7)
    rms = np.sqrt((errors["rms"] ** 2).mean())
    assert rms == pytest.approx(np.sqrt((reported["marker_error_RMS"] ** 2).mean()), abs=1e-7)
    worst = errors["worst"].idxmax()
    assert errors.loc[worst, "time"] == pytest.approx(reported["marker_error_max"].idxmax())


def test_a_marker_in_a_gap_is_left_out_as_opensim_leaves_it_out_and_told(
    overground: Path, markers: pd.DataFrame, model: Path, tasks: Path, tmp_path: Path, opensim: Any
) -> None:
    lines = (overground / "markers_walk.trc").read_text().splitlines()
    place = lines[3].split("\t").index("R.Knee")
    for row, line in enumerate(lines):
        cells = line.split("\t")
        if cells[0].strip().isdigit() and row > 4 and 0.545 < float(cells[1]) < 0.605:
            cells[place : place + 3] = ["", "", ""]
            lines[row] = "\t".join(cells)
    path = tmp_path / "gap.trc"
    path.write_text("\n".join(lines) + "\n")
    gappy = read_trc(path)
    expected = opensim_tool(opensim, tmp_path, model, path, tasks)
    motion, errors = inverse_kinematics(model, gappy, tasks=tasks, start=START, end=END)
    np.testing.assert_allclose(motion, expected, atol=1e-8)
    assert errors.loc["R.Knee", "missing"] == pytest.approx(6 / 13)
    assert errors.drop("R.Knee")["missing"].max() == 0
    assert errors["rms"].notna().all()


def test_without_tasks_all_shared_markers_weigh_alike_and_the_others_are_named(
    markers: pd.DataFrame, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = sorted(set(markers.columns.get_level_values("marker")))
    tasks = tmp_path / "equal.xml"
    tasks.write_text(
        '<?xml version="1.0"?><OpenSimDocument Version="40600"><IKTaskSet><objects>'
        + "".join(
            f'<IKMarkerTask name="{name}"><apply>true</apply><weight>1</weight></IKMarkerTask>'
            for name in names
        )
        + "</objects></IKTaskSet></OpenSimDocument>"
    )
    renamed = markers.rename(columns={"R.Toe": "Toe of a stranger"}, level="marker")
    with caplog.at_level(logging.INFO):
        unweighted, errors = inverse_kinematics(model, renamed, start=START, end=0.55)
    messages = " ".join(record.getMessage() for record in caplog.records)
    assert "Toe of a stranger" in messages and "R_HJC" in messages
    assert "R.Toe" not in errors.index and len(errors) == 40
    weighed, _ = inverse_kinematics(model, renamed, tasks=tasks, start=START, end=0.55)
    np.testing.assert_allclose(unweighted, weighed, atol=1e-12)


def test_a_coordinate_task_holds_its_coordinate(
    markers: pd.DataFrame, model: Path, tasks: Path, tmp_path: Path, refused: Refused
) -> None:
    held = tmp_path / "held.xml"
    task = (
        '<IKCoordinateTask name="{}"><apply>true</apply><weight>10000</weight>'
        "<value_type>{}</value_type><value>0.2</value></IKCoordinateTask>"
    )
    text = tasks.read_text()

    def write(name: str, kind: str) -> Path:
        held.write_text(text.replace("<objects>", "<objects>" + task.format(name, kind), 1))
        return held

    motion, _ = inverse_kinematics(
        model, markers, tasks=write("mtp_angle_r", "manual_value"), start=START, end=0.55
    )
    np.testing.assert_allclose(motion["mtp_angle_r"], 0.2, atol=1e-3)
    motion, _ = inverse_kinematics(
        model, markers, tasks=write("mtp_angle_r", "default_value"), start=START, end=0.55
    )
    np.testing.assert_allclose(motion["mtp_angle_r"], 0.0, atol=1e-3)
    with refused("no coordinate 'mtp_r'"):
        inverse_kinematics(model, markers, tasks=write("mtp_r", "manual_value"))
    with refused("mtp_angle_r", "from a file"):
        inverse_kinematics(model, markers, tasks=write("mtp_angle_r", "from_file"))


def test_where_the_subject_is_out_of_sight_there_is_no_motion(
    markers: pd.DataFrame, model: Path, tasks: Path, refused: Refused
) -> None:
    late = markers.copy()
    late.loc[:0.6] = np.nan
    late.loc[0.69:] = np.nan
    motion, _ = inverse_kinematics(model, late, tasks=tasks)
    assert (motion.index[0], motion.index[-1]) == pytest.approx((0.61, 0.68))
    motion, _ = inverse_kinematics(model, late, tasks=tasks, start=0.62, end=0.67, margin=1.0)
    assert (motion.index[0], motion.index[-1]) == pytest.approx((0.61, 0.68))
    with refused("fewer than 3 markers", "0.6 s", "--start"):
        inverse_kinematics(model, late, tasks=tasks, start=0.6, end=0.65)
    with refused("outside the recording"):
        inverse_kinematics(model, markers, tasks=tasks, start=2.0, end=3.0)
    late.loc[:] = np.nan
    with refused("no frame with 3"):
        inverse_kinematics(model, late, tasks=tasks)


def test_what_cannot_be_used_is_refused_in_one_line(
    markers: pd.DataFrame, model: Path, tmp_path: Path, refused: Refused
) -> None:
    strange = markers.rename(columns=lambda name: f"{name}_b", level="marker")
    with refused("0 of its 41 markers", "R.Shoulder <- R.Shoulder_b"):
        inverse_kinematics(model, strange)
    bad = tmp_path / "tasks.xml"
    for text in (
        "",
        "<a>",
        '<?xml version="1.0"?><OpenSimDocument Version="1"><B/></OpenSimDocument>',
    ):
        bad.write_text(text)
        with refused(bad):
            inverse_kinematics(model, markers, tasks=bad)
    with refused("no such file"):
        inverse_kinematics(model, markers, tasks=tmp_path / "none.xml")
    broken = tmp_path / "broken.osim"
    broken.write_text("<nothing>")
    with refused(broken, "not an OpenSim model"):
        inverse_kinematics(broken, markers)


def test_marker_errors_are_root_mean_squares_over_the_frames_that_have_the_marker() -> None:
    distances = pd.DataFrame(
        {"a": [0.003, 0.004, np.nan], "b": [0.01, 0.0, 0.0], "c": [np.nan] * 3},
        index=pd.Index([0.0, 0.1, 0.2], name="time"),
    )
    errors = marker_errors(distances)
    assert list(errors.index) == ["b", "a", "c"]
    assert errors.loc["a", "rms"] == pytest.approx(np.sqrt((9 + 16) / 2) / 1000)
    assert errors.loc["a", "worst"] == 0.004 and errors.loc["a", "time"] == 0.1
    assert errors.loc["a", "missing"] == pytest.approx(1 / 3)
    assert np.isnan(errors.loc["c", "rms"]) and errors.loc["c", "missing"] == 1
