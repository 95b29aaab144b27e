"""Marker positions: .trc files as OpenSim and other programs write them, and damaged ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_markers, visible_markers
from nem2e_tf.files.trc import read_trc

Refused = Callable[..., AbstractContextManager[None]]

HEAD = (
    "PathFileType\t4\t(X/Y/Z)\twalk.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\n"
    "100\t100\t{frames}\t2\t{unit}\t100\n"
    "Frame#\tTime\tR.ASIS\t\t\tL.ASIS\t\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n"
)
ROWS = "1\t0.00\t1\t2\t3\t4\t5\t6\n2\t0.01\t1.5\t2\t3\t4\t5\t6\n"


def trc(folder: Path, rows: str = ROWS, unit: str = "mm", frames: int = 2) -> Path:
    path = folder / "walk.trc"
    path.write_text(HEAD.format(frames=frames, unit=unit) + rows)
    return path


def test_a_recorded_trc_is_what_opensim_reads(overground: Path, opensim: Any) -> None:
    path = overground / "markers_walk.trc"
    markers, table = read_markers(path), opensim.TimeSeriesTableVec3(str(path))
    names = list(dict.fromkeys(markers.columns.get_level_values("marker")))
    assert names == list(table.getColumnLabels())
    np.testing.assert_array_equal(markers.index, table.getIndependentColumn())
    for row in (0, 100, 237):
        opensim_row = table.getRowAtIndex(row)
        for column, name in enumerate(names):
            opensim_row_in_mm = [opensim_row[column][axis] for axis in range(3)]
            np.testing.assert_array_equal(
                markers[name].to_numpy()[row], np.array(opensim_row_in_mm) * 0.001
            )


@pytest.mark.parametrize(("unit", "metres"), [("mm", 0.001), ("cm", 0.01), ("m", 1.0)])
def test_positions_are_in_metres_whatever_the_header_says(
    tmp_path: Path, unit: str, metres: float
) -> None:
    markers = read_trc(trc(tmp_path, unit=unit))
    np.testing.assert_allclose(markers["L.ASIS"].to_numpy()[0], np.array([4, 5, 6]) * metres)
    np.testing.assert_allclose(markers.index, [0.0, 0.01])
    assert markers.attrs["path"].endswith("walk.trc")


@pytest.mark.parametrize(
    "row", ["1\t0\t\t\t\t4\t5\t6\n", "1\t0\t1\t\t3\t4\t5\t6\n", "1\t0\t0\t0\t0\t4\t5\t6\n"]
)
def test_a_lost_marker_is_a_gap_on_all_three_axes(tmp_path: Path, row: str) -> None:
    markers = read_trc(trc(tmp_path, row + "2\t0.01\t1\t2\t3\t4\t5\t6\n"))
    assert np.isnan(markers["R.ASIS"].to_numpy()[0]).all()
    assert markers["L.ASIS"].notna().all(axis=None)
    np.testing.assert_array_equal(visible_markers(markers), [[False, True], [True, True]])


def test_blank_coordinates_at_the_end_of_a_row_may_be_left_out(tmp_path: Path) -> None:
    markers = read_trc(trc(tmp_path, "1\t0\t1\t2\t3\n2\t0.01\t1\t2\t3\n"))
    np.testing.assert_array_equal(visible_markers(markers), [[True, False], [True, False]])


@pytest.mark.parametrize("frames", [1, 9])
def test_a_wrong_count_of_frames_gives_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, frames: int
) -> None:
    with caplog.at_level("INFO", "nem2e_tf"):
        markers = read_trc(trc(tmp_path, frames=frames))
    assert len(markers) == 2
    assert f"announces {frames} frames; all 2 are read" in caplog.text


@pytest.mark.parametrize("unit", ["MM", "Millimeters", "Mm", "millimetres"])
def test_a_unit_is_known_in_any_case_and_spelling(tmp_path: Path, unit: str) -> None:
    markers = read_trc(trc(tmp_path, unit=unit))
    np.testing.assert_allclose(markers["L.ASIS"].to_numpy()[0], [0.004, 0.005, 0.006])


def test_meters_are_metres(tmp_path: Path) -> None:
    markers = read_trc(trc(tmp_path, unit="Meters"))
    np.testing.assert_allclose(markers["L.ASIS"].to_numpy()[0], [4, 5, 6])


@pytest.mark.parametrize("separator", [" ", "   ", ",", ", "])
def test_spaces_or_commas_may_stand_in_place_of_tabs(tmp_path: Path, separator: str) -> None:
    path = trc(tmp_path)
    expected = read_trc(path)
    path.write_text(path.read_text().replace("\t", separator))
    pd.testing.assert_frame_equal(read_trc(path), expected)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = trc(tmp_path)
    expected = read_trc(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    pd.testing.assert_frame_equal(read_trc(path), expected)


def test_a_blank_coordinate_between_spaces_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = trc(tmp_path, "1\t0\t\t\t\t4\t5\t6\n2\t0.01\t1\t2\t3\t4\t5\t6\n")
    path.write_text(path.read_text().replace("\t", " "))
    with refused("row 1", "5 values", "8 columns", "tabs"):
        read_trc(path)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path, refused: Refused) -> None:
    with refused("cut short", "9 frames", "2"):
        read_trc(trc(tmp_path, ROWS.rstrip("\n"), frames=9))
    with refused("cut short", "last row"):
        read_trc(trc(tmp_path, ROWS + "3\t0.02\t1\t2\n", frames=3))
    with refused("L.ASIS y", "row 2", "oops"):
        read_trc(trc(tmp_path, "1\t0\t1\t2\t3\t4\t5\t6\n2\t0.01\t1\t2\t3\t4\toops\t6\n"))
    with refused("more than the coordinates", "2 markers"):
        read_trc(trc(tmp_path, "1\t0\t1\t2\t3\t4\t5\t6\t7\n2\t0.01\t1\t2\t3\t4\t5\t6\n"))
    with refused("goes backwards"):
        read_trc(trc(tmp_path, "1\t0.1\t1\t2\t3\t4\t5\t6\n2\t0.05\t1\t2\t3\t4\t5\t6\n"))
    with refused("unit", "furlong"):
        read_trc(trc(tmp_path, unit="furlong"))
    with refused("no rows"):
        read_trc(trc(tmp_path, "", frames=0))
    other = tmp_path / "other.trc"
    for content in (b"", b"time,a\n0,1\n", bytes(range(256)), HEAD[:60].encode()):
        other.write_bytes(content)
        with refused(other):
            read_trc(other)
    with refused(".trc or .c3d"):
        read_markers(trc(tmp_path).rename(tmp_path / "walk.txt"))
