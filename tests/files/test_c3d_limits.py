"""C3D files beyond the format's first limits, without what is not needed, and their events."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from nem2e_tf.files import read_c3d, read_c3d_analog, read_markers
from nem2e_tf.signals.emg import read_raw
from tests import command
from tests.files.c3d_files import write_c3d
from tests.repository import FIELD

Refused = Callable[..., AbstractContextManager[None]]

MANY = 70_000
"""Frames; the header's two bytes count to 65,535."""


def still(frames: int, markers: int = 3) -> np.ndarray:
    """Markers that stand, 400 mm apart, and the first of which moves 1 mm a frame along x."""
    points = np.zeros((frames, markers, 3)) + np.arange(1, markers + 1)[:, None] * 400
    points[:, 0, 0] = 1000 + np.arange(frames) % 1000
    return points


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"TRIAL": {"ACTUAL_START_FIELD": np.array([1, 0]),
                   "ACTUAL_END_FIELD": np.array([MANY - 0x10000, 1])}},
        {"POINT": {"LONG_FRAMES": float(MANY)}},
        {"POINT": {"FRAMES": 1000}},
    ],
    ids=["file size", "TRIAL", "LONG_FRAMES", "wrong FRAMES"],
)  # fmt: skip
@pytest.mark.parametrize("last", [MANY, 0xFFFF], ids=["run over", "at its limit"])
def test_frames_beyond_two_bytes_are_read(
    groups: dict[str, dict[str, object]], last: int, tmp_path: Path
) -> None:
    analog = np.arange(2.0 * MANY)[:, None]
    path = write_c3d(tmp_path / "a.c3d", still(MANY), analog, last=last, groups=groups)
    found = read_c3d(path, up="z")
    assert found.markers.shape == (MANY, 9)
    assert found.markers.index[-1] == pytest.approx((MANY - 1) / 100)
    assert found.markers["M1"]["x"].iloc[-1] == pytest.approx(1.999)
    np.testing.assert_array_equal(found.analog["A1"], np.arange(2 * MANY))


def test_a_recording_that_begins_beyond_two_bytes_keeps_its_time(tmp_path: Path) -> None:
    start = 0x10000 + 100
    trial = {
        "ACTUAL_START_FIELD": np.array([100, 1]), "ACTUAL_END_FIELD": np.array([149, 1]),
    }  # fmt: skip
    path = write_c3d(tmp_path / "a.c3d", still(50), first=100, groups={"TRIAL": trial})
    assert read_markers(path).index[0] == pytest.approx((start - 1) / 100)


def test_a_long_recording_that_is_cut_short_is_refused(tmp_path: Path, refused: Refused) -> None:
    groups = {"POINT": {"LONG_FRAMES": float(MANY)}}
    path = write_c3d(tmp_path / "a.c3d", still(MANY), last=0xFFFF, groups=groups)
    path.write_bytes(path.read_bytes()[:-100_000])
    with refused(path, "cut short", str(MANY)):
        read_c3d(path)


def test_a_count_that_was_not_kept_when_the_file_was_cropped_does_not_matter(
    tmp_path: Path,
) -> None:
    trial = {"ACTUAL_START_FIELD": np.array([1, 0]), "ACTUAL_END_FIELD": np.array([900, 0])}
    path = write_c3d(tmp_path / "a.c3d", still(50), first=301, groups={"TRIAL": trial})
    markers = read_markers(path)
    assert len(markers) == 50 and markers.index[0] == pytest.approx(3.0)


def test_bytes_behind_the_last_frame_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_c3d(tmp_path / "a.c3d", still(50))
    path.write_bytes(path.read_bytes() + bytes(5000))
    with caplog.at_level(logging.INFO):
        assert len(read_markers(path)) == 50
    assert "bytes behind its 50 frames are not read" in caplog.text


def test_more_than_255_channels_and_points_keep_their_names_units_and_scales(
    tmp_path: Path,
) -> None:
    count, scales = 600, [1.0 + i for i in range(600)]
    groups = {"ANALOG": {"SCALE": scales[:255], "SCALE2": scales[255:510], "SCALE3": scales[510:]}}
    path = write_c3d(
        tmp_path / "a.c3d", still(4, 300), np.ones((8, count)),
        labels=[f"P{i}" for i in range(300)], channels=[f"E{i}" for i in range(count)],
        units=["V" if i < 300 else "mV" for i in range(count)], groups=groups,
    )  # fmt: skip
    found = read_c3d(path)
    assert list(found.analog.columns) == [f"E{i}" for i in range(count)]
    np.testing.assert_allclose(found.analog.iloc[0], scales)
    assert (found.units["E299"], found.units["E300"]) == ("V", "mV")
    assert found.markers["P299"].notna().all(axis=None)


@pytest.mark.parametrize(
    ("left_out", "groups"),
    [(["POINT"], {}), ([], {"POINT": {"UNITS": ["furlong"]}}), ([], {"POINT": {"RATE": 0.0}})],
    ids=["no POINT", "unknown unit", "no rate"],
)
def test_emg_needs_neither_markers_nor_their_unit(
    left_out: list[str], groups: dict[str, dict[str, object]], tmp_path: Path, refused: Refused
) -> None:
    signal = np.sin(np.arange(200) / 3)[:, None]
    path = write_c3d(
        tmp_path / "a.c3d", still(20), signal, channels=["TA"], groups=groups, left_out=left_out
    )
    emg = read_raw(path)
    np.testing.assert_allclose(emg["TA"], signal[:, 0], atol=1e-6)
    np.testing.assert_allclose(np.diff(emg.index), 1e-3, rtol=1e-6)
    if "RATE" not in str(groups):
        with refused(path, "POINT" if left_out else "'furlong'"):
            read_markers(path)


