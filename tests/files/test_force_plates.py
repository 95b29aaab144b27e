"""Force plates of every type, unit and baseline, against arithmetic on a load at a known place."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files.c3d import C3D, read_c3d
from nem2e_tf.files.plate_baseline import find_baseline
from nem2e_tf.files.plate_signals import PlateError, parse_moment, plate_wrench
from tests.files.c3d_files import plate_groups, write_c3d
from tests.repository import FIELD

Refused = Callable[..., AbstractContextManager[None]]

FRAMES, EACH = 60, 2
SAMPLES = FRAMES * EACH
DEPTH = 40.0
"""mm from the sensors of a plate up to its surface."""

SIDE = slice(40, 100)
"""Samples with a foot on the plate."""

PLACE = np.array([60.0, -90.0])
"""mm, of the load in the plate's own axes."""

FREE = 5000.0
"""N mm about the plate's z."""


def load() -> np.ndarray:
    """Force on the plate `(3, samples)`, N, in its own axes: z points into the ground."""
    force = np.zeros((3, SAMPLES))
    rise = np.sin(np.linspace(0.1, np.pi - 0.1, SIDE.stop - SIDE.start))
    force[:, SIDE] = np.array([[50.0], [-80.0], [800.0]]) * rise
    return force


def channels_of(kind: int) -> np.ndarray:
    """What a plate of this type records of the load, in N and N mm; z up from the sensors is -40.

    Type 2 and 4: the moment about the sensors' origin is arm × force, with the arm from there to
    the load, (x, y, -40), plus the free moment. Type 3: four sensors at (±a, ±b), a = b = 120.
    """
    force = load()
    free = FREE * force[2] / 800.0
    if kind == 1:
        on = force[2] > 0
        return np.vstack([force, PLACE[0] * on, PLACE[1] * on, free])
    x, y = PLACE
    moment = np.stack(
        [
            y * force[2] + DEPTH * force[1],
            -DEPTH * force[0] - x * force[2],
            x * force[1] - y * force[0] + free,
        ]
    )
    if kind in (2, 4):
        return np.vstack([force, moment])
    a = b = 120.0
    # Four vertical forces with the sum and the moments of the load; the twist by x12 and x34.
    base, tilt_x, tilt_y = force[2] / 4, moment[0] / (4 * b), moment[1] / (4 * a)
    z = [base + tilt_x - tilt_y, base + tilt_x + tilt_y, base - tilt_x + tilt_y,
         base - tilt_x - tilt_y]  # fmt: skip
    twist = moment[2] / (2 * b)
    return np.vstack([force[0] / 2 - twist, force[0] / 2 + twist, force[1] / 2, force[1] / 2, *z])


def recorded(
    path: Path,
    analog: np.ndarray,
    kinds: Sequence[int] = (2,),
    units: Sequence[str] = ("N", "N", "N", "Nmm", "Nmm", "Nmm"),
    origin: Sequence[float] = (0.0, 0.0, -DEPTH),
    zero: tuple[int, int] = (0, 0),
    **more: Any,
) -> Path:
    """A C3D file of these analog channels, six to a plate, or eight for a plate of type 3."""
    points = np.array([[0, 0, 0], [300, 0, 900], [0, 400, 1700]]) + np.zeros((FRAMES, 1, 1))
    each = len(analog) // len(kinds)
    fed = [range(i * each + 1, (i + 1) * each + 1) for i in range(len(kinds))]
    groups = plate_groups(
        kinds,
        [list(row) for row in fed],
        origins=[origin] * len(kinds),
        ZERO=np.array(zero),
        **more,
    )
    return write_c3d(path, points, analog.T, units=list(units) * len(kinds), groups=groups)


