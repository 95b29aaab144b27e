"""An experiment: a YAML file with the recordings and the settings of a fit."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from nem2e_tf import cohort
from nem2e_tf.cli.terminal import progress_bar
from nem2e_tf.cohort import LIST, Recipe, make_cohort, sample_subject
from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import Trial, check_folder, exclusive_lock, read_trials, read_yaml
from nem2e_tf.pipeline import Augmentation, Pair, Settings, Shards, prepare

from .places import RUNS, find_data_folder

ADDITIONAL_TASKS_SHARE = 0.3
"""Share of the recorded training windows that come from the additional tasks (`also`)."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class Part:
    """Recordings of a fit, or a block of time of each, and their weight.

    Args:
        shards: Shards, already selected by subject or task.
        block: shares (0-1) of every recording's length, in time order.
        weight: share of its windows among those of all parts.
    """

    shards: Shards
    block: tuple[float, float] = (0.0, 1.0)
    weight: float = 1.0

    def pairs(self) -> list[Pair]:
        """The pairs, cut to the block."""
        return [pair.block(*self.block) for pair in self.shards.pairs()]


class Blocks(BaseModel):
    """Shares of every recorded trial's length, in time order, so that no window lies in both.

    Args:
        fit: what the weights are fitted on.
        test: what is scored; no fit and no calibration uses it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit: tuple[Share, Share]
    test: tuple[Share, Share]

    @model_validator(mode="after")
    def _check_order(self) -> "Blocks":
        edges = [*self.fit, *self.test]
        if edges != sorted(edges) or any(a >= b for a, b in (self.fit, self.test)):
            raise ValueError("fit and test must follow in this order without overlap")
        return self


class VirtualPeople(BaseModel):
    """A cohort for training beside the recorded people; all of it is synthetic.

    Args:
        subjects: how many.
        seed: of `nem2e cohort`.
        strides: of each task.
        share: of the training windows; the rest are recorded ones.
        held_out: how many of them, the last, are not in the fit but calibrate its intervals.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    subjects: PositiveInt
    seed: NonNegativeInt
    strides: PositiveInt = 30
    share: Share = 0.0
    held_out: NonNegativeInt = 0

    @model_validator(mode="after")
    def _check_held_out(self) -> "VirtualPeople":
        if self.held_out >= self.subjects:
            raise ValueError("all people are held out")
        return self


