"""Storage files: real ones with their faults, made-up ones with worse, and OpenSim's own."""

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import (
    check_input,
    check_output,
    read_motion,
    read_storage,
    replace_file,
    write_storage,
)
from nem2e_tf.simulation import LegModel

Refused = Callable[..., AbstractContextManager[None]]

RECORDINGS = [
    *(
        f"ceinms-lower-limb/{trial}/{file}"
        for trial in ("walk45", "run81")
        for file in ("ik.sto", "id.sto", "emgFilt.sto", "XLD.mot")
    ),
    *(
        f"opensim-3d-walking/{file}"
        for file in ("coordinates.sto", "id_walk.sto", "electromyography.sto", "grf_walk.mot")
    ),
]

HEAD = "Results\nversion=1\nnRows=3\nnColumns=3\ninDegrees=no\nendheader\n"
NAMES = "time\ta\tb\n"
ROWS = "0.0\t1.5\t-2.0\n0.1\t3.0\t4e-3\n0.2\t5.0\t6.0\n"
VALUES = [[1.5, -2.0], [3.0, 4e-3], [5.0, 6.0]]


def storage(folder: Path, text: str | bytes, name: str = "trial.sto") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def replace_in_storage(old: str, new: str) -> str:
    """A good file with something replaced in its rows."""
    return HEAD + NAMES + ROWS.replace(old, new)


def frame(values: np.ndarray, columns: list[str] | None = None) -> pd.DataFrame:
    rows, count = values.shape
    names = columns or [f"c{i}" for i in range(count)]
    return pd.DataFrame(values, index=pd.Index(np.arange(rows) / 100, name="time"), columns=names)


@pytest.mark.parametrize("name", RECORDINGS)
def test_real_files_are_read_number_for_number(data: Path, name: str) -> None:
    lines = [line for line in (data / name).read_text().splitlines() if line.strip()]
    first = [line.strip() for line in lines].index("endheader") + 1
    labels = lines[first].split()
    rows = np.array([[float(value) for value in line.split()] for line in lines[first + 1 :]])

    read = read_storage(data / name)

    assert ["time", *read.columns] == labels
    np.testing.assert_array_equal(read.index, rows[:, 0])
    np.testing.assert_array_equal(read.to_numpy(), rows[:, 1:])
    assert read.index.name == "time"
    assert set(read.dtypes) == {np.dtype(float)}
    assert read.attrs["path"] == str(data / name)


@pytest.mark.parametrize("trial", ["walk45", "run81"])
def test_an_emg_file_without_version_with_padded_names_and_trailing_tabs_is_read(
    lower_limb: Path, trial: str
) -> None:
    path = lower_limb / trial / "emgFilt.sto"
    head, body = path.read_text().split("endheader\n")
    assert "version" not in head and head.endswith("\n\n") and "\t\n" in body

    calf_and_shin = ["soleus_r", "med_gas_r", "lat_gas_r", "tib_ant_r"]
    thigh = ["semimem_r", "bifemlh_r", "vas_lat_r", "rect_fem_r", "vas_med_r"]
    assert list(read_storage(path).columns) == calf_and_shin + thigh


@pytest.mark.parametrize("trial", ["walk45", "run81"])
def test_degrees_are_taken_from_a_header_with_blank_lines_and_prose(
    lower_limb: Path, trial: str
) -> None:
    head = (lower_limb / trial / "ik.sto").read_text().split("endheader\n")[0]
    assert "Angles are in degrees." in head and "\n\n" in head

    assert read_storage(lower_limb / trial / "ik.sto").attrs["in_degrees"] is True
    assert read_storage(lower_limb / trial / "id.sto").attrs["in_degrees"] is False


