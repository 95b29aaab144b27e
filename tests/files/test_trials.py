"""Lists of trials, and every mistake in one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import pytest

from nem2e_tf.files import COLUMNS, Trial, read_trials

Refused = Callable[..., AbstractContextManager[None]]
ROW = {
    "subject": "s1", "task": "walking", "model": "leg.osim", "motion": "ik.sto", "loads": "",
    "moments": "id.sto", "emg": "emg.sto", "start": "0", "end": "10",
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with the files that `ROW` names, empty."""
    for name in ("leg.osim", "other.osim", "ik.sto", "id.sto", "emg.sto"):
        (tmp_path / name).touch()
    return tmp_path


def write(study: Path, *rows: dict[str, str]) -> Path:
    path = study / "trials.csv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


def test_a_trial_names_its_files_within_the_folder(study: Path) -> None:
    (trial,) = read_trials(write(study, ROW))
    assert trial == Trial(
        "s1", "walking", study / "leg.osim", study / "ik.sto", None, study / "id.sto",
        study / "emg.sto", 0.0, 10.0, "walking",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "column", "fault"),
    [
        ({"motion": "ik2.sto"}, "motion", "no file 'ik2.sto'"),
        ({"motion": ""}, "motion", "is empty"),
        ({"emg": "../secret.sto"}, "emg", "leads out of the folder"),
        ({"emg": "/etc/hostname"}, "emg", "leads out of the folder"),
        ({"start": "soon"}, "start", "'soon' is not a time"),
        ({"end": "nan"}, "end", "is not after"),
        ({"start": "11"}, "end", "is not after the start"),
        ({"task": " "}, "task", "is not a task"),
        ({"task": "runing"}, "task", "nearest is 'running'"),
        ({"subject": ""}, "subject", "is empty"),
        ({"model": "other.osim"}, "model", "another model in line 2"),
    ],
)
def test_a_fault_in_a_list_of_trials_is_named_by_line_and_column(
    study: Path, refused: Refused, change: dict[str, str], column: str, fault: str
) -> None:
    path = write(study, ROW, ROW | change)
    with refused(path, "line 3", f"'{column}'", fault):
        read_trials(path)


def test_a_missing_column_of_the_list_is_named(study: Path, refused: Refused) -> None:
    path = study / "trials.csv"
    path.write_text("subject,task,model,motions,loads,moments,emg,start,end\n")
    with refused(path, "'motion'", "nearest is 'motions'"):
        read_trials(path)


def test_an_empty_list_is_refused(study: Path, refused: Refused) -> None:
    with refused("no trials"):
        read_trials(write(study))
