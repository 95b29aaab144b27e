"""Protocols: how recordings are split into training and test, without overlap."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nem2e_tf.cohort import sample_subject
from nem2e_tf.errors import InputError
from nem2e_tf.pipeline import Pair, Shards

from ..experiment import Experiment, Part
from ..places import data_folder
from .overground import simulate_overground_stride

PROTOCOLS = ("block", "speed", "task", "subject", "virtual")
REAL, VIRTUAL = "real recordings", "virtual people (synthetic)"


@dataclass(frozen=True)
class Fold:
    """A split of recordings into training and test.

    Args:
        section: the section of results. Folds of one section test different people.
        name: of the fold within its section.
        data: `REAL` or `VIRTUAL`, of what is tested.
        training_parts: what every method is fitted on.
        test: what is scored.
        has_measured_unit: whether errors are in the measured unit; else in shares of the person's
            maximum, by channel and trial; see `ScoredRecording.from_pair`.
    """

    section: str
    name: str
    data: str
    training_parts: list[Part]
    test: list[Pair]
    has_measured_unit: bool = False


@dataclass(frozen=True)
class EvaluationData:
    """The recordings of an evaluation.

    Args:
        experiment: Experiment.
        recorded: real trials.
        virtual: virtual people's, or None.
        others: of virtual people who are fitted on in `virtual` and never tested, or None.
        data: folder of the recordings, or None for the usual one.
    """

    experiment: Experiment
    recorded: Shards
    virtual: Shards | None
    others: Shards | None = None
    data: Path | None = None

    @property
    def cohort(self) -> Shards:
        """The virtual people; `InputError` where the experiment has none."""
        if self.virtual is None:
            raise InputError(f"{self.experiment.name}: has no cohort; speed and subject need one")
        return self.virtual


def make_folds(protocol: str, evaluation_data: EvaluationData, groups: int) -> list[Fold]:
    """The folds of a protocol.

    Args:
        protocol: one of `PROTOCOLS`.
        evaluation_data: EvaluationData.
        groups: number of groups of the cohort's people in `subject`.
    """
    if protocol == "block":
        return list(_block_folds(evaluation_data))
    if protocol == "task":
        return list(_task_folds(evaluation_data))
    if protocol == "speed":
        return list(_speed_folds(evaluation_data))
    overground_pair = simulate_overground_stride(evaluation_data.data or data_folder())
    if protocol == "subject":
        return [
            *_subject_folds(evaluation_data, groups),
            _overground_fold(evaluation_data, overground_pair),
        ]
    return list(_virtual_folds(evaluation_data, overground_pair))


def make_ablation_folds(evaluation_data: EvaluationData) -> list[Fold]:
    """The folds of an ablation: `block`, and walking of half of the cohort by the other half."""
    walking = evaluation_data.experiment.model_copy(update={"tasks": ["walking"]})
    half, _ = _subject_folds(replace(evaluation_data, experiment=walking), 2)
    return [*_block_folds(evaluation_data), half]


def _block_folds(evaluation_data: EvaluationData) -> Iterator[Fold]:
    """Train on the earlier time of a real trial, test on its later time."""
    experiment = evaluation_data.experiment
    first, last = (f"{100 * share:g}" for share in experiment.blocks.test)
    for task in experiment.tasks:
        recorded = _select_task(evaluation_data.recorded, task)
        test = Part(recorded, experiment.blocks.test).pairs()
        section = f"{task}, {first}-{last} % of the recording"
        yield Fold(
            section, task, REAL, _block_training_parts(evaluation_data, recorded, task), test, True
        )


def _block_training_parts(
    evaluation_data: EvaluationData, recorded: Shards, task: str
) -> list[Part]:
    """The earlier block, and the cohort where the experiment gives it a share."""
    cohort = evaluation_data.experiment.cohort
    virtual = evaluation_data.virtual if cohort is not None and cohort.share > 0.0 else None
    if virtual is not None:
        virtual = _select_task(virtual, task)
    return evaluation_data.experiment.training_parts(recorded, virtual)


def _task_folds(evaluation_data: EvaluationData) -> Iterator[Fold]:
    """Train on one task of the real person, test on the other."""
    for task in evaluation_data.experiment.tasks:
        training_part = Part(_select_task(evaluation_data.recorded, task))
        for pair in (p for p in evaluation_data.recorded.pairs() if p.task != task):
            section = f"fitted on {task}, tested on {pair.task}"
            yield Fold(section, section, REAL, [training_part], [pair])


def _speed_folds(evaluation_data: EvaluationData) -> Iterator[Fold]:
    """Train on the slower half of the cohort, test on the faster half, and the reverse."""
    speeds = speeds_by_subject(evaluation_data.experiment)
    for task in evaluation_data.experiment.tasks:
        people = _select_task(evaluation_data.cohort, task)
        slow, fast = split_by_speed(people, {s: of[task] for s, of in speeds.items()})
        for training_people, tested, which in (
            (slow, fast, "fitted on slower, tested on faster people"),
            (fast, slow, "fitted on faster, tested on slower people"),
        ):
            section = f"{task}, {which}"
            yield Fold(section, section, VIRTUAL, [Part(training_people)], list(tested.pairs()))


def speeds_by_subject(experiment: Experiment) -> dict[str, Mapping[str, float]]:
    """By virtual person and task, metres per second."""
    if experiment.cohort is None:
        return {}
    numbers = range(1, experiment.cohort.subjects + 1)
    people = (sample_subject(experiment.cohort.seed, number) for number in numbers)
    return {person.name: person.speeds for person in people}


def split_by_speed(people: Shards, speeds: Mapping[str, float]) -> tuple[Shards, Shards]:
    """Split people of one task into those slower than the median speed and the others.

    Args:
        people: Shards of one task.
        speeds: by subject.
    """
    median = float(np.median([speeds[shard.subject] for shard in people.selected]))
    return (
        people.select(lambda shard: speeds[shard.subject] < median),
        people.select(lambda shard: speeds[shard.subject] >= median),
    )


def _subject_folds(evaluation_data: EvaluationData, groups: int) -> Iterator[Fold]:
    """Leave each group of virtual people out once, and test on it."""
    for task in evaluation_data.experiment.tasks:
        people = _select_task(evaluation_data.cohort, task)
        for i, group in enumerate(
            group_subjects([s.subject for s in people.selected], groups), start=1
        ):
            training_people, tested = leave_out(people, group)
            name = f"{task}, {group[0] if len(group) == 1 else f'group {i}'}"
            yield Fold(task, name, VIRTUAL, [Part(training_people)], list(tested.pairs()))


def _select_task(shards: Shards, task: str) -> Shards:
    return shards.select(lambda shard: shard.task == task)


def leave_out(people: Shards, group: Sequence[str]) -> tuple[Shards, Shards]:
    """The people outside a group, and the group."""
    return (
        people.select(lambda shard: shard.subject not in group),
        people.select(lambda shard: shard.subject in group),
    )


def group_subjects(subjects: Sequence[str], groups: int) -> list[list[str]]:
    """Divide subjects into groups; each is a group where there are fewer subjects than groups.

    Raises:
        InputError: fewer than two groups, or subjects.
    """
    all_subjects = sorted(set(subjects))
    if min(groups, len(all_subjects)) < 2:
        raise InputError(
            f"{len(all_subjects)} people in {groups} groups: at least two of each are needed"
        )
    return [all_subjects[i::groups] for i in range(min(groups, len(all_subjects)))]


def _virtual_folds(evaluation_data: EvaluationData, overground_pair: Pair) -> Iterator[Fold]:
    """Train on virtual people alone; test on the cohort, of other people, and on real people."""
    if evaluation_data.others is None:
        raise InputError(f"{evaluation_data.experiment.name}: has no others; virtual needs them")
    for task in evaluation_data.experiment.tasks:
        training_people = _select_task(evaluation_data.others, task)
        for name, data, pairs in (
            ("virtual people", VIRTUAL, _select_task(evaluation_data.cohort, task).pairs()),
            ("a treadmill recording", REAL, _select_task(evaluation_data.recorded, task).pairs()),
            ("one overground stride", REAL, [overground_pair]),
        ):
            if tested := [pair for pair in pairs if pair.task == task]:
                section = f"{task}, tested on {name}"
                yield Fold(section, section, data, [Part(training_people)], tested)


def _overground_fold(evaluation_data: EvaluationData, overground_pair: Pair) -> Fold:
    """Train on all walking; test on another real person in another laboratory."""
    parts = (evaluation_data.recorded, evaluation_data.cohort)
    training_parts = [Part(_select_task(shards, overground_pair.task)) for shards in parts]
    return Fold(
        "walking, one overground stride", "overground", REAL, training_parts, [overground_pair]
    )