def test_a_wrong_column_count_in_the_header_is_not_believed(overground: Path) -> None:
    path = overground / "coordinates.sto"
    assert "nColumns=40\n" in path.read_text()

    assert read_storage(path).shape == (1350, 31)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEAD + "\n\n" + NAMES + ROWS, id="blank lines after endheader"),
        pytest.param(HEAD + NAMES + "\n" + ROWS + "\n\n", id="blank lines about the rows"),
        pytest.param(HEAD.replace("nColumns=3", "nColumns=9") + NAMES + ROWS, id="nColumns large"),
        pytest.param(HEAD.replace("nColumns=3", "nColumns=2") + NAMES + ROWS, id="nColumns small"),
        pytest.param(HEAD + "time\t   a\t  b\n" + ROWS.replace("\t", "\t   "), id="padded"),
        pytest.param(HEAD + "time  a   b\n" + ROWS.replace("\t", "    "), id="spaces only"),
        pytest.param(HEAD + (NAMES + ROWS).replace("\n", "\t\n"), id="trailing tabs"),
        pytest.param((HEAD + NAMES + ROWS).replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param("endheader\n" + NAMES + ROWS, id="nothing but endheader"),
        pytest.param("nRows = 3 \n  EndHeader  \n" + NAMES + ROWS, id="spaces and capitals"),
        pytest.param("Units are S.I. units\n\nx = y = z\n" + HEAD + NAMES + ROWS, id="prose"),
        pytest.param(HEAD + "Time\ta\tb\n" + ROWS, id="Time with a capital"),
        pytest.param(HEAD + NAMES + ROWS.rstrip("\n"), id="no line end at the end"),
        pytest.param(b"\xef\xbb\xbf" + (HEAD + NAMES + ROWS).encode(), id="byte order mark"),
        pytest.param(b"R\xe9sultats\n" + (HEAD + NAMES + ROWS).encode(), id="Latin-1"),
        pytest.param(HEAD.replace("nRows=3", "nRows=2") + NAMES + ROWS, id="nRows small"),
    ],
)  # fmt: skip
def test_headers_of_other_programs_are_read_alike(tmp_path: Path, text: str | bytes) -> None:
    read = read_storage(storage(tmp_path, text))

    assert list(read.columns) == ["a", "b"]
    assert read.index.tolist() == [0.0, 0.1, 0.2]
    assert read.to_numpy().tolist() == VALUES
    assert read.attrs["in_degrees"] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", ["empty"], id="empty"),
        pytest.param(" \n\n", ["empty"], id="blank"),
        pytest.param(NAMES + ROWS, ["endheader"], id="no endheader"),
        pytest.param(bytes(range(256)) * 8, ["endheader"], id="binary"),
        pytest.param((HEAD + NAMES + ROWS).encode("utf-16"), ["endheader"], id="UTF-16"),
        pytest.param(HEAD, ["no column names"], id="no columns"),
        pytest.param("endheader\n" + NAMES, ["no rows"], id="no rows"),
        pytest.param("endheader\n" + NAMES + "\n \n", ["no rows"], id="blank rows"),
        pytest.param(HEAD + NAMES, ["no rows"], id="no rows of three"),
        pytest.param(HEAD + "a\ttime\tb\n" + ROWS, ["'a'", "'time'"], id="time not first"),
        pytest.param(HEAD + "time,a,b\n0,1,2\n", ["'time,a,b'"], id="commas"),
        pytest.param(HEAD + "time\ta\ta\n" + ROWS, ["'a'", "twice"], id="doubled column"),
        pytest.param(HEAD + "time\ttime\ta\n" + ROWS, ["'time'", "twice"], id="doubled time"),
        pytest.param(replace_in_storage("3.0", "n/k"), ["'a'", "row 2", "'n/k'"], id="text"),
        pytest.param(
            replace_in_storage("3.0", "3,0"), ["'a'", "row 2", "'3,0'"], id="decimal comma"
        ),
        pytest.param(replace_in_storage("3.0", '"3'), ["'a'", "row 2", "'\"3'"], id="quote"),
        pytest.param(replace_in_storage("3.0", "NaN"), ["'a'", "time 0.1 s"], id="NaN"),
        pytest.param(replace_in_storage("6.0", "nan"), ["'b'", "time 0.2 s"], id="NaN at the end"),
        pytest.param(replace_in_storage("3.0", "-1.#IND"), ["'a'", "time 0.1 s"], id="-1.#IND"),
        pytest.param(replace_in_storage("3.0", "inf"), ["'a'", "time 0.1 s"], id="inf"),
        pytest.param(replace_in_storage("3.0", "1e999"), ["'a'", "time 0.1 s"], id="overflow"),
        pytest.param(replace_in_storage("3.0", "9" * 400), ["'a'", "time 0.1 s"], id="400 digits"),
        pytest.param(replace_in_storage("0.1", "nan"), ["'time'", "row 2"], id="NaN time"),
        pytest.param(
            replace_in_storage("\t6.0\n", ""), ["cut short", "'b'"], id="cut within a row"
        ),
        pytest.param(
            replace_in_storage("4e-3\n0.2\t5.0\t6.0\n", "4e-3"),
            ["3 rows", "has 2"],
            id="cut at the end of a row",
        ),
        pytest.param(
            replace_in_storage("4e-3", ""), ["row 2", "2 values", "3 columns"], id="too few values"
        ),
        pytest.param(
            replace_in_storage("2.0", "2\t3"), ["row 1 has more", "3"], id="too many in row 1"
        ),
        pytest.param(
            replace_in_storage("6.0", "6\t7"), ["row 3 has more", "3"], id="too many in row 3"
        ),
        pytest.param(
            replace_in_storage("6.0", "6\t7\t8"), ["row 3 has more", "3"], id="two too many"
        ),
        pytest.param(
            replace_in_storage("\n", "\t7\t8\n"), ["row 1 has more", "3"], id="too many everywhere"
        ),
        pytest.param(
            replace_in_storage("0.2", "0.05"), ["backwards", "0.1 to 0.05"], id="time backwards"
        ),
        pytest.param(
            replace_in_storage("0.2", "0.1"), ["stands still", "row 2"], id="time stands still"
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, refused: Refused, text: str | bytes, words: list[str]
) -> None:
    path = storage(tmp_path, text)

    with warnings.catch_warnings(), refused(f"{path}: ", *words):
        warnings.simplefilter("error")
        read_storage(path)


