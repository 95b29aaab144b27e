"""A cohort on disk: the files of virtual people and their list of trials."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nem2e_tf.cohort.causes import select_causes
from nem2e_tf.cohort.cycles import SPEEDS
from nem2e_tf.cohort.session import VirtualSession, record_session, write_leg
from nem2e_tf.cohort.subject import sample_subject
from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import COLUMNS, check_folder, replace_file, write_storage
from nem2e_tf.processes import map_in_processes
from nem2e_tf.simulation import Progress

LIST = "trials.csv"


@dataclass(frozen=True)
class Recipe:
    """The settings of a cohort; the same settings give the same files, byte by byte.

    Args:
        seed: not negative. Another seed gives other people.
        tasks: `walking`, `running` or both.
        strides: of each task.
        active_causes: names of the causes that act, from `select_causes`.
        raw: whether raw EMG is written too, some 5 MB a trial.
    """

    seed: int = 1
    tasks: tuple[str, ...] = tuple(SPEEDS)
    strides: int = 30
    active_causes: frozenset[str] = select_causes()
    raw: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"the seed {self.seed} is negative")
        if self.strides < 3:
            raise InputError(f"{self.strides} strides are too few; 3 are the least")
        if not self.tasks:
            raise InputError(f"no task; there is {' and '.join(SPEEDS)}")
        for task in self.tasks:
            if task not in SPEEDS:
                raise InputError(f"there is no task '{task}'; {suggest_name(task, SPEEDS)}")


def make_cohort(
    folder: str | os.PathLike[str],
    subjects: int,
    recipe: Recipe | None = None,
    *,
    jobs: int = -1,
    progress: Progress | None = None,
) -> Path:
    """Make virtual people; write what a laboratory would measure of them, and the hidden truth.

    Into `folder` go `trials.csv`, `cohort.json` and a folder a person with

        leg.osim                the generic model, scaled: what a laboratory would use
        <task>/motion.mot       joint angles, radians
        <task>/moments.sto      joint moments, N m
        <task>/emg.sto          envelopes of nine electrodes at 100 Hz, 1 the person's largest
        <task>/raw_emg.sto      their raw EMG at 1000 Hz in mV, if asked for
        <task>/truth.sto        hidden: true excitation of every muscle, as the EMG shows it
        physiology.json         hidden: everything in which the person differs from the model

    Files depend on the recipe and a person's number alone, not on how many people or processes
    there are.

    Args:
        folder: str or path. New or empty, or of an interrupted call.
        subjects: how many, at least 1.
        recipe: Recipe or None for the usual one.
        jobs: int. Processes; -1 is one for every processor.
        progress: callable or None. Called with the people done and all.

    Returns:
        Path of `trials.csv`.

    Raises:
        InputError: no people, or the folder holds a cohort already or cannot be written to.
    """
    recipe = recipe or Recipe()
    if subjects < 1:
        raise InputError(f"{subjects} subjects are too few; 1 is the least")
    folder = check_folder(folder)
    if (folder / LIST).exists():
        raise InputError(f"{folder}: holds a cohort already ({LIST}); name another folder")
    rows: dict[int, list[list[str]]] = {}
    numbers = range(1, subjects + 1)
    make = partial(_make_subject, folder=folder, recipe=recipe)
    for number, made in map_in_processes(make, {n: n for n in numbers}, jobs):
        rows[number] = made
        if progress is not None:
            progress(len(rows), subjects)
    _write_json(
        folder / "cohort.json",
        {
            "synthetic": True,
            "seed": recipe.seed,
            "subjects": subjects,
            "tasks": list(recipe.tasks),
            "strides": recipe.strides,
            "causes": sorted(recipe.active_causes),
        },
    )
    with (
        replace_file(folder / LIST) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row for number in numbers for row in rows[number])
    return folder / LIST


def _make_subject(number: int, folder: Path, recipe: Recipe) -> list[list[str]]:
    """Write one person's files; the rows of the list of trials."""
    subject = sample_subject(recipe.seed, number)
    person_folder = check_folder(folder / subject.name)
    leg = write_leg(subject, person_folder / "leg.osim")
    session = record_session(subject, recipe.tasks, recipe.strides, recipe.active_causes, leg)
    write_hidden_parameters(session, person_folder / "physiology.json")
    rows = []
    for task in recipe.tasks:
        task_folder = check_folder(person_folder / task)
        start, end = write_trial(session, task, task_folder, recipe.raw)
        names = [f"{subject.name}/{task}/{name}" for name in ("motion.mot", "moments.sto")]
        model, emg = f"{subject.name}/leg.osim", f"{subject.name}/{task}/emg.sto"
        rows.append(
            [subject.name, task, model, names[0], "", names[1], emg, f"{start:g}", f"{end:g}"]
        )
    return rows


def write_trial(
    session: VirtualSession, task: str, task_folder: Path, raw: bool
) -> tuple[float, float]:
    """Write the files of one task into a folder; the seconds at which its strides start and end."""
    trial, name = session.trials[task], session.subject.name
    what = f"of {name}, {task} (synthetic)"
    # Rounded far below the precision of the data, to keep the files small.
    write_storage(trial.strides.motion.round(8), task_folder / "motion.mot", f"Joint motion {what}")
    write_storage(
        trial.strides.moments.round(6), task_folder / "moments.sto", f"Joint moments {what}"
    )
    write_storage(trial.emg.round(6), task_folder / "emg.sto", f"EMG envelopes {what}")
    write_storage(trial.excitation.round(6), task_folder / "truth.sto", f"True excitation {what}")
    if raw and trial.raw is not None:
        write_storage(trial.raw.round(6), task_folder / "raw_emg.sto", f"Raw EMG in mV {what}")
    return trial.strides.start, trial.strides.end


def write_hidden_parameters(session: VirtualSession, path: Path) -> None:
    """Write a person's hidden parameters with body, speeds and foot strikes."""
    subject = session.subject
    _write_json(
        path,
        {
            "synthetic": True,
            "subject": subject.name,
            "mass": subject.mass,
            "height": subject.height,
            "proportions": dict(subject.proportions),
            "speeds": {task: subject.speeds[task] for task in session.trials},
            "foot_strikes": {
                task: [round(float(t), 4) for t in trial.strides.strikes]
                for task, trial in session.trials.items()
            },
            "physiology": session.physiology.as_json(),
        },
    )


def _write_json(path: Path, value: object) -> None:
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")
