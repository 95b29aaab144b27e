"""One real person and the virtual people of a cohort in numbers, for docs/cohort.md."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nem2e_tf.cohort import ELECTRODES, SPEEDS, sample_subject, select_causes, write_leg
from nem2e_tf.cohort.causes import read_causes
from nem2e_tf.cohort.session import record_session
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.signals import RATE, metrics, resample
from nem2e_tf.simulation import load_leg, simulate

from .cohort_comparison import ComparisonMeasures, comparison_measures

RECORDINGS = {"walking": "walk45", "running": "run81"}
CAUSE_SUBJECTS, CAUSE_STRIDES = 4, 10
"""Virtual people, and strides of each, with whom every cause is switched on alone."""
_START, _END = 1.0, 58.0
_BODY_MASS = 58.0
"""kg of the recorded person: mean vertical ground reaction of `walk45` over gravity."""


@dataclass(frozen=True)
class Person:
    """The numbers of one virtual person.

    Args:
        tasks: by task, the recording in numbers.
        effects: by `(task, cause)`, the table of `metrics` of estimate against EMG with that cause
            alone (`none` and `all` too), each scaled to its own largest value.
    """

    tasks: dict[str, ComparisonMeasures]
    effects: dict[tuple[str, str], pd.DataFrame]


def recorded_person(folder: Path) -> dict[str, ComparisonMeasures]:
    """Read and simulate the real person's recordings; `ComparisonMeasures` by task.

    Args:
        folder: path of the set `ceinms-lower-limb`.
    """
    leg = load_leg(folder / "gait2392.osim", "r")
    found = {}
    for task, trial in RECORDINGS.items():
        motion = read_motion(folder / trial / "ik.sto", leg.rotations)
        moments = read_storage(folder / trial / "id.sto")
        simulated = simulate(leg, motion, moments, start=_START, end=_END)
        measured = read_storage(folder / trial / "emgFilt.sto")[list(ELECTRODES)]
        measured = resample(measured, simulated.index.to_numpy())
        found[task] = comparison_measures(motion, moments, _BODY_MASS, simulated, measured)
    return found


def virtual_person(seed: int, strides: int, number: int) -> Person:
    """Make and simulate one virtual person.

    Args:
        seed: of the cohort.
        strides: of each task.
        number: of the person, from 1. The first `CAUSE_SUBJECTS` also get `Person.effects`.
    """
    subject = sample_subject(seed, number)
    with tempfile.TemporaryDirectory() as folder:
        leg = write_leg(subject, Path(folder) / "leg.osim")
    tasks = tuple(SPEEDS)
    in_numbers = {}
    for task, trial in record_session(subject, tasks, strides, select_causes(), leg).trials.items():
        did = trial.strides
        simulated = simulate(leg, did.motion, did.moments, start=did.start, end=did.end)
        measured = trial.emg.set_axis(simulated.index)
        in_numbers[task] = comparison_measures(
            did.motion, did.moments, subject.mass, simulated, measured
        )
    effects: dict[tuple[str, str], pd.DataFrame] = {}
    if number <= CAUSE_SUBJECTS:
        estimates: dict[str, pd.DataFrame] = {}
        for cause in ("none", *read_causes(), "all"):
            only = None if cause == "all" else [] if cause == "none" else [cause]
            done = record_session(subject, tasks, CAUSE_STRIDES, select_causes(only), leg)
            for task, trial in done.trials.items():
                did = trial.strides
                if task not in estimates:
                    estimates[task] = simulate(
                        leg, did.motion, did.moments, start=did.start, end=did.end
                    )[list(ELECTRODES)]
                effects[task, cause] = metrics.score_table(
                    (trial.emg / trial.emg.max()).set_axis(estimates[task].index),
                    estimates[task] / estimates[task].max(),
                    RATE,
                )
    return Person(in_numbers, effects)