def assert_is_the_load(found: C3D, number: int = 1) -> None:
    """The ground's reaction: x of the plate is the laboratory's, and OpenSim's z is its y."""
    loads = found.ground_reactions().iloc[SIDE]
    force = -load()[:, SIDE]
    expected = {
        "force_{}_vx": force[0], "force_{}_vy": -force[2], "force_{}_vz": force[1],
        "force_{}_px": PLACE[0] / 1000, "force_{}_py": 0.0, "force_{}_pz": PLACE[1] / 1000,
        # The plate's z is down: a moment about it on the plate is one about y up on the foot.
        "torque_{}_y": FREE / 1000 * -force[2] / 800.0,
    }  # fmt: skip
    for name, values in expected.items():
        column = loads["ground_" + name.format(number)]
        np.testing.assert_allclose(column, values + 0 * column, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("sign", [1, -1])
def test_every_type_of_plate_gives_force_centre_of_pressure_and_free_moment(
    kind: int, sign: int, tmp_path: Path
) -> None:
    signals, units, more = channels_of(kind), ["N"] * 3 + ["Nmm"] * 3, {}
    signals[[i for i in range(len(signals)) if kind != 1 or i not in (3, 4)]] *= sign
    origin = [0.0, 0.0, -DEPTH]
    if kind == 1:
        units = ["N", "N", "N", "mm", "mm", "N-mm"]
    if kind == 3:
        units, origin = ["N"] * 8, [120.0, 120.0, -DEPTH]
    if kind == 4:
        matrix = np.diag([2.0, 4.0, 5.0, 400.0, 500.0, 800.0])
        matrix[0, 1] = 0.5
        signals, units = np.linalg.solve(matrix, signals), ["V"] * 6
        more = {"CAL_MATRIX": matrix[:, :, None]}
    path = recorded(tmp_path / "a.c3d", signals, [kind], units, origin, **more)
    found = read_c3d(path)
    assert found.plate_fault == "" and found.analog.empty
    assert_is_the_load(found)
    before = found.ground_reactions().iloc[: SIDE.start]
    assert (before == 0).all(axis=None)


def test_an_origin_with_the_sign_of_vicon_is_the_same_place(tmp_path: Path) -> None:
    assert_is_the_load(
        read_c3d(recorded(tmp_path / "a.c3d", channels_of(2), origin=(0.0, 0.0, DEPTH)))
    )


@pytest.mark.parametrize(
    "unit",
    ["Nm", "N-m", "N*m", "N m", "N·m", "N.m", "N⋅m", "n.m", "NM", "Newton-meters", "m·N"],
)
def test_newton_metres_are_known_in_every_spelling(unit: str) -> None:
    assert parse_moment(unit) == 1.0


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("Nmm", 1e-3), ("N-mm", 1e-3), ("N.mm", 1e-3), ("N mm", 1e-3), ("Ncm", 1e-2), ("kNm", 1e3),
     ("kN-m", 1e3), ("V", None), ("N/m", None), ("lbf-in", None), ("", None), ("N", None)],
)  # fmt: skip
def test_other_units_of_moments_are_known_or_not(unit: str, factor: float | None) -> None:
    assert parse_moment(unit) == factor


def test_each_channel_of_each_plate_has_a_unit_of_its_own(tmp_path: Path) -> None:
    first, second = channels_of(2), channels_of(2)
    first[3:5] /= 1000
    second[3:] /= 10
    second[2] /= 1000
    units = ["N", "N", "N", "N-m", "N·m", "Nmm", "N", "N", "kN", "N cm", "Ncm", "N.cm"]
    path = tmp_path / "a.c3d"
    points = np.array([[0, 0, 0], [300, 0, 900], [0, 400, 1700]]) + np.zeros((FRAMES, 1, 1))
    groups = plate_groups([2, 2], [range(1, 7), range(7, 13)], origins=[(0, 0, -DEPTH)] * 2)
    write_c3d(path, points, np.vstack([first, second]).T, units=units, groups=groups)
    found = read_c3d(path)
    assert_is_the_load(found, 1)
    assert_is_the_load(found, 2)


def test_an_unknown_unit_is_refused_by_name_and_costs_no_other_plate(
    tmp_path: Path, refused: Refused
) -> None:
    units = ["N", "N", "N", "Nmm", "Nmm", "Nmm"]
    with refused("plate 1 has channel 'A5' in 'lbf-in'", "moment in Nmm or Nm"):
        bad = [*units[:4], "lbf-in", "Nmm"]
        read_c3d(recorded(tmp_path / "a.c3d", channels_of(2), units=bad)).ground_reactions()
    with refused("plate 1 has channel 'A3' in 'V'", "force in N or kN"):
        bad = ["N", "N", "V", "Nmm", "Nmm", "Nmm"]
        read_c3d(recorded(tmp_path / "a.c3d", channels_of(2), units=bad)).ground_reactions()
    both = np.vstack([channels_of(2), channels_of(2)])
    found = read_c3d(recorded(tmp_path / "b.c3d", both, [7, 2]))
    assert [plate.number for plate in found.plates] == [2]
    assert "plate 1 is of type 7" in found.plate_fault
    assert_is_the_load(found, 2)


def test_blank_units_are_those_of_the_format_unless_the_signal_contradicts(
    tmp_path: Path, refused: Refused
) -> None:
    assert_is_the_load(read_c3d(recorded(tmp_path / "a.c3d", channels_of(2), units=[""] * 6)))
    signals = channels_of(2)
    signals[3:] *= 1000
    with refused("plate 1 has its centre of pressure beside it", "name a unit"):
        read_c3d(recorded(tmp_path / "b.c3d", signals, units=[""] * 6)).ground_reactions()


def test_a_unit_that_the_signal_contradicts_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = recorded(tmp_path / "a.c3d", channels_of(2), units=["N"] * 3 + ["Nm"] * 3)
    with caplog.at_level(logging.INFO):
        read_c3d(path).ground_reactions()
    assert "plate 1 has its centre of pressure beside it in 100 %" in caplog.text
    signals = channels_of(2)
    signals[3:] /= 1000
    path = recorded(tmp_path / "b.c3d", signals, origin=(0.0, 0.0, 0.0))
    with caplog.at_level(logging.INFO):
        read_c3d(path).ground_reactions()
    assert "never leaves its middle" in caplog.text


