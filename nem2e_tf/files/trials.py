"""Lists of recorded trials: a CSV that a person edits in a spreadsheet."""

import itertools
import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files.paths import check_input

FILE_COLUMNS = ("model", "motion", "loads", "moments", "emg")
COLUMNS = ("subject", "task", *FILE_COLUMNS, "start", "end")
OPTIONAL_COLUMNS = ("trial", "ik_tasks", "side", "up")
SIDES = ("r", "l")
TASKS = ("walking", "running", "stairs", "sit-to-stand", "squatting", "jumping", "cycling", "other")

log = logging.getLogger(__name__)

FaultHandler = Callable[[str, str, str, str], None]


@dataclass(frozen=True)
class Trial:
    """A recording: its subject, task, files and time range.

    Args:
        subject: who moved.
        task: what was done, one of `TASKS`.
        model: the OpenSim model.
        motion: joint motion.
        loads: external loads, or None.
        moments: joint moments, or None.
        emg: measured EMG envelopes, or None.
        start: seconds.
        end: seconds.
        ik_tasks: OpenSim IKTaskSet (.xml) of a trial with markers, or None.
        side: `r` or `l`; empty where the list does not say it.
        up: axis of a .c3d that points up, or None.
        label: distinguishes it from the subject's other trials; the name of its results.
    """

    subject: str
    task: str
    model: Path
    motion: Path
    loads: Path | None
    moments: Path | None
    emg: Path | None
    start: float
    end: float
    label: str = ""
    ik_tasks: Path | None = None
    side: str = ""
    up: str | None = None

    @property
    def name(self) -> str:
        """The trial's name in messages and tables of results."""
        return f"{self.subject} {self.task}"


def read_trials(
    path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    on_fault: FaultHandler | None = None,
) -> list[Trial]:
    """Read a list of trials, a CSV with the columns `COLUMNS`, and any of `OPTIONAL_COLUMNS`.

    An unknown column gives a note.

    Args:
        path: str or path. The CSV. An empty cell in loads, moments or emg means that there is
            none.
        data: str, path or None. Folder that the file names are relative to; None is the CSV's
            own. No file may lie outside it.
        on_fault: callable or None. Called with the subject, task and label of a trial with a fault,
            and the fault; the trial is left out. None raises the first fault.

    Raises:
        InputError: the first fault, with its line and column.
    """
    path = check_input(path, "a list of trials")
    root = (Path(data) if data is not None else path.parent).resolve()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of recordings")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table: {' '.join(str(error).split())}") from None
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: rows have more cells than the {table.shape[1]} columns")
    for column in COLUMNS:
        if column not in table.columns:
            raise InputError(f"{path}: no column '{column}'; {suggest_name(column, table.columns)}")
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    for column in table.columns:
        if column not in known and not column.startswith("Unnamed: "):
            log.info("%s: unknown column '%s', ignored; %s", path, column,
                     suggest_name(column, known))  # fmt: skip
    if table.empty:
        raise InputError(f"{path}: no trials below the column names")
    trials: list[Trial] = []
    models: dict[str, tuple[int, Path]] = {}
    taken: dict[tuple[str, str], int] = {}
    for line, row in enumerate(table.to_dict("records"), start=2):
        subject, label = (str(row.get(column, "")).strip() for column in ("subject", "trial"))
        label = label or _number_label(row["task"].strip(), subject, taken)
        try:
            before = taken.setdefault((subject, label), line)
            if before != line:
                raise InputError(
                    f"{path}: line {line}, column 'trial': subject '{subject}' has another"
                    f" '{label}' in line {before}; name each trial of a subject differently"
                )
            trial = replace(_parse_trial(path, root, line, row), label=label)
            before, model = models.setdefault(subject, (line, trial.model))
            if model != trial.model:
                raise InputError(
                    f"{path}: line {line}, column 'model': subject '{subject}' has another model"
                    f" in line {before}, {model.name}; one subject has one model"
                )
        except InputError as fault:
            if on_fault is None:
                raise
            on_fault(subject, row["task"].strip(), label, str(fault))
        else:
            trials.append(trial)
    return trials


def _number_label(task: str, subject: str, taken: Collection[tuple[str, str]]) -> str:
    """The task, with a number if the subject has done it before."""
    labels = itertools.chain([task], (f"{task}-{number}" for number in itertools.count(2)))
    return next(label for label in labels if (subject, label) not in taken)


def _parse_trial(path: Path, root: Path, line: int, row: Mapping[Any, Any]) -> Trial:
    def refuse(column: str, fault: str) -> InputError:
        return InputError(f"{path}: line {line}, column '{column}': {fault}")

    files: dict[str, Path | None] = {}
    for column in (*FILE_COLUMNS, "ik_tasks"):
        name = row.get(column, "").strip()
        if not name:
            if column in ("model", "motion"):
                raise refuse(column, "is empty; a trial needs it")
            files[column] = None
            continue
        try:
            file = (root / name).resolve()
            inside, there = file.is_relative_to(root), file.is_file()
        except (OSError, ValueError, RuntimeError):  # no name of a file; a loop of links
            inside, there = True, False
        if not inside:
            raise refuse(column, f"'{name}' leads out of the folder {root}")
        if not there:
            raise refuse(column, f"no file '{name}' in {root}")
        files[column] = file
    times = []
    for column in ("start", "end"):
        try:
            times.append(float(row[column]))
        except ValueError:
            raise refuse(column, f"'{row[column]}' is not a time in seconds") from None
    if row["task"].strip() not in TASKS:
        raise refuse("task", f"'{row['task']}' is not a task; {suggest_name(row['task'], TASKS)}")
    if not times[0] < times[1] < float("inf"):
        raise refuse("end", f"{times[1]:g} s is not after the start, {times[0]:g} s")
    if not row["subject"].strip():
        raise refuse("subject", "is empty; name who moved")
    side, up = (row.get(column, "").strip() for column in ("side", "up"))
    if side and side not in SIDES:
        raise refuse("side", f"there is no side '{side}'; expected r or l")
    model, motion = files["model"], files["motion"]
    assert model is not None and motion is not None
    return Trial(
        row["subject"].strip(), row["task"].strip(), model, motion,
        files["loads"], files["moments"], files["emg"], times[0], times[1],
        ik_tasks=files["ik_tasks"], side=side, up=up or None,
    )  # fmt: skip