def test_a_real_file_cut_anywhere_is_refused(
    lower_limb: Path, tmp_path: Path, refused: Refused
) -> None:
    whole = (lower_limb / "walk45" / "emgFilt.sto").read_bytes()
    last = whole.rstrip().rindex(b"\n") + 1
    for length in [0, 20, *np.linspace(70, last - 1, 12).astype(int)]:
        path = storage(tmp_path, whole[:length])
        with refused(f"{path}: "):
            read_storage(path)


@pytest.mark.parametrize("announced", [2, 500])
def test_a_wrong_count_of_rows_in_the_header_gives_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, announced: int
) -> None:
    with caplog.at_level("INFO", "nem2e_tf"):
        read = read_storage(
            storage(tmp_path, HEAD.replace("=3", f"={announced}", 1) + NAMES + ROWS)
        )
    np.testing.assert_array_equal(read.to_numpy(), VALUES)
    assert f"announces {announced} rows; all 3 are read" in caplog.text


def test_a_right_count_gives_no_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "nem2e_tf"):
        read_storage(storage(tmp_path, HEAD + NAMES + ROWS))
    assert not caplog.text


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan(ind)", "1.#QNAN", "1.#IND", "-1.#IND00"])
def test_gaps_are_nan_where_they_are_allowed(tmp_path: Path, text: str, refused: Refused) -> None:
    path = storage(tmp_path, replace_in_storage("3.0", text))
    read = read_storage(path, allow_gaps=True)
    np.testing.assert_array_equal(read.to_numpy(), [[1.5, -2.0], [np.nan, 4e-3], [5.0, 6.0]])
    with refused("'a'", "time 0.1 s", "fill the gap"):
        read_storage(path)


def test_an_infinite_value_is_refused_even_where_gaps_are_allowed(
    tmp_path: Path, refused: Refused
) -> None:
    with refused("'a'", "time 0.1 s"):
        read_storage(storage(tmp_path, replace_in_storage("3.0", "inf")), allow_gaps=True)


def test_a_path_that_is_no_storage_file_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(tmp_path / "absent.sto", "no such file"):
        read_storage(tmp_path / "absent.sto")
    (tmp_path / "folder.sto").mkdir()
    with refused(tmp_path / "folder.sto", "folder"):
        read_storage(tmp_path / "folder.sto")
    with refused("trial.csv", ".sto or .mot"):
        read_storage(storage(tmp_path, HEAD + NAMES + ROWS, "trial.csv"))
    with refused("absent.osim", "an OpenSim model"):
        check_input(tmp_path / "absent.osim", "an OpenSim model")


