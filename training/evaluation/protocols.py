"""Protocols: what teaches and what is tested, so that nothing tested has been seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nem2e_tf.cohort import sample_subject
from nem2e_tf.errors import InputError
from nem2e_tf.pipeline import Pair, Shards

from ..experiment import Experiment, Part, data_folder
from .overground import overground

PROTOCOLS = ("block", "speed", "task", "subject", "virtual")
REAL, VIRTUAL = "real recordings", "virtual people (synthetic)"


@dataclass(frozen=True)
class Fold:
    """A split of recordings into what teaches and what is tested.

    Args:
        section: what results it belongs to. Folds of one section test different people.
        name: of the fold within its section.
        data: `REAL` or `VIRTUAL`, of what is tested.
        teaching: what every method is fitted on.
        test: what is scored.
        measured_unit: whether errors are in the measured unit; else in shares of the person's
            maximum, by channel and trial; see `training.scoring.Estimated.of`.
    """

    section: str
    name: str
    data: str
    teaching: list[Part]
    test: list[Pair]
    measured_unit: bool = False


@dataclass(frozen=True)
class Material:
    """Everything that there is to teach and test with.

    Args:
        experiment: Experiment.
        recorded: real trials.
        virtual: virtual people's, or None.
        others: of virtual people who teach in `virtual` and are never tested, or None.
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


def folds(protocol: str, material: Material, groups: int) -> list[Fold]:
    """The folds of a protocol.

    Args:
        protocol: one of `PROTOCOLS`.
        material: Material.
        groups: into how many groups the people of the cohort are parted in `subject`.
    """
    if protocol == "block":
        return list(_block(material))
    if protocol == "task":
        return list(_task(material))
    if protocol == "speed":
        return list(_speed(material))
    stranger = overground(material.data or data_folder())
    if protocol == "subject":
        return [*_subject(material, groups), _overground(material, stranger)]
    return list(_virtual(material, stranger))


def ablation_folds(material: Material) -> list[Fold]:
    """What an ablation is measured on: `block`, and in walking half of the cohort by the other."""
    walking = material.experiment.model_copy(update={"tasks": ["walking"]})
    half, _ = _subject(replace(material, experiment=walking), 2)
    return [*_block(material), half]


def _block(material: Material) -> Iterator[Fold]:
    """Earlier time of a real trial teaches, later time of the same trial is tested."""
    experiment = material.experiment
    first, last = (f"{100 * share:g}" for share in experiment.blocks.test)
    for task in experiment.tasks:
        recorded = _of(material.recorded, task)
        test = Part(recorded, experiment.blocks.test).pairs()
        section = f"{task}, the {first}-{last} % of the time"
        yield Fold(section, task, REAL, _taught(material, recorded, task), test, True)


def _taught(material: Material, recorded: Shards, task: str) -> list[Part]:
    """The earlier block, and with it the cohort where the experiment gives that a share."""
    cohort = material.experiment.cohort
    virtual = material.virtual if cohort is not None and cohort.share > 0.0 else None
    if virtual is not None:
        virtual = _of(virtual, task)
    return material.experiment.teaching(recorded, virtual)


def _task(material: Material) -> Iterator[Fold]:
    """One task of the real person teaches, the other is tested."""
    for task in material.experiment.tasks:
        teaching = Part(_of(material.recorded, task))
        for pair in (p for p in material.recorded.pairs() if p.task != task):
            section = f"taught {task}, tested {pair.task}"
            yield Fold(section, section, REAL, [teaching], [pair])


def _speed(material: Material) -> Iterator[Fold]:
    """The slower half of the cohort teaches, the faster is tested, and the other way round."""
    speeds = speeds_of(material.experiment)
    for task in material.experiment.tasks:
        people = _of(material.cohort, task)
        slow, fast = halves(people, {s: of[task] for s, of in speeds.items()})
        for teaching, tested, which in (
            (slow, fast, "slower people teach, faster are tested"),
            (fast, slow, "faster people teach, slower are tested"),
        ):
            section = f"{task}, {which}"
            yield Fold(section, section, VIRTUAL, [Part(teaching)], list(tested.pairs()))


def speeds_of(experiment: Experiment) -> dict[str, Mapping[str, float]]:
    """By virtual person and task, metres per second."""
    if experiment.cohort is None:
        return {}
    numbers = range(1, experiment.cohort.subjects + 1)
    people = (sample_subject(experiment.cohort.seed, number) for number in numbers)
    return {person.name: person.speeds for person in people}


def halves(people: Shards, speeds: Mapping[str, float]) -> tuple[Shards, Shards]:
    """Those slower than the median of all, and the rest.

    Args:
        people: Shards of one task.
        speeds: by subject.
    """
    median = float(np.median([speeds[shard.subject] for shard in people.selected]))
    return (
        people.select(lambda shard: speeds[shard.subject] < median),
        people.select(lambda shard: speeds[shard.subject] >= median),
    )


def _subject(material: Material, groups: int) -> Iterator[Fold]:
    """A group of virtual people is tested, all others teach, until each has been tested."""
    for task in material.experiment.tasks:
        people = _of(material.cohort, task)
        for i, group in enumerate(grouped([s.subject for s in people.selected], groups), start=1):
            teaching, tested = without(people, group)
            name = f"{task}, {group[0] if len(group) == 1 else f'group {i}'}"
            yield Fold(task, name, VIRTUAL, [Part(teaching)], list(tested.pairs()))


def _of(shards: Shards, task: str) -> Shards:
    return shards.select(lambda shard: shard.task == task)


def without(people: Shards, group: Sequence[str]) -> tuple[Shards, Shards]:
    """Everybody but a group, and the group."""
    return (
        people.select(lambda shard: shard.subject not in group),
        people.select(lambda shard: shard.subject in group),
    )


def grouped(subjects: Sequence[str], groups: int) -> list[list[str]]:
    """Subjects in so many groups, or each alone where there are fewer.

    Raises:
        InputError: fewer than two groups, or subjects.
    """
    every = sorted(set(subjects))
    if min(groups, len(every)) < 2:
        raise InputError(f"{len(every)} people in {groups} groups: at least two of each are needed")
    return [every[i::groups] for i in range(min(groups, len(every)))]


def _virtual(material: Material, stranger: Pair) -> Iterator[Fold]:
    """Virtual people alone teach; the cohort, of whom none taught, and real people are tested."""
    if material.others is None:
        raise InputError(f"{material.experiment.name}: has no others; virtual needs them")
    for task in material.experiment.tasks:
        teaching = _of(material.others, task)
        people = len({shard.subject for shard in teaching.selected})
        for name, data, pairs in (
            ("the cohort", VIRTUAL, _of(material.cohort, task).pairs()),
            ("on a treadmill", REAL, _of(material.recorded, task).pairs()),
            ("one overground stride", REAL, [stranger]),
        ):
            if tested := [pair for pair in pairs if pair.task == task]:
                section = f"{task}, {people} virtual people teach, tested: {name}"
                yield Fold(section, section, data, [Part(teaching)], tested)


def _overground(material: Material, stranger: Pair) -> Fold:
    """All walking that there is teaches; another real person in another laboratory is tested."""
    parts = (material.recorded, material.cohort)
    teaching = [Part(_of(shards, stranger.task)) for shards in parts]
    return Fold("walking, one overground stride", "overground", REAL, teaching, [stranger])