class Experiment(BaseModel):
    """The recordings and the settings of a fit.

    Args:
        name: of the refiner.
        summary: what the refiner is for, and its limits; goes onto its card.
        unit: what an envelope of 1 means; goes onto its card.
        trials: the list of recorded trials, a CSV; its path is relative to the experiment's file.
        tasks: the trials of that list to use; what the refiner is for.
        also: tasks that are fitted on too, with a smaller share; more tasks show more of how
            people differ.
        models: how many other models of the leg the recorded trials are also simulated with for
            the fit; see `nem2e_tf.simulation.model_variants`.
        cohort: virtual people to fit on too, or None.
        others: virtual people who are fitted on in the protocol `virtual` and never tested.
        blocks: see `Blocks`.
        inputs: simulated channels and then joint angles that the network takes; None: all
            simulated channels.
        window: seconds that the network processes at once.
        hop: seconds from one training window to the next.
        batch: windows of a training step.
        steps: training steps of an epoch.
        epochs: how many.
        free_running_from: the epoch from which the decoder has no teacher.
        learning_rate: at the start; falls to zero along a cosine.
        loss: its name in Keras or `training.losses`. On validation blocks and people, absolute
            errors gave smaller RMSE than squared ones.
        seed: of weights, dropout and the order of windows.
        network: arguments of `nem2e_tf.network.stdr_net.stdr_net`.
        augmentation: random changes of the training windows only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    unit: str
    trials: str
    tasks: list[str]
    also: list[str] = []
    models: NonNegativeInt = 0
    cohort: VirtualPeople | None = None
    others: VirtualPeople | None = None
    blocks: Blocks
    inputs: list[str] | None = None
    window: PositiveFloat
    hop: PositiveFloat
    batch: PositiveInt
    steps: PositiveInt
    epochs: PositiveInt
    free_running_from: NonNegativeInt
    learning_rate: PositiveFloat
    loss: str = "mae"
    seed: int
    network: dict[str, Any] = {}
    augmentation: Augmentation | None = None

    def prepare_recorded(self, data: Path | None, config: Path, models: int = 0) -> Shards:
        """Simulate the recorded trials and pair them with their EMG, or load them.

        Args:
            data: path or None. Folder of the recordings.
            config: path. This experiment's file.
            models: int. How many other models of the leg to simulate them with, besides their own.

        Raises:
            InputError: there is no such trial, or one of them cannot be prepared.
        """
        trials = read_trials(config.parent / self.trials, data or find_data_folder())
        for task in self.training_tasks:
            if task not in (known := [trial.task for trial in trials]):
                raise InputError(
                    f"{config}: no trial with the task '{task}'; {suggest_name(task, known)}"
                )
        chosen = [trial for trial in trials if trial.task in self.training_tasks]
        shards = [_prepare_trials(chosen, "recorded trials", model) for model in range(models + 1)]
        return replace(shards[0], selected=tuple(shard for one in shards for shard in one.selected))

    def prepare_virtual(self) -> Shards | None:
        """Make the cohort's people of the fit and prepare their trials, or load them."""
        return _select_people(self.cohort, lambda number, last: number <= last, self.training_tasks)

    def prepare_others(self) -> Shards | None:
        """Make and prepare the virtual people of `others` who are in the fit, or load them."""
        return _select_people(self.others, lambda number, last: number <= last, self.training_tasks)

    def prepare_held_out(self) -> Shards | None:
        """Make and prepare the cohort's people who are held out of the fit, or load them."""
        return _select_people(self.cohort, lambda number, last: number > last, self.tasks)

    def training_parts(self, recorded: Shards, virtual: Shards | None) -> list[Part]:
        """The parts that a refiner is fitted on, with their weights."""
        share = 1.0 - self.cohort.share if virtual is not None and self.cohort else 1.0
        parts = []
        for tasks, weight in (
            (self.tasks, 1.0 - ADDITIONAL_TASKS_SHARE if self.also else 1.0),
            (self.also, ADDITIONAL_TASKS_SHARE),
        ):
            if (task_shards := _select_tasks(recorded, tasks)).selected:
                parts.append(Part(task_shards, self.blocks.fit, share * weight))
        if virtual is not None:
            parts.append(Part(virtual, weight=1.0 - share))
        return parts

    @property
    def training_tasks(self) -> list[str]:
        """All tasks that are fitted on."""
        return [*self.tasks, *self.also]


def _select_people(
    cohort: VirtualPeople | None, is_chosen: Callable[[int, int], bool], tasks: Sequence[str]
) -> Shards | None:
    if cohort is None:
        return None
    last = cohort.subjects - cohort.held_out
    numbers = range(1, cohort.subjects + 1)
    chosen = {sample_subject(cohort.seed, n).name for n in numbers if is_chosen(n, last)}
    return prepare_virtual_people(cohort.subjects, cohort.seed, cohort.strides).where(
        lambda shard: shard.task in tasks and shard.subject in chosen
    )


def _select_tasks(shards: Shards, tasks: Sequence[str]) -> Shards:
    return shards.select(lambda shard: shard.task in tasks)


def prepare_virtual_people(subjects: int, seed: int, strides: int = 30) -> Shards:
    """Make a cohort and prepare its walking and running, or load them."""
    folder = RUNS / f"cohort-{seed}-{subjects}-{strides}-{_source_digest(cohort)}"
    with exclusive_lock(check_folder(folder)):
        if not (folder / LIST).exists():
            with progress_bar("making virtual people") as progress:
                make_cohort(folder, subjects, Recipe(seed, strides=strides), progress=progress)
    return _prepare_trials(read_trials(folder / LIST, folder), "virtual people's trials")


def _prepare_trials(trials: Sequence[Trial], what: str, model: int = 0) -> Shards:
    settings = Settings.standard(model=model)
    folder = check_folder(RUNS / "shards")
    with exclusive_lock(folder), progress_bar(f"simulating {what}") as progress:
        prepared = prepare(trials, folder, settings, progress=progress)
    for trial, fault in prepared.failed.items():
        raise InputError(f"{trial}: {fault}")
    return prepared.shards


def _source_digest(package: ModuleType) -> str:
    """A short hash of a package's files."""
    content = hashlib.sha256()
    for file in sorted(Path(str(package.__file__)).parent.glob("*.*")):
        content.update(file.read_bytes())
    return content.hexdigest()[:8]


def read_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment; `InputError` names the first setting that is wrong."""
    try:
        return Experiment.model_validate(read_yaml(path, "an experiment"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path}: {place}: {first['msg']}") from None