def test_a_channel_with_a_gap_costs_its_plate_alone(tmp_path: Path) -> None:
    both = np.vstack([channels_of(2), channels_of(2)])
    both[1, 30] = np.nan
    found = read_c3d(recorded(tmp_path / "a.c3d", both, [2, 2]))
    assert "plate 1 has no number in channel 'A2' at its sample 31" in found.plate_fault
    assert_is_the_load(found, 2)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_level_of_an_unloaded_plate_is_subtracted(
    sign: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offset = np.array([[7.0], [-9.0], [35.0], [900.0], [-700.0], [300.0]])
    path = recorded(tmp_path / "a.c3d", sign * channels_of(2) + offset, zero=(1, 10))
    with caplog.at_level(logging.INFO):
        assert_is_the_load(read_c3d(path))
    assert "35 N without a load in frames 1-10" in caplog.text


@pytest.mark.parametrize("sign", [1, -1])
def test_a_plate_that_is_loaded_in_the_frames_of_zero_keeps_its_forces(
    sign: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = recorded(tmp_path / "a.c3d", sign * channels_of(2), zero=(30, 39))
    with caplog.at_level(logging.INFO):
        assert_is_the_load(read_c3d(path))
    assert "N in frames 30-39, which FORCE_PLATFORM:ZERO names" in caplog.text
    assert "no level is subtracted" in caplog.text


def test_each_plate_is_looked_at_for_itself(tmp_path: Path) -> None:
    second = np.roll(channels_of(2), -SIDE.start - 20, axis=1) + 5.0
    both = np.vstack([channels_of(2) + 5.0, second])
    found = read_c3d(recorded(tmp_path / "a.c3d", both, [2, 2], zero=(1, 10)))
    assert_is_the_load(found, 1)
    expected = np.roll(load()[2], -SIDE.start - 20) + 5.0
    np.testing.assert_allclose(
        found.ground_reactions()["ground_force_2_vy"],
        np.where(expected < 20, 0, expected),
        rtol=1e-4,
    )


def level(*parts: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(count, float(value)) for count, value in parts])


@pytest.mark.parametrize(
    ("force", "is_subtracted"),
    [
        (level((20, 3), (40, 700), (40, 3)), True),
        (level((20, 45), (40, 800), (40, 45)), True),  # an amplifier's offset
        (level((20, 30), (80, 31)), True),  # the same, and nobody steps on the plate
        (level((20, -600), (40, -1400), (40, -600)), True),  # a large one that comes back
        (level((20, -600), (40, -600), (40, 0)), False),  # stance, then nobody
        (level((20, 350), (80, 355)), False),  # standing still throughout
        (level((20, 350), (30, 700), (30, 350), (20, 2)), False),
        (level((5, 0), (15, 300), (80, 0)), False),  # a step begins within the frames
    ],
)
def test_the_force_says_whether_the_plate_was_unloaded(
    force: np.ndarray, is_subtracted: bool
) -> None:
    samples, _ = find_baseline(force, np.array([1, 10]), len(force))
    assert (samples is not None) == is_subtracted


def test_frames_beyond_the_recording_are_told() -> None:
    samples, note = find_baseline(np.zeros(20), np.array([1, 30]), 20)
    assert samples is None and "the file has 20 frames" in note
    assert find_baseline(np.zeros(20), np.array([1, 0]), 20) == (None, "")


def test_a_direction_that_changes_with_the_level_is_refused(
    tmp_path: Path, refused: Refused
) -> None:
    signals = channels_of(2)
    signals[2] -= 600.0
    with refused("plate 1 is loaded upwards with, and downwards without"):
        read_c3d(recorded(tmp_path / "a.c3d", signals, zero=(1, 10))).ground_reactions()


def test_a_plate_to_be_calibrated_needs_its_matrix() -> None:
    with pytest.raises(PlateError, match="no calibration matrix"):
        plate_wrench(4, np.ones((6, 2)), ["V"] * 6, list("abcdef"), np.zeros(3), None, 0.001)


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field's files are not there")
def test_the_fields_files_give_the_loads_of_their_twins(caplog: pytest.LogCaptureFixture) -> None:
    folder = FIELD / "c3d"

    def loads(name: str) -> pd.DataFrame:
        return read_c3d(folder / name).ground_reactions()

    with caplog.at_level(logging.INFO):
        cropped = loads("plate_loaded_in_baseline.c3d")
    pd.testing.assert_frame_equal(cropped, loads("plate_without_baseline.c3d"), check_exact=True)
    assert "plate 1 carries" in caplog.text and "no level is subtracted" in caplog.text
    pd.testing.assert_frame_equal(
        loads("moments_in_N-m.c3d"), loads("moments_in_Nmm.c3d"), atol=1e-4, check_exact=False
    )