def test_two_rates_that_agree_are_believed_against_the_third(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signal = np.zeros((200, 1))
    path = write_c3d(tmp_path / "a.c3d", still(20), signal, groups={"POINT": {"RATE": 60.0}})
    with caplog.at_level(logging.INFO):
        emg = read_c3d_analog(path)
    np.testing.assert_allclose(np.diff(emg.index), 1e-3, rtol=1e-6)
    assert "100 frames a second by ANALOG:RATE and its header, but 60 by POINT:RATE" in caplog.text


def test_a_unit_of_positions_is_compared_with_them(
    tmp_path: Path, refused: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    metres = still(20) / 1000
    for unit in ("m", "Meters", "M"):
        path = write_c3d(tmp_path / "a.c3d", metres, groups={"POINT": {"UNITS": [unit]}})
        assert read_markers(path)["M2"]["x"].iloc[0] == pytest.approx(0.8)
    blank = write_c3d(tmp_path / "b.c3d", still(20), groups={"POINT": {"UNITS": []}})
    assert read_markers(blank)["M2"]["x"].iloc[0] == pytest.approx(0.8)
    with refused("POINT:UNITS is blank", "write the unit"):
        read_markers(write_c3d(tmp_path / "c.c3d", metres, groups={"POINT": {"UNITS": []}}))
    with caplog.at_level(logging.INFO):
        read_markers(write_c3d(tmp_path / "d.c3d", metres))
    assert "by POINT:UNITS, 'mm', the markers are" in caplog.text


def test_a_channel_with_a_gap_is_refused_with_its_time_and_the_others_are_read(
    tmp_path: Path, refused: Refused
) -> None:
    signals = np.ones((200, 3))
    signals[50:60, 1] = np.nan
    path = write_c3d(tmp_path / "a.c3d", still(20), signals, channels=["TA", "SOL", "GAS"])
    with refused(path, "channel 'SOL'", "0.05 s", "10 such rows"):
        read_raw(path)
    assert list(read_raw(path, ["TA", "GAS"]).columns) == ["TA", "GAS"]
    assert read_c3d(path).analog["SOL"].isna().sum() == 10


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field's files are not there")
def test_the_command_leaves_out_a_channel_with_a_gap(tmp_path: Path) -> None:
    path = FIELD / "c3d" / "nan_in_a_channel.c3d"
    refusal = command.run("emg", path, "-o", "all.sto", cwd=tmp_path)
    assert refusal.returncode == 2 and len(refusal.stderr.splitlines()) == 1
    assert "'SOL'" in refusal.stderr and "2 s" in refusal.stderr
    done = command.run(
        "emg", path, "--channel", "TA", "--channel", "GAS", "-o", "some.sto", cwd=tmp_path
    )
    assert done.returncode == 0 and (tmp_path / "some.sto").is_file()


def test_events_have_a_time_a_side_and_a_kind(tmp_path: Path) -> None:
    event = {
        "USED": 5, "CONTEXTS": ["Right", "Left", "Right", "General", "Left"],
        "LABELS": ["Foot Strike", "Foot Off", "Foot Off", "Trigger", "Foot Strike1"],
        "TIMES": np.array([[0, 0, 1, 0, 0], [3.5, 2.25, 1.0, 0.5, 4.0]], dtype=float),
    }  # fmt: skip
    path = write_c3d(tmp_path / "a.c3d", still(20), groups={"EVENT": event})
    events = read_c3d(path).events
    assert events.to_dict("list") == {
        "time": [0.5, 2.25, 3.5, 4.0, 61.0],
        "side": ["", "l", "r", "l", "r"],
        "event": ["", "foot off", "foot strike", "foot strike", "foot off"],
        "label": ["Trigger", "Foot Off", "Foot Strike", "Foot Strike1", "Foot Off"],
    }
    assert read_c3d(write_c3d(tmp_path / "b.c3d", still(20))).events.empty


def test_more_than_255_events_are_kept(tmp_path: Path) -> None:
    times = np.stack([np.zeros(300), np.arange(300) / 10])
    event = {
        "USED": 300, "CONTEXTS": ["Right"] * 255, "CONTEXTS2": ["Left"] * 45,
        "LABELS": ["Foot Strike"] * 255, "LABELS2": ["Foot Off"] * 45,
        "TIMES": times[:, :255], "TIMES2": times[:, 255:],
    }  # fmt: skip
    events = read_c3d(write_c3d(tmp_path / "a.c3d", still(20), groups={"EVENT": event})).events
    assert events["side"].tolist() == ["r"] * 255 + ["l"] * 45
    assert events["event"].tolist() == ["foot strike"] * 255 + ["foot off"] * 45


@pytest.mark.parametrize(
    ("label", "side", "kind"),
    [("RHS", "r", "foot strike"), ("LTO", "l", "foot off"),
     ("Right Heel Strike", "r", "foot strike"),
     ("Left Toe Off", "l", "foot off"), ("RIC", "r", "foot strike"), ("LFO", "l", "foot off"),
     ("Rest", "", ""), ("Landing", "", ""), ("Toe", "", ""), ("Foot contact", "", "foot strike")],
)  # fmt: skip
def test_events_are_known_by_their_usual_labels(label: str, side: str, kind: str) -> None:
    from nem2e_tf.files.c3d_events import read_events

    events = read_events({}, [[0.5, label]])
    assert events.iloc[0].tolist() == [0.5, side, kind, label]