def test_writing_and_reading_gives_the_same_bits(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal((5000, 4)) * 10.0 ** generator.integers(-300, 300, (5000, 4))
    values[:3, 0] = [5e-324, -0.0, np.nextafter(1.0, 2.0)]
    written = frame(values)
    written.index = pd.Index(np.cumsum(generator.random(5000) + 1e-3), name="time")

    write_storage(written, tmp_path / "a.sto", "random")
    read = read_storage(tmp_path / "a.sto")

    pd.testing.assert_frame_equal(read, written, check_exact=True, check_column_type=False)
    assert np.signbit(read.to_numpy()[1, 0])
    assert read.attrs["in_degrees"] is False


def test_what_is_written_opensim_reads_with_the_same_names_and_values(
    tmp_path: Path, opensim: Any
) -> None:
    written = frame(np.random.default_rng(2).standard_normal((40, 3)), ["soleus_r", "a b", "x/y"])
    write_storage(written, tmp_path / "a.sto", "activity")

    table = opensim.TimeSeriesTable(str(tmp_path / "a.sto"))

    assert list(table.getColumnLabels()) == list(written.columns)
    np.testing.assert_array_equal(table.getMatrix().to_numpy(), written.to_numpy())
    np.testing.assert_array_equal(table.getIndependentColumn(), written.index)
    assert table.getTableMetaDataAsString("inDegrees") == "no"


@pytest.mark.parametrize("degrees", ["yes", "no"])
def test_what_opensim_writes_is_read(tmp_path: Path, opensim: Any, degrees: str) -> None:
    values = np.random.default_rng(3).standard_normal((20, 2))
    table = opensim.TimeSeriesTable()
    table.setColumnLabels(["hip_flexion_r", "knee_angle_r"])
    for row, numbers in enumerate(values):
        table.appendRow(row / 100, opensim.RowVector.createFromMat(numbers))
    table.addTableMetaDataString("inDegrees", degrees)
    opensim.STOFileAdapter.write(table, str(tmp_path / "theirs.sto"))

    read = read_storage(tmp_path / "theirs.sto")

    assert list(read.columns) == ["hip_flexion_r", "knee_angle_r"]
    np.testing.assert_allclose(read.to_numpy(), values, rtol=1e-14)
    assert read.attrs["in_degrees"] is (degrees == "yes")


def test_degrees_become_radians_as_opensim_converts_them(
    lower_limb: Path, right_leg: LegModel, walk45_motion: pd.DataFrame, opensim: Any
) -> None:
    table = opensim.TimeSeriesTable(str(lower_limb / "walk45" / "ik.sto"))
    right_leg.model.getSimbodyEngine().convertDegreesToRadians(table)

    assert list(table.getColumnLabels()) == list(walk45_motion.columns)
    np.testing.assert_allclose(
        table.getMatrix().to_numpy(), walk45_motion.to_numpy(), rtol=1e-12, atol=1e-15
    )
    assert walk45_motion.attrs["in_degrees"] is True


def test_state_paths_become_coordinates_and_states_that_are_none_are_left_out(
    tmp_path: Path, overground: Path
) -> None:
    names = (
        "time\t/jointset/hip_r/hip_flexion_r/value\t/jointset/hip_r/hip_flexion_r/speed"
        "\t/forceset/soleus_r/activation\tpelvis_tx\n"
    )
    head = "inDegrees=yes\nendheader\n"
    path = storage(tmp_path, head + names + "0\t180\t2\t3\t4\n1\t90\t2\t3\t5\n")

    read = read_motion(path, ["hip_flexion_r"])

    assert list(read.columns) == ["hip_flexion_r", "pelvis_tx"]
    np.testing.assert_allclose(read.to_numpy(), [[np.pi, 4.0], [np.pi / 2, 5.0]])

    recorded = read_motion(overground / "coordinates.sto", ["knee_angle_r"])
    raw = read_storage(overground / "coordinates.sto")
    knee = raw["/jointset/walker_knee_r/knee_angle_r/value"]
    np.testing.assert_array_equal(recorded["knee_angle_r"], knee)


def test_a_coordinate_under_two_names_is_refused(tmp_path: Path, refused: Refused) -> None:
    names = "time\t/jointset/hip_r/hip_flexion_r/value\thip_flexion_r\n"
    path = storage(tmp_path, "endheader\n" + names + "0\t1\t2\n")

    with refused(path, "'hip_flexion_r'", "twice"):
        read_motion(path, [])


def test_an_output_is_checked_before_the_work(tmp_path: Path, refused: Refused) -> None:
    given = storage(tmp_path, "x", "in.sto")
    (tmp_path / "dir.sto").mkdir()
    (tmp_path / "link.sto").symlink_to(given)

    with refused("out.csv", ".sto or .mot"):
        check_output(tmp_path / "out.csv", (".sto", ".mot"))
    with refused("dir.sto", "folder"):
        check_output(tmp_path / "dir.sto", (".sto",))
    with refused(tmp_path / "absent", "does not exist"):
        check_output(tmp_path / "absent" / "out.sto", (".sto",))
    for same in ("in.sto", "link.sto"):
        with refused(same, "input"):
            check_output(tmp_path / same, (".sto",), [None, given])
    assert check_output(tmp_path / "OUT.STO", (".sto",), [None, given]) == tmp_path / "OUT.STO"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dir.sto", "in.sto", "link.sto"]


def test_a_result_replaces_the_old_file_only_when_it_is_whole(tmp_path: Path) -> None:
    path = storage(tmp_path, "old")
    with pytest.raises(RuntimeError, match="half way"), replace_file(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

    with replace_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_that_fails_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replace_file(tmp_path / "new.sto"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_result_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_storage(frame(np.zeros((2, 1))), tmp_path / "a.sto", "zeros")
    finally:
        os.umask(before)
    assert (tmp_path / "a.sto").stat().st_mode & 0o777 == 0o640


def test_a_missing_number_keeps_its_place_in_what_is_written(
    tmp_path: Path, refused: Refused
) -> None:
    write_storage(frame(np.array([[1.0, np.nan, 3.0]])), tmp_path / "a.sto", "gap")

    with refused("'c1'", "time 0 s"):
        read_storage(tmp_path / "a.sto")
