"""Names of markers: subjects' prefixes, objects, unlabelled points, tables of names."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import marker_names, read_c3d, read_markers, suggest_pairs
from nem2e_tf.files.marker_labels import find_subjects, remove_prefix
from tests.files.c3d_files import write_c3d
from tests.repository import FIELD

Refused = Callable[..., AbstractContextManager[None]]

NAMES = ["RASI", "LASI", "RKNE", "LKNE", "RANK", "LANK"]


def write_trc(path: Path, names: list[str]) -> Path:
    """A .trc of two frames; marker i is at i + 1 mm along x, and somewhere else along y."""
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1))
    cells = "\t".join(f"{i + 1}\t{100 + i}\t{i}" for i in range(len(names)))
    labels = "\t\t\t".join(names)
    path.write_text(
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n"
        f"100\t100\t2\t{len(names)}\tmm\n"
        f"Frame#\tTime\t{labels}\t\t\n\t\t{axes}\n\n1\t0.00\t{cells}\n2\t0.01\t{cells}\n"
    )
    return path


def write_labels(folder: Path, suffix: str, names: list[str]) -> Path:
    """Markers of these names, as one of the two formats."""
    if suffix == ".trc":
        return write_trc(folder / "a.trc", names)
    places = np.arange(3 * len(names), dtype=float).reshape(-1, 3) * 20
    return write_c3d(folder / "a.c3d", places + np.zeros((2, 1, 1)), labels=names)


@pytest.mark.parametrize("suffix", [".trc", ".c3d"])
@pytest.mark.parametrize(
    "others", [["*110", "*111"], ["Box:c1", "Box:c2"], ["Box:RASI", "Wand:tip", "C_7"]]
)
def test_a_subjects_prefix_is_removed_beside_other_points(
    suffix: str, others: list[str], tmp_path: Path
) -> None:
    path = write_labels(tmp_path, suffix, [*others, *(f"S01:{name}" for name in NAMES)])
    assert marker_names(read_markers(path)) == [*others, *NAMES]


@pytest.mark.parametrize("suffix", [".trc", ".c3d"])
def test_with_two_people_the_file_asks_which(suffix: str, tmp_path: Path, refused: Refused) -> None:
    both = [f"{who}:{name}" for who in ("Ann", "Bob") for name in NAMES]
    path = write_labels(tmp_path, suffix, both)
    with refused(path, "2 subjects, 'Ann' (6) and 'Bob' (6)", "--marker-prefix"):
        read_markers(path)
    bob = read_markers(path, prefix="Bob")
    assert marker_names(bob) == [*both[:6], *NAMES]
    whole = read_markers(path, prefix="Ann")
    np.testing.assert_array_equal(bob["RASI"], whole["Bob:RASI"])
    with refused("'Bub:'", "nearest is 'Bob'"):
        read_markers(path, prefix="Bub")


def test_channels_and_loads_of_two_people_are_read_all_the_same(tmp_path: Path) -> None:
    both = [f"{who}:{name}" for who in ("Ann", "Bob") for name in NAMES]
    found = read_c3d(write_labels(tmp_path, ".c3d", both))
    assert marker_names(found.markers) == both


def test_people_and_objects_are_told_apart() -> None:
    ann = [f"Ann:{name}" for name in NAMES]
    assert find_subjects(["*1", "C7", *ann]) == ["Ann"]
    assert find_subjects([*ann, "Box:a", "Box:b"]) == ["Ann"]
    assert find_subjects([*ann, *(f"Bob:{name}" for name in NAMES[:4])]) == ["Ann", "Bob"]
    other_set = [f"Bob:m{i}" for i in range(12)]
    assert find_subjects([*ann, *other_set]) == ["Bob"]
    assert find_subjects([*other_set, *(f"Ann:k{i}" for i in range(11))]) == ["Bob", "Ann"]
    assert find_subjects(["RASI", ":x", "y:"]) == []


def test_names_stay_different_without_their_prefix() -> None:
    assert remove_prefix(["RASI", "A:RASI", "A:C7", "C7", "C7_2"], "A") == [
        "RASI_2", "RASI", "C7", "C7_3", "C7_2",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".trc", ".c3d"])
def test_a_table_gives_markers_the_names_of_the_model(
    suffix: str, tmp_path: Path, refused: Refused
) -> None:
    path = write_labels(tmp_path, suffix, [f"S:{name}" for name in NAMES])
    table = tmp_path / "names.yaml"

    def read(text: str) -> pd.DataFrame:
        table.write_text(text)
        return read_markers(path, names=table)

    renamed = read("R.ASIS: RASI\nR.Knee: RKNE\n")
    assert marker_names(renamed) == ["R.ASIS", "LASI", "R.Knee", "LKNE", "RANK", "LANK"]
    np.testing.assert_array_equal(renamed["R.ASIS"], read_markers(path)["RASI"])
    # Two names may also change places.
    assert marker_names(read("RASI: LASI\nLASI: RASI\n"))[:2] == ["LASI", "RASI"]
    with refused(table, "'R.ASIS': no marker 'RASIS'", "nearest is 'RASI'"):
        read("R.ASIS: RASIS")
    with refused(table, "'LASI' is also the name of another marker"):
        read("LASI: RASI")
    with refused(table, "'RASI' is the name of 'a' and of 'b'"):
        read("a: RASI\nb: RASI")
    with refused(table, "not a table of marker names"):
        read("- RASI")


def test_the_nearest_names_are_proposed_and_never_of_the_other_side() -> None:
    model = ["R.ASIS", "L.ASIS", "R.Knee", "L.Ankle", "R.Heel", "Sacrum"]
    recorded = ["RASI", "LASI", "RKNE", "LANK", "S:RHEE", "T10"]
    assert dict(suggest_pairs(model, recorded)) == {
        "R.ASIS": "RASI", "L.ASIS": "LASI", "R.Knee": "RKNE", "L.Ankle": "LANK",
        "R.Heel": "S:RHEE",
    }  # fmt: skip
    assert suggest_pairs(["right_knee"], ["knee_l", "knee_r"]) == [("right_knee", "knee_r")]


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field's files are not there")
@pytest.mark.parametrize("name", ["labels_prefix_and_unlabelled", "labels_of_two_objects"])
def test_the_fields_files_have_the_markers_of_their_twin(name: str) -> None:
    plain = read_markers(FIELD / "c3d" / "labels_plain.c3d")
    other = read_markers(FIELD / "c3d" / f"{name}.c3d")
    pd.testing.assert_frame_equal(other[marker_names(plain)], plain, check_exact=True)
