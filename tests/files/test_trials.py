"""Lists of trials, and every mistake in one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nem2e_tf.files import COLUMNS, Trial, read_trials
from nem2e_tf.study.batch import Settings

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
    columns = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
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


def test_a_line_may_have_a_side_an_axis_and_tasks_of_its_own(study: Path) -> None:
    (study / "tasks.xml").write_text("")
    trial, other = read_trials(
        write(
            study,
            ROW | {"side": "l", "up": "+z", "ik_tasks": "tasks.xml"},
            ROW | {"side": "", "up": "", "ik_tasks": ""},
        )
    )
    assert (trial.side, trial.up, trial.ik_tasks) == ("l", "+z", (study / "tasks.xml").resolve())
    assert (other.side, other.up, other.ik_tasks) == ("", None, None)


def test_an_unknown_column_of_the_list_is_told_with_its_nearest_name(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "nem2e_tf"):
        read_trials(write(study, ROW | {"ik_task": "tasks.xml"}))
    assert "unknown column 'ik_task', ignored; the nearest is 'ik_tasks'" in caplog.text


def test_options_are_for_the_trials_whose_line_leaves_them_empty(study: Path) -> None:
    trial = read_trials(write(study, ROW))[0]
    markers = replace(trial, motion=study / "walk.c3d")
    settings = Settings("gait", side="l", ik_tasks=study / "tasks.xml", up="+z")
    request = settings.request(markers)
    assert (request.side, request.recording.up) == ("l", "+z")
    assert request.recording.tasks == study / "tasks.xml"
    own = settings.request(replace(markers, side="r", up="-y", ik_tasks=study / "own.xml"))
    assert (own.side, own.recording.up, own.recording.tasks) == ("r", "-y", study / "own.xml")
    assert settings.request(trial).recording.tasks is None
