"""Text exports of EMG in the layouts of the field's programs."""

import logging
from pathlib import Path

import numpy as np
import pytest

from nem2e_tf.files import read_emg_text
from nem2e_tf.signals import process_session
from nem2e_tf.signals.emg import read_raw
from tests.repository import DATA

FIELD = DATA.parent / "field" / "emg_csv"
SIGNAL = [0.5, -1.25, 2.0, -0.75, 1.5, -2.5]


def write_rows(path: Path, head: str, separator: str, decimal: str, step: float = 0.0005) -> Path:
    """A header, then rows of time and two channels, the second the first times two."""
    rows = [
        separator.join(f"{v:.5f}".replace(".", decimal) for v in (i * step, x, 2 * x))
        for i, x in enumerate(SIGNAL)
    ]
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("head", "separator", "decimal", "names"),
    [
        ("time,TA,SOL\n", ",", ".", ["TA", "SOL"]),
        ("Time [s];TA [mV];SOL [mV]\n", ";", ",", ["TA", "SOL"]),
        ("Time\tTA\tSOL\ns\tuV\tuV\n", "\t", ",", ["TA", "SOL"]),
        ("# exported, by hand\n\nTime (s),TA (V),SOL (V)\n", ",", ".", ["TA", "SOL"]),
        ('Name,Trial 1\nDate,2024-01-01\nTime,s\ntime,"LT TIB.ANT., uV","RT SOLEUS, uV"\n',
         ",", ".", ["LT TIB.ANT.", "RT SOLEUS"]),
        ("time TA SOL\n", " ", ".", ["TA", "SOL"]),
    ],
)  # fmt: skip
def test_a_table_is_read_under_any_header(
    tmp_path: Path, head: str, separator: str, decimal: str, names: list[str]
) -> None:
    frame = read_emg_text(write_rows(tmp_path / "emg.csv", head, separator, decimal))
    assert list(frame.columns) == names
    np.testing.assert_allclose(frame.index, np.arange(6) * 0.0005, atol=1e-12)
    np.testing.assert_allclose(frame.to_numpy(), np.outer(SIGNAL, [1, 2]), atol=1e-12)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_a_table_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = write_rows(tmp_path / "emg.csv", "Time;Übung TA (µV);SOL (µV)\n", ";", ",")
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert list(read_emg_text(path).columns) == ["Übung TA", "SOL"]


@pytest.mark.parametrize("head", ["Time (ms),TA,SOL\n", "Time,TA,SOL\nms,mV,mV\n"])
def test_time_that_is_called_milliseconds_becomes_seconds(tmp_path: Path, head: str) -> None:
    frame = read_emg_text(write_rows(tmp_path / "emg.csv", head, ",", ".", step=0.5))
    np.testing.assert_allclose(frame.index, np.arange(6) * 0.0005, atol=1e-12)


def test_a_rate_in_the_header_replaces_time(tmp_path: Path) -> None:
    path = tmp_path / "tracks.emt"
    path.write_text(
        "BTS ASCII format\n\nType:\tEmg tracks\nMeasure unit:\tV\n\nTracks:\t2\n"
        "Frequency:\t1000 Hz\nFrames:\t3\n\nFrame\tRight soleus\tLeft soleus\n"
        "1\t0.5\t1\n2\t-0.5\t-1\n3\t0.25\t0.5\n"
    )
    frame = read_emg_text(path)
    np.testing.assert_allclose(frame.index, [0, 0.001, 0.002])
    assert frame["Right soleus"].tolist() == [0.5, -0.5, 0.25]
    assert list(frame.columns) == ["Right soleus", "Left soleus"]


def test_channels_of_other_rates_are_put_on_the_fastest_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "emg.csv"
    rows = [f"{i / 1000},{i},{i / 500},{2 * i},{i / 100},9" for i in range(5)]
    rows += [f"{i / 1000},{i},,,," for i in range(5, 9)]
    path.write_text("X[s],A: EMG 1[V],X[s],B: EMG 2[V],X[s],A: ACC X 1[g]\n" + "\n".join(rows))
    with caplog.at_level(logging.INFO):
        frame = read_emg_text(path)
    assert list(frame.columns) == ["A: EMG 1", "B: EMG 2"]
    # Both channels are straight lines, of 1000 a second.
    np.testing.assert_allclose(frame.index, np.arange(9) / 1000, atol=1e-12)
    np.testing.assert_allclose(frame.to_numpy(), np.outer(np.arange(9), [1, 1]), atol=1e-9)
    assert "no EMG: A: ACC X 1" in caplog.text and "clocks of their own" in caplog.text


def test_a_column_that_is_not_chosen_may_lack_numbers(tmp_path: Path) -> None:
    path = tmp_path / "emg.csv"
    path.write_text("time,TA,SOL\n0,1,off\n0.001,2,3\n0.002,3,\n")
    assert read_raw(path, ["TA"])["TA"].tolist() == [1, 2, 3]


def test_a_gluteus_of_large_size_is_no_magnetometer(tmp_path: Path) -> None:
    path = tmp_path / "emg.csv"
    path.write_text("time,adductor magnus,Glut mag,Gyro X\n0,1,2,3\n0.001,2,3,4\n")
    assert list(read_emg_text(path).columns) == ["adductor magnus", "Glut mag"]


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field's inputs are not there")
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("discover", ["Avanti Sensor 1: EMG 1", "Avanti Sensor 2: EMG 1"]),
        ("emgworks", ["R TIBIALIS ANTERIOR: EMG 1", "R SOLEUS: EMG 2"]),
        ("noraxon", ["LT TIB.ANT.", "RT SOLEUS"]),
        ("semi_firstint", ["TA", "SOL"]),
        ("semi_time_cp1252", ["EMG TA", "EMG SOL"]),
        ("trailing", ["TA", "SOL"]),
    ],
)
def test_every_export_of_the_field_gives_envelopes(name: str, channels: list[str]) -> None:
    path = FIELD / f"{name}.csv"
    assert list(read_raw(path).columns) == channels
    assert list(process_session([path]).trials[path].max()) == [1.0, 1.0]
